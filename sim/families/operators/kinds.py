"""Kinds that a scenario brings along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.scenario.kinds import KindSettings


def brought(kinds: Mapping[str, KindSettings]) -> Iterable[Kind]:
    """Return the kinds that a scenario describes, for one run."""
    for name, settings in kinds.items():
        yield DescribedKind(settings.description(name))
