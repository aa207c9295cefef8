from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sim
from sim.experiment.diff import happenings
from sim.experiment.opening import command_of, one_run
from sim.recording.dictionary import COLUMNS, markdown
from sim.recording.frames import TABLES
from sim.recording.results import ResultsError
from sim.scenario.model import Scenario
from tests.cli.command import inside


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results") / "small"
    sim.run(scenario(), out=out, jobs=1)
    return out


def scenario(**changes: object) -> Scenario:
    plain = {"name": "small", "replications": 3, "workload": {"certificates": 6}}
    return Scenario.model_validate(plain | changes)


def test_one_replication_has_its_rows_and_figures_only(small: Path):
    whole = sim.open(small)
    for number in (1, 2, 3):
        part = whole.only(number)
        for name in ("requests", "reconciles", "certificates", "refusals", "deliveries", "attribution", "replications"):
            wanted = getattr(whole, name)
            wanted = wanted[wanted["replication"] == number].reset_index(drop=True)
            found = getattr(part, name)
            if name == "replications":  # a column that says nothing of this one may be left out
                wanted, found = (frame.dropna(axis="columns", how="all") for frame in (wanted, found))
            assert len(found) == len(wanted)
            pd.testing.assert_frame_equal(found, wanted, check_categorical=False, check_dtype=False)
        assert part.summary["replications"] == 1
        assert part.summary["conflicts"]["total"]["mean"] == len(part.conflicts)
    for number in (0, 4):
        with pytest.raises(ResultsError, match="replications 1 to 3"):
            whole.only(number)


def test_rows_in_memory_and_on_disk_say_the_same(small: Path):
    memory = sim.run(scenario(), jobs=1)
    pd.testing.assert_frame_equal(memory.attribution, sim.open_results(small).attribution)
    pd.testing.assert_frame_equal(memory.only(2).attribution, sim.open_results(small).only(2).attribution)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The row groups that are read from now on, by the table that they are of: nothing else reads data pages."""
    read: list[str] = []
    original = pq.ParquetFile.read_row_group
    names = {frozenset(("replication", *columns)): name for name, columns in TABLES.items()}

    def spy(self: pq.ParquetFile, *arguments: object) -> pa.Table:
        read.append(names.get(frozenset(self.schema_arrow.names), "replications"))
        return original(self, *arguments)

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a whole file was read")

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    for name in ("read", "read_row_groups", "iter_batches"):
        monkeypatch.setattr(pq.ParquetFile, name, refused)
    monkeypatch.setattr(pq, "read_table", refused)
    return read


def test_opening_reads_no_rows_and_frames_are_read_when_used(small: Path, groups: list[str]):
    opened = sim.open(small)
    assert opened.summary["replications"] == 3
    assert groups == ["replications"]
    assert opened.metrics["time_to_ready_pooled.p50"].mean
    assert groups == ["replications", "certificates"]
    groups.clear()
    assert len(opened.refusals) >= len(opened.attribution)
    assert {*groups} == {"certificates", "deliveries", "reconciles", "refusals", "requests"}
    groups.clear()
    opened.blame, opened.staleness  # noqa: B018 -- from what has been read
    assert groups == []


def test_rows_that_cannot_be_there_are_not_read(small: Path, groups: list[str]):
    opened = sim.open(small)
    second = opened.only(2)
    groups.clear()
    assert not len(opened.rows("requests", ["request", "actor"], [("request", ">=", 10**6)]))
    assert not len(opened.rows("requests", where=[("certificate", "=", "zzz")]))
    assert not len(second.rows("deliveries", where=[("version", "in", [10**6, 10**7])]))
    assert groups == []
    found = opened.rows("requests", ["decided_at", "actor"], [("replication", "=", 2), ("certificate", "=", "c0003")])
    mine = opened.requests[(opened.requests["replication"] == 2) & (opened.requests["certificate"] == "c0003")]
    pd.testing.assert_frame_equal(found, mine[["decided_at", "actor"]].reset_index(drop=True))


def test_a_folder_of_an_earlier_version_says_so(small: Path, tmp_path: Path):
    import shutil

    old = shutil.copytree(small, tmp_path / "old")
    (old / "deliveries.parquet").unlink()
    table = pq.read_table(old / "reconciles.parquet").drop_columns(["worker"])
    pq.write_table(table, old / "reconciles.parquet")
    opened = sim.open(old)
    assert len(opened.requests)
    with pytest.raises(ResultsError, match="deliveries"):
        opened.deliveries  # noqa: B018 -- reading it is what is tested
    with pytest.raises(ResultsError, match=r"worker.*run it again"):
        opened.reconciles  # noqa: B018


def test_whatever_a_folder_holds_opens(small: Path, tmp_path: Path):
    made = sim.compare(scenario(replications=1), {"strategy": ["update", "apply"]}, out=tmp_path / "two", jobs=1)
    opened = sim.open(tmp_path / "two")
    assert isinstance(opened, sim.Comparison)
    assert list(opened.attribution["variant"].cat.categories) == ["update", "apply"]
    assert len(opened.attribution) == sum(len(each.attribution) for each in made.results.values())
    assert opened.blame.to_numpy().sum() == len(opened.attribution)
    assert list(opened.staleness.index.names) == ["variant", "part"]
    assert one_run(tmp_path / "two", variant="apply").scenario.strategy == "apply"
    assert one_run(tmp_path / "two").scenario.strategy == "update"
    assert command_of(small) == "requeue run scenario.yaml"
    for missing in (tmp_path / "tow", tmp_path):
        with pytest.raises(ResultsError):
            sim.open(missing)
    with pytest.raises(ResultsError, match="two"):
        sim.open(tmp_path / "tow")


def test_every_recorded_column_is_documented():
    for name, columns in TABLES.items():
        documented = [column.removesuffix("_at") for column in COLUMNS[name]]
        assert documented[: len(columns) + 1] == ["replication", *(each.removesuffix("_ns") for each in columns)]
    assert markdown() == Path("docs/frames.md").read_text("utf-8")


def test_the_same_scenario_and_seed_do_not_differ(small: Path):
    found = sim.diff(small, sim.run(scenario(), jobs=1))
    assert found.same
    assert found.divergence is None
    assert found.beyond_noise == []
    assert found.as_dict()["metrics"] == {}


def test_a_divergence_comes_after_all_that_is_equal(small: Path):
    other = sim.run(scenario(retry={"base": "3s"}), jobs=1)
    found = sim.diff(small, other)
    assert set(found.settings) == {"retry.base"}
    assert found.paired
    parted = found.divergence
    assert parted is not None
    one, two = (happenings(each.only(parted.replication)) for each in (sim.open(small), other))
    assert one[: parted.equal] == two[: parted.equal]
    assert one[parted.equal] != two[parted.equal]
    assert parted.before == one[parted.equal - 3 : parted.equal]
    # A longer backoff is first seen where the first backoff of 1 s ends.
    first = min(parted.a[0], parted.b[0])
    assert first.kind == "pass"
    assert "woken by backoff" in first.outcome


def test_other_seeds_are_not_paired_and_a_longer_run_is_not_the_same(small: Path):
    other = sim.run(scenario(seed=2), jobs=1)
    found = sim.diff(small, other)
    assert not found.paired
    assert found.differing == [1, 2, 3]
    longer = sim.diff(small, sim.run(scenario(replications=4), jobs=1))
    assert (longer.differing, longer.only, longer.same) == ([], 1, False)
    assert all(each.mean in {0, None} for each in longer.differences.values())


def test_a_run_in_which_nobody_became_ready_is_opened_and_one_of_its_replications_chosen(tmp_path: Path):
    text = "name: never\nreplications: 2\nworkload: {certificates: 2}\nuntil: {at_most: 2s}\n"
    sim.run(sim.load(text + "faults: [{at: 0s, kill: controllers, lasts: 1h}]\n"), out=tmp_path / "never", jobs=1)
    one = sim.open_results(tmp_path / "never").only(2)
    assert one.summary["ready"]["mean"] == 0
    assert one.summary["metrics"]["time_to_ready_pooled.p50"]["mean"] is None


KINDS = {
    "Certificates": "{name: ours, workload: {certificates: 3}}",
    "Widgets": """{name: theirs, kinds: {Widget: {}}, workload: {kind: Widget, objects: 3}, operators: [{name: op,
        controllers: [{name: one, for: Widget, steps: [{do: [{status: {conditions: {Ready: {}}}}]}]}]}]}""",
    "plain clients": "{name: bare, contention: {loop: once}}",
}


@pytest.mark.parametrize(("one", "other"), [("Certificates", "Widgets"), ("plain clients", "Certificates")])
def test_runs_of_different_kinds_are_not_compared(tmp_path: Path, one: str, other: str):
    found = {kind: sim.run(sim.load(KINDS[kind]), replications=2, jobs=1, out=tmp_path / kind) for kind in (one, other)}
    said = rf"of different kinds .* is about {one} and .* is about {other}"
    with pytest.raises(ValueError, match=said):
        sim.side_by_side(found)
    with pytest.raises(ValueError, match=said):
        sim.diff(found[one], found[other])
    for words in (["report", one, other], ["report", one, other, "--json"], ["diff", one, other]):
        done = inside(*words, at=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.search(said, done.stderr)


def test_a_run_in_which_a_property_broke_is_opened(tmp_path: Path):
    scenario = sim.load("name: broken\nworkload: {certificates: 2}\nproperties: [{name: p, never: 'true'}]\n")
    found = sim.run(scenario, replications=2, out=tmp_path / "run", jobs=1)
    assert found.summary["broken"]
    again = sim.open(tmp_path / "run")
    assert [each.broken for each in again.measured] == [each.broken for each in found.measured]
    assert not again.ok
