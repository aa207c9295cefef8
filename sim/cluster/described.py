"""Kinds that a structural schema describes."""

from __future__ import annotations

from sim.cluster.kinds import Kind
from sim.cluster.managing import Manager
from sim.scenario.kinds.crd import Description


class DescribedKind(Kind):
    """A kind whose objects a structural schema describes."""

    __slots__ = ("has_status", "manager", "schema")

    def __init__(self, description: Description, *, unconditional: bool = False, generations: bool = True) -> None:
        super().__init__(
            description.name,
            description.plural,
            description.group,
            description.version,
            {},
            unconditional=unconditional,
        )
        self.schema = description.schema
        self.has_status = description.status
        self.namespaced = description.namespaced
        self.first_generation = 1 if generations else 0
        self.manager = Manager(self.paths, self.schema, self.api_version, status=self.has_status)
