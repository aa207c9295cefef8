"""Shared informers: one cache for each kind of object, for all controllers of the process.

The reflector's goroutine reads watch events in order, updates the cache, and only then do the handlers run
(client-go tools/cache, model.md section 2). Each handler has a goroutine of its own, so their order differs
from event to event; it is drawn from a random stream. A reader that is woken late drains everything that has
arrived by then.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from sim.client.process import Process
from sim.cluster.objects import Object
from sim.cluster.watch import WatchEvent
from sim.kernel.go import Burst
from sim.kernel.go import Compute as GoCompute

Handler = Callable[[Object], None]
"""Called with the object that was added or changed, or as it was before its deletion."""


class Cache:
    """The objects of one kind as this process has seen them, by name and by controlling owner's uid."""

    __slots__ = ("_by_name", "_by_owner", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._by_name: dict[str, Object] = {}
        self._by_owner: defaultdict[str, dict[str, Object]] = defaultdict(dict)

    def get(self, name: str) -> Object | None:
        """The cached version, or None."""
        return self._by_name.get(name)

    def owned_by(self, uid: str) -> list[Object]:
        """Objects whose controlling owner has this uid, in order of name (listers have none; this is stable)."""
        owned = self._by_owner.get(uid)
        return [owned[name] for name in sorted(owned)] if owned else []

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


class Informer:
    """The reflector, cache and handlers of one kind."""

    def __init__(self, process: Process, kind: str) -> None:
        self._process = process
        self.cache = Cache(kind)
        self._handlers: list[Handler] = []
        self._before: list[Callable[[Object, bool], None]] = []
        self._arrived: deque[WatchEvent] = deque()
        self._reading = False
        self._shuffle = process.streams.uniform(f"informer/{kind}", "handlers")
        self._decode = process.profile.watch.decode_cpu

    def add_handler(self, handler: Handler) -> None:
        """Call ``handler`` for each event, after the cache has it."""
        self._handlers.append(handler)

    def add_index(self, update: Callable[[Object, bool], None]) -> None:
        """Call ``update(object, deleted)`` whenever the cache changes, before any handler."""
        self._before.append(update)

    def fill(self, objects: Iterable[Object]) -> None:
        """Fill the cache from a list, as at the start of a process."""
        for obj in objects:
            self._store(obj, False)

    def announce(self) -> None:
        """Tell the handlers of everything that is in the cache.

        Called once all of the process's informers are filled: no worker starts before (WaitForCacheSync).
        """
        for obj in list(self.cache.values()):
            self._tell(obj)

    def arrive(self, event: WatchEvent) -> None:
        """A watch event reaches the socket."""
        if self._process.stopped:
            return
        self._arrived.append(event)
        if not self._reading:
            self._reading = True
            self._process.go.network_ready(self._read)

    def _read(self) -> Burst | None:
        """The reader gets a processor: it decodes all that has arrived."""
        events = list(self._arrived)
        self._arrived.clear()

        def handle() -> Burst | None:
            for event in events:
                self._store(event.object, event.deleted)
                self._tell(event.object)
            if self._arrived:
                return self._read()
            self._reading = False
            return None

        return GoCompute(self._decode * len(events), handle)

    def _store(self, obj: Object, deleted: bool) -> None:
        if deleted:
            self.cache.remove(obj.name)
        else:
            self.cache.put(obj)
        for update in self._before:
            update(obj, deleted)

    def _tell(self, obj: Object) -> None:
        handlers = self._handlers
        n = len(handlers)
        if not n:
            return
        # A rotation and a direction give each handler an equal chance to be first, second, ... without
        # drawing a whole permutation at each of many events.
        draw = int(self._shuffle() * 2 * n)
        order = handlers[draw % n :] + handlers[: draw % n]
        if draw >= n:
            order.reverse()
        for handler in order:
            handler(obj)
