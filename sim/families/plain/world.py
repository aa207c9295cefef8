"""One replication of a contention: the store, the server's time, the clients; from the start to the end."""

from __future__ import annotations

from collections.abc import Callable

from sim.client.policy import Shared
from sim.cluster.apiserver import ApiServer
from sim.cluster.kinds import registry
from sim.cluster.objects import Object, Write
from sim.cluster.store import Store
from sim.cluster.watch import Watch, WatchEvent
from sim.families.plain.clients import Client
from sim.families.plain.crew import Crew, Lock
from sim.families.plain.direct import Direct, suits
from sim.families.plain.draws import samplers
from sim.families.plain.front import Front
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.recording.contended import VERBS, Contended, jobs_of, rows_of, tries_of
from sim.recording.tries import WRITER
from sim.scenario.model import Scenario, Writer
from sim.units import SECOND


class World:
    """Everything of one replication. ``direct=False`` sends every client the long way, for comparing the two."""

    def __init__(self, scenario: Scenario, index: int, *, direct: bool = True) -> None:
        assert scenario.contention is not None
        self.scenario = scenario
        self.contention = scenario.contention
        self.sim = Simulation(Streams(scenario.seed, index))
        self.machine = Machine(self.sim, scenario.cpu.cores)
        self.api = ApiServer(Store(registry()))
        strategies = [group.strategy or scenario.strategy for group in self.contention.groups]
        applied = "apply" in strategies or any(retry.policy == "apply-on-conflict" for retry in scenario.retries())
        self.kind = "ConfigMap" if applied else "PlainConfigMap"
        self.objects = self.api.store.objects[self.kind]
        self.places = self.contention.objects * self.contention.fields
        self.names = [f"object-{n}" for n in range(self.contention.objects)]
        for name in self.names:
            self.api.handle(Write("create", self.kind, name, {"data": {"made": "here"}}, "lab"), self.sim.unix_seconds)
        service = self.contention.service
        times = None if service is None else samplers(self.sim.streams, "server", "service", 1, service)[0]
        self.front = Front(self.sim, times, scenario.server.max_in_flight, self.contention.outages)
        self.watches: list[Watch] = []
        self._locks: dict[int, Lock] = {}
        # What is recorded: see sim.recording.tries.
        self.tries: list[list[int]] = []
        self.direct: list[int] = []
        self.jobs: list[int] = []
        self.background: list[int] = []
        self.groups: list[int] = []
        """The group of every client, by the client's number."""
        self.labels: list[str] = []
        """The name of every client."""
        self.over = self.sim.event()
        self.ended = 0
        self._left = 0
        self._idle: dict[str, list[Client]] = {}
        self._crews = []
        shared = Shared()
        for number, group in enumerate(self.contention.groups):
            crew = Crew(self, group, len(self.groups), shared)
            self._crews.append(crew)
            if crew.open:
                self._open(crew, number)
                continue
            kind = Direct if direct and suits(crew) else Client
            starts = samplers(self.sim.streams, group.name, "start", crew.size, group.start)
            for place in range(crew.size):
                client = kind(crew, place, self._register(crew, place, number))
                if group.start.nothing:
                    client.start()
                else:
                    self.sim.after(starts[place](), client.start, None)
            self._left += crew.size if group.loop == "once" else 0
        for writer in scenario.writers:
            self._write_now_and_then(writer)
        self.sim.call_in(scenario.until.at_most, self._end)

    def _register(self, crew: Crew, place: int, group: int) -> int:
        self.groups.append(group)
        self.labels.append(f"{crew.group.name}-{place}")
        return len(self.groups) - 1

    def run(self) -> None:
        """Simulate until the end."""
        self.sim.run_until(self.over)

    def recorded(self) -> Contended:
        """Return what was recorded."""
        groups = self.contention.groups
        strategies = [group.strategy or self.scenario.strategy for group in groups]
        return Contended(
            tries_of(self.tries, self.direct),
            jobs_of(self.jobs),
            rows_of(self.background, WRITER),
            self.labels,
            self.groups,
            [group.name for group in groups],
            [VERBS.get(strategy, "patch") for strategy in strategies],
            self.names,
        )

    def take_apart(self) -> None:
        """Let all parts go; they refer to each other in circles."""
        for part in (*self._crews, self.front, self.api, self):
            vars(part).clear()

    @property
    def settled(self) -> bool:
        """Whether all who commit once have committed, or nobody was to."""
        return self._left == 0

    def _end(self) -> None:
        if not self.over.triggered:
            self.ended = self.sim.now
            self.over.succeed()

    def one_less(self, when: int) -> None:
        """A client has done its only job, with its last answer at ``when``."""
        self._left -= 1
        self.ended = max(self.ended, when)
        if not self._left:
            self.sim.call_in(self.ended - self.sim.now, self._end)

    def stored(self, obj: Object) -> None:
        """A write was stored: tell the watches."""
        for watch in self.watches:
            watch.publish(WatchEvent(obj, False))

    def lock(self, obj: int) -> Lock:
        """The lock on an object."""
        found = self._locks.get(obj)
        if found is None:
            found = self._locks[obj] = Lock()
        return found

    # Open loops: a client for each job that is under way.

    def _open(self, crew: Crew, group: int) -> None:
        free = self._idle[crew.group.name] = []
        rate = crew.group.rate
        assert rate is not None
        between = self._between(crew.group.name, rate, crew.group.poisson)

        def job(_: object = None) -> None:
            if free:
                client = free.pop()
            else:
                place = len(self.groups) - crew.first
                client = Client(crew, place, self._register(crew, place, group))
            client.start()
            self.sim.after(between(), job, None)

        self.sim.after(between(), job, None)

    def idle(self, client: Client) -> None:
        """A client of an open loop has nothing left to do."""
        self._idle[client.crew.group.name].append(client)

    def _between(self, actor: str, rate: float, poisson: bool) -> Callable[[], int]:
        if poisson:
            return self.sim.streams.exponential(actor, "arrivals", SECOND / rate)
        step = round(SECOND / rate)
        return lambda: step

    # Background writers: merge patches without a version, at Poisson times, near the server.

    def _write_now_and_then(self, writer: Writer) -> None:
        between = self._between(writer.name, writer.rate, True)
        pick = self.sim.streams.uniform(writer.name, "objects")
        number = len(self.groups)
        self.groups.append(-1)
        self.labels.append(writer.name)
        count = 0

        def write(_: object = None) -> None:
            nonlocal count
            count += 1
            obj = int(pick() * len(self.names))
            body = {"data": {"background": f"{writer.name} {count}"}}
            request = (Write("merge-patch", self.kind, self.names[obj], body, writer.name), obj, self.sim.now)
            self.front.arrive(served, request)
            self.sim.after(between(), write, None)

        def served(request: tuple[Write, int, int]) -> None:
            change, obj, sent = request
            now = self.sim.now
            before = self.objects[change.name].resource_version
            response = self.api.handle(change, self.sim.unix_seconds)
            assert response.object is not None
            self.background.extend((number, obj, before, response.object.resource_version, sent, now, now))
            self.stored(response.object)

        start = writer.start if isinstance(writer.start, int) else 0
        self.sim.after(start + between(), write, None)
