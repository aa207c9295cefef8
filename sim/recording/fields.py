"""Which parts of a Certificate a write changed, as a bit mask.

Coarse on purpose: a bit for each top-level status field, one for each of the two conditions, one for the spec
and one for labels and annotations. That is what is needed to see whether two writes touched the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.cluster.objects import Object

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


def field_names(mask: int) -> list[str]:
    """The parts in a mask, as people write them."""
    return [name for bit, name in enumerate(FIELDS) if mask >> bit & 1]
