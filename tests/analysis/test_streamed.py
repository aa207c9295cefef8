"""Attribution part by part is attribution of the whole, in memory that the length of a run does not add to."""

from __future__ import annotations

import gc
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.analysis import unseen
from sim.analysis.attribution import attribution
from sim.analysis.frames import Frames
from sim.analysis.streamed import attributed_parts, streamed
from sim.experiment.result import Result
from sim.recording import frames
from sim.recording.columns import REQUESTS
from sim.recording.frames import TABLES, table
from sim.recording.stored import StoredTables
from tests.recorded_rows import MS, certificate, reconcile, request

SCENARIOS = {
    "blind writes": ("operators/merge-patch-drops-conditions", ["replications=2"]),
    "a burst": ("recorded/burst-50-update", ["replications=3"]),
    "in place": ("recorded/burst-50-update", ["replications=1", "retry.policy=in-place", "workload.certificates=20"]),
    "plain clients": ("contention/aws-backoff", ["replications=1"]),
    "operators": ("operators/three-controllers-one-status", ["replications=2"]),
    "replicas": ("operators/three-controllers-one-status", ["replications=2", "operators.0.replicas=2"]),
    "no conflict": ("name: x\nworkload: {certificates: 1}\n", ["replications=2"]),
}
MORE = {
    "apply": ("recorded/burst-50-ssa", ["replications=2"]),
    "twenty workers": ("recorded/workers20-50-update", ["replications=1"]),
    "given up": ("recorded/burst-50-update", ["replications=1", "retry.policy=resend"]),
    "restarts": ("recorded/restart-50-update", ["replications=1"]),
    "renewals": ("recorded/renew-20-update", ["replications=1"]),
    "few resources": ("contention/finite-resources", ["replications=1"]),
    "a server that restarts": ("faults/api-server-restart", ["replications=1"]),
    "a bad hour": ("faults/bad-hour", ["replications=1"]),
}


def whole(result: Result) -> pd.DataFrame:
    frames = Frames(result.requests, result.reconciles, result.certificates, result.refusals, result.deliveries)
    return pd.DataFrame(attribution(frames))


def in_groups(folder: Path, rows: int) -> None:
    """Write all tables of a folder again, in row groups of so many rows."""
    for name in TABLES:
        file = folder / f"{name}.parquet"
        pq.write_table(pq.read_table(file), file, row_group_size=rows)


@pytest.mark.parametrize("what", [*SCENARIOS, *(pytest.param(each, marks=pytest.mark.sweep) for each in MORE)])
def test_the_parts_of_a_run_are_the_whole(tmp_path: Path, what: str):
    name, overrides = (SCENARIOS | MORE)[what]
    sim.run(sim.load(name, overrides), out=tmp_path / "out", jobs=1)
    for rows in (200_000, 600):
        in_groups(tmp_path / "out", rows)
        opened = sim.open_results(tmp_path / "out")
        wanted, found = whole(opened), opened.attribution
        assert len(wanted) or what in {"no conflict", "apply", "blind writes"}
        assert len(opened.overwritten) or what != "blind writes"
        pd.testing.assert_frame_equal(pd.DataFrame(found), wanted, check_categorical=bool(len(wanted)))
        lost = frames.conflicts(opened.requests)
        pd.testing.assert_frame_equal(opened.conflicts, lost, check_categorical=False)
        for name, made in (
            ("overwritten", unseen.overwritten(opened.requests)),
            ("hidden_retries", unseen.hidden_retries(opened.requests)),
            ("field_conflicts", unseen.field_conflicts(opened.requests, opened.refusals)),
        ):
            pd.testing.assert_frame_equal(getattr(opened, name), made, check_categorical=bool(len(made)))
        if len(wanted):
            one = str(wanted["certificate"].iloc[len(wanted) // 2])
            mine = wanted[wanted["certificate"] == one].reset_index(drop=True)
            found = streamed(opened, [("object", "=", one)])
            pd.testing.assert_frame_equal(pd.DataFrame(found), mine, check_categorical=False)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[tuple[object, ...]]]:
    """A few objects that several writers write with copies of any age, in passes of any length, in any order."""
    requests: list[tuple[object, ...]] = []
    passes: list[tuple[object, ...]] = []
    version = 0
    current: dict[str, list[int]] = {}
    for number in range(draw(st.integers(1, 40))):
        name = draw(st.sampled_from(["a", "b", "c"]))
        versions = current.setdefault(name, [])
        in_pass = draw(st.sampled_from([-1, *range(1, 9)]))
        read = draw(st.sampled_from([0, *versions]))
        base = versions[-1] if versions else 0
        stale = read != base
        version += draw(st.integers(1, 3))
        if not stale:
            versions.append(version)
        at = number * 10 * MS
        asked = max(at - draw(st.integers(0, 80)) * MS, 0)
        requests.append(
            request(
                request=number, actor=f"w{in_pass % 3}", object=name, certificate=name, code=409 if stale else 200,
                reason="Conflict" if stale else "", read_version=read, base_version=base,
                written_version=0 if stale else version, fields=draw(st.integers(0, 7)), reconcile=in_pass,
                read_ns=asked, asked_ns=asked, sent_ns=(asked + at) // 2, received_ns=at, decided_ns=at,
                answered_ns=at + MS, verb=draw(st.sampled_from(["update", "patch"])),
            )
        )  # fmt: skip
    place, asked, answered, number = (
        REQUESTS.index(each) for each in ("reconcile", "asked_ns", "answered_ns", "object")
    )
    for each in draw(st.permutations(range(1, 9))):
        mine = [row for row in requests if row[place] == each]
        begin = min((row[asked] for row in mine), default=draw(st.integers(0, 300)) * MS)
        end = max((row[answered] for row in mine), default=begin + MS)
        passes.append(
            reconcile(
                reconcile=each, controller=f"w{each % 3}", key=mine[0][number] if mine else "a", queued_ns=begin,
                started_ns=begin, ended_ns=end, outcome=draw(st.sampled_from(["ok", "conflict", "gave-up", "error"])),
                cause=draw(st.sampled_from(["watch", "backoff"])), cpu_ns=each * MS,
            )
        )  # fmt: skip
    cached = [(name, each, draw(st.integers(0, 400)) * MS) for name, versions in current.items() for each in versions]
    refused = [(row[0], draw(st.integers(0, 7)), 0, "", MS) for row in requests if row[REQUESTS.index("code")] == 409]
    ready = [certificate(certificate=name, ready_ns=draw(st.integers(-1, 400)) * MS) for name in current]
    return {
        "requests": requests,
        "reconciles": passes,
        "refusals": refused,
        "deliveries": cached,
        "certificates": ready,
    }


def of(folder: Path) -> Result:
    """A result that has nothing but the rows of a folder."""
    scenario = sim.load("name: x\nworkload: {certificates: 1}\n")
    return Result(scenario, [], summary={}, tables=StoredTables(folder), folder=folder)


@settings(max_examples=12, deadline=None)
@given(histories(), st.integers(3, 30))
def test_the_parts_of_any_history_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[tuple[object, ...]]], size: int
):
    folder = tmp_path_factory.mktemp("history")
    for name in TABLES:
        made = pa.concat_tables([table(name, rows.get(name, []), number) for number in (1, 2)]).unify_dictionaries()
        pq.write_table(made, folder / f"{name}.parquet", row_group_size=size)
    opened = of(folder)
    pd.testing.assert_frame_equal(pd.DataFrame(streamed(opened)), whole(opened), check_categorical=False)


def longer(folder: Path, times: int) -> None:
    """Let the rows of a folder happen several times, one after the other, to other objects each time."""
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}
    length = max(pc.max(tables["requests"]["answered_ns"]).as_py(), pc.max(tables["reconciles"]["ended_ns"]).as_py())
    steps = {"request": len(tables["requests"]), "reconcile": len(tables["reconciles"]) + 1}
    steps |= dict.fromkeys(VERSIONS, pc.max(tables["requests"]["written_version"]).as_py())
    for name, each in tables.items():
        with pq.ParquetWriter(folder / f"{name}.parquet", each.schema) as file:
            for time in range(times):
                file.write_table(pa.Table.from_arrays(
                    [_again(column, values, time, steps.get(column, length)) for column, values in
                     zip(each.column_names, each.columns, strict=True)], schema=each.schema,
                ))  # fmt: skip


VERSIONS = ("version", "read_version", "base_version", "written_version")


def _again(name: str, values: pa.ChunkedArray, time: int, step: int) -> pa.Array:
    whole = values.combine_chunks()
    if name in {"object", "certificate", "key"}:
        texts = pa.array([f"{text}-{time}" for text in whole.dictionary.to_pylist()], pa.string())
        return pa.DictionaryArray.from_arrays(whole.indices, texts)
    if name in {"request", "reconcile", *VERSIONS} or (name.endswith("_ns") and "cpu" not in name):
        numbers = whole.to_numpy()
        return pa.array(np.where(numbers >= (name in VERSIONS), numbers + time * step, numbers))
    return whole


def test_what_is_in_memory_does_not_grow_with_the_run(tmp_path: Path):
    sim.run(
        sim.load("recorded/burst-50-update", ["replications=1", "workload.certificates=20"]), out=tmp_path / "1", jobs=1
    )
    peaks = {}
    for times in (4, 16):
        folder = shutil.copytree(tmp_path / "1", tmp_path / str(times))
        longer(folder, times)
        opened = of(folder)
        for _ in attributed_parts(opened):  # what is imported and kept once
            break
        tracemalloc.start()
        count = 0
        for part in attributed_parts(opened):
            count += len(part)
            gc.collect()  # when pandas' circles are found is a matter of what ran before
        peaks[times] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == times * len(sim.open_results(tmp_path / "1").attribution)
    assert peaks[16] < 1.25 * peaks[4]
