"""Lost updates: writes that unknowingly take away or turn back what another wrote; and what was created twice.

A write without a resourceVersion may be stored on a version newer than the copy that it was made from. A field is lost
where it had been changed by another writer since that copy, and the write changed it again: to the old value (a merge
patch that replaces a whole list of conditions, say), or to one of its own. Who wrote without having read at all has
seen none of what was changed since the object was created: the last write wins. What nobody has changed since then is
there to be set, as by a user who patches the spec. An apply by force says what a list is without regard to any copy:
what it drops of another's is lost even if it had been read. It is repaired when the lost value is there again, or when
its owner writes the field anew.
"""

from __future__ import annotations

from collections import defaultdict
from sys import intern
from typing import Any

from sim.cluster.objects import Object

_Field = tuple[str, str, str]
"""Resource and name of an object, and a dotted field of it."""
_Made = tuple[str, str, str, str]
"""Who created what for which owner, with which body."""
_CREATION = ""
"""Stands for a field that was written when the object was created, and never since."""


class Losses:
    """Follows who wrote which field of each subject last, what was lost, and what was made twice."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        """In the order of ``sim.recording.columns.LOSSES``."""
        self.duplicates: list[tuple[object, ...]] = []
        """In the order of ``sim.recording.columns.DUPLICATES``."""
        # Of what is there: by resource and name who wrote each field last, and by which request.
        self._writers: defaultdict[tuple[str, str], dict[str, tuple[str, int]]] = defaultdict(dict)
        self._open: dict[_Field, tuple[int, Any, str]] = {}  # by field: row, lost value, whose it was
        self._made: defaultdict[_Made, dict[str, tuple[int, int]]] = defaultdict(dict)  # by name: request, pass
        self._of: dict[tuple[str, str], _Made] = {}  # by resource and name

    def created(self, request: int, resource: str, obj: Object, actor: str) -> None:
        """An object was created."""
        by = (actor, request)
        self._writers[resource, obj.name] = {_CREATION: by, **{intern(field): by for field in leaves(obj)}}

    def made(self, request: int, actor: str, reconcile: int, resource: str, obj: Object, send: Any, now: int) -> None:
        """Something was created for an owner: a duplicate of the same that its creator's cache did not show yet.

        What the same pass has created is known to it. Where nothing is known of the cache (``Send.seen``) all the same
        that is still there counts.
        """
        same = (actor, resource, obj.owner, repr(send.write.body))
        for name, (earlier, its_pass) in self._made[same].items():
            if its_pass != reconcile and (send.seen is None or name not in send.seen):
                self.duplicates.append((request, resource, obj.name, send.about, actor, earlier, name, now))
                break
        self._made[same][obj.name] = request, reconcile
        self._of[resource, obj.name] = same

    def gone(self, resource: str, name: str) -> None:
        """Something was deleted: to create it again is no duplicate, and nobody's fields are in it."""
        self._writers.pop((resource, name), None)
        same = self._of.pop((resource, name), None)
        if same is not None:
            self._made[same].pop(name, None)
            if not self._made[same]:
                del self._made[same]

    def written(
        self,
        request: int,
        actor: str,
        resource: str,
        send: Any,
        before: Object,
        after: Object,
        now: int,
    ) -> None:
        """A write was stored on ``before``; ``send`` has it, and the copy that it was made from."""
        read, applied = send.read, send.write.verb == "apply"
        old, new = leaves(before), leaves(after)
        unseen = read is None or read.resource_version < before.resource_version
        seen = {} if read is None else leaves(read) if unseen else old
        writers = self._writers[resource, after.name]
        _, created = writers.get(_CREATION, ("", None))
        for field in sorted(field for field in old.keys() | new.keys() if old.get(field) != new.get(field)):
            was, is_ = old.get(field), new.get(field)
            key = (resource, after.name, field)
            owner, of_request = writers.get(field, ("", -1))
            self._repaired(key, is_, actor, now)
            as_created = read is None and of_request == created
            taken = unseen and seen.get(field) != was and not as_created
            lost = owner not in {"", actor} and (taken or (applied and _dropped(was, is_)))
            if lost:
                self._open[key] = (len(self.rows), was, owner)
                found = (request, resource, after.name, send.about, field, actor, owner, of_request, now, -1, "")
                self.rows.append(found)
            if not lost or is_ != seen.get(field):  # what is only turned back nobody has written
                writers[intern(field)] = actor, request

    def _repaired(self, key: _Field, value: Any, actor: str, now: int) -> None:
        lost = self._open.get(key)
        if lost is not None and (value == lost[1] or actor == lost[2]):
            row, _, _ = self._open.pop(key)
            self.rows[row] = (*self.rows[row][:-2], now, actor)


def _dropped(was: Any, is_: Any) -> bool:
    """Whether a list lost an item: an apply says what its own list is, whatever copy it had read."""
    return isinstance(was, list) and isinstance(is_, list) and any(item not in is_ for item in was)


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
