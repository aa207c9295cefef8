"""One simulated run of the recorded operator in the figures of a recording, computed where it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sim.cluster.watch import WatchEvent
from sim.recording.columns import OBJECTS, RECONCILES, REQUESTS
from sim.validation.figures import Observation, request_kind, with_total
from sim.validation.operators.asked import OPERATOR
from sim.validation.operators.observed import CREATOR, at_zero
from sim.validation.operators.observed import OBJECTS as RESOURCE
from sim.validation.operators.versions import Stored, controller_name, outcome_of
from sim.validation.operators.widgets import KIND

if TYPE_CHECKING:
    from sim.recording.replication import Replication
    from sim.scenario.model import Scenario
    from sim.validation.predicted import PredictedRun

_R = {name: index for index, name in enumerate(REQUESTS)}
_CONTROLLER = RECONCILES.index("controller")
_NAME, _CREATED = OBJECTS.index("certificate"), OBJECTS.index("created_ns")
_KEYS = [_R[key] for key in ("actor", "verb", "resource", "subresource", "code")]


def predict(job: PredictedRun) -> Observation:
    """Simulate one replication and return its figures."""
    from sim.experiment.replicate import played, world_of

    world = world_of(job.scenario, job.index, job.profile, job.parts)
    versions: list[WatchEvent] = []
    world.api.store.subscribe(KIND, versions.append)
    replication = played(world, job.index)
    world.take_apart()
    return observe(replication, versions, job.scenario)


def observe(replication: Replication, versions: list[WatchEvent], scenario: Scenario) -> Observation:
    """Return the figures of a replication, whose stored versions of the objects are ``versions``."""
    letters = [each.name.rpartition("-")[2] for each in scenario.operators[0].controllers]
    own = {controller_name(letter) for letter in letters}
    objects = {event.object.resource_version: event.object for event in versions}
    conflicts, writes = Counter(at_zero(letters)), Counter(at_zero(letters))
    kinds: Counter[str] = Counter()
    stored: list[Stored] = []
    unchanged = requests = 0
    rows: Iterable[tuple[Any, ...]] = replication.requests
    for row in rows:
        actor, verb, resource, subresource, code = (row[column] for column in _KEYS)
        kinds[request_kind(actor, verb, resource, subresource, code)] += 1
        requests += actor in own or actor == OPERATOR
        if resource != RESOURCE or verb == "get":
            continue
        if row[_R["reason"]] == "Conflict":
            conflicts[actor] += actor in own
        elif code < 300:
            if subresource and actor in own:
                writes[actor] += 1
                unchanged += not row[_R["written_version"]]
            obj = objects.get(row[_R["written_version"]])
            if obj is not None:
                edits = actor.startswith(CREATOR) and verb != "create" and not subresource and obj.generation > 1
                stored.append(_version(row, actor, obj, edits=edits))
    lives: Iterable[tuple[Any, ...]] = replication.objects
    created = {row[_NAME]: row[_CREATED] for row in lives}
    outcome = outcome_of(stored, created, letters)
    passes: Any = Counter(row[_CONTROLLER] for row in replication.reconciles)
    figures = {
        **with_total("conflicts", conflicts),
        **with_total("status_writes", writes),
        **with_total("reconciles", at_zero(letters) | passes),
        **{f"requests.{kind}": count for kind, count in kinds.items()},
        "requests": requests,
        "unchanged": unchanged,
        "unfinished": replication.unfinished,
        **outcome.figures(),
    }
    return Observation(figures, outcome.to_ready, list(replication.violations))


def _version(row: tuple[Any, ...], actor: str, obj: Any, *, edits: bool) -> Stored:
    return Stored(
        row[_R["answered_ns"]], actor, obj.name, obj.resource_version, obj.generation, obj.status or {}, edits
    )
