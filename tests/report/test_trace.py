from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sim.experiment.result import Result
from sim.experiment.run import run
from sim.report.trace import summary, write_trace
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load

SCENARIOS = {
    "throttled": ("recorded/burst-50-update", "workload.certificates=12"),
    "restarted, other writers": ("recorded/restart-50-update", "workload.certificates=12"),
    "gitops": ("recorded/gitops-update-50-update", "workload.certificates=12"),
    "not throttled": ("recorded/1.21-burst-50-update", "workload.certificates=12"),
}


@pytest.fixture(scope="module", params=SCENARIOS.values(), ids=SCENARIOS)
def traced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Any]:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    name, *settings = request.param
    result = run(load(resolve_scenario(name), settings), replications=2, jobs=1).only(2)
    path = tmp_path_factory.mktemp("trace") / "trace.pftrace"
    packets = write_trace(result, path)
    trace = Trace()
    trace.ParseFromString(path.read_bytes())
    assert len(trace.packet) == packets
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return result, trace


def test_its_summary_counts_what_is_in_it(traced: tuple[Result, Any]):
    result, trace = traced
    found = {each["writer"]: each for each in summary(result)}
    assert sum(each["passes"] for each in found.values()) == len(result.reconciles)
    assert sum(each["requests"] for each in found.values()) == len(result.requests)
    refused = sum(each.track_event.name.startswith("409 #") for each in trace.packet if each.HasField("track_event"))
    assert sum(each["refused_409"] for each in found.values()) == refused == len(result.attribution)
    name, own = next(iter(result.requests.groupby("actor", observed=True)))
    waited = (own["sent_at"] - own["asked_at"]).dt.total_seconds().sum()
    assert found[str(name)]["waiting_for_token_s"] == pytest.approx(waited)


def descriptors(trace: Any) -> dict[int, Any]:
    return {
        each.track_descriptor.uuid: each.track_descriptor for each in trace.packet if each.HasField("track_descriptor")
    }


def without_number(name: str) -> str:
    """A writer outside has a second track where it has two requests at once."""
    return name.rpartition(" ")[0] if name[-1].isdigit() and " " in name else name


def events(trace: Any) -> dict[int, list[tuple[int, Any]]]:
    """The events of each track in the order in which the viewer takes them: by time, at one time as written."""
    found = defaultdict(list)
    for packet in sorted((each for each in trace.packet if each.HasField("track_event")), key=lambda p: p.timestamp):
        found[packet.track_event.track_uuid].append((packet.timestamp, packet.track_event))
    return found


def test_a_track_for_each_worker_under_its_controller(traced: tuple[Result, Any]):
    result, trace = traced
    tracks = descriptors(trace)
    workers = {
        (str(c), int(w)) for c, w in zip(result.reconciles["controller"], result.reconciles["worker"], strict=True)
    }
    names = Counter(track.name for track in tracks.values())
    for controller, worker in workers:
        assert names[f"{controller} worker {worker}"] == 1
    for track in tracks.values():
        if " worker " in track.name:
            assert track.name.startswith(tracks[track.parent_uuid].name)
            assert tracks[tracks[track.parent_uuid].parent_uuid].process.process_name == "controllers"
    assert max(worker for _, worker in workers) <= result.scenario.controllers.workers


def test_slices_nest_and_end(traced: tuple[Result, Any]):
    result, trace = traced
    passes = requests = waits = 0
    for track in events(trace).values():
        depth, last = 0, 0
        for at, event in track:
            assert at >= last
            last = at
            if event.type == event.TYPE_SLICE_BEGIN:
                depth += 1
                waits += event.name == "wait for token"
                notes = {note.name for note in event.debug_annotations}
                passes += "outcome" in notes
                requests += "request" in notes
            elif event.type == event.TYPE_SLICE_END:
                depth -= 1
            assert depth >= 0
        assert depth == 0
    assert passes == len(result.reconciles)
    assert requests == len(result.requests)
    assert waits == (result.requests["sent_at"] > result.requests["asked_at"]).sum()


def test_an_arrow_leads_from_each_winning_write_to_its_409(traced: tuple[Result, Any]):
    result, trace = traced
    began, ended = {}, {}
    for track, found in events(trace).items():
        for at, event in found:
            began.update(dict.fromkeys(event.flow_ids, (at, track, event.name)))
            ended.update(dict.fromkeys(event.terminating_flow_ids, (at, track, event.name)))
    conflicts = result.attribution
    assert len(conflicts) > 5
    assert set(began) == set(ended)
    assert len(began) == len(conflicts)
    tracks = descriptors(trace)
    arrows = Counter()
    for flow, (at, track, name) in began.items():
        assert at <= ended[flow][0]
        loser = tracks[ended[flow][1]].name.partition(" worker")[0]
        assert name.startswith("stored as ")
        winner = tracks[track].name.partition(" worker")[0]
        arrows[without_number(loser), without_number(winner), at, ended[flow][0]] += 1
    expected = Counter(
        (str(row.controller), str(row.winner), row.outdated_at.value, row.decided_at.value)
        for row in conflicts.itertuples()
    )
    assert arrows == expected


def test_counters_end_where_nothing_is_left(traced: tuple[Result, Any]):
    result, trace = traced
    tracks = descriptors(trace)
    counters = {track.name: uuid for uuid, track in tracks.items() if track.HasField("counter")}
    values = {
        name: [(at, e.counter_value or e.double_counter_value) for at, e in events(trace)[uuid]]
        for name, uuid in counters.items()
    }
    for controller in result.reconciles["controller"].unique():
        depth = values[f"queue depth {controller}"]
        assert all(value >= 0 for _, value in depth)
        assert not depth or depth[-1][1] == 0
    for name in ("requests in flight, controllers", "requests in flight, API server"):
        assert values[name][-1][1] == 0
        assert max(value for _, value in values[name]) >= 1
    bucket = next((each for name, each in values.items() if name.startswith("client tokens")), None)
    if "1.21" in str(result.scenario.preset):
        assert bucket is None
    else:
        assert bucket is not None
        burst = result.scenario.client.burst
        assert bucket[0] == (0, burst)
        assert all(value <= burst for _, value in bucket)
        assert min(value for _, value in bucket) < 0
        # Whoever waited was below zero then: the level just after the reservation says for how long.
        own = result.requests[result.requests["sent_at"] - result.requests["asked_at"] > pd.Timedelta("10ms")]
        levels = dict(bucket)
        for row in own.itertuples():
            assert levels.get(row.asked_at.value, -1) < 0


MORE = SCENARIOS | {
    "an operator that loses updates": ("operators/merge-patch-drops-conditions", "workload.objects=5"),
    "plain clients": ("contention/starvation", "until.at_most=5s"),
    "plain clients cut off": ("contention/retry-storm", "until.at_most=14s", "contention.warm_up=0s"),
    "replicas without a leader": (
        "operators/three-controllers-one-status",
        "operators.0.replicas=2",
        "workload.objects=5",
    ),
    "killed": ("faults/controllers-killed", "workload.certificates=12"),
    "cut off": ("recorded/burst-50-update", "workload.certificates=12", "until.at_most=2s"),
}
NO_ROWS = {
    "a slice that is never closed": "SELECT track FROM event GROUP BY track HAVING SUM(step) != 0",
    "a slice that is closed before it is opened": """
        SELECT * FROM (SELECT track, SUM(step) OVER (PARTITION BY track ORDER BY ts, seq) AS depth FROM event)
        WHERE depth < 0""",
    "an arrow without one beginning and one end": """
        SELECT id FROM flow GROUP BY id HAVING SUM(side = 'from') != 1 OR SUM(side = 'to') != 1""",
    "an arrow into the past": """
        SELECT one.id FROM flow AS one JOIN flow AS other USING (id)
        WHERE one.side = 'from' AND other.side = 'to' AND one.ts > other.ts""",
    "an arrow on no slice": "SELECT flow.id FROM flow LEFT JOIN track ON track.id = flow.track WHERE track.id IS NULL",
    "a counter that goes back": """
        SELECT * FROM (SELECT track, ts, LAG(ts) OVER (PARTITION BY track ORDER BY seq) AS before FROM counter)
        WHERE ts < before""",
    "a counter without a unit": "SELECT name FROM track WHERE kind = 'counter' AND unit = ''",
    "a track without a name": "SELECT id FROM track WHERE name = ''",
    "a track under none": """
        SELECT one.name FROM track AS one LEFT JOIN track AS other ON other.id = one.parent
        WHERE one.kind != 'process' AND other.id IS NULL""",
    "an event on no track": "SELECT ts FROM event LEFT JOIN track ON track.id = event.track WHERE track.id IS NULL",
    "a time before the start": "SELECT ts FROM event WHERE ts < 0 UNION SELECT ts FROM counter WHERE ts < 0",
    "two tracks of one name side by side": "SELECT name FROM track GROUP BY parent, name HAVING COUNT(*) > 1",
}
"""What a trace viewer's own tables would show of a trace that is broken; each query must find nothing."""


def tables(trace: Any) -> sqlite3.Connection:
    """The trace as tables, much as Perfetto's trace processor makes them: tracks, events, flows, counters."""
    base = sqlite3.connect(":memory:")
    base.executescript(
        "CREATE TABLE track (id, parent, kind, name, unit); CREATE TABLE event (track, ts, seq, step);"
        "CREATE TABLE flow (id, side, track, ts); CREATE TABLE counter (track, ts, seq);"
    )
    for uuid, each in descriptors(trace).items():
        kind = "process" if each.HasField("process") else "counter" if each.HasField("counter") else "thread"
        name = each.process.process_name if kind == "process" else each.name
        row = (str(uuid), str(each.parent_uuid), kind, name, each.counter.unit_name)
        base.execute("INSERT INTO track VALUES (?, ?, ?, ?, ?)", row)
    for seq, packet in enumerate(each for each in trace.packet if each.HasField("track_event")):
        event, ts = packet.track_event, packet.timestamp
        track = str(event.track_uuid)
        if event.type == event.TYPE_COUNTER:
            base.execute("INSERT INTO counter VALUES (?, ?, ?)", (track, ts, seq))
            continue
        step = {event.TYPE_SLICE_BEGIN: 1, event.TYPE_SLICE_END: -1}.get(event.type, 0)
        base.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (track, ts, seq, step))
        for side, ids in (("from", event.flow_ids), ("to", event.terminating_flow_ids)):
            base.executemany("INSERT INTO flow VALUES (?, ?, ?, ?)", [(str(each), side, track, ts) for each in ids])
    return base


def test_each_replica_has_tracks_of_its_own(tmp_path: Path):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    name, *settings = MORE["replicas without a leader"]
    result = run(load(resolve_scenario(name), settings), replications=1, jobs=1)
    write_trace(result, tmp_path / "trace.pftrace")
    trace = Trace()
    trace.ParseFromString((tmp_path / "trace.pftrace").read_bytes())
    titles = {track.name for track in descriptors(trace).values()}
    for controller in result.reconciles["controller"].unique():
        assert {f"{controller} worker 1", f"{controller} replica 2 worker 1"} <= titles
    # A pass lasts until its end, whatever another replica does meanwhile.
    passes = result.reconciles.query("requests > 0")
    lasts = Counter((row.started_at.value, row.ended_at.value) for row in passes.itertuples())
    began: dict[int, list[int]] = defaultdict(list)
    drawn: Counter[tuple[int, int]] = Counter()
    for track, found in events(trace).items():
        for at, event in found:
            if event.type == event.TYPE_SLICE_BEGIN:
                began[track].append(at)
            elif event.type == event.TYPE_SLICE_END:
                drawn[began[track].pop(), at] += 1
    assert not lasts - drawn


@pytest.mark.parametrize("given", MORE.values(), ids=MORE)
def test_the_tables_of_a_trace_are_in_order(given: tuple[str, ...], tmp_path: Path):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

    name, *settings = given
    write_trace(run(load(resolve_scenario(name), settings), replications=1, jobs=1), tmp_path / "trace.pftrace")
    trace = Trace()
    trace.ParseFromString((tmp_path / "trace.pftrace").read_bytes())
    base = tables(trace)
    (many,) = base.execute("SELECT COUNT(*) FROM event").fetchone()
    assert many > 10
    found = {what: base.execute(query).fetchall()[:3] for what, query in NO_ROWS.items()}
    assert {what: rows for what, rows in found.items() if rows} == {}


def test_a_broken_trace_is_noticed():
    base = sqlite3.connect(":memory:")
    base.executescript(
        "CREATE TABLE track (id, parent, kind, name, unit); CREATE TABLE event (track, ts, seq, step);"
        "CREATE TABLE flow (id, side, track, ts); CREATE TABLE counter (track, ts, seq);"
        "INSERT INTO track VALUES ('1', '0', 'process', 'p', ''), ('2', '1', 'counter', 'c', ''), "
        "('3', '9', 'thread', '', ''), ('4', '1', 'thread', 'a', ''), ('5', '1', 'thread', 'a', '');"
        "INSERT INTO event VALUES ('4', 5, 0, -1), ('4', 6, 1, 1), ('5', 1, 2, 1), ('8', -1, 3, 0);"
        "INSERT INTO flow VALUES ('1', 'from', '4', 9), ('1', 'to', '8', 3), ('2', 'from', '4', 1);"
        "INSERT INTO counter VALUES ('2', 4, 0), ('2', 3, 1);"
    )
    assert all(base.execute(query).fetchall() for query in NO_ROWS.values())
