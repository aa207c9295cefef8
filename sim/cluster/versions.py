"""Versions of objects: making the next one, and the parts that writes name.

Versions share whatever a write leaves alone, by identity.
"""

from __future__ import annotations

from typing import Any, cast

from sim.cluster.kinds import Kind
from sim.cluster.objects import NOTHING, Bare, Object
from sim.cluster.schema import ABSENT


def blank(kind: Kind, name: str) -> Object:
    """An object before its creation."""
    item = Object() if kind.tracked else cast("Object", Bare())
    item.kind = kind.name
    item.name = name
    item.uid = item.owner = ""
    item.created = item.resource_version = 0
    item.data = item.type = None
    if not kind.tracked:
        return item
    item.generation = kind.first_generation
    item.labels = item.annotations = NOTHING
    item.spec = item.status = None
    item.managers = ()
    item.more = NOTHING
    item.finalizers = item.owners = ()
    item.deleted = None
    item.generate_name = ""
    item.lossy = False
    return item


def successor(live: Object) -> Object:
    """A copy to become the next version; the store gives it its resourceVersion."""
    item = Object() if live.__class__ is not Bare else cast("Object", Bare())
    item.kind = live.kind
    item.name = live.name
    item.uid = live.uid
    item.owner = live.owner
    item.created = live.created
    item.data = live.data
    item.type = live.type
    if item.__class__ is Bare:
        return item
    item.generation = live.generation
    item.labels = live.labels
    item.annotations = live.annotations
    item.spec = live.spec
    item.status = live.status
    item.managers = live.managers
    item.more = live.more
    item.finalizers = live.finalizers
    item.owners = live.owners
    item.deleted = live.deleted
    item.generate_name = live.generate_name
    item.lossy = False
    return item


def decays(values: Any) -> bool:
    """Whether labels or annotations, as an apply leaves them, are not what a reader decodes."""
    return values is not NOTHING and (not values or None in values.values())


def merged_patch(target: Any, patch: Any) -> Any:
    """``patch`` merged into ``target`` by RFC 7386; ``target`` itself where that changes nothing."""
    if not isinstance(patch, dict):
        return target if patch == target and type(patch) is type(target) else patch
    out: dict[str, Any] | None = None
    if not isinstance(target, dict):
        target = out = {}
    for key, value in patch.items():
        old = target.get(key, ABSENT)
        if value is None:
            if old is ABSENT:
                continue
            out = dict(target) if out is None else out
            del out[key]
            continue
        new = merged_patch(old, value)
        if new is not old:
            out = dict(target) if out is None else out
            out[key] = new
    return target if out is None else out
