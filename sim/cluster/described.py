"""Kinds that a structural schema describes."""

from __future__ import annotations

from sim.cluster.kinds import Kind
from sim.cluster.managing import Manager
from sim.cluster.structural import Schema


class DescribedKind(Kind):
    """A kind whose objects a structural schema describes."""

    __slots__ = ("has_status", "manager", "schema")

    def __init__(
        self,
        name: str,
        plural: str,
        group: str,
        version: str,
        schema: Schema,
        *,
        status: bool = False,
        namespaced: bool = True,
        unconditional: bool = False,
    ) -> None:
        super().__init__(name, plural, group, version, {}, unconditional=unconditional)
        self.schema = schema
        self.has_status = status
        self.namespaced = namespaced
        self.first_generation = 1
        self.manager = Manager(self.paths, schema, self.api_version, status=status)
