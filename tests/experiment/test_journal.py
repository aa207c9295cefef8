from __future__ import annotations

import shutil
from array import array
from pathlib import Path

import pytest

import sim
from sim.analysis.measured import Measured
from sim.experiment.evaluate import Evaluator
from sim.experiment.executor import InProcess
from sim.experiment.journal import Journal, JournalError, computing, key_of
from sim.scenario.model import Scenario


def piece(index: int) -> Measured:
    return Measured(index, 1, f"digest-{index}", {"conflicts": index, "rate": 1 / 3, "none": None}, array("d"), ("x",))


def test_what_was_added_is_found_again(tmp_path: Path):
    with Journal(tmp_path / "j.jsonl") as journal:
        for index in range(3):
            journal.add("key", piece(index))
    with Journal(tmp_path / "j.jsonl") as journal:
        assert journal.found == {("key", index): piece(index) for index in range(3)}


def test_a_torn_line_is_cut_off_wherever_it_is_torn(tmp_path: Path):
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.add("key", piece(0))
        journal.add("key", piece(1))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        with Journal(path) as journal:
            assert list(journal.found) == [("key", 0)]
            journal.add("key", piece(1))
        assert path.read_bytes() == whole


def test_one_at_a_time(tmp_path: Path):
    with Journal(tmp_path / "j.jsonl"), pytest.raises(JournalError, match="is in use"):
        Journal(tmp_path / "j.jsonl")
    with Journal(tmp_path / "j.jsonl"):
        pass


def test_the_key_is_that_of_what_decides_a_replication(monkeypatch: pytest.MonkeyPatch):
    base = Scenario(name="a")
    same = Scenario.model_validate({"name": "b", "replications": 3, "description": "x", "expect": {"gave_up": "== 0"}})
    assert key_of(base) == key_of(same)
    assert key_of(base) == key_of(Scenario.model_validate({"name": "a", "client": {"qps": 20}}))
    others = ({"seed": 2}, {"client": {"qps": 21}}, {"profile": "recorded-2-cores"}, {"retry": {"limit": 3}})
    keys = {key_of(Scenario.model_validate({"name": "a", **other})) for other in others}
    assert len(keys) == 4
    assert key_of(base) not in keys
    monkeypatch.setattr("sim.experiment.journal.version", lambda: "another version")
    assert key_of(base) != key_of(Scenario.model_validate({"name": "a", "client": {"qps": 21}}))
    assert key_of(base) not in keys
    assert key_of(base) == key_of(same)


def test_nothing_is_run_twice(made_up: Scenario, tmp_path: Path):
    other = made_up.model_copy(update={"seed": 9})
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        evaluator = Evaluator(InProcess(), journal)
        first = evaluator.evaluate([(made_up, 0), (made_up, 1), (made_up, 0)])
        assert evaluator.ran == 2
        assert first[0] == first[2]
    shown: list[tuple[int, int]] = []
    with Journal(path) as journal:
        again = Evaluator(InProcess(), journal, expected=4, progress=lambda at: shown.append((at.done, at.total)))
        both = again.evaluate([(made_up, index) for index in range(3)] + [(other, 0)])
        assert again.ran == 2
        assert both[:2] == first[:2]
        assert shown[-1] == (4, 4)
    assert len(path.read_text().splitlines()) == 4


def test_every_room_that_decides_figures_is_in_the_hash(tmp_path: Path):
    package = Path(sim.__file__).parent
    shutil.copytree(package, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    hashed = {file.relative_to(tmp_path / "sim") for file in computing(tmp_path / "sim")}
    rooms = {file.parts[0] for file in hashed}
    every = {each.name for each in (tmp_path / "sim").iterdir() if each.is_file() or any(each.rglob("*.py"))}
    assert every - rooms == {"cli", "plot", "report", "py.typed"}
    assert {Path("families/plain/clients.py"), Path("cluster/server.py"), Path("units.py")} <= hashed
