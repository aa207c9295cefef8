"""controller-runtime's priority queue, the default from 0.23: one entry a key, ready or waiting.

Follows pkg/controller/priorityqueue/priorityqueue.go. All adds of a key make one entry, with the smallest delay and the
greatest priority of them: a watch event on a key that waits for its back-off makes it ready *and the back-off is gone*;
a failure of a key that an event has made ready meanwhile leaves it ready, so that there is no back-off at all. Keys are
taken by priority, then in the order in which they were first added; one that became ready by time goes to the tail.
One key is never processed twice at once.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from sim.client.delaying import Add
from sim.client.workqueue import Item
from sim.kernel.simulation import Simulation

_OVER = -1
"""Instead of when an entry is due: its time has come, and it is about to be added."""


class _Entry:
    """What is known of a key that is ready, or waits until ``due``."""

    __slots__ = ("cause", "due", "key", "order", "priority", "since")

    def __init__(self, key: str, cause: str, since: int, priority: int, order: int, due: int | None) -> None:
        self.key = key
        self.cause = cause
        self.since = since
        self.priority = priority
        self.order = order
        self.due = due

    def __lt__(self, other: _Entry) -> bool:
        return (-self.priority, self.order) < (-other.priority, other.order)


class PriorityQueue:
    """Keys that wait for a worker or for their time; the queue of ``Workqueue`` and its delays in one."""

    def __init__(self) -> None:
        self.waiting: list[_Entry] = []
        """Entries that a worker can take; a heap."""
        self._entries: dict[str, _Entry] = {}
        self._processing: dict[str, int] = {}  # with the priority that each was taken with
        self._order = 0

    def __len__(self) -> int:
        return len(self.waiting)

    def added(self) -> list[str]:
        """Keys that are ready, or will be when their pass ends."""
        return [key for key, entry in self._entries.items() if entry.due is None]

    def delaying(self, simulation: Simulation, add: Add) -> PriorityDelays:
        """The delays of this queue; ``add`` tells a worker that a key is there."""
        return PriorityDelays(self, simulation, add)

    def _next(self) -> int:
        self._order += 1
        return self._order

    def add(self, key: str, cause: str, now: int, priority: int = 0) -> bool:
        """Add a key, or make the entry that it has ready. Returns whether a worker can take it now that could not."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, cause, now, priority, self._next(), None)
            return self._offer(entry)
        due = entry.due
        if due != _OVER and priority > entry.priority:
            entry.priority = priority
            if due is None:
                heapify(self.waiting)
        if due is None:
            return False
        entry.due = None
        entry.cause, entry.since = cause, now
        return self._offer(entry)

    def _offer(self, entry: _Entry) -> bool:
        if entry.key in self._processing:
            return False
        heappush(self.waiting, entry)
        return True

    def take(self) -> Item:
        """Take the next key for processing, where there is one."""
        entry = heappop(self.waiting)
        del self._entries[entry.key]
        self._processing[entry.key] = entry.priority
        return entry.key, entry.cause, entry.since

    pop = take

    def begin(self, key: str) -> None:
        """It is told when it is taken."""

    def forget(self, key: str) -> None:
        """The key is processed, and was certainly not added meanwhile."""
        del self._processing[key]

    def done(self, key: str) -> bool:
        """The key is processed. Returns whether it is ready again, having been added meanwhile."""
        del self._processing[key]
        entry = self._entries.get(key)
        return entry is not None and entry.due is None and self._offer(entry)

    # Waiting.

    def wait(self, key: str, cause: str, now: int, due: int) -> bool:
        """Let a key wait until ``due``, unless it is ready or due before. Returns whether it waits until then.

        What is added again keeps the priority that it was taken with.
        """
        entry = self._entries.get(key)
        priority = self._processing.get(key, 0)
        if entry is None:
            self._entries[key] = _Entry(key, cause, now, priority, self._next(), due)
            return True
        entry.priority = max(entry.priority, priority)
        if entry.due is None or entry.due <= due:
            return False
        entry.due, entry.cause = due, cause
        return True

    def over(self, key: str, due: int) -> str | None:
        """The wait until ``due`` is over: what the key waited for, or None where it does not wait for that any more."""
        entry = self._entries.get(key)
        if entry is None or entry.due != due:
            return None
        entry.due = _OVER
        entry.order = self._next()
        return entry.cause

    def delayed(self) -> list[str]:
        """Keys that wait for their time."""
        return [key for key, entry in self._entries.items() if entry.due is not None]


class PriorityDelays:
    """The waits of a priority queue's keys."""

    __slots__ = ("_add", "_queue", "_sim")

    def __init__(self, queue: PriorityQueue, simulation: Simulation, add: Add) -> None:
        self._queue = queue
        self._sim = simulation
        self._add = add

    def add_after(self, key: str, wait: int, cause: str = "backoff") -> None:
        """Add a key after ``wait`` nanoseconds, unless it is ready or due before that already."""
        now = self._sim.now
        if self._queue.wait(key, cause, now, now + wait):
            self._sim.call_in(wait, self._over, key, now + wait)

    def _over(self, key: str, due: int) -> None:
        cause = self._queue.over(key, due)
        if cause is not None:
            self._add(key, cause)

    def waiting(self) -> list[str]:
        """Keys that wait."""
        return self._queue.delayed()
