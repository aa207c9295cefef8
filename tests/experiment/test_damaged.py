"""A folder of results with something missing or damaged is one line that names the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sim
from sim.experiment.opening import open_folder
from sim.recording.results import ResultsError
from tests.cli.command import SMALL, inside

WRITTEN = ("manifest.json", "summary.json", "scenario.yaml", "certificates.parquet", "replications.parquet")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    sim.run(sim.load(SMALL), replications=2, out=folder / "run", jobs=1)
    sim.compare(sim.load(SMALL), {"strategy": ["update", "apply"]}, replications=2, out=folder / "compared", jobs=1)
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole / "run", tmp_path / "run"))


def without(key: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        saved = json.loads(file.read_text())
        del saved[key]
        file.write_text(json.dumps(saved))

    return damage


def text(content: str) -> Callable[[Path], None]:
    return lambda file: file.write_text(content)


def column(name: str, values: Callable[[pa.Table], pa.Array]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        table = pq.read_table(file)
        pq.write_table(table.set_column(table.column_names.index(name), name, values(table)), file)

    return damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{f"no {name}": (name, Path.unlink) for name in WRITTEN},
    **{f"no {key} in the manifest": ("manifest.json", without(key)) for key in ("command", "digest", "packages")},
    **{f"no {key} in the summary": ("summary.json", without(key)) for key in ("conflicts", "ready", "digest")},
    "a manifest that is no object": ("manifest.json", text("[1]")),
    "a manifest with NaN": ("manifest.json", text('{"seed": NaN}')),
    "a summary that is cut off": ("summary.json", cut),
    "a scenario that is no YAML": ("scenario.yaml", text("name: [")),
    "a scenario of another version": ("scenario.yaml", text("name: x\nno_such_key: 1")),
    "a scenario that is a bomb": ("scenario.yaml", text("name: x\na: &a [*a]")),
    "a table that is cut off": ("certificates.parquet", cut),
    "a table that is none": ("replications.parquet", text("PAR1 not PAR1")),
    "times that are text": ("certificates.parquet", column("ready_ns", lambda t: pa.array(["1"] * len(t)))),
    "times that are missing": ("certificates.parquet", column("ready_ns", lambda t: pa.nulls(len(t), pa.int64()))),
    "replications that are text": ("certificates.parquet", column("replication", lambda t: pa.array(["1"] * len(t)))),
    "digests that are numbers": ("replications.parquet", column("digest", lambda t: pa.array([1] * len(t)))),
    "replications from 7": ("replications.parquet", column("replication", lambda t: pa.array(range(7, 7 + len(t))))),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_message_names_the_file(run: Path, damage: str):
    file, do = DAMAGE[damage]
    do(run / file)
    with pytest.raises(ResultsError) as refused:
        open_folder(run)
    assert (file in str(refused.value)) or file == "manifest.json"
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("damage", ["no scenario.yaml", "no command in the manifest", "times that are text"])
def test_every_command_that_opens_a_folder_says_so(run: Path, damage: str):
    file, do = DAMAGE[damage]
    do(run / file)
    at = run.parent
    for words in (
        ["report", "run"],
        ["explain", "run"],
        ["attribution", "run"],
        ["metrics", "run"],
        ["trace", "run", "-o", "t"],
        ["diff", "run", "run"],
    ):
        done = inside(*words, at=at)
        assert done.returncode == 2, (words, done)
        assert file in done.stderr
        assert done.stderr.count("\n") == 1
    assert sorted(entry.name for entry in at.iterdir()) == ["run"]


@pytest.mark.parametrize("damage", ["folders", "metric", "vary", "outside"])
def test_a_damaged_comparison(whole: Path, tmp_path: Path, damage: str):
    folder = Path(shutil.copytree(whole / "compared", tmp_path / "compared"))
    if damage == "outside":
        saved = json.loads((folder / "comparison.json").read_text())
        saved["folders"] = {name: f"../{place}" for name, place in saved["folders"].items()}
        (folder / "comparison.json").write_text(json.dumps(saved))
    else:
        without(damage)(folder / "comparison.json")
    with pytest.raises(ResultsError, match=r"comparison\.json"):
        open_folder(folder)


@pytest.mark.parametrize("kind", ["sweep", "tune", "budget"])
def test_a_folder_of_something_else_is_called_what_it_is(run: Path, kind: str):
    saved = json.loads((run / "manifest.json").read_text()) | {"kind": kind}
    (run / "manifest.json").write_text(json.dumps(saved))
    with pytest.raises(ResultsError, match=f"run holds a {kind}; what opens are runs and comparisons"):
        open_folder(run)


def test_sound_folders_open(whole: Path):
    assert open_folder(whole / "run").summary["replications"] == 2
    assert len(open_folder(whole / "compared").results) == 2
