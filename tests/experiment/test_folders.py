"""Nothing that is somebody else's is ever removed, and what is new appears whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sim.recording import folders
from sim.recording.folders import MANIFEST, GivenFolder, ResultsError, StampedFolder, new_path, write_file
from tests.cli.command import SMALL, inside


def fill(folder: folders.Folder, **files: str) -> Path:
    with folder:
        for name, text in files.items():
            (folder.path / name).write_text(text)
        (folder.path / "part").mkdir()
        (folder.path / "part" / "rows").write_text("rows")
        (folder.path / MANIFEST).write_text("{}")
        return folder.publish()


def everything(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


FOREIGN = {
    "a web extension": '{"manifest_version": 3, "files": ["background.js"]}',
    "a list": "[]",
    "no JSON": "{",
    "empty": "",
    "another's format": '{"format": "other/1", "files": {"background.js": ""}}',
    "an earlier version": '{"requeue": "0.1.0", "digest": "", "files": ["background.js"]}',
    "files that are none": '{"format": "requeue-results/1", "files": ["background.js"]}',
    "a path out of it": '{"format": "requeue-results/1", "files": {"../background.js": ""}}',
    "an absolute path": '{"format": "requeue-results/1", "files": {"/background.js": ""}}',
    "another content": '{"format": "requeue-results/1", "files": {"background.js": ""}}',
}


@pytest.mark.parametrize("manifest", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_folder_with_a_manifest_is_left_as_it_is(tmp_path: Path, manifest: str):
    (tmp_path / "sub").mkdir()
    for name, text in {MANIFEST: manifest, "background.js": "precious", "summary.json": "x", "sub/a": "b"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sub" / MANIFEST).write_text("{}")
    before = everything(tmp_path)
    with pytest.raises(ResultsError):
        GivenFolder(tmp_path)
    assert everything(tmp_path) == before


def test_a_file_that_was_changed_is_not_replaced(tmp_path: Path):
    out = fill(GivenFolder(tmp_path / "out"), a="1")
    (out / "a").write_text("mine")
    with pytest.raises(ResultsError, match="a is not what was written there"):
        GivenFolder(out)
    (out / "a").unlink()
    assert everything(fill(GivenFolder(out), a="2"))["a"] == "2"


@pytest.mark.parametrize("link", ["file", "folder", "dangling"])
def test_links_are_never_followed(tmp_path: Path, link: str):
    out = fill(GivenFolder(tmp_path / "out"), a="1")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "rows").write_text("rows")
    (victim / "a").write_text("1")
    if link == "folder":
        (out / "part" / "rows").unlink()
        (out / "part").rmdir()
        (out / "part").symlink_to(victim)
    else:
        (out / "a").unlink()
        (out / "a").symlink_to(victim / "a" if link == "file" else "nowhere")
    before = everything(tmp_path)
    with pytest.raises(ResultsError, match="is not what was written there"):
        GivenFolder(out)
    assert everything(tmp_path) == before
    for name in ("out-link", "dangling"):
        (tmp_path / name).symlink_to("out" if name == "out-link" else "nowhere")
        with pytest.raises(ResultsError, match="is a link"):
            GivenFolder(tmp_path / name)
        with pytest.raises(ResultsError, match="is a link"):
            write_file(tmp_path / name, "x")


def test_links_beside_results_stay(tmp_path: Path):
    out = fill(GivenFolder(tmp_path / "out"), a="1")
    (out / "mine").symlink_to("../elsewhere")
    assert everything(fill(GivenFolder(out), a="2")) | {"a": "2", "mine": "../elsewhere"} == everything(out)


def test_a_name_that_is_taken_is_refused_and_the_older_results_stay(tmp_path: Path):
    out = fill(GivenFolder(tmp_path / "out"), a="1")
    (out / "b").write_text("mine")
    before = everything(out)
    with pytest.raises(ResultsError, match="b is somebody else's"):
        fill(GivenFolder(out), b="2")
    assert everything(out) == before


def test_of_two_runs_into_one_new_folder_the_last_to_end_stays(tmp_path: Path):
    out = tmp_path / "out"
    with GivenFolder(out) as one, GivenFolder(out) as other:
        for folder, name in ((one, "a"), (other, "b")):
            (folder.path / name).write_text(name)
            (folder.path / MANIFEST).write_text("{}")
            assert folder.publish() == out
    assert everything(out).keys() == {"b", MANIFEST}
    assert [*tmp_path.iterdir()] == [out]


@pytest.mark.parametrize("at", range(1, 8))
def test_a_fault_at_any_step_leaves_the_older_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int):
    out = fill(GivenFolder(tmp_path / "out"), a="1", b="1")
    (out / "notes").write_text("mine")
    before = everything(out)
    calls = 0
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(errno.EIO, "Input/output error", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="Input/output"):
        fill(GivenFolder(out), a="2", c="2")
    assert everything(out) == before
    monkeypatch.undo()
    new = everything(fill(GivenFolder(out), a="2", c="2"))
    assert sorted(new) == ["a", "c", MANIFEST, "notes", "part/rows"]


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from sim.recording.folders import StampedFolder\n"
        "folder = StampedFolder(Path(sys.argv[1]), 'x'); print(folder.path, flush=True); time.sleep(60)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) for _ in "ab"
    ]
    try:
        killed, alive = (Path(each.stdout.readline().strip()) for each in processes)
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        (tmp_path / ".partial-mine").mkdir()
        fill(StampedFolder(tmp_path, "y"))
        assert not killed.exists()
        assert alive.exists()
        assert (tmp_path / ".partial-mine").exists()
    finally:
        for each in processes:
            each.kill()
            each.wait()
            each.stdout.close()


@pytest.mark.parametrize("name", ["folder", "missing/file", "file/below", "link"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, name: str):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(ResultsError, match=r"^-o "):
        new_path("-o", tmp_path / name)
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_appears_whole_and_keeps_its_mode(tmp_path: Path):
    write_file(tmp_path / "a", "one")
    (tmp_path / "a").chmod(0o640)
    with pytest.raises(TypeError), folders.new_file(tmp_path / "a") as stream:
        stream.writelines([b"half", None])
    assert everything(tmp_path) == {"a": "one"}
    write_file(tmp_path / "a", "two")
    assert everything(tmp_path) == {"a": "two"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    write_file(Path("/dev/null"), "x")


WRITING = {
    "run": ["run", "small.yaml", "--out", "o", "--jobs", "1"],
    "compare": ["compare", "small.yaml", "--vary", "strategy=update,apply", "--out", "o", "--jobs", "1"],
    "sweep": ["sweep", "small.yaml", "--vary", "client.qps=20,50", "--out", "o", "--executor", "in-process"],
    "budget": ["budget", "small.yaml", "--out", "o", "--executor", "in-process"],
}


@pytest.mark.parametrize("command", WRITING)
def test_every_command_leaves_a_foreign_folder_alone_and_replaces_its_own(tmp_path: Path, command: str):
    (tmp_path / "small.yaml").write_text(SMALL)
    words = WRITING[command]
    assert inside(*words, at=tmp_path).returncode == 0
    first = sorted(everything_binary(tmp_path / "o"))
    mark = tmp_path / "o" / (folders.COMPARISON if command == "compare" else MANIFEST)
    assert json.loads(mark.read_text())["format"] == folders.FORMAT
    assert inside(*words, at=tmp_path).returncode == 0
    assert sorted(everything_binary(tmp_path / "o")) == first
    mark.write_text('{"manifest_version": 3}')
    before = everything_binary(tmp_path / "o")
    refused = inside(*words, at=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("requeue: o is not empty and holds no results")
    assert refused.stderr.count("\n") == 1
    assert everything_binary(tmp_path / "o") == before


def everything_binary(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 600 kB; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("command", WRITING)
def test_a_full_disk_is_one_line_and_nothing_half_written(tmp_path: Path, small_disk: Path, command: str):
    (tmp_path / "small.yaml").write_text(SMALL)
    words = [str(small_disk / "o") if word == "o" else word for word in WRITING[command]]
    old = fill(GivenFolder(small_disk / "o"), a="1")
    before = everything(old)
    (small_disk / "ballast").write_bytes(b"x" * (550 << 10))
    done = inside(*words, at=tmp_path)
    assert done.returncode == 2, done
    assert "no space left on device" in done.stderr.lower()
    assert done.stderr.count("\n") == 1, done.stderr
    left = {name: text for name, text in everything_binary(old).items() if not name.endswith(".jsonl")}
    assert left == {name: text.encode() for name, text in before.items()}


def test_no_room_for_rows_while_a_cluster_runs_is_one_line_with_the_place(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    (small_disk / "ballast").write_bytes(b"x" * (550 << 10))
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    done = inside("run", "recorded/burst-50-update", "--replications", "2", "--jobs", "1", "--out", "o", at=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"requeue: {small_disk}: no space left on device\n")
    assert not (tmp_path / "o").exists()


def test_a_file_where_results_should_be_is_one_line(tmp_path: Path):
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "results").write_text("a file")
    for words in (["run", "small.yaml", "--jobs", "1"], ["sweep", "small.yaml", "--vary", "client.qps=20,50"]):
        done = inside(*words, at=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "results" in done.stderr
