"""Runs ``requeue`` as a user does: another process, its exit status and both of its outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SMALL = """
name: small
replications: 3
workload: {certificates: 8}
"""


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
