"""Runs a long command and stops it in the middle, as a user or the machine would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def journal_lines(folder: Path) -> list[str]:
    """The finished lines of the one journal below a folder."""
    (journal,) = [*folder.rglob("*.jsonl")] or [None]
    return [] if journal is None else journal.read_text().split("\n")[:-1]


def _default_signals() -> None:
    """What is started in the background (make test &, nohup, a CI runner) ignores SIGINT, and children inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


@contextmanager
def started(words: list[str], at: Path) -> Iterator[subprocess.Popen[str]]:
    """``requeue words`` in a session of its own, which hears signals as from a terminal; ended with all its workers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.cli.main", *words],
        cwd=at,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_default_signals,  # noqa: PLW1509 -- the tests start no threads before they fork here
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def stop_after(words: list[str], at: Path, lines: int, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Start ``requeue words`` and send it a signal once its journal in ``at`` has grown by so many lines."""
    before = len(journal_lines(at))
    with started(words, at) as process:
        end = time.monotonic() + 300
        while len(journal_lines(at)) < before + lines and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be stopped"
        process.send_signal(how)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, out, err)
