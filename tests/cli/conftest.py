from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import SMALL
from tests.cli.every import Everything


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a scenario that runs in a fraction of a second."""
    (tmp_path / "small.yaml").write_text(SMALL)
    return tmp_path


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    """What every command prints, and the folders that it left; some 40 s of a core."""
    return Everything(tmp_path_factory.mktemp("every"))
