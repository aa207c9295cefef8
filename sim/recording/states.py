"""Abstract states of a run: what kind of situation the cluster was in, as numbers that can be counted and compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from zlib import crc32

from sim.client.manager import Manager
from sim.cluster.objects import Object
from sim.cluster.store import Store
from sim.cluster.watch import WatchEvent

_MANY = 3
"""So many objects of one owner are told apart."""
_PRIME, _BITS = 16_777_619, (1 << 32) - 1
"""Two states in their order make a number of 32 bits."""


class StateSignatures:
    """Subscribes to a store before the run; ``found`` has a number for each kind of situation, and of step between two.

    A situation is an object's kind, what its status says (conditions, and words without digits), how many of its kind
    its owner has, and who is stale: the processes whose cache has not even the version before this one.
    """

    def __init__(self, store: Store, processes: Callable[[], Iterable[Manager]]) -> None:
        self._store = store
        self._processes = processes
        self._before: defaultdict[str, int] = defaultdict(int)  # by uid of the owner, or its own
        self._version: dict[str, int] = {}  # by uid
        self.found: dict[int, None] = {}
        for kind in store.kinds:
            if kind != "Event":
                store.subscribe(kind, self._stored)

    def _stored(self, event: WatchEvent) -> None:
        obj = event.object
        before = self._version.get(obj.uid, 0)
        self._version[obj.uid] = obj.resource_version
        # What is new nobody can be behind with.
        processes = self._processes() if before else ()
        stale = tuple(sorted({each.process.name for each in processes if _behind(each, obj, before)}))
        siblings = 0
        if obj.owner:
            siblings = min(sum(each.owner == obj.owner for each in self._store.list(obj.kind)), _MANY)
        state = crc32(repr((obj.kind, event.deleted, obj.deleted is not None, _said(obj), siblings, stale)).encode())
        self.found[state] = None
        whose = obj.owner or obj.uid
        self.found[(self._before[whose] * _PRIME + state) & _BITS] = None
        self._before[whose] = state


def _behind(manager: Manager, obj: Object, before: int) -> bool:
    informer = manager.informers.get(obj.kind)
    if informer is None:
        return False
    cached = informer.cache.get(obj.name)
    return cached is None or cached.resource_version < before


def _said(obj: Object) -> tuple[str, ...]:
    """What a status says, without what differs from object to object."""
    said = []
    for key, value in (obj.status or {}).items():
        if key == "conditions" and isinstance(value, list):
            said += [f"{each.get('type')}={each.get('status')}/{each.get('reason')}" for each in value]
        elif isinstance(value, bool) or (isinstance(value, str) and value.isalpha()):
            said.append(f"{key}={value}")
        else:
            said.append(key)
    return tuple(sorted(said))
