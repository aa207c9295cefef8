"""What all plain clients of one replication share: the objects, the server's turns, the locks, and who is left.

What happens is noted here too, as rows of whole numbers (``sim.families.plain.tries``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.client import writes
from sim.client.surroundings import Surroundings
from sim.families.plain.draws import samplers
from sim.families.plain.turns import Turns


class Lock:
    """A lock on one object, first come first served."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Callable[[], object]] = deque()

    def acquire(self, go_on: Callable[[], object]) -> None:
        """Call ``go_on`` as soon as the lock is there."""
        if self._held:
            self._waiting.append(go_on)
        else:
            self._held = True
            go_on()

    def release(self) -> None:
        """Hand the lock on."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._held = False


class Commons:
    """Made before time 0, with the objects in the store."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.scenario = scenario = surroundings.scenario
        assert scenario.contention is not None
        self.contention = contention = scenario.contention
        self.sim = surroundings.simulation
        self.machine = surroundings.machine
        self.server = surroundings.server
        self.api = surroundings.server.api
        self.strategies = [group.strategy or scenario.strategy for group in contention.groups]
        policies = {(group.retry or scenario.retry).policy for group in contention.groups}
        applied = "apply" in self.strategies or "apply-on-conflict" in policies
        self.kind = "ConfigMap" if applied else "PlainConfigMap"
        self.objects = self.api.store.objects[self.kind]
        self.places = contention.objects * contention.fields
        self.names = [f"object-{n}" for n in range(contention.objects)]
        for name in self.names:
            made = writes.create(self.kind, name, {"data": {"made": "here"}}, manager="lab")
            self.api.handle(made, self.sim.unix_seconds)
        service = contention.service
        times = None if service is None else samplers(self.sim.streams, "server", "service", 1, service)[0]
        self.turns = Turns(self.sim, times, scenario.server.max_in_flight, contention.outages)
        self._locks: dict[int, Lock] = {}
        self.tries: list[list[int]] = []
        self.direct = bytearray()
        """The tries of those on the short way, packed: ``DIRECT`` of each."""
        self.jobs: list[int] = []
        self.background: list[int] = []
        self.group_of: list[int] = []
        """The group of every client, by the client's number; -1 for a background writer."""
        self.labels: list[str] = []
        """The name of every client."""
        self.left = 0
        """Clients that have not yet done their only job."""
        self.done: list[Callable[[], None]] = []
        """Called once nobody has anything left to do."""
        self._ended = 0

    def register(self, label: str, group: int) -> int:
        """Return the number of a new client."""
        self.group_of.append(group)
        self.labels.append(label)
        return len(self.labels) - 1

    def one_less(self, when: int) -> None:
        """A client has done its only job, with its last answer at ``when``."""
        self.left -= 1
        self._ended = max(self._ended, when)
        if not self.left:
            self.sim.call_in(self._ended - self.sim.now, self._all_done)

    def _all_done(self) -> None:
        for tell in self.done:
            tell()

    def lock(self, obj: int) -> Lock:
        """The lock on an object."""
        found = self._locks.get(obj)
        if found is None:
            found = self._locks[obj] = Lock()
        return found
