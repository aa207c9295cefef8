"""Which parts of a Certificate a write changed, as a bit mask.

Coarse on purpose: a bit for each top-level status field, one for each of the two conditions, one for the spec
and one for labels and annotations. That is what is needed to see whether two writes touched the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sim.cluster.objects import Object, Write

FIELDS = (
    "status.conditions[Issuing]",
    "status.conditions[Ready]",
    "status.revision",
    "status.notBefore",
    "status.notAfter",
    "status.renewalTime",
    "status.nextPrivateKeySecretName",
    "status.lastFailureTime",
    "status.failedIssuanceAttempts",
    "status (other)",
    "spec",
    "metadata",
)
"""What each bit stands for, from the lowest."""

_CONDITIONS = {"Issuing": 1, "Ready": 2}
_STATUS = {name.removeprefix("status."): 1 << bit for bit, name in enumerate(FIELDS) if bit in range(2, 9)}
_OTHER, _SPEC, _METADATA = 1 << 9, 1 << 10, 1 << 11
_NOTHING: dict[str, Any] = {}


def changed_fields(before: Object, after: Object) -> int:
    """The parts in which two versions of a Certificate differ."""
    mask = 0
    old, new = before.status or _NOTHING, after.status or _NOTHING
    if old is not new:
        for name in old.keys() | new.keys():
            was, is_ = old.get(name), new.get(name)
            if was is is_ or was == is_:
                continue
            mask |= _conditions(was or (), is_ or ()) if name == "conditions" else _STATUS.get(name, _OTHER)
    if before.spec is not after.spec and before.spec != after.spec:
        mask |= _SPEC
    if before.labels != after.labels or before.annotations != after.annotations:
        mask |= _METADATA
    return mask


def _conditions(old: Any, new: Any) -> int:
    mask = 0
    was = {condition["type"]: condition for condition in old}
    for condition in new:
        type_ = condition["type"]
        if was.pop(type_, None) != condition:
            mask |= _CONDITIONS.get(type_, _OTHER)
    for type_ in was:
        mask |= _CONDITIONS.get(type_, _OTHER)
    return mask


def wanted_fields(write: Write, read: Object | None) -> int:
    """The parts of a Certificate that a write meant to change, against the copy that it was built from.

    An update sends whole objects: what differs from the copy is what it meant. A patch or an apply names what
    it sets; without a copy that is all that is known of it.
    """
    body = write.body
    if read is None:
        return _named(body)
    whole = write.verb == "update"
    mask = 0
    if "status" in body:
        mask |= _changed_status(read.status or _NOTHING, body["status"] or _NOTHING, whole)
    if "spec" in body and _differs(read.spec or _NOTHING, body["spec"] or _NOTHING, whole):
        mask |= _SPEC
    metadata = body.get("metadata") or _NOTHING
    for name, old in (("labels", read.labels), ("annotations", read.annotations)):
        if name in metadata and _differs(old or _NOTHING, metadata[name] or _NOTHING, whole):
            mask |= _METADATA
    return mask


def _changed_status(old: dict[str, Any], new: dict[str, Any], whole: bool) -> int:
    mask = 0
    for name in old.keys() | new.keys() if whole else new.keys():
        was, is_ = old.get(name), new.get(name)
        if was != is_:
            mask |= _conditions(was or (), is_ or ()) if name == "conditions" else _STATUS.get(name, _OTHER)
    return mask


def _differs(old: dict[str, Any], new: dict[str, Any], whole: bool) -> bool:
    return old != new if whole else any(old.get(name) != value for name, value in new.items())


def _named(body: dict[str, Any]) -> int:
    mask = _changed_status(_NOTHING, body.get("status") or _NOTHING, False)
    return mask | bool(body.get("spec")) * _SPEC | bool(body.get("metadata")) * _METADATA


def fields_at(paths: Iterable[str]) -> int:
    """The parts that contain fields as the server writes them, such as ``.status.conditions[type="Ready"].status``."""
    mask = 0
    for path in paths:
        head, _, rest = path.lstrip(".").partition(".")
        name = rest.partition(".")[0].partition("[")[0]
        if head != "status":
            mask |= _SPEC if head == "spec" else _METADATA
        elif name == "conditions":
            type_ = rest.partition('type="')[2].partition('"')[0]
            mask |= _CONDITIONS.get(type_, _OTHER)
        else:
            mask |= _STATUS.get(name, _OTHER)
    return mask


def field_names(mask: int) -> list[str]:
    """The parts in a mask, as people write them."""
    return [name for bit, name in enumerate(FIELDS) if mask >> bit & 1]
