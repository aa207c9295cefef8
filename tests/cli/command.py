"""Runs ``requeue`` as a user does: another process, its exit status and both of its outputs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

SMALL = """
name: small
replications: 3
workload: {certificates: 8}
"""


def inside(*words: str, at: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process: without the second that it takes to import everything."""
    from typer.testing import CliRunner

    from sim.cli.app import app

    with contextlib.chdir(at):
        done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def requeue(*words: str, at: Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim.cli.main", *words],
        cwd=at,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
