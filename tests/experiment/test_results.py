from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sim.recording import results
from sim.recording.frames import table
from sim.recording.stored import read_table
from tests.recorded_rows import certificate, request


def fill(folder: results.Folder, text: str = "0") -> Path:
    with folder:
        (folder.path / results.MANIFEST).write_text(json.dumps({"text": text}))
        return folder.publish()


def text_in(folder: Path) -> str:
    return json.loads((folder / results.MANIFEST).read_text())["text"]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_stamped_folder_appears_when_it_is_published(tmp_path: Path):
    with results.StampedFolder(tmp_path / "results", "burst 50/x") as folder:
        (folder.path / "file").write_text("x")
        assert not [name for name in names(tmp_path / "results") if not name.startswith(".partial-")]
        published = folder.publish()
    assert published.name.startswith("burst-50-x-2")
    assert names(published) == ["file"]
    assert names(tmp_path / "results") == sorted([published.name, "latest"])


def test_an_interrupted_run_leaves_nothing(tmp_path: Path):
    def interrupted(folder: results.Folder) -> None:
        with folder:
            (folder.path / "half").write_text("x")
            raise KeyboardInterrupt

    for make in (
        lambda: results.StampedFolder(tmp_path / "results", "x"),
        lambda: results.GivenFolder(tmp_path / "out"),
    ):
        with pytest.raises(KeyboardInterrupt):
            interrupted(make())
    assert names(tmp_path / "results") == []
    assert not (tmp_path / "out").exists()


def test_latest_is_relative_and_follows_the_last_run(tmp_path: Path):
    first = fill(results.StampedFolder(tmp_path, "a"))
    assert os.readlink(tmp_path / "latest") == first.name
    second = fill(results.StampedFolder(tmp_path, "b"))
    assert os.readlink(tmp_path / "latest") == second.name
    fill(results.StampedFolder(tmp_path, "c", latest=False))
    assert os.readlink(tmp_path / "latest") == second.name
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert (moved / "latest" / results.MANIFEST).is_file()


def test_somebody_elses_latest_is_left_alone(tmp_path: Path):
    (tmp_path / "latest").mkdir()
    fill(results.StampedFolder(tmp_path, "a"))
    assert not (tmp_path / "latest").is_symlink()


def test_runs_at_the_same_time_get_folders_of_their_own(tmp_path: Path):
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda i=i: found.append(fill(results.StampedFolder(tmp_path, "x"), str(i))))
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20
    assert sorted(int(text_in(each)) for each in found) == list(range(20))
    assert (tmp_path / "latest").resolve() in {each.resolve() for each in found}


@pytest.mark.parametrize("prepare", ["missing", "empty", "nested"])
def test_out_is_itself_the_results_folder(tmp_path: Path, prepare: str):
    out = tmp_path / "deep" / "er" / "out" if prepare == "nested" else tmp_path / "out"
    if prepare == "empty":
        out.mkdir()
    assert fill(results.GivenFolder(out)) == out
    assert names(out) == [results.MANIFEST]
    assert out.stat().st_mode & 0o777 == 0o777 & ~_umask()


def test_out_replaces_results_and_nothing_else(tmp_path: Path):
    fill(results.GivenFolder(tmp_path / "out"), "old")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    fill(results.GivenFolder(tmp_path / "out"), "new")
    assert names(tmp_path / "out") == [results.MANIFEST, "notes.txt"]
    assert text_in(tmp_path / "out") == "new"


def test_out_that_holds_something_else_is_refused_and_untouched(tmp_path: Path):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(results.ResultsError, match="not empty and holds no results"):
        results.GivenFolder(tmp_path)
    with pytest.raises(results.ResultsError, match="is a file"):
        results.GivenFolder(tmp_path / "precious.txt")
    assert names(tmp_path) == ["precious.txt"]


def test_tables_are_written_in_bounded_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "ROW_GROUP", 10)
    with results.TableFiles(tmp_path) as files:
        for number in range(1, 8):
            files.add({"requests": table("requests", [request(actor=f"a{number}")] * 3, number)})
        assert sum(part.num_rows for part in files._waiting["requests"]) < 10
    file = pq.ParquetFile(tmp_path / "requests.parquet")
    assert file.num_row_groups == 2
    assert file.metadata.row_group(0).column(2).compression == "ZSTD"
    read = read_table(tmp_path, "requests")
    assert read["replication"].to_pylist() == [number for number in range(1, 8) for _ in range(3)]
    assert read["actor"].to_pylist()[-1] == "a7"


def test_a_table_without_rows_is_still_a_file(tmp_path: Path):
    with results.TableFiles(tmp_path) as files:
        files.add({"certificates": table("certificates", [certificate()], 1)})
    assert read_table(tmp_path, "requests").num_rows == 0
    assert read_table(tmp_path, "certificates").num_rows == 1


def test_json_takes_no_nan(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON compliant"):
        results.write_json(tmp_path / "x.json", {"mean": float("nan")})


def test_what_is_no_results_folder_says_so(tmp_path: Path):
    with pytest.raises(results.ResultsError, match="no results folder"):
        results.read_json(tmp_path, results.MANIFEST)
    (tmp_path / results.MANIFEST).write_text("{")
    with pytest.raises(results.ResultsError, match="cannot be read"):
        results.read_json(tmp_path, results.MANIFEST)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
