"""What a real log says about conflicts: how many, whose, whether they resolved, what is stuck or in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from sim.logs.causes import Cause, Durations
from sim.logs.fates import Fate
from sim.logs.lost_updates import Overwritten
from sim.logs.reader import FileAccount
from sim.logs.refusals import FieldLoss, Loss, Otherwise
from sim.units import SECOND, spelled

UNNAMED = "controller not named"
"""Where a conflict is counted whose line does not name the controller, as in 1.21's own log."""
AUDIT_LOG = "audit log"
CONTROLLER_LOG = "controller log"
CERT_MANAGER = "cert-manager"
ALL_WRITERS = "all writers"
"""Whose conflicts are counted where the log has none of cert-manager."""

_BARS = "▁▂▃▄▅▆▇█"


class Stuck(NamedTuple):
    """A Certificate that is not as it should be, and where nothing happens any more."""

    certificate: str  # namespace/name
    why: str
    quiet_s: float  # from the last write to it until the log's end


class Resolution(NamedTuple):
    """What became of the conflicts; ``share`` and the quantiles are None where there was none to judge."""

    share: float | None  # followed by a successful write of the same controller to the same object
    p50_s: float | None
    p95_s: float | None
    resolved: int
    moot: int  # not followed by one, but the Certificate ended Ready and not Issuing: nothing was left to do
    open: int  # neither


class WriterRow(NamedTuple):
    """One writer of one resource."""

    resource: str
    actor: str
    writes: int  # that were stored
    refused: int  # as stale
    refused_fields: int  # applies that were not forced
    overwrote: int  # fields of others
    lost: int  # fields, to others


@dataclass
class LogReport:
    """The answer to "are these conflicts a problem?". Times in seconds, rates an hour."""

    source: str  # what the counts are from: AUDIT_LOG or CONTROLLER_LOG
    subject: str  # whose conflicts are counted: CERT_MANAGER or ALL_WRITERS
    span_s: float
    start_ns: int
    conflicts: Counter[str]  # by controller
    logged: int  # conflicts of the controller's log, where the counts are from an audit log beside it
    certificates: Counter[str]  # by Certificate
    objects: Counter[str]  # by resource and object
    elsewhere: Counter[str]  # conflicts on other resources, and of other writers
    others: Counter[str]  # the same, by writer, resource and object
    resolution: Resolution | None  # None where the log can't tell
    fates: list[Fate]  # where a controller's log is all there is
    filtered: bool  # the log holds refusals alone
    stuck: list[Stuck] | None  # None where the log holds no status
    seen: int  # Certificates whose status was seen
    ready: int  # of them Ready and not Issuing at the end
    unfinished: int  # of them neither that nor stuck: something happened shortly before the end
    writes: int  # of cert-manager, whatever the answer
    all_writes: int  # of everybody, stored or refused as stale
    actors: list[str]  # who wrote, those that wrote most first
    writers: list[WriterRow]
    losses: dict[Loss, int]  # the matrix of losers by winners
    field_losses: list[tuple[FieldLoss, int, str]]  # with an example of a field
    otherwise: Counter[Otherwise]  # refused with 409, and neither for a stale copy nor for fields
    tries: dict[int, int]  # refusals before a write went through: how often so many
    lost: list[tuple[Overwritten, int]]  # how often each
    lost_writes: int  # writes that took back another's field
    bodies: bool  # whether there were bodies to see lost updates in
    causes: list[Cause]
    issued: Durations | None
    signed: Durations | None
    timeline: list[int]  # conflicts in equal parts of the span
    peak_s: float  # start of the fullest part, since the start of the log
    read: int
    ignored: Counter[str]
    unread_conflicts: int  # lines that speak of conflicts and could not be read
    first_unread: str  # which is the first of them
    accounts: list[FileAccount]
    left_out: list[tuple[str, str]]  # files, and why
    notes: list[str]

    @property
    def total(self) -> int:
        """Conflicts: of cert-manager's controllers on Certificates, or where it is not in the log, of all writers."""
        return self.conflicts.total()

    def per_hour(self, count: int) -> float | None:
        """Return the rate of ``count`` events in the log's span; None where it spans no time."""
        return count * 3600 / self.span_s if self.span_s > 0 else None


def sparkline(counts: Iterable[int]) -> str:
    """Draw counts as a row of bars, the highest one full; a part with nothing is a blank."""
    values = list(counts)
    top = max(values, default=0)
    return "".join(" " if not value else _BARS[(value * len(_BARS) - 1) // top] for value in values)


def span_in_words(seconds: float) -> str:
    """Write a length of time for people, such as ``59.0 s`` or ``2 h 30 min``."""
    return spelled(seconds * SECOND)
