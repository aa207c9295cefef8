"""A lister's view: the objects of one kind as a process has seen them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter

from sim.cluster.objects import Object

_BY_NAME = attrgetter("name")


class Cache:
    """The objects of one kind as this process has seen them, by name and by controlling owner's uid."""

    __slots__ = ("_by_name", "_by_owner", "get", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._by_name: dict[str, Object] = {}
        self._by_owner: dict[str, tuple[Object, ...]] = {}  # in order of name; nearly always one
        self.get: Callable[[str], Object | None] = self._by_name.get
        """The cached version of a name, or None."""

    def owned_by(self, uid: str) -> list[Object]:
        """Objects whose controlling owner has this uid, in order of name (listers have none; this is stable)."""
        return list(self._by_owner.get(uid, ()))

    def values(self) -> Iterable[Object]:
        """All cached objects."""
        return self._by_name.values()

    def __len__(self) -> int:
        return len(self._by_name)

    def put(self, obj: Object) -> None:
        """Take a version over."""
        name, owner = obj.name, obj.owner
        self._by_name[name] = obj
        if owner:
            owned = self._by_owner.get(owner, ())
            if not owned or (len(owned) == 1 and owned[0].name == name):
                self._by_owner[owner] = (obj,)
            else:
                others = [each for each in owned if each.name != name]
                self._by_owner[owner] = tuple(sorted([*others, obj], key=_BY_NAME))

    def remove(self, name: str) -> None:
        """Forget an object."""
        obj = self._by_name.pop(name, None)
        if obj is not None and obj.owner:
            left = tuple([each for each in self._by_owner.pop(obj.owner, ()) if each.name != name])
            if left:
                self._by_owner[obj.owner] = left
