"""A lister's view: the objects of one kind as a process has seen them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from sim.cluster.objects import Object


class Cache:
    """The objects of one kind as this process has seen them, by name and by controlling owner's uid."""

    __slots__ = ("_by_name", "_by_owner", "get", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._by_name: dict[str, Object] = {}
        self._by_owner: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        self.get: Callable[[str], Object | None] = self._by_name.get
        """The cached version of a name, or None."""

    def owned_by(self, uid: str) -> list[Object]:
        """Objects whose controlling owner has this uid, in order of name (listers have none; this is stable)."""
        owned = self._by_owner.get(uid)
        if not owned:
            return []
        if len(owned) == 1:
            return list(owned.values())
        return [owned[name] for name in sorted(owned)]

    def values(self) -> Iterable[Object]:
        """All cached objects."""
        return self._by_name.values()

    def __len__(self) -> int:
        return len(self._by_name)

    def put(self, obj: Object) -> None:
        """Take a version over."""
        self._by_name[obj.name] = obj
        if obj.owner:
            self._by_owner[obj.owner][obj.name] = obj

    def remove(self, name: str) -> None:
        """Forget an object."""
        obj = self._by_name.pop(name, None)
        if obj is not None and obj.owner:
            owned = self._by_owner[obj.owner]
            owned.pop(name, None)
            if not owned:
                del self._by_owner[obj.owner]
