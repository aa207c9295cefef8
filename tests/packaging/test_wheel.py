"""What is installed from a wheel, seen from a folder that is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with nothing but the wheel; the other packages are those of this one."""
    at = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    # From a copy, because a build leaves its folders beside the sources.
    list_files = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    tracked = subprocess.run(list_files, cwd=PROJECT, capture_output=True, check=False)
    if tracked.returncode:
        pytest.skip("the sources are no git checkout")
    for name in tracked.stdout.decode().split("\0"):
        if name.startswith(("sim/", "scenarios/")) or name in {"pyproject.toml", "setup.py", "README.md", "LICENSE"}:
            target = at / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((PROJECT / name).read_bytes())
    wheels = at / "wheels"
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(at / "source")]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = wheels.glob("requeue-*.whl")
    venv.create(at / "env", with_pip=False)
    python = at / "env" / "bin" / "python"
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
        text=True,
    )
    (site,) = (at / "env" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return at / "env" / "bin"


def run(*words: str | Path, at: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in words], cwd=at, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_runs_is_what_was_installed(installed: Path, tmp_path: Path):
    where = run(installed / "python", "-c", "import sim; print(sim.__file__)", at=tmp_path)
    assert Path(where).is_relative_to(installed.parent)


def test_the_command_says_its_version(installed: Path, tmp_path: Path):
    assert run(installed / "requeue", "--version", at=tmp_path) == f"requeue {version('requeue')}\n"
    assert run(installed / "python", "-m", "sim", "--version", at=tmp_path) == f"requeue {version('requeue')}\n"


def test_the_scenarios_came_along(installed: Path, tmp_path: Path):
    listed = json.loads(run(installed / "requeue", "scenarios", "--json", at=tmp_path))
    here = {file.relative_to(PROJECT / "scenarios").as_posix() for file in (PROJECT / "scenarios").rglob("*.yaml")}
    assert {f"{entry['name']}.yaml" for entry in listed} == {name for name in here if not name.startswith("profiles/")}
    assert not [entry for entry in listed if entry["error"]]


def test_a_scenario_with_a_profile_and_recorded_figures_runs_by_name(installed: Path, tmp_path: Path):
    few = ["--replications", "1", "--set", "workload.certificates=2", "--json"]
    ran = json.loads(run(installed / "requeue", "run", "recorded/burst-50-update", *few, at=tmp_path))
    assert ran["recorded"]["repetitions"]
    assert "20 of 20 Certificates" in run(installed / "requeue", "run", "tutorial", "--replications", "1", at=tmp_path)
    assert (tmp_path / "results" / "latest" / "manifest.json").is_file()


def test_python_loads_and_runs_by_name(installed: Path, tmp_path: Path):
    code = "import sim; print(sim.run(sim.load('tutorial'), replications=1).summary['certificates'])"
    assert run(installed / "python", "-c", code, at=tmp_path) == "20\n"


def test_a_report_finds_its_template(installed: Path, tmp_path: Path):
    few = ["--replications", "1", "--set", "workload.certificates=2", "--out", "ran"]
    run(installed / "requeue", "run", "tutorial", *few, at=tmp_path)
    assert "report.html" in run(installed / "requeue", "report", "ran", "-o", "report.html", at=tmp_path)
