"""What a write changes, the short way: paths added, changed and removed; what never changes."""

from __future__ import annotations

from typing import Any

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import MAPS
from sim.cluster.messages import Cause
from sim.cluster.objects import Object
from sim.cluster.schema import ABSENT, IrregularError

Values = dict[str, Any]
"""New values of parts of an object, by the slot of ``Object`` that holds them.

``None`` where a part is not there; an apply, which may leave nulls behind, has ``ABSENT`` for that and
``None`` for null.
"""


def added(kind: DescribedKind, values: Values) -> int:
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


def compared(kind: DescribedKind, live: Object, values: Values) -> tuple[int, int]:
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


def regular(kind: DescribedKind, values: Values) -> bool:
    """Whether ``values`` are all there and valid, seen at a glance."""
    try:
        for slot, value in values.items():
            if slot not in MAPS:
                if value is ABSENT:
                    return False
                kind.nodes[slot].adopt(value, False)
    except IrregularError:
        return False
    return True


def immutable(kind: DescribedKind, live: Object, values: Values) -> list[Cause]:
    """Fields that a write changes and that never change, such as a Secret's type."""
    return [
        Cause("FieldValueInvalid", f'Invalid value: "{values[part]}": field is immutable', part)
        for part in kind.defaults
        if part in values and values[part] != getattr(live, part)
    ]


def check_unwritten(kind: DescribedKind, live: Object | None, body: dict[str, Any], written: Values) -> None:
    """Raise ``IrregularError`` where a part of ``body`` that the write does not store is not known to be valid.

    One that cannot be typed leaves the object without any managedFields (``managedfields/internal/fieldmanager.go``,
    ``UpdateNoErrors``).
    """
    for part, node in kind.fields.items():
        if part not in written and part in body:
            value = body[part]
            if value is not None and (live is None or value is not getattr(live, part)):
                node.adopt(value, False)
