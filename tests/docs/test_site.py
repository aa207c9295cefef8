from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.cli.app import COMMANDS
from tests.docs.snippets import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of Sphinx fails the build, as in ``make docs``."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", str(target / "doctrees")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(target / "html")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target / "html"


def test_every_page_is_there_and_says_something(site: Path):
    for page in (ROOT / "docs").glob("*.md"):
        assert len((site / f"{page.stem}.html").read_text("utf-8")) > 3000


def test_the_reference_is_made_from_docstrings_schema_and_commands(site: Path):
    python = (site / "python.html").read_text("utf-8")
    for name in ("sim.run", "sim.plot.time_to_ready", "set_condition"):
        assert f'id="{name}"' in python or name in python
    commands = (site / "commands.html").read_text("utf-8")
    assert all(f"requeue {name}" in commands for name in COMMANDS)
    assert "read_after_wait" in (site / "scenarios.html").read_text("utf-8")


def test_the_site_needs_no_other_host(site: Path):
    import re

    for page in site.glob("*.html"):
        loads = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text("utf-8"))
        assert loads == []
