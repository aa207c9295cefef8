"""One replication: a world and the recorder that listens to it, run to the end, and what was recorded."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from itertools import islice
from typing import Any

from sim.analysis.contention import violations as accepted_unseen
from sim.analysis.properties import built_in
from sim.client.listener import Kept
from sim.client.parts import Parts
from sim.client.standard import STANDARD
from sim.cluster.holding import HeldRequests, held_requests
from sim.cluster.objects import Object
from sim.cluster.render import managed_fields_bytes
from sim.experiment.invariants import violations
from sim.families.certmanager.endings import Remains
from sim.families.certmanager.family import CERT_MANAGER, CertManagerPopulation
from sim.families.endings import DELETED, DROPPED, SETTLED
from sim.families.family import Family
from sim.families.operators.endings import OperatorRemains
from sim.families.operators.family import OperatorsFamily, OperatorsPopulation, brought
from sim.families.operators.operator import Operator
from sim.families.plain.family import PLAIN, PlainPopulation
from sim.kernel.clock import unix_seconds
from sim.kernel.perturbing import Bends, BentStreams
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.recording.alike import column, take
from sim.recording.columns import LOGS, OBJECTS, RECONCILES
from sim.recording.contended import contended_of, late_rows
from sim.recording.properties import PropertyMonitor
from sim.recording.recorder import Life, Recorder
from sim.recording.replication import Replication
from sim.recording.rows import Rows
from sim.scenario.expressions import EvaluationError
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.scenario.properties import Perturbation
from sim.scenario.reading.profile_file import profile_of
from sim.units import SECOND
from sim.world.world import World

Watch = Callable[[Simulation], AbstractContextManager[object]]
"""What surrounds a simulation while it runs: ``sim.experiment.limits``."""


def world_of(
    scenario: Scenario,
    index: int,
    profile: Profile | None = None,
    parts: Parts = STANDARD,
    operators: Sequence[type[Operator]] = (),
    family: Family | None = None,
    bends: Bends | None = None,
    held: HeldRequests | None = None,
) -> World:
    """Return the cluster of replication ``index`` (from 0) before its start, with a recorder that listens to it.

    ``family`` takes the place of the one that the scenario asks for; ``bends`` and ``held`` that of its perturbations.
    """
    family = family or family_of(scenario, operators)
    others = (operators or scenario.operators or scenario.workload.beside) and not isinstance(family, OperatorsFamily)
    beside = [partial(OperatorsPopulation, operators=operators)] if others else []
    bends, held = bends or bends_of(scenario.perturbations), held or held_of(scenario.perturbations)
    streams = Streams(scenario.seed, index) if bends is None else BentStreams(scenario.seed, index, bends)
    subject = None if scenario.workload.kind == "Certificate" else family.subject
    recorder = Recorder(subject, follows_losses=bool(others))
    kinds = brought(scenario.kinds)
    return World(scenario, profile or profile_of(scenario), streams, recorder, family, beside, parts, kinds, held)


def bends_of(perturbations: Sequence[Perturbation]) -> Bends | None:
    """Return what perturbations change of random streams; None where there is nothing."""
    drawn = [each for each in perturbations if each.request is None]
    bends = Bends()
    for each in drawn:
        if each.tie is not None:
            bends.ties[each.tie] = each.turn == "first"
        elif each.draw is not None and each.number is None:
            bends.each[each.draw] += each.delay or 0
        elif each.draw is not None and each.number is not None:
            at = bends.delays[each.draw]
            at[each.number] = at.get(each.number, 0) + (each.delay or 0)
    return bends if drawn else None


def held_of(perturbations: Sequence[Perturbation]) -> HeldRequests | None:
    """Return the requests that perturbations hold up; None where there are none."""
    held = [(each.request, each.of or "", each.number or 0, each.delay or 0) for each in perturbations if each.request]
    return held_requests(held) if held else None


def family_of(scenario: Scenario, operators: Sequence[type[Operator]] = ()) -> Family:
    """Return the family that the figures of a scenario are about; ``operators`` are those written in Python."""
    if scenario.contention is not None:
        return PLAIN
    return CERT_MANAGER if scenario.workload.kind == "Certificate" else OperatorsFamily(scenario, operators)


def replicate(
    scenario: Scenario,
    index: int,
    profile: Profile | None = None,
    parts: Parts = STANDARD,
    operators: Sequence[type[Operator]] = (),
    watch: Watch = nullcontext,
) -> Replication:
    """Run replication ``index`` (from 0) of a scenario, on ``profile`` or else the one that it names.

    ``parts`` are what the controllers' process is built from; ``operators`` run beside cert-manager, each in a
    process of its own. ``watch`` surrounds the simulation while it runs. The same arguments give the same digest.
    """
    with undisturbed(), _told_where(scenario):
        world = world_of(scenario, index, profile, parts, operators)
        replication = played(world, index, watch)
        world.take_apart()
        del world
    return replication


def played(
    world: World,
    index: int,
    watch: Watch = nullcontext,
    *,
    brief: bool = False,
    monitor: PropertyMonitor | None = None,
) -> Replication:
    """Run a world to its end and hand over what was recorded; ``brief`` without what only tables and digest need.

    ``monitor`` watches it already; otherwise one does where the scenario has properties.
    """
    asked = world.scenario.properties
    monitor = monitor or (monitoring(world) if asked else None)
    with watch(world.sim):
        world.run()
    population = world.populations[0]
    if isinstance(population, PlainPopulation):
        return _of_clients(world, population, index)
    replication = _of_subjects(world, index, brief)
    if monitor is not None:
        monitor.finish()
        replication.broken += monitor.broken
        for each in asked:
            replication.broken += built_in(each, replication)
    return replication


AFTER_A_FAULT = 60 * SECOND
"""How long after a fault is over an ``eventually`` may still be false: reflectors and requests back off up to 30 s."""


def monitoring(world: World) -> PropertyMonitor:
    """Watch a world that has not begun for its scenario's properties."""
    bends = world.sim.streams.bends if isinstance(world.sim.streams, BentStreams) else Bends()
    held = world.held or held_requests(())
    allowed = sum((each.lasts or 0) + AFTER_A_FAULT for each in world.scenario.faults)
    return PropertyMonitor(
        world.scenario.properties,
        world.family.subject.kind,
        world.api.store,
        world.sim,
        lambda: bends.added + held.added + allowed,
    )


def remains(world: World) -> Remains | OperatorRemains:
    """Return what is left of a world of controllers once nothing runs any more."""
    population, reconciles = world.populations[0], world.listener.reconciles
    last = cache(lambda: _last_outcomes(reconciles))
    if not isinstance(population, CertManagerPopulation):
        return OperatorRemains(world.processes(), world.family.subject.kind, last)
    return population.remains(world.processes(), last)


def _last_outcomes(reconciles: Kept) -> dict[tuple[str, str], str]:
    """Return the outcome of the last pass of each controller with each key that was dropped at some time."""
    dropped = set(column(reconciles, RECONCILES, "key", where=lambda rows: rows.among("outcome", *DROPPED)))
    passes = take(
        reconciles, RECONCILES, "controller", "key", "outcome", where=lambda rows: rows.among("key", *dropped)
    )
    return {(controller, key): outcome for controller, key, outcome in passes}


def _of_clients(world: World, population: PlainPopulation, index: int) -> Replication:
    run = contended_of(population.commons)
    return Replication(
        index,
        world.scenario.seed,
        "",
        world.sim.now,
        world.settled,
        late_rows(run, "requests"),
        late_rows(run, "reconciles"),
        [],
        [],
        accepted_unseen(run),
        epoch_ns=world.sim.epoch,
        contended=run,
    )


_ALONE = threading.RLock()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Run one world at a time in a process, without collecting garbage.

    Names are interned in tables that threads share, and a thread that an interrupted search left behind goes on with
    its run. Nearly everything made meanwhile lives until the end, so looking for garbage only costs time; what is left
    then are rows, which the collector need not look at soon either.
    """
    with _ALONE:
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


@contextmanager
def _told_where(scenario: Scenario) -> Iterator[None]:
    """Say at which key of a scenario an expression stands that had no value."""
    try:
        yield
    except EvaluationError as error:
        raise EvaluationError(f"{scenario.name}: {_key_of(scenario.model_dump(), str(error))}{error}") from None


def _key_of(value: Any, said: str, path: str = "") -> str:
    """The key of the first text that has the expression which a message begins with."""
    if isinstance(value, str):
        return f"{path}: " if value and "has no value" in said and said.startswith(repr(value)) else ""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((key for name, below in items if (key := _key_of(below, said, f"{path}.{name}".lstrip(".")))), "")


def _of_subjects(world: World, index: int, brief: bool) -> Replication:
    scenario, recorder = world.scenario, world.listener
    assert isinstance(recorder, Recorder)
    store, kind = world.api.store, world.family.subject.kind
    size = partial(managed_fields_bytes, store.kinds[kind]) if not brief else _unmeasured
    # What controllers are asked at the end is no part of what happened.
    said = len(recorder.logs)
    for rows in (recorder.requests, recorder.reconciles, recorder.refusals, recorder.deliveries) if not brief else ():
        rows.pack()
    left = remains(world)
    objects = Rows(OBJECTS)
    for name, life in recorder.lives.items():
        life.runs_out("", (world.sim.epoch + world.sim.now) // SECOND)
        stored = store.get(kind, name)
        ending = SETTLED if life.settled else DELETED if stored is None else left.ending(stored)
        objects.append((*_object_row(name, life, stored, size), *ending))
        objects.tidy()
    return Replication(
        index,
        scenario.seed,
        "",
        world.sim.now,
        world.settled,
        recorder.requests,
        recorder.reconciles,
        objects,
        recorder.logs if len(recorder.logs) == said else Rows(LOGS, islice(take(recorder.logs, LOGS, *LOGS), said)),
        [*violations(recorder), *left.faults()],
        world.unfinished,
        world.sim.epoch,
        recorder.refusals,
        recorder.deliveries,
        scenario.subject,
        recorder.losses.rows if recorder.losses is not None else [],
        recorder.losses.duplicates if recorder.losses is not None else [],
        recorder.usurped,
        recorder.rejected,
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
        life.least_margin_s,
        life.expired_s,
    )


def _unmeasured(_: Object) -> int:
    return 0


def _unix(time: str | None) -> int:
    return unix_seconds(time) if time else -1
