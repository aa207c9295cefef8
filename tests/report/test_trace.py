from __future__ import annotations

from collections import Counter, defaultdict
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
