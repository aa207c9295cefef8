"""An informer's queue: what its reflector puts in and ``processLoop`` takes out, by release of client-go.

Sources: tools/cache/delta_fifo.go (to 0.32), the_real_fifo.go (from 0.33), controller.go (processDeltas,
processDeltasInBatch) and the defaults in features/known_features.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sim.cluster.watch import WatchEvent

ORDERED_LISTENERS = 25
"""Up to here an informer tells its listeners in the order of a list, then in that of a Go map, another each time
(tools/cache/shared_informer.go)."""


class EventQueue:
    """RealFIFO of 0.33 and 0.34 (``InOrderInformers``): one event after the other, in the order in which they came."""

    called = "one by one, locked"
    batches = False
    """Whether what is taken out is in the cache, all of it, before anybody is told of any (0.35)."""
    locked = True
    """Whether nothing can be put in while what was taken out is handed on: Pop calls ``process`` under its lock."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: deque[WatchEvent] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[WatchEvent]:
        return iter(self._events)

    def put(self, event: WatchEvent) -> None:
        """Add an event."""
        self._events.append(event)

    def pop(self) -> list[WatchEvent]:
        """Take out what is handed on next; there is something."""
        return [self._events.popleft()]


class ByObject(EventQueue):
    """DeltaFIFO: objects in the order of their first event that waits, each with all of its events."""

    called = "by object, locked"

    __slots__ = ("_deltas",)

    def __init__(self) -> None:
        self._deltas: dict[str, list[WatchEvent]] = {}

    def __len__(self) -> int:
        return len(self._deltas)

    def __iter__(self) -> Iterator[WatchEvent]:
        return (event for events in self._deltas.values() for event in events)

    def put(self, event: WatchEvent) -> None:
        """Add an event to those of its object."""
        self._deltas.setdefault(event.object.name, []).append(event)

    def pop(self) -> list[WatchEvent]:
        """Take out all events of the object whose turn it is."""
        return self._deltas.pop(next(iter(self._deltas)))


class Batches(EventQueue):
    """RealFIFO of 0.35 (``InOrderInformersBatchProcess``): all that waits, up to the second event of an object."""

    called = "in batches, locked"
    batches = True

    __slots__ = ()

    MOST = 1000
    """Events of a batch (defaultBatchSize)."""

    def pop(self) -> list[WatchEvent]:
        """Take out a batch."""
        events, names = self._events, set()
        found: list[WatchEvent] = []
        while events and len(found) < self.MOST and (name := events[0].object.name) not in names:
            names.add(name)
            found.append(events.popleft())
        return found


class OpenBatches(Batches):
    """RealFIFO from 0.36 (``UnlockWhileProcessingFIFO``): as before, and the reflector goes on meanwhile."""

    called = "in batches"
    locked = False

    __slots__ = ()


def queue_of(client_go: int) -> type[EventQueue]:
    """The queue of informers of client-go 0.``client_go``."""
    return ByObject if client_go < 33 else EventQueue if client_go < 35 else Batches if client_go < 36 else OpenBatches
