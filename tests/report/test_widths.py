"""Every report on a terminal of any width: nothing is cut off, and no number is broken in two."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

import sim
from sim.report.comparison import comparison_report
from sim.report.terminal import run_report
from sim.report.text import render, table
from sim.scenario.model import Scenario

WIDTHS = (60, 80, 100, 120, 200)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory):
    small = Scenario.model_validate({"name": "small", "workload": {"certificates": 8}, "replications": 3})
    run = sim.run(small, jobs=1)
    compared = sim.compare(small, {"controllers.workers": [1, 5, 20]}, jobs=1)
    swept = sim.sweep(small, {"client.qps": [20, 50], "retry.base": ["1s", "9s"]}, executor="in-process").as_dict()
    enough = sim.budget(small, executor="in-process")
    clients = sim.run(sim.load("contention/starvation"), replications=2, jobs=1)
    operator = sim.run(sim.load("operators/three-controllers-one-status"), replications=2, jobs=1)
    assert enough.enough

    from sim.report.sweep import sweep_report

    def reports(terminal: bool = True):
        for result in (run, clients, operator):
            yield run_report(result.summary, folder=None, command="again", terminal=terminal)
        yield comparison_report(compared, command="again", terminal=terminal)
        yield sweep_report(swept, folder=None, command="again", terminal=terminal)

    return reports


@pytest.mark.parametrize("width", WIDTHS)
def test_no_report_is_cut_off(reports, monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((width, 40)))
    for text in reports():
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert "…" not in plain
        too_long = [line for line in plain.splitlines() if len(line) > width and not line.startswith("Reproduce")]
        assert too_long == []
        figures = {word for word in re.findall(r"\S*\d\S*", plain) if len(word) > 3}
        assert all(not figure.endswith((".", "e", "+", "-")) or figure[:-1].count(".") for figure in figures)


def test_a_narrow_table_is_told_row_by_row(monkeypatch: pytest.MonkeyPatch):
    made = table("What there is", "controller", *(f"column {n}" for n in range(9)), terminal=True)
    made.add_row("certificates-key-manager", *(f"{n}.25 [{n}.00, {n}.50]" for n in range(9)))
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 40)))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", render([made], terminal=True)).splitlines()
    assert lines[:5] == [
        "What there is", "", "certificates-key-manager",
        "  column 0  0.25 [0.00, 0.50]", "  column 1  1.25 [1.00, 1.50]",
    ]  # fmt: skip


@pytest.mark.parametrize(("encoding", "bar"), [("ascii", "#"), ("latin-1", "#"), ("utf-8", "█")])
def test_bars_are_plainer_where_the_terminal_has_no_better(encoding: str, bar: str):
    code = "from sim.cli.output import emit; emit('  qps  ████▓▓──  2.5\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=True
    )
    said = done.stdout.decode(encoding)
    assert bar * 4 in said
    assert "?" not in said
