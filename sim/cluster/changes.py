"""What a write changes: paths added, changed and removed, and what is invalid about its values."""

from __future__ import annotations

from typing import Any

from sim.cluster.causes import Cause
from sim.cluster.kinds import MAPS, Kind
from sim.cluster.objects import Object, Write
from sim.cluster.schema import ABSENT, IrregularError
from sim.cluster.validation import cleaned, invalid, typed_errors

Values = dict[str, Any]
"""New values of parts of an object, by the slot of ``Object`` that holds them.

``None`` where a part is not there; an apply, which may leave nulls behind, has ``ABSENT`` for that and
``None`` for null.
"""


def added(kind: Kind, values: Values) -> int:
    """The paths of a new object. Raises ``IrregularError`` where it is not known to be valid."""
    mask = 0
    nodes = kind.nodes
    for slot, value in values.items():
        if value is None:
            if slot in kind.required:
                raise IrregularError
        elif value or slot not in MAPS:
            mask |= nodes[slot].adopt(value, False)[1]
    return mask


def compared(kind: Kind, live: Object, values: Values) -> tuple[int, int]:
    """The paths changed or added, and those removed, by a new version of ``live``.

    Raises ``IrregularError`` where the new version is not known to be valid.
    """
    changed = removed = 0
    nodes = kind.nodes
    for slot, value in values.items():
        old = getattr(live, slot)
        if value is old:
            continue
        if value is None and slot in kind.required:
            raise IrregularError
        nothing = slot in MAPS  # no labels are as good as empty ones
        node = nodes[slot]
        if old is None or (nothing and not old):
            if value is not None and (value or not nothing):
                changed |= node.adopt(value, False)[1]
        elif value is None or (nothing and not value):
            removed |= node.adopt(old, True)[1]
        else:
            more, less = node.compare(old, value)
            changed |= more
            removed |= less
    return changed, removed


def regular(kind: Kind, values: Values) -> bool:
    """Whether ``values`` are all there and valid, seen at a glance; ``faults`` says what is wrong."""
    try:
        for slot, value in values.items():
            if slot not in MAPS:
                if value is ABSENT:
                    return False
                kind.nodes[slot].adopt(value, False)
    except IrregularError:
        return False
    return True


def settle(kind: Kind, values: Values) -> list[Cause]:
    """Clean ``values`` in place, as decoding does, and say what is invalid in them."""
    for slot, value in values.items():
        if value is not None and slot not in MAPS:
            values[slot] = cleaned(kind.nodes[slot], value)
    return faults(kind, {slot: ABSENT if value is None else value for slot, value in values.items()})


def faults(kind: Kind, values: Values) -> list[Cause]:
    """What is invalid in ``values``, where ``ABSENT`` stands for what is not there and ``None`` for null."""
    causes: list[Cause] = []
    for slot, value in values.items():
        if value is ABSENT or slot in MAPS:
            continue
        if slot == "status":
            causes += invalid(kind.nodes[slot], value, "", "status")
        else:
            causes += invalid(kind.nodes[slot], value, slot, "")
    causes += [
        Cause("FieldValueRequired", "Required value", slot)
        for slot in kind.required
        if slot in values and values[slot] is ABSENT
    ]
    return causes


def immutable(write: Write, kind: Kind, live: Object, values: Values) -> list[Cause]:
    """Fields that a write changes and that never change: the uid, a Secret's type."""
    causes = []
    if write.uid is not None and write.uid != live.uid and not write.subresource:
        message = f'Invalid value: "{write.uid}": field is immutable'
        # custom resources are checked twice
        causes += [Cause("FieldValueInvalid", message, "metadata.uid")] * (2 if kind.status else 1)
    for part in kind.defaults:
        if part in values and values[part] != getattr(live, part):
            message = f'Invalid value: "{values[part]}": field is immutable'
            causes.append(Cause("FieldValueInvalid", message, part))
    return causes


def untyped(kind: Kind, live: Object | None, body: dict[str, Any], written: Values) -> bool:
    """Whether a part of ``body`` that the write does not store cannot be typed.

    The server then stores the rest without any managedFields (``managedfields/internal/fieldmanager.go``,
    ``UpdateNoErrors``).
    """
    for part, node in kind.fields.items():
        if part not in written and part in body:
            value = body[part]
            if value is not None and (live is None or value is not getattr(live, part)):
                try:
                    node.adopt(value, False)
                except IrregularError:
                    if kind.described:
                        raise
                    if typed_errors(node, cleaned(node, value), f".{part}", duplicates=True):
                        return True
    return False


def unfit(kind: Kind, body: dict[str, Any]) -> list[str]:
    """What makes a configuration unfit for the kind's schema, each as ``path: message``."""
    errors: list[str] = []
    for part, config in body.items():
        node = kind.root.get(part)
        if node is None:
            return [*errors, f".{part}: field not declared in schema"]
        errors += typed_errors(node, config, f".{part}")
    return errors
