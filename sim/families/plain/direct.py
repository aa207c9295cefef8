"""The short way of clients of whom nothing is asked but live reads, thinking, conditional updates and requeues.

What happens between two visits to the server happens to the client alone, so it is worked out at once: two events a
try, one for each visit. Everything else is as in ``sim.families.plain.clients``: the same store, the same policy, the
same numbers drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.client.policy import GAVE_UP as NO_TRY_LEFT
from sim.cluster.objects import Object, Write
from sim.families.plain.crew import Crew, policy_at
from sim.recording.tries import AGAIN, GAVE_UP, OK, OVER_BUDGET
from sim.units import SECOND


def suits(crew: Crew) -> bool:
    """Whether the group's clients can take the short way."""
    group, world = crew.group, crew.world
    return (
        world.front.at_once
        and group.loop != "open"
        and group.read == "live"
        and group.scan.nothing
        and group.think_afresh
        and not group.uses_cores
        and group.control == "optimistic"
        and group.timeout is None
        and crew.strategy == "update"
        and crew.bucket is None
        and crew.retry.policy == "requeue"
        and crew.retry.budget is None
        and crew.retry.bucket is None
    )


class Direct:
    """One client; see ``sim.families.plain.clients.Client``."""

    __slots__ = (
        "_again",
        "_at",
        "_back",
        "_began",
        "_copy",
        "_crew",
        "_epoch",
        "_failures",
        "_field",
        "_field_number",
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

    def __init__(self, crew: Crew, index: int, number: int) -> None:
        world = crew.world
        self._crew = crew
        self._sim = world.sim
        self._at = world.sim.at
        self._epoch = world.sim.epoch
        self._handle = world.api.handle
        self._objects = world.objects
        self._record = world.direct.extend
        self._message = crew.messages[index]
        self._think: Callable[[], int] | None = None if crew.group.think.nothing else crew.thinks[index]
        self._idle = None if crew.group.idle.nothing else crew.idles[index]
        self._pick = crew.picks[index]
        policy = policy_at(crew, index)
        self._again = policy.again
        self._wait = policy.simple
        self._kind = crew.kind
        self._manager = crew.group.name
        self._whole = crew.whole
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
        self._object, self._field_number = self._crew.place(self.index, self._pick)
        self._name = self._crew.world.names[self._object]
        self._field = f"field-{self._field_number}"
        self._value = f"{self.number}.{self.job}"
        self._write = Write("update", self._kind, self._name, {"data": {self._field: self._value}}, self._manager)
        self._at(when + self._message(), Direct.read, self)

    def read(self) -> None:
        """The read is at the server; think, and send the write."""
        self._read_at = now = self._sim.now
        self._copy = copy = self._objects[self._name]
        self._version = copy.resource_version
        message = self._message
        self._back = sent = now + message()
        if self._think is not None:
            sent += self._think()
        self._sent = sent
        self._at(sent + message(), Direct.decide, self)

    def decide(self) -> None:
        """The write is at the server."""
        now = self._sim.now
        version = self._version
        write = self._write
        if self._whole:
            data = {**(self._copy.data or {}), self._field: self._value}
            write = self._write = Write("update", self._kind, self._name, {"data": data}, self._manager)
        write.resource_version = version  # nobody keeps a write that was answered, so one serves all tries of a job
        response = self._handle(write, (self._epoch + now) // SECOND)
        message = self._message
        answered = now + message()
        live = response.object
        seen = live.resource_version  # type: ignore[union-attr] # nobody deletes the objects
        tries, began = self.tries, self._began
        head = (self.number, self._object, self.job, tries, began, self._read_at, self._back, version, self._sent)
        if response.code == 200:
            self._record((*head, now, answered, seen, OK, self._field_number))
            self._finish(answered, OK, live)
            return
        failures = self._failures
        if self._wait is not None:
            wait = self._wait(failures, self._previous)
        else:
            wait = self._again(failures, self._previous, answered)
            if wait < 0:
                outcome = GAVE_UP if wait == NO_TRY_LEFT else OVER_BUDGET
                self._record((*head, now, answered, seen, outcome, self._field_number))
                self._finish(answered, outcome, live)
                return
        self._record((*head, now, answered, seen, AGAIN, self._field_number))
        self._failures = failures + 1
        self._previous = wait
        self.tries = tries + 1
        self._began = began = answered + wait
        self._at(began + message(), Direct.read, self)

    def _finish(self, answered: int, outcome: int, live: Object | None) -> None:
        world = self._crew.world
        if outcome == OK and world.watches and live is not None:
            world.stored(live)
        row = (self.number, self._object, self.job, self._job_began, answered, self.tries, int(outcome == OK), 0, 0)
        world.jobs.extend(row)
        if self._crew.group.loop == "once":
            world.one_less(answered)
        else:
            self.begin(answered + (self._idle() if self._idle is not None else 0))
