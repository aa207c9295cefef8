"""Tables where there is little room, and bars where there are few characters; tests/cli has every command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from sim.report.text import render, table


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
