"""What shells complete: asked as the scripts ask that ``requeue --show-completion`` prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli.completing import scenario_keys
from tests.cli.command import requeue

ASK = {
    "bash": lambda line: {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
    "zsh": lambda line: {"_TYPER_COMPLETE_ARGS": line},
    "fish": lambda line: {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
}


def completed(shell: str, line: str, at: Path) -> str:
    asked = {"_REQUEUE_COMPLETE": f"complete_{shell}", **ASK[shell](line)}
    code = "import sys; sys.argv = ['requeue']; from sim.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=at, env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ASK)
def test_commands_options_scenarios_and_keys_are_completed(shell: str, tmp_path: Path):
    assert "compare" in completed(shell, "requeue com", tmp_path)
    assert "--replications" in completed(shell, "requeue run --repl", tmp_path)
    assert "recorded/burst-50-update" in completed(shell, "requeue run recorded/burst-50", tmp_path)
    assert "client.qps=" in completed(shell, "requeue run tutorial --set client.q", tmp_path)
    assert "client.qps=" in completed(shell, "requeue compare tutorial --vary client.q", tmp_path)


@pytest.mark.parametrize("shell", ASK)
def test_a_shell_takes_the_script(shell: str, tmp_path: Path):
    code = "import sys; sys.argv = ['requeue']; from sim.cli.main import main; main()"
    asked = os.environ | {"_REQUEUE_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=asked, capture_output=True, text=True, check=False
    )
    assert "requeue" in done.stdout, done.stderr
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(done.stdout)
    option = {"fish": "--no-execute"}.get(shell, "-n")
    subprocess.run([shell, option, "script"], cwd=tmp_path, check=True)


def test_the_option_shows_the_script(tmp_path: Path):
    assert "--install-completion" in requeue("--help", at=tmp_path).stdout


@pytest.mark.parametrize(
    ("begun", "keys"),
    [
        ("cpu", ["cpu."]),
        ("retry.m", ["retry.max="]),
        ("workload.arr", ["workload.arrival."]),
        ("writers.0.ra", ["writers.0.rate="]),
        ("controllers.readiness.w", ["controllers.readiness.workers="]),
        ("no.such", []),
    ],
)
def test_keys_are_completed_one_level_at_a_time(begun: str, keys: list[str]):
    assert set(keys) <= set(scenario_keys(begun))
    assert all(key.startswith(begun) for key in scenario_keys(begun))
    assert bool(scenario_keys(begun)) == bool(keys)
