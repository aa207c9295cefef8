"""Who was refused on which object, who had won, and whether the refused writer got its write in later.

Fed with the writes of an audit log in any order, as rotated files may be. Memory is bounded but for the refusals
themselves: of each object the last writes are kept, of the objects the last ones written to.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict
from typing import NamedTuple

from sim.logs.audit import CERTIFICATES, AuditEvent
from sim.units import SECOND

NOT_SEEN = "(not in this log)"
"""The winner where the log does not have its write."""
_LAST_WRITES = 4
_OBJECTS = 20_000
_WRITTEN = 50_000


class Writer(NamedTuple):
    """One writer of one resource."""

    actor: str
    ours: bool  # a part of cert-manager
    resource: str


class Loss(NamedTuple):
    """A refused writer, and the one whose write made its copy stale."""

    loser: str
    winner: str
    resource: str


class FieldLoss(NamedTuple):
    """A writer whose apply was refused, and the manager of the fields that it wanted."""

    loser: str
    owner: str
    resource: str


class _Write(NamedTuple):
    received_ns: int
    answered_ns: int
    actor: str
    version: int


class _Refused(NamedTuple):
    answered_ns: int
    actor: str
    base: int


_Object = tuple[str, str]


class Refusals:
    """Counts refusals by writer, object and winner, and follows each to the write that resolved it."""

    def __init__(self) -> None:
        self.writes: Counter[Writer] = Counter()  # answered with 2xx
        self.refused: Counter[Writer] = Counter()  # stale copies
        self.objects: Counter[tuple[Writer, str]] = Counter()  # by writer and key
        self.fields: Counter[FieldLoss] = Counter()
        self.field_examples: dict[FieldLoss, str] = {}
        self.existing: Counter[Writer] = Counter()  # creations of what was there already
        self.losses: Counter[Loss] = Counter()
        self.nameless = 0
        self.tries: Counter[int] = Counter()  # refusals before the write that went through
        self.times = {True: array("q"), False: array("q")}  # of refusals: of cert-manager's on Certificates, of others
        self.waits = {True: array("d"), False: array("d")}  # seconds from a refusal to the write that resolved it
        self.pending: dict[tuple[Writer, str], list[int]] = {}  # refusals not resolved so far
        self._written: OrderedDict[tuple[Writer, str], int] = OrderedDict()
        self._recent: OrderedDict[_Object, list[_Write]] = OrderedDict()
        self._undecided: dict[_Object, list[_Refused]] = {}

    def add(self, event: AuditEvent) -> None:
        """Count one write."""
        who = Writer(event.actor, event.ours, event.resource)
        if event.succeeded:
            self.writes[who] += 1
            if event.name:
                self._succeeded(event, who)
        elif event.stale:
            self._refused(event, who)
        elif event.reason == "FieldConflict":
            owner = event.message.partition('conflict with "')[2].partition('"')[0] or "(not named)"
            loss = FieldLoss(event.actor, owner, event.resource)
            self.fields[loss] += 1
            self.field_examples.setdefault(loss, event.message.rpartition(": ")[2][:100])
        elif event.code == 409:
            self.existing[who] += 1

    def _refused(self, event: AuditEvent, who: Writer) -> None:
        self.refused[who] += 1
        self.objects[who, event.key] += 1
        self.times[concerns_certificates(who)].append(event.answered_ns)
        if not event.name:  # nobody can tell what became of it
            self.nameless += 1
            return
        thing = (event.resource, event.key)
        self._undecided.setdefault(thing, []).append(_Refused(event.answered_ns, event.actor, event.base_version))
        which = (who, event.key)
        written = self._written.get(which, -1)
        if written >= event.answered_ns:  # the log is out of order: the later write was seen first
            self.waits[concerns_certificates(who)].append((written - event.answered_ns) / SECOND)
        else:
            self.pending.setdefault(which, []).append(event.answered_ns)

    def _succeeded(self, event: AuditEvent, who: Writer) -> None:
        which = (who, event.key)
        self._written[which] = max(self._written.pop(which, -1), event.answered_ns)
        if len(self._written) > _WRITTEN:
            self._written.popitem(last=False)
        waiting = self.pending.get(which)
        if waiting:
            left = [time for time in waiting if time > event.answered_ns]
            over = [time for time in waiting if time <= event.answered_ns]
            self.waits[concerns_certificates(who)].extend((event.answered_ns - time) / SECOND for time in over)
            if over:
                self.tries[len(over)] += 1
            if left:
                self.pending[which] = left
            else:
                del self.pending[which]
        self._won(event)

    def _won(self, event: AuditEvent) -> None:
        thing = (event.resource, event.key)
        undecided = self._undecided.get(thing)
        if undecided and any(refused.answered_ns < event.received_ns for refused in undecided):
            later = [refused for refused in undecided if refused.answered_ns >= event.received_ns]
            for refused in undecided:
                if refused.answered_ns < event.received_ns:
                    self._decide(thing, refused)
            if later:
                self._undecided[thing] = later
            else:
                del self._undecided[thing]
        recent = self._recent.pop(thing, [])
        recent.append(_Write(event.received_ns, event.answered_ns, event.actor, event.written_version))
        self._recent[thing] = recent[-_LAST_WRITES:]
        if len(self._recent) > _OBJECTS:
            self._recent.popitem(last=False)

    def _decide(self, thing: _Object, refused: _Refused) -> None:
        """Find the write that a refused one had not seen: the last before it, and newer than its copy."""
        before = [write for write in self._recent.get(thing, ()) if write.received_ns <= refused.answered_ns]
        if refused.base:
            before = [write for write in before if not write.version or write.version > refused.base]
        winner = max(before, key=lambda write: (write.version, write.answered_ns)).actor if before else NOT_SEEN
        self.losses[Loss(refused.actor, winner, thing[0])] += 1

    def finish(self) -> None:
        """Decide what waited for later writes; called when the log is over, and again if it goes on."""
        for thing, undecided in self._undecided.items():
            for refused in undecided:
                self._decide(thing, refused)
        self._undecided.clear()


def concerns_certificates(who: Writer) -> bool:
    """Whether this is one of cert-manager's controllers on Certificates."""
    return who.ours and who.resource == CERTIFICATES
