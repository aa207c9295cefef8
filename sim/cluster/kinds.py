"""Kinds that the simulated API server serves: their names, their rules, and the schemas of their parts.

A run has a registry of its own: what every cluster has, and what the controllers of its families bring. The kinds
here are as loose as the simulator needs: their values are checked less than the real server would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sim.cluster.fields import Paths, Position
from sim.cluster.schema import Node, Shape, Struct
from sim.cluster.shapes import ANY, STRING, STRING_MAP, free_map, struct

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


def registry(brought: Iterable[Kind] = ()) -> Registry:
    """Return the kinds that every cluster has and those ``brought`` by families of controllers.

    Raises ``ValueError`` where two have one name.
    """
    kinds: dict[str, Kind] = {}
    for kind in (*_built_in(), *brought):
        if kind.name in kinds:
            raise ValueError(f"there are two kinds named {kind.name}")
        kinds[kind.name] = kind
    return kinds


def _built_in() -> Iterable[Kind]:
    data = {"data": free_map(ANY), "type": STRING}
    yield Kind("Secret", "secrets", "", "v1", data, defaults={"type": "Opaque"}, unconditional=True)
    yield Kind("ConfigMap", "configmaps", "", "v1", {"data": STRING_MAP}, unconditional=True)
    # The same where nobody applies: who owns which field then decides nothing, and is not kept.
    yield Kind("PlainConfigMap", "configmaps", "", "v1", {"data": STRING_MAP}, unconditional=True, tracked=False)
    yield Kind("Event", "events", "", "v1", {}, unconditional=True, tracked=False)
    yield Kind("Lease", "leases", "coordination.k8s.io", "v1", {"spec": free_map(ANY)}, unconditional=True)
