"""Whether a recording's clocks agree: the API server's, the controller log's, and that in the names of Events.

The controller writes a line after the answer that it is about has come, and before the request that it announces has
arrived. So each line bounds how far its clock is ahead of the server's, from above or from below, as the messages of
a time protocol do. Where 0 is outside the bounds the clocks differ: by a time zone, a year, or a drift. The middle of
the bounds is then taken off, so that times between the two logs mean something. Events are a clock of their own:
their names hold Unix time, whatever time zone the log is written in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sim.logs.audit import CERTIFICATES, EVENTS, AuditEvent
from sim.logs.controller_log import CONFLICT, REISSUE, LogLine
from sim.units import MS, SECOND

ENOUGH = 5
"""Fewer bounds from either side than this tell nothing."""
AGREE = 1 * MS
"""Clocks this close agree: it is what a hop between the two takes."""
SHARP = 10 * MS
"""Bounds further apart leave more doubt than the times that are measured between the clocks."""
_SURE = 0.9
"""Share of the bounds that have to hold: pairs of a log that was cut off may belong to different things."""
_ANNOUNCES = {"certificates-trigger", "certificates-issuing", "certificaterequests-approver"}
"""Who records an Event once its status write has been answered."""


class Offset(NamedTuple):
    """How far a clock is ahead of the server's, in nanoseconds."""

    low: int
    high: int

    @property
    def middle(self) -> int:
        """The best guess."""
        return (self.low + self.high) // 2

    @property
    def sharp(self) -> bool:
        """Whether the guess is good enough to measure with."""
        return self.high - self.low <= SHARP

    @property
    def differs(self) -> bool:
        """Whether the clocks can't agree."""
        return self.low > AGREE or self.high < -AGREE


def offset_of_log(events: Iterable[AuditEvent], lines: Iterable[LogLine]) -> Offset | None:
    """Return how far the controller log's clock is ahead; None where too little is in both logs."""
    refused: dict[str, int] = {}
    announced: dict[str, int] = {}
    for event in events:
        if event.resource == CERTIFICATES and event.name and event.ours:
            if event.reason == "Conflict":
                refused[event.name] = min(event.answered_ns, refused.get(event.name, event.answered_ns))
            if event.actor == "certificates-trigger":
                announced[event.name] = min(event.received_ns, announced.get(event.name, event.received_ns))
    said = {CONFLICT: _first(lines, CONFLICT), REISSUE: _first(lines, REISSUE)}
    above = [said[CONFLICT][name] - at for name, at in refused.items() if name in said[CONFLICT]]
    below = [said[REISSUE][name] - at for name, at in announced.items() if name in said[REISSUE]]
    return _between(below, above)


def offset_of_events(events: Iterable[AuditEvent]) -> Offset | None:
    """Return how far the clock in the names of Events is ahead; None where too little is told."""
    below: list[int] = []
    written: dict[tuple[str, str], int] = {}
    recorded: dict[tuple[str, str], int] = {}
    for event in events:
        which = (event.actor, event.name)
        if event.resource == EVENTS and event.recorded_ns and event.verb == "create":
            below.append(event.recorded_ns - event.received_ns)
            recorded[which] = min(event.recorded_ns, recorded.get(which, event.recorded_ns))
        elif event.actor in _ANNOUNCES and event.subresource == "status" and event.succeeded:
            written[which] = min(event.answered_ns, written.get(which, event.answered_ns))
    above = [recorded[which] - at for which, at in written.items() if which in recorded]
    return _between(below, above)


def out_of_step(events: Iterable[AuditEvent]) -> int:
    """Count writes answered a second or more after one that has a later resourceVersion.

    One server's clock can't do that: the files are of API servers whose clocks differ, or of several clusters.
    """
    newest, seen = 0, 0
    found = 0
    for event in sorted((event for event in events if event.written_version), key=lambda event: event.answered_ns):
        if event.written_version > newest:
            newest, seen = event.written_version, event.answered_ns
        elif event.answered_ns > seen + SECOND:
            found += 1
    return found


class Aligned(NamedTuple):
    """A recording's events and lines by one clock, the API server's, and what had to be done about it."""

    events: list[AuditEvent]
    lines: list[LogLine]
    notes: list[str]


def align(events: list[AuditEvent], lines: list[LogLine]) -> Aligned:
    """Take off what the clocks differ by; where that is not known well enough, leave the times out."""
    notes = []
    late = out_of_step(events)
    if late:
        notes.append(
            f"{late} writes were answered a second or more after one with a later resourceVersion: the audit log is "
            "of API servers whose clocks differ, or of several clusters"
        )
    log = offset_of_log(events, lines)
    if log is not None and log.differs:
        notes.append(_in_words("the controller log's clock", log))
        lines = [line._replace(time_ns=line.time_ns - log.middle) for line in lines] if log.sharp else []
    named = offset_of_events(events)
    if named is not None and named.differs:
        notes.append(_in_words("the clock in the names of Events", named))
        by = named.middle
        events = [
            event._replace(recorded_ns=event.recorded_ns - by if named.sharp else 0) if event.recorded_ns else event
            for event in events
        ]
    return Aligned(events, lines, notes)


def _in_words(which: str, offset: Offset) -> str:
    seconds = round(abs(offset.middle) / SECOND, 3)
    what = f"{which} is {seconds:.4g} s {'ahead of' if offset.middle > 0 else 'behind'} the API server's"
    within = (offset.high - offset.low) / 2 / MS
    if offset.sharp:
        return f"{what} (to within {within:.1f} ms): taken off"
    return f"{what}, but only to within {within:.0f} ms: its times are not used"


def _first(lines: Iterable[LogLine], what: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        if line.what == what and line.key:
            name = line.key.rsplit("/", 1)[-1]
            found[name] = min(line.time_ns, found.get(name, line.time_ns))
    return found


def _between(below: list[int], above: list[int]) -> Offset | None:
    """The offset that the bounds leave, but for the worst tenth of either side."""
    if len(below) < ENOUGH or len(above) < ENOUGH:
        return None
    low = sorted(below)[int(_SURE * (len(below) - 1))]
    high = sorted(above)[round((1 - _SURE) * (len(above) - 1))]
    return Offset(min(low, high), max(low, high))
