"""What a write changes: paths added, changed and removed, and what is invalid about its values."""

from __future__ import annotations

from typing import Any

from sim.cluster.kinds import Kind
from sim.cluster.objects import Object
from sim.cluster.schema import ABSENT, IrregularError, Node
from sim.cluster.validation import Cause, cleaned, invalid, typed_errors

Values = dict[str, Any]
"""New values of parts of an object, by the slot of ``Object``; ``None`` where a part is not there."""


def difference(node: Node, old: Any, new: Any) -> tuple[int, int]:
    """The paths changed or added, and removed, between two values of a part, ``None`` where it is not there.

    Raises ``IrregularError`` where ``new`` is not known to be valid.
    """
    if old is None:
        return (node.adopt(new, False)[1] if new is not None else 0), 0
    if new is None:
        return 0, node.adopt(old, True)[1]
    return node.compare(old, new)


def added(kind: Kind, values: Values, labels: dict[str, str], annotations: dict[str, str]) -> int:
    """The paths of a new object. Raises ``IrregularError`` where it is not known to be valid."""
    mask = 0
    for part, node in kind.parts:
        value = values[part]
        if value is not None:
            mask |= node.adopt(value, False)[1]
        elif part in kind.required:
            raise IrregularError
    if labels:
        mask |= kind.labels.adopt(labels, False)[1]
    if annotations:
        mask |= kind.annotations.adopt(annotations, False)[1]
    return mask


def compared(
    kind: Kind, live: Object, values: Values, labels: dict[str, str], annotations: dict[str, str]
) -> tuple[int, int]:
    """The paths changed or added, and those removed, by a new version of ``live``.

    Raises ``IrregularError`` where the new version is not known to be valid.
    """
    changed = removed = 0
    for part, value in values.items():
        old = getattr(live, part)
        if value is not old:
            if value is None and part in kind.required:
                raise IrregularError
            more, less = difference(kind.fields[part], old, value)
            changed |= more
            removed |= less
    if labels is not live.labels:
        more, less = difference(kind.labels, live.labels or None, labels or None)
        changed |= more
        removed |= less
    if annotations is not live.annotations:
        more, less = difference(kind.annotations, live.annotations or None, annotations or None)
        changed |= more
        removed |= less
    return changed, removed


def regular(kind: Kind, values: Values) -> bool:
    """Whether ``values`` are all there and valid, seen at a glance; ``faults`` says what is wrong."""
    try:
        for part, value in values.items():
            if value is ABSENT:
                return False
            kind.fields[part].adopt(value, False)
    except IrregularError:
        return False
    return True


def settle(kind: Kind, values: Values) -> list[Cause]:
    """Clean ``values`` in place, as decoding does, and say what is invalid in them."""
    for part, value in values.items():
        if value is not None:
            values[part] = cleaned(kind.fields[part], value)
    return faults(kind, {part: ABSENT if value is None else value for part, value in values.items()})


def faults(kind: Kind, values: Values) -> list[Cause]:
    """What is invalid in ``values``, where ``ABSENT`` stands for a part that is not there and ``None`` for null."""
    causes: list[Cause] = []
    for part, value in values.items():
        if value is ABSENT:
            continue
        if part == "status":
            causes += invalid(kind.fields[part], value, "", "status")
        else:
            causes += invalid(kind.fields[part], value, part, "")
    causes += [
        Cause("FieldValueRequired", "Required value", part)
        for part in kind.required
        if values.get(part, None) is ABSENT
    ]
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
                    if typed_errors(node, cleaned(node, value), f".{part}", duplicates=True):
                        return True
    return False


def unfit(kind: Kind, body: dict[str, Any]) -> list[str]:
    """What makes an applied configuration unfit for the kind's schema, each as ``path: message``."""
    errors: list[str] = []
    for part, config in body.items():
        node = kind.root.get(part)
        if node is None:
            return [*errors, f".{part}: field not declared in schema"]
        errors += typed_errors(node, config, f".{part}")
    return errors
