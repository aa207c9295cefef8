"""One simulated cluster: what everybody in it shares, what the families put into it, and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from sim.client.garbage import GarbageCollector
from sim.client.listener import ProcessListener
from sim.client.manager import Manager
from sim.client.parts import Parts
from sim.client.standard import STANDARD
from sim.client.surroundings import Surroundings
from sim.cluster.apiserver import ApiServer
from sim.cluster.builtin import registry
from sim.cluster.holding import HeldRequests
from sim.cluster.kinds import Kind
from sim.cluster.listener import Listener
from sim.cluster.server import Server
from sim.cluster.store import Store
from sim.families.family import Family, Population
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.scenario.speed import at_drawn_speed
from sim.units import SECOND
from sim.world.happenings import Happenings

Populate = Callable[[Surroundings], Population]


class WorldListener(Listener, ProcessListener, Protocol):
    """Listens to the server and to the processes."""


class World:
    """Everything of one replication of ``family``, and what ``beside`` builds into the same cluster.

    ``kinds`` are those that the scenario brings along. Random streams and the listener are handed in: whoever repeats a
    run, or listens to it otherwise, changes nothing here.
    """

    def __init__(
        self,
        scenario: Scenario,
        profile: Profile,
        streams: Streams,
        listener: WorldListener,
        family: Family,
        beside: Sequence[Populate] = (),
        parts: Parts = STANDARD,
        kinds: Iterable[Kind] = (),
        held: HeldRequests | None = None,
    ) -> None:
        self.scenario = scenario
        self.family = family
        self.listener = listener
        self.sim = Simulation(streams)
        self.profile = profile = at_drawn_speed(profile, streams)
        self.machine = Machine(self.sim, scenario.cpu.cores)
        self._kinds = registry((*family.kinds(scenario), *kinds))
        self.api = ApiServer(Store(self._kinds))
        happenings = Happenings(self.sim, self.machine, self.api) if scenario.faults else None
        outages = None if happenings is None else happenings.outages
        if held is not None:
            held.behind = outages
        self.held = held
        """Requests that are held up on their way to the server, if any may be."""
        self.server = Server(
            self.sim,
            self.machine,
            self.api,
            listener,
            scenario,
            profile.server,
            family.service_class,
            self.held or outages,
            None if happenings is None else happenings.decided,
        )
        breaks = None if happenings is None else happenings.network(self.server)
        self._faults = [each for each in (happenings, outages, breaks) if each is not None]
        surroundings = Surroundings(scenario, profile, self.sim, self.machine, self.server, listener, parts, breaks)
        self.populations: list[Population] = [populate(surroundings) for populate in (family.populate, *beside)]
        if happenings is not None:
            happenings.begin(scenario, self.populations)
        if scenario.kinds:
            served = [name for name in self.api.kinds if name != "PlainConfigMap"]
            self._garbage = GarbageCollector(self.sim, self.server, served, profile.watch.lag)
        self.settled = False
        """Whether nothing was left to do at the end."""
        self.unfinished = 0
        """How many of the subjects were unsettled at the end."""
        self._from = 0
        self._over = self.sim.event()

    def run(self) -> None:
        """Simulate until the end."""
        first = self.populations[0]
        if self.family.listed:
            first.created.append(self._created)
        else:
            first.done.append(self._end)
        for population in self.populations:
            population.start()
        if not self.family.listed:
            self.sim.call_in(self.scenario.until.at_most, self._end)
        self.sim.run_until(self._over)
        self.server.tell_all()

    # The end of those that are listed, by the rule that ended the recordings: once a second all subjects are looked at.

    def _created(self) -> None:
        self._from = self.sim.now
        # Nothing ends before at_least: the looks until then are left out, and the others are when they were.
        first = min(self._at_least(), self.scenario.until.at_most)
        self.sim.call_in(max(-(-first // SECOND), 1) * SECOND, self._list)

    def _at_least(self) -> int:
        """Nothing ends before the time that the scenario says, nor before the last fault that has one has begun."""
        last = max((fault.at for fault in self.scenario.faults if fault.at is not None), default=0)
        return max(self.scenario.until.at_least, last - self._from)

    def _list(self) -> None:
        until = self.scenario.until
        since: int = self.sim.now - self._from
        self._count()
        if (self.settled and since >= self._at_least()) or since >= until.at_most:
            # Counted here, as in the recordings: by the end of the counting a renewal may have begun.
            for population in self.populations:
                population.quieten()
            self.sim.call_in(until.settled_for, self._over.succeed)
        else:
            self.sim.call_in(SECOND, self._list)

    # The end of the others: when nobody has anything left to do, or the time is up.

    def _end(self) -> None:
        if not self._over.triggered:
            self._count()
            self._over.succeed()

    def _count(self) -> None:
        self.unfinished = sum(population.unsettled() for population in self.populations)
        self.settled = not self.unfinished

    def processes(self) -> Iterator[Manager]:
        """The processes of controllers that live."""
        return (process for population in self.populations for process in population.processes())

    def take_apart(self) -> None:
        """Let all parts go, so that nothing of the cluster is left once nobody refers to it.

        The parts refer to each other in circles. Only the garbage collector would find them, and it would look
        at every recorded row on its way.
        """
        self.sim.let_go()
        self.api.store.let_go()
        for kind in self._kinds.made.values():
            kind.paths.let_go()
        parts: list[object] = [self, self.machine, *self.server.parts(), self.api, *self._faults]
        for population in self.populations:
            parts += [population, *population.parts()]
        for part in parts:
            vars(part).clear()
