"""Which fields of a status differ between two versions, as an integer with one bit a field.

A field is a top-level field of the status, or one condition by its type. Used to record what each write
touched, and to count what an apply or a plain patch overwrote unseen: a field whose value is not the one in
the writer's copy.
"""

from __future__ import annotations

from typing import Any

from sim.cluster.kinds import KINDS
from sim.cluster.schema import Struct

_CONDITIONS: dict[str, tuple[str, ...]] = {
    "Certificate": ("Issuing", "Ready"),
    "CertificateRequest": ("Approved", "Denied", "InvalidRequest", "Ready"),
    "Issuer": ("Ready",),
}


class _Bits(dict[str, int]):
    """Bits of one kind: the schema's fields in its order, the known conditions, then others as they turn
    up."""

    def __missing__(self, name: str) -> int:
        bit = self[name] = 1 << len(self)
        return bit


def _bits_of(kind: str) -> tuple[_Bits, _Bits]:
    bits, conditions = _Bits(), _Bits()
    node = KINDS[kind].status
    names = tuple(node.fields) if isinstance(node, Struct) else ()
    for name in names:
        if name != "conditions":
            bits[name] = 1 << len(bits)
    for type_ in _CONDITIONS.get(kind, ()):
        bits[f"conditions[{type_}]"] = conditions[type_] = 1 << len(bits)
    return bits, conditions


_BITS: dict[str, tuple[_Bits, _Bits]] = {kind: _bits_of(kind) for kind in KINDS}


def status_fields(old: dict[str, Any] | None, new: dict[str, Any] | None, kind: str = "Certificate") -> int:
    """The fields in which two statuses of a kind differ, as a bit mask; 0 where they are equal.

    ``None`` is a status without fields. Parts that are the same object are equal and cost nothing.
    """
    if old is new:
        return 0
    bits = _BITS[kind][0]
    old = old or {}
    new = new or {}
    mask = 0
    for name, value in new.items():
        was = old.get(name)
        if was is not value and was != value:
            mask |= _conditions(kind, was or (), value or ()) if name == "conditions" else bits[name]
    for name, was in old.items():
        if name not in new:
            mask |= _conditions(kind, was or (), ()) if name == "conditions" else bits[name]
    return mask


def _conditions(kind: str, old: Any, new: Any) -> int:
    all_bits, bits = _BITS[kind]
    mask = 0
    before = {condition["type"]: condition for condition in old}
    for condition in new:
        type_ = condition["type"]
        was = before.pop(type_, None)
        if was is not condition and was != condition:
            mask |= bits.get(type_) or all_bits[f"conditions[{type_}]"]
    for type_ in before:
        mask |= bits.get(type_) or all_bits[f"conditions[{type_}]"]
    return mask


def status_field_names(mask: int, kind: str = "Certificate") -> tuple[str, ...]:
    """The names of the fields in a mask, such as ``revision`` and ``conditions[Ready]``, lowest bit first."""
    return tuple(name for name, bit in _BITS[kind][0].items() if bit & mask)
