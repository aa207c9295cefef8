"""Plain clients as a family: what they bring into a simulated cluster in place of controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from sim.client import writes
from sim.client.manager import Manager
from sim.client.policy import Shared
from sim.client.surroundings import Surroundings
from sim.cluster.kinds import Kind
from sim.cluster.objects import Object, Write
from sim.cluster.requesttimes import ServiceClass
from sim.families.family import Family, Subject
from sim.families.plain.clients import PlainClient
from sim.families.plain.commons import Commons
from sim.families.plain.direct import lives, takes_short_way
from sim.families.plain.draws import samplers
from sim.families.plain.group import ClientGroup
from sim.scenario.metrics import PLAIN as NAME
from sim.scenario.model import Scenario
from sim.scenario.writer import Writer
from sim.units import SECOND


class PlainPopulation:
    """The clients of one replication."""

    def __init__(self, surroundings: Surroundings, *, direct: bool) -> None:
        self.commons = Commons(surroundings)
        self.created: list[Callable[[], None]] = []
        self.done = self.commons.done
        self._direct = direct
        self._groups: list[ClientGroup] = []

    def start(self) -> None:
        """Let the clients begin, and the background writers."""
        commons, shared = self.commons, Shared()
        for number, settings in enumerate(commons.contention.groups):
            group = ClientGroup(commons, settings, len(commons.labels), shared)
            self._groups.append(group)
            if group.open:
                self._open(group, number)
                continue
            short = self._direct and takes_short_way(group)
            client = lives(group) if short else partial(PlainClient, group)
            begin: Callable[[Any], object] = commons.sim.begin if short else PlainClient.start
            at_once = settings.start.nothing
            starts = samplers(commons.sim.streams, settings.name, "start", group.size, settings.start)
            for place in range(group.size):
                one = client(place, commons.register(f"{settings.name}-{place}", number))
                if at_once:
                    begin(one)
                else:
                    commons.sim.after(starts[place](), begin, one)
            commons.left += group.size if settings.loop == "once" else 0
        for writer in commons.scenario.writers:
            self._write_now_and_then(writer)

    def unsettled(self) -> int:
        """How many of those who commit once have not yet."""
        return self.commons.left

    def quieten(self) -> None:
        """They end with the run."""

    leader = ""
    """They elect nobody."""

    def kill(self, name: str, down_for: int) -> bool:
        """There is no process to kill."""
        return False

    def processes(self) -> Iterator[Manager]:
        """None: they are no controllers."""
        return iter(())

    def parts(self) -> Iterator[object]:
        """Everything that was built."""
        yield from (*self._groups, self.commons.turns, self.commons)

    # Open loops: a client for each job that is under way.

    def _open(self, group: ClientGroup, number: int) -> None:
        commons, settings = self.commons, group.settings
        assert settings.rate is not None
        between = self._between(settings.name, settings.rate, settings.poisson)

        def job(_: object = None) -> None:
            if group.free:
                client = group.free.pop()
            else:
                place = len(commons.labels) - group.first
                client = PlainClient(group, place, commons.register(f"{settings.name}-{place}", number))
            client.start()
            commons.sim.after(between(), job, None)

        commons.sim.after(between(), job, None)

    def _between(self, actor: str, rate: float, poisson: bool) -> Callable[[], int]:
        if poisson:
            return self.commons.sim.streams.exponential(actor, "arrivals", SECOND / rate)
        step = round(SECOND / rate)
        return lambda: step

    # Background writers: merge patches without a version, at Poisson times, near the server.

    def _write_now_and_then(self, writer: Writer) -> None:
        commons = self.commons
        between = self._between(writer.name, writer.rate, True)
        pick = commons.sim.streams.uniform(writer.name, "objects")
        number = commons.register(writer.name, -1)
        count = 0

        def write(_: object = None) -> None:
            nonlocal count
            count += 1
            obj = int(pick() * len(commons.names))
            body: writes.Body = {"data": {"background": f"{writer.name} {count}"}}
            change = writes.set_fields(
                "merge-patch-unconditional", body, kind=commons.kind, name=commons.names[obj], manager=writer.name
            )
            commons.turns.arrive(served, (change, obj, commons.sim.now))
            commons.sim.after(between(), write, None)

        def served(request: tuple[Write, int, int]) -> None:
            change, obj, sent = request
            now = commons.sim.now
            before = commons.objects[change.name].resource_version
            response = commons.api.handle(change, commons.sim.unix_seconds)
            assert response.object is not None
            commons.background.extend((number, obj, before, response.object.resource_version, sent, now, now))

        start = writer.start if isinstance(writer.start, int) else 0
        commons.sim.after(start + between(), write, None)


def _always(_: Object) -> bool:
    return True


def _general(verb: str, kind: str, subresource: str) -> str:
    """Their server has one service time for all requests, the scenario's."""
    return "get"


class PlainFamily:
    """Plain clients, as the scenario's ``contention`` describes them. ConfigMaps are there in every cluster.

    ``direct=False`` sends all of them the long way, for comparing the two.
    """

    name = NAME
    subject = Subject(kind="ConfigMap", ready=_always, settled=_always)
    listed = False
    service_class: ServiceClass = staticmethod(_general)

    def __init__(self, *, direct: bool = True) -> None:
        self._direct = direct

    def kinds(self, _: Scenario) -> Iterable[Kind]:
        """None of their own."""
        return ()

    def populate(self, surroundings: Surroundings) -> PlainPopulation:
        """Build the clients of one replication."""
        return PlainPopulation(surroundings, direct=self._direct)


PLAIN: Family = PlainFamily()
