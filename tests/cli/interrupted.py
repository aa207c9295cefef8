"""Runs a long command and stops it in the middle, as a user or the machine would."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path


def journal_lines(folder: Path) -> list[str]:
    """The finished lines of the one journal below a folder."""
    (journal,) = [*folder.rglob("*.jsonl")] or [None]
    return [] if journal is None else journal.read_text().split("\n")[:-1]


def stop_after(words: list[str], at: Path, lines: int, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Start ``requeue words`` and send it a signal once its journal in ``at`` has grown by so many lines."""
    before = len(journal_lines(at))
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli.main", *words],
        cwd=at,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while len(journal_lines(at)) < before + lines and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    assert process.poll() is None, "it ended before it could be stopped"
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)
