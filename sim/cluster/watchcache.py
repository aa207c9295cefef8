"""An API server's watch cache: the objects of each kind as it knows them, their last events, and who watches.

A list that names a resourceVersion and every watch are answered from it (apiserver ``pkg/storage/cacher``). A client
whose watch broke goes on where it was, if the cache still has the events since; a server that has just started knows no
history, so it answers 410 and the client lists anew. Built only where there are faults: without, watches hang on the
store itself.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.cluster.objects import Object
from sim.cluster.store import Store
from sim.cluster.watch import Watch, WatchEvent
from sim.kernel.simulation import Simulation

Held = Callable[[Watch, WatchEvent], int]
"""How long an event is held before it is sent on a watch, in nanoseconds; negative: it is lost."""


class _Kind:
    """What is known of one kind."""

    __slots__ = ("events", "objects", "oldest", "watches")

    def __init__(self, objects: dict[str, Object]) -> None:
        self.objects = objects
        self.events: list[WatchEvent | None] = []  # None: here the history was lost
        self.oldest = 0  # the first event that can be sent again
        self.watches: list[Watch] = []


class WatchCache:
    """One server's watch cache. A position counts the events of a kind: it stands for a resourceVersion."""

    def __init__(self, simulation: Simulation, store: Store, held: Held) -> None:
        self._sim = simulation
        self._held = held
        self._places: dict[int, int] = {}  # event -> its position; events are kept, so that ids stay apart
        self._late: list[WatchEvent] | None = None
        self._kinds: dict[str, _Kind] = {}
        for kind in store.kinds:
            self._kinds[kind] = _Kind(dict(store.objects[kind]))
            store.subscribe(kind, self._committed)

    def _committed(self, event: WatchEvent) -> None:
        if self._late is not None:
            self._late.append(event)
            return
        obj = event.object
        known = self._kinds[obj.kind]
        if event.deleted:
            known.objects.pop(obj.name, None)
        else:
            known.objects[obj.name] = obj
        known.events.append(event)
        self._places[id(event)] = len(known.events)
        if known.watches:
            known.watches = [watch for watch in known.watches if not watch.stopped]
            for watch in known.watches:
                self._send(watch, event)

    def _send(self, watch: Watch, event: WatchEvent) -> None:
        held = self._held(watch, event)
        if held > 0:
            self._sim.after(held, watch.publish, event)
        elif not held:
            watch.publish(event)

    def list(self, kind: str) -> tuple[list[Object], int]:
        """The objects of a kind, and the position that they are of."""
        known = self._kinds[kind]
        return list(known.objects.values()), len(known.events)

    def watch(self, kind: str, watch: Watch, since: int) -> bool:
        """Send events after ``since`` to ``watch``; False where they are not known any more (410 Gone)."""
        known = self._kinds[kind]
        if since < known.oldest:
            return False
        known.watches.append(watch)
        for event in known.events[since:]:
            if event is not None:
                self._send(watch, event)
        return True

    def position(self, event: WatchEvent) -> int:
        """The position of a client that has received an event."""
        return self._places[id(event)]

    def forget(self) -> None:
        """The history is gone: the server has started anew, or compacted it."""
        for known in self._kinds.values():
            known.events.append(None)
            known.oldest = len(known.events)

    def pause(self) -> None:
        """Hear of nothing from now on."""
        if self._late is None:
            self._late = []

    def go_on(self) -> None:
        """Catch up with all that was missed."""
        late, self._late = self._late or [], None
        for event in late:
            self._committed(event)
