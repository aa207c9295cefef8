"""Lost updates: writes that unknowingly take away or turn back what another wrote.

A write without a resourceVersion may be stored on a version newer than the copy that it was made from. A field is lost
where it had been changed by another writer since that copy, and the write changed it again: to the old value (a merge
patch that replaces a whole list of conditions, say), or to one of its own. Who wrote without having read at all has
seen nothing: the last write wins. It is repaired when the lost value is there again, or when its owner writes the field
anew.
"""

from __future__ import annotations

from typing import Any

from sim.cluster.objects import Object

_Field = tuple[str, str]
"""Name of an object, and a dotted field of it."""


class Losses:
    """Follows who wrote which field of each subject last, and what was lost."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        """In the order of ``sim.recording.columns.LOSSES``."""
        self._writer: dict[_Field, str] = {}
        self.duplicates = 0
        """Objects that were created for an owner for which their creator had created the same before."""
        self._made: set[tuple[str, str, str, str]] = set()
        self._open: dict[_Field, tuple[int, Any, str]] = {}  # by field: row, lost value, whose it was

    def created(self, obj: Object, actor: str) -> None:
        """An object was created."""
        for field in leaves(obj):
            self._writer[obj.name, field] = actor

    def made(self, actor: str, kind: str, owner: str, body: Any) -> None:
        """Something was created for an owner; the same again, under another name, is a duplicate."""
        same = (actor, kind, owner, repr(body))
        self.duplicates += same in self._made
        self._made.add(same)

    def written(self, request: int, actor: str, read: Object | None, before: Object, after: Object, now: int) -> None:
        """A write was stored on ``before``; ``read`` is the copy that it was made from."""
        old, new = leaves(before), leaves(after)
        unseen = read is None or read.resource_version < before.resource_version
        seen = {} if read is None else leaves(read) if unseen else old
        for field in old.keys() | new.keys():
            was, is_ = old.get(field), new.get(field)
            if was == is_:
                continue
            key = (after.name, field)
            owner = self._writer.get(key, "")
            self._repaired(key, is_, actor, now)
            if unseen and owner and owner != actor and seen.get(field) != was:
                self._open[key] = (len(self.rows), was, owner)
                self.rows.append((request, after.name, field, actor, owner, now, -1))
            else:
                self._writer[key] = actor

    def _repaired(self, key: _Field, value: Any, actor: str, now: int) -> None:
        lost = self._open.get(key)
        if lost is not None and (value == lost[1] or actor == lost[2]):
            row, _, _ = self._open.pop(key)
            self.rows[row] = (*self.rows[row][:-1], now)


def leaves(obj: Object) -> dict[str, Any]:
    """The fields of an object, dotted; conditions are told apart by type, lists are whole."""
    found: dict[str, Any] = {}
    for part in ("labels", "annotations", "spec", "data", "status"):
        value = getattr(obj, part)
        if value:
            _flatten(part, value, found)
    return found


def _flatten(path: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            _flatten(f"{path}.{key}", below, found)
    elif path == "status.conditions" and isinstance(value, list):
        for each in value:
            found[f"{path}[{each.get('type')}]"] = {
                key: below for key, below in each.items() if key != "lastTransitionTime"
            }
    else:
        found[path] = value
