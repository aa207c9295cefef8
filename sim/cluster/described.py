"""Kinds that a structural schema describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.cluster.kinds import Kind
from sim.cluster.managing import FieldOwnership, root_of
from sim.cluster.objectmeta import is_name, is_plain_metadata
from sim.cluster.objects import Object, Write
from sim.cluster.regular import shape_of
from sim.cluster.schema import Node, Struct, string_map
from sim.scenario.kinds.crd import Description
from sim.scenario.kinds.structural import ABSENT, Schema


class DescribedKind(Kind):
    """A kind whose objects a structural schema describes.

    ``quick`` says whether most writes can be answered the short way (``sim.cluster.regular``). For that ``fields`` are
    the nodes of the parts at the root, ``nodes`` those and labels and annotations, by the slot of ``Object`` that holds
    them; ``parts`` those that a main write changes; ``status`` is the node of the status, ``None`` where there is no
    status subresource. ``defaults`` are fields that the server fills in and that never change.
    """

    __slots__ = (
        *("defaults", "fields", "has_status", "nodes", "ownership", "parts", "quick", "required"),
        *("schema", "status"),
    )

    def __init__(
        self,
        description: Description,
        *,
        unconditional: bool = False,
        generations: bool = True,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(description.name, description.plural, description.group, description.version)
        self.unconditional = unconditional
        self.tracked = True
        self.defaults = dict(defaults or {})
        self.schema = schema = description.schema
        self.has_status = description.status
        self.namespaced = description.namespaced
        self.first_generation = 1 if generations else 0
        root = root_of(self.paths, schema)
        parts = {name: below for name, below in schema.properties.items() if name not in _OF_ALL}
        slots = {"spec", "status"} if self.has_status else {"spec"} if generations else {"spec", "data", "type"}
        self.quick = not schema.has_rules and set(parts) <= slots and not _says_more(schema)
        if self.quick:
            metadata = Struct(root.position("metadata"), dict.fromkeys(("labels", "annotations"), string_map))
            self.fields: dict[str, Node] = {name: shape_of(below)(root.position(name)) for name, below in parts.items()}
            root.members |= {"metadata": metadata, **self.fields}
            self.status = self.fields.get("status") if self.has_status else None
            self.parts = tuple((name, node) for name, node in self.fields.items() if node is not self.status)
            self.nodes: dict[str, Node] = {**metadata.fields, **self.fields}
            defaulted = [name for name, below in parts.items() if below.default is not ABSENT]
            self.required = tuple(dict.fromkeys((*schema.required, *defaulted)))
        self.ownership = FieldOwnership(root, self.api_version, status=self.has_status)

    def goes_quickly(self, write: Write, live: Object | None) -> bool:
        """Whether a write may be answered the short way: what it does is then among the usual things."""
        body, verb = write.body, write.verb
        if not self.quick or write.validation or not isinstance(body, dict):
            return False
        if write.subresource and (write.subresource != "status" or self.status is None):
            return False
        for part, value in body.items():
            if part == "metadata":
                if not is_plain_metadata(value, live):
                    return False
            elif value is None or part not in self.fields:
                return False
        if live is None:
            return (
                (verb == "create" or (verb == "apply" and bool(write.manager) and not write.subresource))
                and write.resource_version is None
                and write.uid is None
                and is_name(write.name)
            )
        if live.lossy or live.more or live.deleted is not None:
            return False
        if verb == "update":
            return bool(write.subresource) or not (live.finalizers or live.owners or live.generate_name)
        if write.uid is not None:
            return False
        if verb == "apply":
            return write.manager not in {"", "kubectl"} and bool(live.managers)
        return verb == "merge-patch"


_OF_ALL = frozenset({"apiVersion", "kind", "metadata"})
_SAID_OF_ALL = (Schema(type="string"), Schema(type="object"))


def _says_more(schema: Schema) -> bool:
    """Whether a schema says something of the object as a whole that the short way does not know."""
    return (
        schema.preserve_unknown
        or schema.additional is not None
        or bool(schema.all_of or schema.any_of or schema.one_of or schema.not_)
        or schema.min_properties is not None
        or schema.max_properties is not None
        or any(name not in schema.properties for name in schema.required)
        or any(schema.properties[name] not in _SAID_OF_ALL for name in _OF_ALL & schema.properties.keys())
    )
