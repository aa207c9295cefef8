from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import SMALL


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a scenario that runs in a fraction of a second."""
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path
