from __future__ import annotations

import importlib
import inspect
import json
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from sim.cli.app import COMMANDS, app
from sim.scenario.metrics import METRICS
from tests.cli.command import requeue

HEAVY = {"rich", "pydantic", "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "yaml", "simpy", "joblib"}


def test_help_teaches(tmp_path: Path):
    done = requeue("--help", at=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    for words in (
        "First steps",
        "requeue run tutorial",
        "--vary strategy=update,apply",
        "250ms",
        "Exit status",
        *COMMANDS,
    ):
        assert words in done.stdout


def test_without_arguments_there_is_the_help(tmp_path: Path):
    done = requeue(at=tmp_path)
    assert done.returncode == 0
    assert done.stdout == requeue("--help", at=tmp_path).stdout


def test_version(tmp_path: Path):
    assert requeue("--version", at=tmp_path).stdout == f"requeue {version('requeue')}\n"


@pytest.mark.parametrize("name", ["run", "compare"])
def test_each_command_has_examples(tmp_path: Path, name: str):
    done = requeue(name, "--help", at=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count(f"requeue {name} ") >= 5
    assert "Examples:" in done.stdout


@pytest.mark.parametrize("name", ["compare", "sweep", "tune", "run"])
def test_an_unknown_metric_lists_them_all(tmp_path: Path, name: str):
    asked = ["--vary", "client.qps=20,50"] if name in {"compare", "sweep"} else []
    option = "--objective" if name == "tune" else "--metric"
    done = requeue(name, "tutorial", *asked, option, "happiness", at=tmp_path)
    assert done.returncode == 2
    assert set(done.stderr.partition("allowed: ")[2].strip().split(", ")) == set(METRICS)


def test_every_command_exists_and_says_what_the_list_says():
    for name, (module, function, summary) in COMMANDS.items():
        found = getattr(importlib.import_module(module), function)
        assert inspect.getdoc(found), name
        assert summary.endswith(".")
    group = typer.main.get_command(app)
    with group.make_context("requeue", ["schema"]) as context:
        assert group.get_command(context, "run").name == "run"
        assert group.get_command(context, "no-such") is None


def test_a_typo_gets_a_suggestion(tmp_path: Path):
    done = requeue("comapre", at=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'compare'" in done.stderr


@pytest.mark.parametrize("words", [["run\x1b[31m"], ["run", "--no\x1b[31m"], ["run", "tutorial", "a\x1b[31m"]])
def test_what_was_typed_is_shown_and_not_obeyed(tmp_path: Path, words: list[str]):
    done = requeue(*words, at=tmp_path)
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b[31m" in done.stderr


def imported(at: Path, *words: str) -> set[str]:
    """The packages that a command imports."""
    code = (
        "import sys, json; sys.argv = ['requeue', *json.loads(sys.argv[1])]\n"
        "from sim.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(json.dumps([name.split('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words)],
        capture_output=True,
        text=True,
        check=True,
        cwd=at,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["compare", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(tmp_path: Path, words: list[str]):
    allowed = {"pydantic"} if len(words) == 2 else set()  # Typer reads it for a command's defaults
    assert not (HEAVY - allowed) & imported(tmp_path, *words)


def test_a_simple_run_imports_what_reads_simulates_and_writes_and_no_more(tmp_path: Path):
    (tmp_path / "one.yaml").write_text("name: one\nworkload: {certificates: 1}\n")
    heavy = imported(tmp_path, "run", "one.yaml", "--replications", "1", "--out", "out") & (HEAVY | {"joblib", "cel"})
    assert heavy <= {"numpy", "pyarrow", "pydantic", "rich", "simpy", "yaml"}


def test_help_takes_less_than_twice_the_time_of_the_core_libraries(tmp_path: Path):
    def cpu(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    libraries = min(cpu("-c", "import simpy, yaml, pydantic") for _ in range(7))
    assert min(cpu("-m", "sim.cli.main", "--help") for _ in range(7)) < 2 * libraries


def test_the_package_imports_nothing_heavy_and_has_what_it_names():
    code = "import sys, sim; print([name for name in sys.modules if name.split('.')[0] in %r])" % HEAVY  # noqa: UP031
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    import sim

    assert all(getattr(sim, name) is not None for name in sim.__all__)
    assert set(sim.__all__) <= set(dir(sim))
    assert sim.__version__ == version("requeue")
    with pytest.raises(AttributeError, match="nonsense"):
        sim.nonsense  # noqa: B018
