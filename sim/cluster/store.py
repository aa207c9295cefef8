"""The store: the current version of every object, under one revision that only grows; it publishes what it stores.

As in etcd behind a kube-apiserver, there is one revision for all kinds, and an object's resourceVersion is
the revision of its last write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.cluster.kinds import Registry
from sim.cluster.objects import Object
from sim.cluster.shelf import Shelf
from sim.cluster.watch import WatchEvent

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Characters of generated names (apimachinery's util/rand)."""
_STRIDE = 6_700_417  # prime, so that all numbers come before one comes again

Subscriber = Callable[[WatchEvent], object]
"""Called with every version of an object that is stored, and with every object that is removed."""


class Store:
    """Current objects of the run's ``kinds``, by kind and name, all in one namespace."""

    __slots__ = ("_shelf", "_subscribers", "_suffixes", "_uids", "kinds", "objects", "revision")

    def __init__(self, kinds: Registry) -> None:
        self.kinds = kinds
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in kinds}
        self.revision: int = 1
        """Revision of the last write; 1 before the first, as in etcd."""
        self._uids = self._suffixes = 0
        self._shelf = Shelf(self.objects)
        self._subscribers: dict[str, list[Subscriber]] = {kind: [] for kind in kinds}

    def subscribe(self, kind: str, subscriber: Subscriber) -> None:
        """Publish what is stored of ``kind`` to ``subscriber`` from now on, at the instant of the commit."""
        self._subscribers[kind].append(subscriber)

    def let_go(self) -> None:
        """Forget who is told of what is stored."""
        self._subscribers.clear()
        self._shelf.let_go()

    def get(self, kind: str, name: str) -> Object | None:
        """The current version of an object, ``None`` if there is none."""
        return self.objects[kind].get(name)

    def list(self, kind: str) -> Iterable[Object]:
        """All objects of a kind, in the order of their creation; the store must not change meanwhile."""
        return self.objects[kind].values()

    def next_suffix(self) -> str:
        """Five characters for the end of a generated name: others each time, the same in every run."""
        self._suffixes += 1
        number = self._suffixes * _STRIDE % len(_ALPHABET) ** 5
        letters = ""
        for _ in range(5):
            number, index = divmod(number, len(_ALPHABET))
            letters += _ALPHABET[index]
        return letters

    def add(self, item: Object) -> None:
        """Store a new object, with a uid that is the same in every run."""
        self._uids += 1
        item.uid = f"uid-{self._uids}"
        self.put(item)
        if isinstance(item, Object):  # of others there is nothing to pack
            self._shelf.add(item)

    def put(self, item: Object) -> None:
        """Store a version under the next revision, which becomes its resourceVersion."""
        self.revision = item.resource_version = self.revision + 1
        kind = item.kind
        self.objects[kind][item.name] = item
        subscribers = self._subscribers[kind]
        if subscribers:
            event = WatchEvent(item, False)
            for tell in subscribers:
                tell(event)

    def delete(self, item: Object) -> None:
        """Remove an object; a deletion takes a revision too."""
        self.revision += 1
        kind = item.kind
        del self.objects[kind][item.name]
        event = WatchEvent(item, True)
        for tell in self._subscribers[kind]:
            tell(event)
