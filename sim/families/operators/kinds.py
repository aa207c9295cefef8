"""Kinds that a scenario brings along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.cluster.shapes import ANY, DATE_TIME, INTEGER, STRING, enum, free_map, list_map, struct
from sim.scenario.kinds import KindSettings

_CONDITIONS = list_map(
    "type",
    struct(
        ("status", "type"),
        lastTransitionTime=DATE_TIME,
        message=STRING,
        observedGeneration=INTEGER,
        reason=STRING,
        status=enum("True", "False", "Unknown"),
        type=STRING,
    ),
)


def brought(kinds: Mapping[str, KindSettings]) -> Iterable[Kind]:
    """Return the kinds that a scenario describes, for one run."""
    for name, settings in kinds.items():
        if settings.crd is not None or settings.openapi is not None or settings.scope != "Namespaced":
            yield DescribedKind(settings.description(name))
            continue
        yield Kind(
            name,
            settings.plural or f"{name.lower()}s",
            settings.group,
            settings.version,
            {"spec": free_map(ANY), "status": free_map(ANY, conditions=_CONDITIONS)},
            status=settings.status,
        )
