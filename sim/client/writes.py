"""From an intention to a request: the one place that knows what each way of writing sends.

A writer either knows what whole parts of an object shall be (``replace``: a controller that changed its copy of the
status) or which fields it sets (``set_fields``: an annotation, one field of the spec). By strategy:

=========================  ============================================  ============  ============
strategy                   body                                          precondition  fields owned
=========================  ============================================  ============  ============
update                     the parts whole, as read and changed          version, uid  those changed
apply                      one's own fields, by force unless told not to  none          those sent
merge-patch                what differs from the copy; lists whole       version       those changed
merge-patch-unconditional  the same                                      none          those changed
json-patch                 the same as operations add and remove         none          those changed
=========================  ============================================  ============  ============

Sources: client-go's typed clients, controller-runtime pkg/client/patch.go (MergeFrom, MergeFromWithOptimisticLock),
RFC 7386.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sim.cluster.objects import Object, Write
from sim.scenario.values import Strategy

Body = dict[str, Any]
"""An object or a part of one, in Kubernetes' form."""

Way = Strategy | Literal["json-patch"]
"""How a write is made: a strategy of cert-manager's controllers, or what only operators do."""

CONDITIONAL = frozenset({"update", "merge-patch"})
"""Strategies whose requests carry the version that was read, so that they can be refused as stale."""


def replace(
    strategy: Way,
    read: Object,
    parts: Body,
    *,
    manager: str,
    own: Body | None = None,
    subresource: str = "",
    force: bool = True,
) -> Write:
    """The write that makes ``parts`` of the object (``status``, or ``spec`` and ``metadata``) what they shall be.

    ``own`` are the fields of them that this writer applies; without, all.
    """
    if strategy == "update":
        return Write(
            "update", read.kind, read.name, parts, manager, subresource, False, read.resource_version, read.uid
        )
    if strategy == "apply":
        applied = parts if own is None else own
        return apply(read.kind, read.name, applied, manager=manager, subresource=subresource, force=force)
    if strategy == "json-patch":
        steps = [step for part, value in parts.items() for step in _operations(_part(read, part), value, f"/{part}")]
        return Write("json-patch", read.kind, read.name, steps, manager, subresource)
    version = read.resource_version if strategy in CONDITIONAL else None
    body = {part: difference(getattr(read, part) or {}, value) for part, value in parts.items()}
    return Write("merge-patch", read.kind, read.name, body, manager, subresource, False, version)


def set_fields(
    strategy: Way,
    fields: Body,
    *,
    manager: str,
    read: Object | None = None,
    kind: str = "",
    name: str = "",
    subresource: str = "",
    force: bool = True,
) -> Write:
    """The write that sets ``fields`` and means nothing else; a None takes a field away.

    ``read`` is the copy that an update sends back with the fields changed, and whose version makes a patch
    conditional; who has read nothing names ``kind`` and ``name``. A map is merged into what was read; a list is sent
    whole.
    """
    if read is not None:
        kind, name = read.kind, read.name
    if strategy in {"update", "json-patch"}:
        assert read is not None, "it is made from a copy"
        return replace(strategy, read, _whole(read, fields), manager=manager, subresource=subresource)
    if strategy == "apply":
        return apply(kind, name, without_none(fields), manager=manager, subresource=subresource, force=force)
    version = read.resource_version if read is not None and strategy in CONDITIONAL else None
    return Write("merge-patch", kind, name, fields, manager, subresource, False, version)


def apply(kind: str, name: str, body: Body, *, manager: str, subresource: str = "", force: bool = True) -> Write:
    """A server-side apply of one's own fields."""
    return Write("apply", kind, name, body, manager, subresource, force)


def create(kind: str, name: str, body: Body, *, manager: str = "", owner: str = "") -> Write:
    """A creation; ``owner`` is the uid of the controlling owner."""
    return Write("create", kind, name, body, manager, owner=owner)


def delete(kind: str, name: str) -> Write:
    """A deletion without preconditions."""
    return Write("delete", kind, name, {})


def get(kind: str, name: str) -> Write:
    """A read of the current version."""
    return Write("get", kind, name, {})


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Body:
    """The JSON merge patch (RFC 7386) from ``old`` to ``new``: lists whole, null removes."""
    patch: Body = {}
    for key, value in new.items():
        before = old.get(key)
        if before != value:
            both = isinstance(before, dict) and isinstance(value, dict)
            patch[key] = difference(before, value) if both else value  # type: ignore[arg-type] # mypy loses both
    patch.update({key: None for key in old if key not in new})
    return patch


def _part(obj: Object, part: str) -> Body | None:
    """A part of an object, None where it has none."""
    if part != "metadata":
        found: Body | None = getattr(obj, part)
        return found
    return {"labels": obj.labels or None, "annotations": obj.annotations or None, "finalizers": list(obj.finalizers)}


def _operations(old: Body | None, new: Body, path: str) -> Iterator[Body]:
    """The JSON patch (RFC 6902) from ``old`` to ``new``: lists whole, and no test before."""
    if old is None:
        yield {"op": "add", "path": path, "value": new}
        return
    for key, value in new.items():
        before, below = old.get(key), f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if before == value or (value in ({}, []) and not before):
            continue
        if isinstance(before, dict) and isinstance(value, dict):
            yield from _operations(before, value, below)
        else:
            yield {"op": "add", "path": below, "value": value}
    for key in sorted(old.keys() - new.keys()):
        if path != "/metadata":
            yield {"op": "remove", "path": f"{path}/{key.replace('~', '~0').replace('/', '~1')}"}


def without_none(fields: Mapping[str, Any]) -> Body:
    """What is left of fields where None takes away: an apply leaves out what it no longer wants."""
    return {
        key: without_none(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if value is not None
    }


def _whole(read: Object, fields: Body) -> Body:
    """The parts of a copy that an update sends, with the fields changed.

    A main write sends metadata and spec (or data) whole; a status write the status alone.
    """
    if "status" in fields:
        return {"status": _merged(read.status, fields["status"])}
    metadata = fields.get("metadata", {})
    sent: Body = {
        "labels": _merged(read.labels, metadata.get("labels")),
        "annotations": _merged(read.annotations, metadata.get("annotations")),
    }
    # An update that left these out would take them away.
    if read.finalizers or "finalizers" in metadata:
        sent["finalizers"] = metadata.get("finalizers", list(read.finalizers))
    if read.owners:
        sent["ownerReferences"] = list(read.owners)
    body: Body = {"metadata": sent}
    for part in ("spec", "data"):
        if part in fields or getattr(read, part) is not None:
            body[part] = _merged(getattr(read, part), fields.get(part))
    return body


def _merged(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Body:
    """RFC 7386: what ``new`` names in place of what was there, maps merged, null taken away."""
    merged = dict(old or {})
    for key, value in (new or {}).items():
        before = merged.get(key)
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
