"""Kinds that the simulated API server serves: their names, their rules, and the schemas of their parts.

A run has a registry of its own: what every cluster has (``sim.cluster.builtin``), and what the controllers of its
families and the scenario bring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.cluster.fields import Paths, Position
from sim.cluster.schema import Node, Shape, Struct
from sim.cluster.shapes import STRING_MAP, struct

MAPS = frozenset({"labels", "annotations"})
"""The parts of an object that are in its metadata."""


class Kind:
    """One kind: its names, its rules, and the compiled schema of its parts.

    ``fields`` are the nodes of the parts at the root, ``nodes`` those and labels and annotations, by the slot
    of ``Object`` that holds them; ``parts`` those that a main write changes. ``status`` is the node of the
    status, ``None`` where there is no status subresource. ``defaults`` are fields that the server fills in
    and that never change. ``unconditional`` kinds may be updated without a resourceVersion. ``tracked`` is
    false where no field ownership is kept.
    """

    __slots__ = (
        "api_version",
        "defaults",
        "described",
        "fields",
        "first_generation",
        "group",
        "name",
        "namespaced",
        "nodes",
        "parts",
        "paths",
        "plural",
        "required",
        "resource",
        "root",
        "status",
        "tracked",
        "unconditional",
    )

    def __init__(
        self,
        name: str,
        plural: str,
        group: str,
        version: str,
        parts: Mapping[str, Shape],
        *,
        required: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
        status: bool = False,
        unconditional: bool = False,
        tracked: bool = True,
    ) -> None:
        self.name = name
        self.group = group
        self.api_version = f"{group}/{version}" if group else version
        self.plural = plural
        self.resource = f"{plural}.{group}" if group else plural
        self.paths = Paths()
        self.namespaced = True
        self.described = False
        self.required = required
        self.unconditional = unconditional
        self.tracked = tracked
        self.defaults = dict(defaults or {})
        self.first_generation = 1 if status else 0
        metadata = struct(labels=STRING_MAP, annotations=STRING_MAP)(self._place("metadata"))
        assert isinstance(metadata, Struct)
        self.fields: dict[str, Node] = {part: shape(self._place(part)) for part, shape in parts.items()}
        self.status = self.fields.get("status") if status else None
        self.parts = tuple((part, node) for part, node in self.fields.items() if not (status and part == "status"))
        self.root: dict[str, Node] = {"metadata": metadata, **self.fields}
        self.nodes: dict[str, Node] = {**metadata.fields, **self.fields}

    def _place(self, part: str) -> Position:
        return Position(self.paths, None, "f:" + part, "." + part)

    @property
    def group_kind(self) -> str:
        """The kind as an ``Invalid`` answer names it, such as ``Deployment.apps``."""
        return f"{self.name}.{self.group}" if self.group else self.name


Registry = Mapping[str, Kind]
"""The kinds of one run, by name."""
