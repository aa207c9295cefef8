"""One replication: build the cluster of a scenario, run it to its end, hand over what was recorded."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from sim.client.parts import STANDARD, Parts
from sim.client.surroundings import Surroundings
from sim.cluster.apiserver import ApiServer
from sim.cluster.kinds import registry
from sim.cluster.objects import Object
from sim.cluster.render import managed_fields_bytes
from sim.cluster.server import Server
from sim.cluster.store import Store
from sim.experiment.invariants import violations
from sim.families.certmanager.endings import Remains
from sim.families.certmanager.family import CERT_MANAGER, CertManagerPopulation
from sim.families.endings import SETTLED
from sim.families.family import Population
from sim.families.operators.family import OperatorsPopulation
from sim.families.operators.operator import Operator
from sim.kernel.clock import unix_seconds
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.recording.columns import RECONCILES
from sim.recording.contended import Rows
from sim.recording.recorder import Life, Recorder
from sim.recording.replication import Replication
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.scenario.reading.profile_file import profile_of
from sim.scenario.speed import at_drawn_speed
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.families.plain.world import World


class Cluster:
    """Everything of one replication."""

    def __init__(
        self,
        scenario: Scenario,
        profile: Profile,
        index: int,
        parts: Parts = STANDARD,
        operators: Sequence[type[Operator]] = (),
    ) -> None:
        self.scenario = scenario
        self.sim = Simulation(Streams(scenario.seed, index))
        self.profile = profile = at_drawn_speed(profile, self.sim.streams)
        self.recorder = Recorder()
        contended = profile.server.contended_cores
        self.machine = Machine(self.sim, scenario.cpu.cores, None if contended is None else contended / 2)
        self.api = ApiServer(Store(registry(CERT_MANAGER.kinds())))
        self.server = Server(
            self.sim, self.machine, self.api, self.recorder, scenario, profile.server, CERT_MANAGER.service_class
        )
        surroundings = Surroundings(scenario, profile, self.sim, self.machine, self.server, self.recorder, parts)
        self.cert_manager = CertManagerPopulation(surroundings)
        self.populations: list[Population] = [self.cert_manager, OperatorsPopulation(surroundings, operators)]
        self.settled = False
        self.unfinished = 0
        self._from = 0
        self._over = self.sim.event()
        self.populations[0].created.append(self._created)

    # The end, by the rule that ended the recordings: once a second all Certificates are listed.

    def _created(self) -> None:
        self._from = self.sim.now
        self.sim.call_in(SECOND, self._list)

    def _list(self) -> None:
        until = self.scenario.until
        since: int = self.sim.now - self._from
        unsettled = sum(population.unsettled() for population in self.populations)
        self.settled = not unsettled
        if (self.settled and since >= until.at_least) or since >= until.at_most:
            # Counted here, as in the recordings: by the end of the counting a renewal may have begun.
            self.unfinished = unsettled
            for population in self.populations:
                population.quieten()
            self.sim.call_in(until.settled_for, self._over.succeed)
        else:
            self.sim.call_in(SECOND, self._list)

    def run(self) -> None:
        """Simulate until the end."""
        for population in self.populations:
            population.start()
        self.sim.run_until(self._over)

    def remains(self) -> Remains:
        """What is left once nothing runs any more."""
        controller, key, outcome = (RECONCILES.index(name) for name in ("controller", "key", "outcome"))
        last = {(row[controller], row[key]): row[outcome] for row in self.recorder.reconciles}
        processes = [process for population in self.populations for process in population.processes()]
        return self.cert_manager.remains(processes, last)

    def take_apart(self) -> None:
        """Let all parts go, so that nothing of the cluster is left once nobody refers to it.

        The parts refer to each other in circles. Only the garbage collector would find them, and it would look
        at every recorded row on its way.
        """
        parts: list[object] = [self, self.server, self.api]
        for population in self.populations:
            parts += [population, *population.parts()]
        for part in parts:
            vars(part).clear()


def replicate(
    scenario: Scenario,
    index: int,
    profile: Profile | None = None,
    parts: Parts = STANDARD,
    operators: Sequence[type[Operator]] = (),
) -> Replication:
    """Run replication ``index`` (from 0) of a scenario, on ``profile`` or else the one that it names.

    ``parts`` are what the controllers' process is built from; ``operators`` run beside cert-manager, each in a
    process of its own. The same arguments give the same digest.
    """
    if scenario.contention is not None:
        return _contend(scenario, index)
    with _no_garbage_collection():
        cluster = Cluster(scenario, profile or profile_of(scenario), index, parts, operators)
        cluster.run()
        replication = _recorded(cluster, index)
        cluster.take_apart()
        del cluster
    return replication


def _contend(scenario: Scenario, index: int) -> Replication:
    """Run a replication of plain clients."""
    from sim.families.plain.world import World

    with _no_garbage_collection():
        return contended(World(scenario, index), index)


def contended(world: World, index: int) -> Replication:
    """Run a world of plain clients to its end and hand over what was recorded."""
    from sim.analysis.contention import violations as broken

    world.run()
    run = world.recorded()
    rows = Rows(run, "requests"), Rows(run, "reconciles")
    found = Replication(
        index,
        world.scenario.seed,
        run.digest,
        world.ended,
        world.settled,
        *rows,
        [],
        [],
        broken(run),
        epoch_ns=world.sim.epoch,
        contended=run,
    )
    world.take_apart()
    return found


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nearly everything made meanwhile lives until the end, so looking for garbage only costs time.

    What is left then are rows, which the collector need not look at soon either.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # from the permanent generation into the oldest
        gc.enable()


def _recorded(cluster: Cluster, index: int) -> Replication:
    scenario, recorder = cluster.scenario, cluster.recorder
    store = cluster.api.store
    size = partial(managed_fields_bytes, store.kinds["Certificate"])
    # What controllers are asked at the end is no part of what happened.
    logs = recorder.logs.copy()
    remains = cluster.remains()
    objects = []
    for name, life in recorder.lives.items():
        stored = store.get("Certificate", name)
        ending = remains.ending(stored) if stored is not None and not life.settled else SETTLED
        objects.append((*_object_row(name, life, stored, size), *ending))
    return Replication(
        index,
        scenario.seed,
        recorder.digest(objects),
        cluster.sim.now,
        cluster.settled,
        recorder.requests,
        recorder.reconciles,
        objects,
        logs,
        [*violations(recorder), *remains.faults()],
        cluster.unfinished,
        cluster.sim.epoch,
        recorder.refusals,
        recorder.deliveries,
    )


def _object_row(
    name: str, life: Life, obj: Object | None, managed_fields_size: Callable[[Object], int]
) -> tuple[object, ...]:
    status = (obj.status if obj is not None else None) or {}
    return (
        name,
        life.created_ns,
        life.ready_ns,
        life.settled_ns,
        status.get("revision", 0),
        life.ready,
        life.issuing,
        life.next_key,
        life.secret_applies,
        life.requests,
        managed_fields_size(obj) if obj is not None else 0,
        _unix(status.get("notAfter")),
        _unix(status.get("renewalTime")),
    )


def _unix(time: str | None) -> int:
    return unix_seconds(time) if time else -1
