"""The short way of clients of whom nothing is asked but live reads, thinking, conditional updates and requeues.

What happens between two visits to the server happens to the client alone, so it is worked out at once: two events a
try, one for each visit. Everything else is as in ``sim.families.plain.clients``: the same store, the same policy, the
same numbers drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.client.policy import GAVE_UP as NO_TRY_LEFT
from sim.cluster.objects import Object, Write
from sim.families.plain.group import ClientGroup, policy_at
from sim.families.plain.tries import AGAIN, GAVE_UP, OK, OVER_BUDGET
from sim.units import SECOND


def takes_short_way(group: ClientGroup) -> bool:
    """Whether the group's clients can."""
    settings = group.settings
    return (
        group.commons.turns.at_once
        and settings.loop != "open"
        and settings.read == "live"
        and settings.scan.nothing
        and settings.think_afresh
        and not settings.uses_cores
        and settings.control == "optimistic"
        and settings.timeout is None
        and group.strategy == "update"
        and group.bucket is None
        and group.retry.policy == "requeue"
        and group.retry.budget is None
        and group.retry.bucket is None
    )


class Direct:
    """One client; see ``sim.families.plain.clients.PlainClient``."""

    __slots__ = (
        "_again",
        "_at",
        "_back",
        "_began",
        "_copy",
        "_epoch",
        "_failures",
        "_field",
        "_field_number",
        "_group",
        "_handle",
        "_idle",
        "_job_began",
        "_kind",
        "_manager",
        "_message",
        "_name",
        "_object",
        "_objects",
        "_pick",
        "_previous",
        "_read_at",
        "_record",
        "_sent",
        "_sim",
        "_think",
        "_value",
        "_version",
        "_wait",
        "_whole",
        "_write",
        "index",
        "job",
        "number",
        "tries",
    )

    def __init__(self, group: ClientGroup, index: int, number: int) -> None:
        commons = group.commons
        self._group = group
        self._sim = commons.sim
        self._at = commons.sim.at
        self._epoch = commons.sim.epoch
        self._handle = commons.api.handle
        self._objects = commons.objects
        self._record = commons.short.extend
        self._message = group.messages[index]
        self._think: Callable[[], int] | None = None if group.settings.think.nothing else group.thinks[index]
        self._idle = None if group.settings.idle.nothing else group.idles[index]
        self._pick = group.picks[index]
        policy = policy_at(group, index)
        self._again = policy.again
        self._wait = policy.simple
        self._kind = group.kind
        self._manager = group.settings.name
        self._whole = group.whole
        self._copy: Object
        self.index = index
        self.number = number
        self.job = self.tries = 0
        self._began = self._read_at = self._back = self._sent = self._version = self._job_began = 0

    def start(self, _: object = None) -> None:
        """Begin the next job now."""
        self.begin(self._sim.now)

    def begin(self, when: int) -> None:
        """Begin the next job at a time that is not over."""
        self.job += 1
        self.tries = 1
        self._failures = self._previous = 0
        self._job_began = self._began = when
        self._object, self._field_number = self._group.place(self.index, self._pick)
        self._name = self._group.commons.names[self._object]
        self._field = f"field-{self._field_number}"
        self._value = f"{self.number}.{self.job}"
        self._write = Write("update", self._kind, self._name, {"data": {self._field: self._value}}, self._manager)
        self._at(when + self._message(), Direct.read, self)

    def read(self) -> None:
        """The read is at the server; think, and send the write."""
        # What is kept in a slot and called is first read: a call of an attribute costs more.
        at, message, think = self._at, self._message, self._think
        self._read_at = now = self._sim.now
        self._copy = copy = self._objects[self._name]
        self._version = copy.resource_version
        self._back = sent = now + message()
        if think is not None:
            sent += think()
        self._sent = sent
        at(sent + message(), Direct.decide, self)

    def decide(self) -> None:
        """The write is at the server."""
        now = self._sim.now
        version = self._version
        write = self._write
        if self._whole:
            data = {**(self._copy.data or {}), self._field: self._value}
            write = self._write = Write("update", self._kind, self._name, {"data": data}, self._manager)
        write.resource_version = version  # nobody keeps a write that was answered, so one serves all tries of a job
        handle, message, record, wait_for = self._handle, self._message, self._record, self._wait
        response = handle(write, (self._epoch + now) // SECOND)
        answered = now + message()
        live = response.object
        seen = live.resource_version  # type: ignore[union-attr] # nobody deletes the objects
        tries, began = self.tries, self._began
        failures = self._failures
        wait = 0
        if response.code == 200:
            outcome = OK
        elif wait_for is not None:
            outcome, wait = AGAIN, wait_for(failures, self._previous)
        else:
            wait = self._again(failures, self._previous, answered)
            outcome = AGAIN if wait >= 0 else GAVE_UP if wait == NO_TRY_LEFT else OVER_BUDGET
        record(
            (
                self.number, self._object, self.job, tries, began, self._read_at, self._back, version, self._sent,
                now, answered, seen, outcome, self._field_number,
            )
        )  # fmt: skip
        if outcome != AGAIN:
            self._finish(answered, outcome)
            return
        at = self._at
        self._failures = failures + 1
        self._previous = wait
        self.tries = tries + 1
        self._began = began = answered + wait
        at(began + message(), Direct.read, self)

    def _finish(self, answered: int, outcome: int) -> None:
        commons = self._group.commons
        row = (self.number, self._object, self.job, self._job_began, answered, self.tries, int(outcome == OK), 0, 0)
        commons.jobs.extend(row)
        if self._group.settings.loop == "once":
            commons.one_less(answered)
        else:
            self.begin(answered + (self._idle() if self._idle is not None else 0))
