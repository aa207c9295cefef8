"""Which files make which recording, however a path names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.logs.sources import SourceError, find_recordings
from tests.logs.made import event, line, write


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    for case, repetitions in (("burst", (2, 10, 1)), ("steady", (1,))):
        for number in repetitions:
            folder = tmp_path / "recordings" / case / f"r{number}"
            folder.mkdir(parents=True)
            write(folder / "audit.jsonl.gz", [line(event())], packed=True)
    return tmp_path / "recordings"


def test_a_repetition_a_case_and_a_folder_of_cases(cases):
    def names(*paths: Path) -> list[str]:
        return [found.name for found in find_recordings(paths)]

    burst = ["burst/r1", "burst/r2", "burst/r10"]
    assert names(cases / "burst" / "r2") == ["burst/r2"]
    assert names(cases / "burst") == burst
    assert names(cases) == [*burst, "steady/r1"]
    assert names(cases / "steady", cases / "burst") == ["steady/r1", *burst]


def test_a_repetition_is_called_the_same_from_inside(cases, monkeypatch):
    monkeypatch.chdir(cases / "burst" / "r1")
    (found,) = find_recordings([Path()])
    assert found.name == "burst/r1"


def test_folders_without_logs_are_refused_by_name(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "notes.txt").write_text("nothing\n")
    with pytest.raises(SourceError, match="a folder without an audit log"):
        find_recordings([tmp_path])
