"""The store: the current version of every object, under one revision that only grows.

As in etcd behind a kube-apiserver, there is one revision for all kinds, and an object's resourceVersion is
the revision of its last write.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.cluster.kinds import KINDS
from sim.cluster.objects import Object


class Store:
    """Current objects by kind and name, all in one namespace."""

    __slots__ = ("_uids", "objects", "revision")

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        self.revision: int = 1
        """Revision of the last write; 1 before the first, as in etcd."""
        self._uids = 0

    def get(self, kind: str, name: str) -> Object | None:
        """The current version of an object, ``None`` if there is none."""
        return self.objects[kind].get(name)

    def list(self, kind: str) -> Iterable[Object]:
        """All objects of a kind, in the order of their creation; the store must not change meanwhile."""
        return self.objects[kind].values()

    def next_uid(self) -> str:
        """A new uid, the same in every run."""
        self._uids += 1
        return f"uid-{self._uids}"

    def put(self, item: Object) -> None:
        """Store a version under the next revision, which becomes its resourceVersion."""
        self.revision = item.resource_version = self.revision + 1
        self.objects[item.kind][item.name] = item

    def delete(self, item: Object) -> None:
        """Remove an object; a deletion takes a revision too."""
        self.revision += 1
        del self.objects[item.kind][item.name]
