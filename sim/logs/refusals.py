"""Who was refused on which object, who had won, and whether the refused writer got its write in later.

Fed with the writes of an audit log in any order, as rotated files may be. Memory is bounded but for the refusals
themselves: of each object the last writes are kept, of the objects the last ones written to.
"""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict
from typing import NamedTuple

from sim.logs.audit import CERTIFICATES, AuditEvent
from sim.logs.conflicts import ANONYMOUS, field_owners, refused
from sim.units import SECOND

NOT_SEEN = "(not in this log)"
"""The winner where the log does not have its write."""
_LAST_WRITES = 6
_OBJECTS = 20_000


class LoggedWriter(NamedTuple):
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


class Otherwise(NamedTuple):
    """A write that was refused with 409 and whose copy was not stale: the server's words say why."""

    writer: str
    resource: str
    key: str
    message: str


_Write = tuple[int, int, str, int]
"""When received and answered, by whom, and the version written. A plain tuple: there is one for every write."""


class _Refused(NamedTuple):
    answered_ns: int
    actor: str
    base: int


_Object = tuple[str, str]


class Counted:
    """Refusals as a log of either kind tells them."""

    def __init__(self) -> None:
        self.refused: Counter[LoggedWriter] = Counter()  # stale copies
        self.objects: Counter[tuple[LoggedWriter, str]] = Counter()  # by writer and key
        self.times = {True: array("q"), False: array("q")}  # of cert-manager's on Certificates, of others
        self.first: dict[str, int] = {}  # first refusal on each Certificate, by its name
        self.fields: Counter[FieldLoss] = Counter()
        self.field_examples: dict[FieldLoss, str] = {}

    def count(self, who: LoggedWriter, key: str, time_ns: int) -> None:
        """Count a write that was refused as stale; a time below 0 is not known."""
        self.refused[who] += 1
        self.objects[who, key] += 1
        if time_ns >= 0:
            self.times[concerns_certificates(who)].append(time_ns)
            if who.resource == CERTIFICATES:
                name = key.rsplit("/", 1)[-1]
                self.first[name] = min(self.first.get(name, time_ns), time_ns)

    def count_fields(self, loss: FieldLoss, field: str) -> None:
        """Count an apply that met the fields of another."""
        self.fields[loss] += 1
        self.field_examples.setdefault(loss, field)


class Refusals(Counted):
    """Counts refusals by writer, object and winner, and follows each to the write that resolved it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: Counter[LoggedWriter] = Counter()  # answered with 2xx
        self.otherwise: Counter[Otherwise] = Counter()  # with 409, and neither for a stale copy nor for fields
        self.losses: Counter[Loss] = Counter()
        self.nameless = 0
        self.tries: Counter[int] = Counter()  # refusals before the write that went through
        self.waits = {True: array("d"), False: array("d")}  # seconds from a refusal to the write that resolved it
        self.pending: dict[tuple[LoggedWriter, str], list[int]] = {}  # refusals not resolved so far
        self._recent: OrderedDict[_Object, list[_Write]] = OrderedDict()
        self._undecided: dict[_Object, list[_Refused]] = {}

    def add(self, event: AuditEvent) -> None:
        """Count one write."""
        who = LoggedWriter(event.actor, event.ours, event.resource)
        if event.succeeded:
            self.writes[who] += 1
            if event.name:
                self._succeeded(event, who, event.key)
        elif event.stale:
            self._refused(event, who, event.key)
        elif event.reason == "FieldConflict":
            owner, field = field_owners(event.message) or (ANONYMOUS, "")
            self.count_fields(FieldLoss(event.actor, owner, event.resource), field)
        elif event.reason == "OtherConflict" and len(self.otherwise) < _OBJECTS:
            named = refused(event.message)
            why = named[0].why if named else event.message
            self.otherwise[Otherwise(event.actor, event.resource, event.key, why[:300])] += 1

    def _refused(self, event: AuditEvent, who: LoggedWriter, key: str) -> None:
        self.count(who, key, event.answered_ns)
        if not event.name:  # nobody can tell what became of it
            self.nameless += 1
            return
        thing = (event.resource, key)
        self._undecided.setdefault(thing, []).append(_Refused(event.answered_ns, event.actor, event.base_version))
        mine = (answered for _, answered, actor, _ in self._recent.get(thing, ()) if actor == event.actor)
        written = max(mine, default=-1)
        if written >= event.answered_ns:  # the log is out of order: the later write was seen first
            self.waits[concerns_certificates(who)].append((written - event.answered_ns) / SECOND)
        elif event.wanted is None:
            self.pending.setdefault((who, key), []).append(event.answered_ns)
        elif ANONYMOUS not in event.wanted[1]:  # the same write succeeds later, and not one to the stale object
            again = who._replace(resource=event.wanted[0]), event.wanted[1]
            self.pending.setdefault(again, []).append(event.answered_ns)

    def _succeeded(self, event: AuditEvent, who: LoggedWriter, key: str) -> None:
        if self.pending and (waiting := self.pending.pop((who, key), None)):
            over = [time for time in waiting if time <= event.answered_ns]
            self.waits[concerns_certificates(who)].extend((event.answered_ns - time) / SECOND for time in over)
            if over:
                self.tries[len(over)] += 1
            if left := [time for time in waiting if time > event.answered_ns]:
                self.pending[who, key] = left
        thing = (event.resource, key)
        undecided = self._undecided.get(thing)
        if undecided:
            for each in undecided:
                if each.answered_ns < event.received_ns:
                    self._decide(thing, each)
            later = [each for each in undecided if each.answered_ns >= event.received_ns]
            if later:
                self._undecided[thing] = later
            else:
                del self._undecided[thing]
        recent = self._recent.setdefault(thing, [])
        recent.append((event.received_ns, event.answered_ns, event.actor, event.written_version))
        del recent[:-_LAST_WRITES]
        self._recent.move_to_end(thing)
        if len(self._recent) > _OBJECTS:
            self._recent.popitem(last=False)

    def _decide(self, thing: _Object, refused: _Refused) -> None:
        """Find the write that a refused one had not seen: the last before it, and newer than its copy."""
        before = [write for write in self._recent.get(thing, ()) if write[0] <= refused.answered_ns]
        if refused.base:
            before = [write for write in before if not write[3] or write[3] > refused.base]
        winner = max(before, key=lambda write: (write[3], write[1]))[2] if before else NOT_SEEN
        self.losses[Loss(refused.actor, winner, thing[0])] += 1

    def finish(self) -> None:
        """Decide what waited for later writes; called when the log is over, and again if it goes on."""
        for thing, undecided in self._undecided.items():
            for each in undecided:
                self._decide(thing, each)
        self._undecided.clear()


def concerns_certificates(who: LoggedWriter) -> bool:
    """Whether this is one of cert-manager's controllers on Certificates."""
    return who.ours and who.resource == CERTIFICATES
