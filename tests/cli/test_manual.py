from __future__ import annotations

import shutil
import subprocess

import pytest

from sim.cli.app import COMMANDS
from sim.cli.manual import manual


@pytest.fixture(scope="module")
def page() -> str:
    return manual()


def test_every_command_and_option_has_its_place(page: str):
    for name in COMMANDS:
        assert f'.SH "REQUEUE {name.upper()}"'.replace("-", "\\-") in page
    assert "\\fB\\-\\-replications\\fR \\fIN\\fR" in page
    assert page.startswith(".TH REQUEUE 1 ")


def test_roff_finds_nothing_wrong(page: str):
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
