"""Conditions of a status, as helpers write them.

cert-manager's pkg/api/util/conditions.go; apimachinery's meta.SetStatusCondition (pkg/api/meta/conditions.go) does the
same: the transition time moves only where the condition's status changes, and the order of conditions is kept.
"""

from __future__ import annotations

from typing import Any

from sim.kernel.clock import rfc3339

Status = dict[str, Any]


def condition(status: Status | None, type_: str) -> dict[str, Any] | None:
    """The condition of this type, or None."""
    if status:
        existing: dict[str, Any]
        for existing in status.get("conditions", ()):
            if existing["type"] == type_:
                return existing
    return None


def is_true(status: Status | None, type_: str) -> bool:
    """Whether the condition is there and True."""
    if status:
        for existing in status.get("conditions", ()):
            if existing["type"] == type_:
                return bool(existing["status"] == "True")
    return False


def with_condition(
    status: Status | None,
    type_: str,
    value: str,
    reason: str,
    message: str,
    now: int,
    generation: int | None = None,
) -> Status:
    """A copy of ``status`` with the condition set; ``now`` in Unix seconds.

    ``generation`` is what the writer has observed; None leaves it out.
    """
    changed = dict(status) if status else {}
    new: dict[str, Any] = {"type": type_, "status": value, "reason": reason, "message": message}
    new["lastTransitionTime"] = rfc3339(now)
    if generation is not None:
        new["observedGeneration"] = generation
    conditions = list(changed.get("conditions", ()))
    for index, existing in enumerate(conditions):
        if existing["type"] == type_:
            if existing["status"] == value:
                if "lastTransitionTime" in existing:
                    new["lastTransitionTime"] = existing["lastTransitionTime"]
                else:  # another writer has left it out
                    del new["lastTransitionTime"]
                if new == existing:
                    return changed
            conditions[index] = new
            break
    else:
        conditions.append(new)
    changed["conditions"] = conditions
    return changed


def has_condition(status: Status, type_: str, value: str, reason: str, message: str, generation: int) -> bool:
    """Whether ``with_condition`` would leave the status as it is."""
    existing = condition(status, type_)
    return (
        existing is not None
        and existing["status"] == value
        and existing.get("reason") == reason
        and existing.get("message") == message
        and existing.get("observedGeneration") == generation
    )


def without_condition(status: Status, type_: str) -> Status:
    """A copy of ``status`` without the condition."""
    changed = dict(status)
    conditions = [existing for existing in changed.get("conditions", ()) if existing["type"] != type_]
    if conditions:
        changed["conditions"] = conditions
    else:
        changed.pop("conditions", None)
    return changed


def ready_reason(status: Status | None) -> str:
    """Reason of the Ready condition, or ""."""
    ready = condition(status, "Ready")
    return ready["reason"] if ready else ""
