"""Which parts of a subject a write changed, as a bit mask.

Coarse on purpose: a bit for each top-level status field, one for each condition, one for the spec and one for labels
and annotations. That is what is needed to see whether two writes touched the same thing. A ``FieldTable`` has the bits
of one subject; ``field_names`` is about Certificates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.families.certmanager.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sim.cluster.objects import Object, Write

_CONDITION = "status.conditions["

_NOTHING: dict[str, Any] = {}


class FieldTable:
    """The parts of a subject that are told apart, a bit each: ``names`` from the lowest (``Subject.fields``)."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        bits = {name: 1 << bit for bit, name in enumerate(self.names)}
        self._other, self._spec, self._metadata = (bits[name] for name in ("status (other)", "spec", "metadata"))
        self._conditions_of = {
            name.removeprefix(_CONDITION)[:-1]: bit for name, bit in bits.items() if name.startswith(_CONDITION)
        }
        self._status = {
            name.removeprefix("status."): bit
            for name, bit in bits.items()
            if name.startswith("status.") and not name.startswith(_CONDITION)
        }

    def changed(self, before: Object, after: Object) -> int:
        """The parts in which two versions of a subject differ."""
        mask = 0
        old, new = before.status or _NOTHING, after.status or _NOTHING
        if old is not new:
            for name in old.keys() | new.keys():
                was, is_ = old.get(name), new.get(name)
                if was is is_ or was == is_:
                    continue
                if name == "conditions":
                    mask |= self._conditions(was or (), is_ or ())
                else:
                    mask |= self._status.get(name, self._other)
        if before.spec is not after.spec and before.spec != after.spec:
            mask |= self._spec
        if before.labels != after.labels or before.annotations != after.annotations:
            mask |= self._metadata
        return mask

    def _conditions(self, old: Any, new: Any) -> int:
        mask = 0
        was = {condition["type"]: condition for condition in old}
        for condition in new:
            type_ = condition["type"]
            if was.pop(type_, None) != condition:
                mask |= self._conditions_of.get(type_, self._other)
        for type_ in was:
            mask |= self._conditions_of.get(type_, self._other)
        return mask

    def wanted(self, write: Write, read: Object | None) -> int:
        """The parts of a subject that a write meant to change, against the copy that it was built from.

        An update sends whole objects: what differs from the copy is what it meant. A patch or an apply names what
        it sets; without a copy that is all that is known of it.
        """
        body = write.body
        if read is None:
            return self._named(body)
        whole = write.verb == "update"
        mask = 0
        if "status" in body:
            mask |= self._changed_status(read.status or _NOTHING, body["status"] or _NOTHING, whole)
        if "spec" in body and _differs(read.spec or _NOTHING, body["spec"] or _NOTHING, whole):
            mask |= self._spec
        metadata = body.get("metadata") or _NOTHING
        for name, old in (("labels", read.labels), ("annotations", read.annotations)):
            if name in metadata and _differs(old or _NOTHING, metadata[name] or _NOTHING, whole):
                mask |= self._metadata
        return mask

    def _changed_status(self, old: dict[str, Any], new: dict[str, Any], whole: bool) -> int:
        mask = 0
        for name in old.keys() | new.keys() if whole else new.keys():
            was, is_ = old.get(name), new.get(name)
            if was != is_:
                if name == "conditions":
                    mask |= self._conditions(was or (), is_ or ())
                else:
                    mask |= self._status.get(name, self._other)
        return mask

    def _named(self, body: dict[str, Any]) -> int:
        mask = self._changed_status(_NOTHING, body.get("status") or _NOTHING, False)
        return mask | bool(body.get("spec")) * self._spec | bool(body.get("metadata")) * self._metadata

    def at(self, paths: Iterable[str]) -> int:
        """The parts that contain fields as the server writes them, such as ``.status.conditions[type="A"].status``."""
        mask = 0
        for path in paths:
            head, _, rest = path.lstrip(".").partition(".")
            name = rest.partition(".")[0].partition("[")[0]
            if head != "status":
                mask |= self._spec if head == "spec" else self._metadata
            elif name == "conditions":
                type_ = rest.partition('type="')[2].partition('"')[0]
                mask |= self._conditions_of.get(type_, self._other)
            else:
                mask |= self._status.get(name, self._other)
        return mask


def _differs(old: dict[str, Any], new: dict[str, Any], whole: bool) -> bool:
    return old != new if whole else any(old.get(name) != value for name, value in new.items())


CERTIFICATES = FieldTable(FIELDS)


FIELD_NAMES = "fields"
"""The attribute of a frame of requests that names its parts, where its subject is another than a Certificate."""


def field_names(mask: int, names: Sequence[str] = FIELDS) -> list[str]:
    """The parts in a mask, as people write them: of a Certificate where no others are named.

    Above those are the fields that plain clients write.
    """
    above = mask >> len(names)
    data = [f"data.field-{bit}" for bit in range(above.bit_length()) if above >> bit & 1]
    return [name for bit, name in enumerate(names) if mask >> bit & 1] + data
