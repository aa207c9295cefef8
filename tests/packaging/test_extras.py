"""What an install without the heavy packages can do, and what it says of the rest."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sim
from sim.cli.app import COMMANDS, NEEDS
from sim.extras import BRINGS, EXTRAS, MissingExtra, how_to_install, require

PROJECT = Path(__file__).resolve().parents[2]
OPTIONAL = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]

WITHOUT = f"""
import sys
from importlib.abc import MetaPathFinder
class Without(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(EXTRAS)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in {sorted(EXTRAS)!r} else found(name, *more)
sys.meta_path.insert(0, Without())
"""


def without(code: str, at: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python where nothing of the extras can be imported."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *words],
        cwd=at,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def command(at: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return without("sys.argv[0] = 'requeue'\nfrom sim.cli.main import main\nmain()", at, *words)


def names(extra: str) -> set[str]:
    """Return the packages that an extra brings, as pip calls them, and the extras that it brings along."""
    found = set()
    for each in OPTIONAL[extra]:
        name, _, more = each.partition("[")
        found |= set(more.partition("]")[0].split(",")) if name == "requeue" else {re.split(r"[\[>=]", each)[0]}
    return found


def test_each_package_is_in_the_extra_that_brings_it():
    for package, (_, extra) in EXTRAS.items():
        called = {"jinja2": "Jinja2", "distributed": "dask"}.get(package, package)
        assert called in names(extra), package
    assert set(BRINGS["tune"]) == {"statistics", *BRINGS["statistics"]}
    assert "statistics" in names("tune")
    assert "plot" in names("statistics")
    assert set(BRINGS["plot"]) < names("plot")
    assert set(BRINGS["trace"]) < names("trace")


def test_what_is_imported_is_declared():
    """Nothing is imported that is there by chance: because another package, or only a developer, brings it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    called = {"PyYAML": "yaml", "common-expression-language": "cel", "Jinja2": "jinja2", "dask": "distributed"}
    given = [*project["dependencies"], *(each for extra in names_of_all() for each in OPTIONAL[extra])]
    declared = {re.split(r"[\[>=]", each)[0] for each in given}
    allowed = {called.get(each, each) for each in declared} | {"sim", "markupsafe"} | set(sys.stdlib_module_names)
    found = {}
    for file in sorted((PROJECT / "sim").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported = [node.module or ""]
            else:
                continue
            found |= {name.split(".")[0]: str(file.relative_to(PROJECT)) for name in imported}
    assert {name: file for name, file in found.items() if name not in allowed} == {}


def names_of_all() -> set[str]:
    return {"tables", "plot", "statistics", "tune", "trace", "dask", "notebook"}


def test_what_is_missing_is_named_with_what_to_install(monkeypatch):
    assert how_to_install("scipy") == (
        "this needs SciPy, which is not installed: pip install 'requeue[statistics]' (or 'requeue[all]' for everything)"
    )
    assert "pandas, PyArrow and Optuna, which are not installed: pip install 'requeue[tune]'" in how_to_install(
        "pandas", "pyarrow", "optuna"
    )
    require(*EXTRAS)  # the developers' environment has all of them
    monkeypatch.setattr("sim.extras.installed", lambda package: package != "scipy")
    with pytest.raises(MissingExtra, match="SciPy"):
        require("pandas", "scipy")


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_command_says_what_it_needs_before_its_work(name: str, monkeypatch, tmp_path: Path):
    from tests.cli.command import inside

    monkeypatch.setattr("sim.extras.installed", lambda package: False)
    more = {"diff": ["b"], "sweep": ["--vary", "seed=1,2"], "trace": ["-o", "trace"]}
    done = inside(name, "tutorial", *more.get(name, []), at=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("requeue: this needs ")
    assert list(tmp_path.iterdir()) == []
    assert name in COMMANDS


def test_a_run_needs_none_of_them(tmp_path: Path):
    few = ["--set", "workload.certificates=3", "--replications", "2"]
    done = command(tmp_path, "run", "tutorial", *few, "--out", "ran", "--log", "run.log")
    assert done.returncode in {0, 1}, done.stderr
    assert "3 of 3 Certificates" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("requeue: the results have figures and no rows: this needs PyArrow")
    assert {file.name for file in (tmp_path / "ran").iterdir()} == {"manifest.json", "scenario.yaml", "summary.json"}
    assert "optimistic locking" in (tmp_path / "run.log").read_text()
    scenario = sim.load("tutorial", ["workload.certificates=3"])
    whole = sim.run(scenario, replications=2)  # an install with everything finds the same
    assert json.loads((tmp_path / "ran" / "summary.json").read_text()) == json.loads(json.dumps(whole.summary))


def test_a_comparison_and_plain_clients_need_none_of_them(tmp_path: Path):
    few = ["--set", "workload.certificates=2", "--replications", "2", "--jobs", "1"]
    assert "against update" in command(tmp_path, "compare", "tutorial", "--vary", "strategy=update,apply", *few).stdout
    assert command(tmp_path, "run", "contention/aws-backoff", "--replications", "2", "--jobs", "1").returncode == 0


def test_python_says_what_it_needs_where_it_needs_it(tmp_path: Path):
    code = """
import sim
result = sim.run(sim.load("tutorial", ["workload.certificates=2"]), replications=1)
asked = [
    lambda: result.conflicts,
    lambda: result.replications,
    lambda: sim.plot.conflicts_by_controller(result),
    lambda: sim.tune(result.scenario),
]
for each in asked:
    try:
        each()
    except ImportError as error:
        print(error)
"""
    done = without(code, tmp_path)
    assert done.stderr == ""
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [
        "this needs PyArrow",
        "this needs pandas",
        "this needs Matplotlib",
        "this needs Optuna",
    ]


def test_results_of_an_install_without_tables_say_so_elsewhere(tmp_path: Path):
    few = ["--set", "workload.certificates=2", "--replications", "1", "--out", "ran"]
    command(tmp_path, "run", "tutorial", *few)
    with pytest.raises(sim.ResultsError, match="PyArrow was not installed"):
        sim.open_results(tmp_path / "ran")
