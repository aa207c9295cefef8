"""A replication as a trace for https://ui.perfetto.dev: TrackEvent protobuf, written with Perfetto's own builder.

Four groups of tracks, Perfetto's processes:

*controllers*      a track for each controller's worker, grouped by controller. A slice is a pass, named after its
                   object; in it waits for tokens and requests. A write that was stored and one that was refused
                   have an instant at the server's decision, and an arrow leads from the write that made a copy stale to
                   the 409 that it caused. An arrow leads as well from a write to the one that took its value away (a
                   lost update), and from a creation to the one that made the same again.
*event recorders*  the sender of each component's Events.
*writers outside*  who creates, other controllers and users; as many rows as requests at once.
*counters*         depth of each workqueue, tokens of the client's bucket, requests in flight.

Times are simulated nanoseconds from the start of the replication. Format:
perfetto.dev/docs/reference/synthetic-track-event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.levels import Level, depths, in_flight, outside, tokens
from sim.analysis.plain import rows
from sim.recording.conflict import conflicting
from sim.recording.folders import new_file
from sim.report.sentences import missing
from sim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.result import Result

SEQUENCE = 1
"""All packets come from one writer."""

Row = dict[str, Any]
_Draw = Callable[..., None]
"""``_draw`` of a trace: takes a track, a row and, where its pass is cut off, the end of that."""


class Tracks:
    """Writes packets: descriptors of tracks, and events on them."""

    def __init__(self, new: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._new = new
        self._write = write
        self._uuids = count(1)
        self._started = False

    def track(self, name: str, parent: int = 0, rank: int = 0, process: int = 0, unit: str | None = None) -> int:
        """Describe a track and return its number; with ``unit`` it is a counter's."""
        packet = self._packet()
        track = packet.track_descriptor
        track.uuid = next(self._uuids)
        if process:
            track.process.pid = process
            track.process.process_name = name
        else:
            track.name = name
        if parent:
            track.parent_uuid = parent
            track.sibling_order_rank = rank
        if unit is not None:
            track.counter.unit_name = unit
        else:
            track.child_ordering = type(track).EXPLICIT
        self._write(packet)
        return int(track.uuid)

    def begin(self, track: int, at: int, name: str, **notes: object) -> None:
        """A slice begins."""
        self._write(self._event(track, at, "TYPE_SLICE_BEGIN", name, notes))

    def end(self, track: int, at: int) -> None:
        """The innermost slice ends."""
        self._write(self._event(track, at, "TYPE_SLICE_END", "", {}))

    def instant(
        self, track: int, at: int, name: str, starts: list[int], ends: list[int], notes: dict[str, object]
    ) -> None:
        """Something happens; flows may start and end there."""
        packet = self._event(track, at, "TYPE_INSTANT", name, notes)
        packet.track_event.flow_ids.extend(starts)
        packet.track_event.terminating_flow_ids.extend(ends)
        self._write(packet)

    def value(self, track: int, at: int, value: float) -> None:
        """A counter has a new value."""
        packet = self._event(track, at, "TYPE_COUNTER", "", {})
        if isinstance(value, int):
            packet.track_event.counter_value = value
        else:
            packet.track_event.double_counter_value = value
        self._write(packet)

    def _packet(self) -> Any:
        packet = self._new()
        packet.trusted_packet_sequence_id = SEQUENCE
        if not self._started:
            self._started = True
            packet.sequence_flags = type(packet).SEQ_INCREMENTAL_STATE_CLEARED
        return packet

    def _event(self, track: int, at: int, kind: str, name: str, notes: dict[str, object]) -> Any:
        packet = self._packet()
        packet.timestamp = at
        event = packet.track_event
        event.type = getattr(type(event), kind)
        event.track_uuid = track
        if name:
            event.name = name
        for key, value in notes.items():
            note = event.debug_annotations.add()
            note.name = key
            if isinstance(value, int):
                note.int_value = value
            else:
                note.string_value = str(value)
        return packet


def write_trace(result: Result, path: Path) -> int:
    """Write the one replication of ``result`` to ``path`` and return the number of packets.

    The file appears as a whole or not at all.
    """
    from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder

    written = count()
    with new_file(path) as file:
        builder = StreamingTraceProtoBuilder(file)

        def write(packet: Any) -> None:
            next(written)
            builder.write_packet(packet)

        _fill(Tracks(builder.create_packet, write), result)
    return next(written)


SUMMARY = (
    *("writer", "passes", "queued_s", "working_s", "requests", "waiting_for_token_s", "under_way_s"),
    *("stored", "refused_409", "other_errors"),
)
"""The columns of ``summary``; times are sums in simulated seconds."""
_SUMMED = ("actor", "resource", "code", "reason", "written_version", "asked_at", "sent_at", "answered_at")


def summary(result: Result) -> list[dict[str, Any]]:
    """Return what the trace of the one replication of ``result`` shows in figures: a row for each who sends or works.

    What an instant shows is counted: writes that were stored, and answers 409 Conflict and of other errors.
    """
    found: dict[str, dict[str, Any]] = {}

    def row(name: object) -> dict[str, Any]:
        return found.setdefault(str(name), {**dict.fromkeys(SUMMARY, 0), "writer": str(name)})

    def seconds(own: pd.DataFrame, start: str, end: str) -> float:
        return round(float((own[end] - own[start]).dt.total_seconds().sum()), 9)

    passes = result.rows("reconciles", ["controller", "queued_at", "started_at", "ended_at"])
    for name, own in passes.groupby("controller", observed=True):
        made = row(name)
        made["passes"] = len(own)
        made["queued_s"] = seconds(own, "queued_at", "started_at")
        made["working_s"] = seconds(own, "started_at", "ended_at")
    requests = result.rows("requests", _SUMMED)
    for name, own in requests.groupby("actor", observed=True):
        made, lost = row(name), conflicting(own)
        made["requests"] = len(own)
        made["waiting_for_token_s"] = seconds(own, "asked_at", "sent_at")
        made["under_way_s"] = seconds(own, "sent_at", "answered_at")
        made["stored"] = int((own["written_version"] > 0).sum())
        made["refused_409"] = int(lost.sum())
        made["other_errors"] = int(((own["code"] >= 400) & ~lost).sum())
    return list(found.values())


def _fill(tracks: Tracks, result: Result) -> None:
    every = rows(result.requests.sort_values("asked_at", kind="stable"))
    own = outside(result.scenario, result.requests)
    draw = partial(_draw, tracks, _instants(result))
    _controllers(tracks, result, [row for row in every if row["reconcile"] >= 0], draw)
    others = [row for row in every if row["reconcile"] < 0]
    _alone(tracks, "event recorders", 2, [row for row in others if row["actor"] not in own], draw)
    _alone(tracks, "writers outside", 3, [row for row in others if row["actor"] in own], draw)
    _counters(tracks, result)


@dataclass(slots=True)
class _Instant:
    """What is shown of a decision: its name and notes, and the numbers of the arrows that start and end there.

    A write that was stored, and that did nothing else, has neither name nor notes.
    """

    name: str = ""
    notes: dict[str, object] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


def _instants(result: Result) -> dict[int, _Instant]:
    """Return what is shown of decisions, by request: writes that made copies stale, lost updates, made twice."""
    found: defaultdict[int, _Instant] = defaultdict(_Instant)
    flows = count(1)

    def arrow(start: int, end: int) -> None:
        flow = next(flows)
        found[start].starts.append(flow)
        found[end].ends.append(flow)

    for row in rows(result.attribution.dropna(subset=["winner_request"])):
        arrow(int(row["winner_request"]), row["request"])
        instant = found[row["request"]]
        instant.name = f"409 #{row['conflict']}: lost to {row['winner']}"
        instant.notes = {
            "meant to change": row["wanted_fields"],
            "changed meanwhile": row["winner_fields"],
            "age of the copy, ns": row["age"].value,
            "outdated during": row["outdated_during"],
        }
    fields: dict[tuple[int, int], list[Row]] = {}
    for row in rows(result.losses):
        fields.setdefault((row["request"], row["of_request"]), []).append(row)
    for (request, of), lost in fields.items():
        row, instant = lost[0], found[request]
        before = f"{instant.name}; " if instant.name else ""
        instant.name = f"{before}takes away {', '.join(str(each['field']) for each in lost)} of {row['of']}"
        instant.notes = {"repaired": f"by {row['repaired_by']}" if row["repaired_by"] else "never"}
        if row["repaired_by"]:
            instant.notes["repaired after, ns"] = (row["repaired_at"] - row["lost_at"]).value
        if of >= 0:
            arrow(of, request)
    for row in rows(result.duplicates):
        arrow(row["of_request"], row["request"])
        instant = found[row["request"]]
        instant.name, instant.notes = f"a duplicate of {row['of_object']}", {"object": row["object"]}
    return dict(found)


def _draw(tracks: Tracks, instants: Mapping[int, _Instant], track: int, row: Row, until: int | None = None) -> None:
    """Draw a request on a track: its wait, its slice, and the instant of its decision; nothing after ``until``."""
    asked, sent, decided, back = (row[name].value for name in ("asked_at", "sent_at", "decided_at", "answered_at"))
    back = back if until is None else min(back, until)
    if sent > asked:
        tracks.begin(track, asked, "wait for token")
        tracks.end(track, sent)
    tracks.begin(track, sent, f"{_words(row)} {row['code']}", **_notes(row))
    instant = instants.get(row["request"])
    if instant is not None:
        name = instant.name or f"stored as {row['written_version']}"
        tracks.instant(track, min(decided, back), name, instant.starts, instant.ends, instant.notes)
    tracks.end(track, back)


def _words(row: Row) -> str:
    return f"{row['verb']} {row['resource']}{'/' if row['subresource'] else ''}{row['subresource']}"


def _notes(row: Row) -> dict[str, object]:
    found: dict[str, object] = {"object": row["object"], "request": row["request"]}
    for name in ("reason", "read_version", "base_version", "written_version", "hidden_retries"):
        if row[name]:
            found[name] = row[name]
    return found


def _controllers(tracks: Tracks, result: Result, requests: list[Row], draw: _Draw) -> None:
    process = tracks.track("controllers", process=1)
    by_pass: dict[int, list[Row]] = {}
    for row in requests:
        by_pass.setdefault(row["reconcile"], []).append(row)
    by_worker: dict[tuple[str, int, int], list[Row]] = {}
    for row in rows(result.reconciles.sort_values("started_at", kind="stable")):
        by_worker.setdefault((str(row["controller"]), row["replica"], row["worker"]), []).append(row)
    over = round((result.measured[0].metrics["ended_s"] or 0) * SECOND)  # plain clients may still be at a pass then
    parents: dict[str, int] = {}
    plain = result.scenario.contention is not None  # a worker there is a client
    for place, ((controller, replica, worker), passes) in enumerate(sorted(by_worker.items())):
        if controller not in parents:
            parents[controller] = tracks.track(controller, process, len(parents))
        whose = f"{controller} worker" if plain or replica == 1 else f"{controller} replica {replica} worker"
        track = tracks.track(f"{whose} {worker}", parents[controller], place)
        for row, following in zip(passes, [*passes[1:], None], strict=True):
            # A pass that finds nothing to do is over at once, and what it costs is owed: the next may begin before.
            end = over if missing(row["ended_at"]) else row["ended_at"].value
            end = end if following is None else min(end, following["started_at"].value)
            notes = {"woken by": row["cause"], "outcome": row["outcome"], "read_version": row["read_version"]}
            notes["waited in the queue, ns"] = (row["started_at"] - row["queued_at"]).value
            tracks.begin(track, row["started_at"].value, str(row["certificate"] or row["key"]), **notes)
            for request in by_pass.pop(row["reconcile"], []):
                draw(track, request, end)
            tracks.end(track, end)
    unfinished = [row for left in by_pass.values() for row in left]
    if unfinished:  # their passes were still under way when the process or the replication ended
        for track, row in _packed(tracks, process, len(parents), unfinished, "passes that did not end"):
            draw(track, row)


def _alone(tracks: Tracks, title: str, number: int, requests: list[Row], draw: _Draw) -> None:
    if not requests:
        return
    process = tracks.track(title, process=number)
    for track, row in _packed(tracks, process, 0, requests, ""):
        draw(track, row)


def _packed(tracks: Tracks, parent: int, rank: int, requests: list[Row], title: str) -> Iterator[tuple[int, Row]]:
    """Put each actor's requests on as many tracks as it has at once."""
    free: dict[str, list[tuple[int, int]]] = {}
    for row in requests:
        name = title or str(row["actor"])
        places = free.setdefault(name, [])
        asked, back = row["asked_at"].value, row["answered_at"].value
        for place, (track, until) in enumerate(places):
            if until <= asked:
                places[place] = (track, back)
                break
        else:
            suffix = f" {len(places) + 1}" if places else ""
            track = tracks.track(f"{name}{suffix}", parent, rank + len(free))
            places.append((track, back))
        yield track, row


def _counters(tracks: Tracks, result: Result) -> None:
    process = tracks.track("counters", process=4)
    rank = count()

    def counter(name: str, unit: str, level: Level) -> None:
        track = tracks.track(name, process, next(rank), unit=unit)
        for at, value in level:
            tracks.value(track, at, value)

    for controller, level in depths(result.reconciles).items():
        counter(f"queue depth {controller}", "keys", level)
    bucket = tokens(result.scenario, result.requests)
    if bucket is not None:
        counter("client tokens (below 0: waiting for theirs)", "tokens", bucket)
    own = outside(result.scenario, result.requests)
    ours = ~result.requests["actor"].isin(own)
    counter("requests in flight, controllers", "requests", in_flight(result.requests[ours], "sent_at", "answered_at"))
    counter("requests in flight, API server", "requests", in_flight(result.requests, "received_at", "decided_at"))
