"""One simulated run in the figures of a recording, computed where it ran: they are all that travels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sim.client.parts import Parts
from sim.client.standard import STANDARD
from sim.families.certmanager.fields import FIELDS
from sim.recording.columns import OBJECTS, RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.scenario.faults import CONTROLLERS, LEADER
from sim.scenario.machinery import is_own
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.validation.faults import Back
from sim.validation.figures import (
    ELSEWHERE,
    Figures,
    Observation,
    Phases,
    at_zero,
    request_kind,
    time_figures,
    with_total,
)

Row = tuple[Any, ...]

_R = {name: index for index, name in enumerate(REQUESTS)}
_C = {name: index for index, name in enumerate(RECONCILES)}
_O = {name: index for index, name in enumerate(OBJECTS)}
_NAME = 1 << FIELDS.index("status.nextPrivateKeySecretName")


@dataclass(frozen=True, slots=True)
class PredictedRun:
    """One replication to simulate: what travels to a worker."""

    scenario: Scenario
    index: int
    profile: Profile
    parts: Parts = STANDARD


def predict(job: PredictedRun) -> Observation:
    """Simulate one replication and return its figures."""
    from sim.experiment.replicate import replicate

    return observe(replicate(job.scenario, job.index, job.profile, job.parts), job.scenario)


def observe(replication: Replication, scenario: Scenario) -> Observation:
    """Return the figures of a replication."""
    figures = _requests(replication.requests)
    phases = _phases(replication.requests)
    figures.update({f"phase.{phase}": count for phase, count in phases.counts.items()})
    kills = [fault.at for fault in scenario.faults if fault.target in {CONTROLLERS, LEADER} and fault.verb == "kill"]
    since = max([*scenario.controllers.restarts, *(at for at in kills if at is not None)], default=0)
    reconciles: Sequence[Row] = replication.reconciles
    objects: Sequence[Row] = replication.objects
    passes = Counter(row[_C["controller"]] for row in reconciles if row[_C["started_ns"]] >= since)
    figures.update({f"reconciles.{name}": count for name, count in passes.items()})
    created, ready = _O["created_ns"], _O["ready_ns"]
    times = [(row[ready] - row[created]) * 1e-9 for row in objects if row[ready] >= 0]
    figures.update(time_figures(times))
    figures["unfinished"] = replication.unfinished
    figures.update(_back(replication.requests, scenario))
    return Observation(figures, times, list(replication.violations))


def _requests(rows: Iterable[Row]) -> Figures:
    kinds: Counter[tuple[Any, ...]] = Counter(
        tuple(row[_R[name]] for name in ("actor", "verb", "resource", "subresource", "code", "reason")) for row in rows
    )
    conflicts, writes = at_zero(), at_zero()
    by_kind: Counter[str] = Counter()
    elsewhere: Counter[str] = Counter()
    own = 0
    for (actor, verb, resource, subresource, code, reason), count in kinds.items():
        if verb == "get":
            continue
        by_kind[request_kind(actor, verb, resource, subresource, code)] += count
        if not is_own(actor):
            continue
        own += count
        if resource in ELSEWHERE and code == 409 and verb != "create":
            elsewhere[f"{resource}.{actor}"] += count
        if resource == "certificates":
            if reason == "Conflict":
                conflicts[actor] += count
            elif subresource == "status" and code < 300:
                writes[actor] += count
    return {
        **with_total("conflicts", conflicts),
        **with_total("status_writes", writes),
        **with_total("requests", by_kind),
        **with_total("elsewhere", elsewhere),
        "requests": own,
    }


def _back(rows: Iterable[Row], scenario: Scenario) -> Figures:
    """How long after each fault each controller is back."""
    begun = [fault.at for fault in scenario.faults if fault.at is not None]
    back = Back(begun)
    actor, resource, verb, code, received, answered = (
        _R[column] for column in ("actor", "resource", "verb", "code", "received_ns", "answered_ns")
    )
    for row in rows if begun else ():
        if row[code] < 300 and row[verb] != "get" and row[resource] != "events" and is_own(row[actor]):
            back.write(row[actor], row[received], row[answered])
    return back.figures()


def _phases(rows: Iterable[Row]) -> Phases:
    """Follow each Certificate through its issuances, in the order in which the server decided."""
    actor, name, reason, fields, read, written, decided = (
        _R[column]
        for column in ("actor", "object", "reason", "fields", "read_version", "written_version", "decided_ns")
    )
    resource = _R["resource"]
    phases = Phases()
    named: defaultdict[str, bool] = defaultdict(bool)  # whether the newest version has a key's name
    versions: dict[int, bool] = {}
    about = sorted((row for row in rows if row[resource] == "certificates"), key=lambda row: int(row[decided]))
    for row in about:
        certificate = row[name]
        if row[written]:
            sets = False
            if row[fields] & _NAME:
                named[certificate] = sets = not named[certificate]
            versions[row[written]] = named[certificate]
            phases.stored(certificate, row[actor], sets)
        elif row[reason] == "Conflict" and is_own(row[actor]):
            phases.refused(certificate, row[actor], versions.get(row[read], False))
    return phases
