"""The workqueue of one controller: first in, first out, each key once.

client-go's rules (util/workqueue, model.md section 2): a key added twice is one item; a key added while it is
processed is marked dirty and queued again when it is done; one key is never processed twice at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from typing import Protocol

from sim.client.delaying import Add, DelayingQueue, Delays
from sim.kernel.simulation import Simulation

Item = tuple[str, str, int]
"""A key that waits, what put it there first (watch, backoff, schedule), and when (nanoseconds)."""

_WAITING = ("", "", 0)
_PROCESSING = ("", "", 1)


class Queue(Protocol):
    """What workers take keys from. One key is never processed twice at once."""

    @property
    def waiting(self) -> Sized:
        """What a worker can take; empty where there is nothing."""

    def add(self, key: str, cause: str, now: int) -> bool:
        """Add a key. Returns whether a worker can take it now that could not before."""

    def added(self) -> list[str]:
        """Keys that wait for a worker, and those added while they are processed."""

    @property
    def pop(self) -> Callable[[], Item]:
        """Take the next item, where there is one; who does tells ``begin`` or ``forget`` at once."""

    def begin(self, key: str) -> None:
        """Tell that a key which was taken is processed from now on."""

    @property
    def forget(self) -> Callable[[str], object]:
        """Tell that a key is processed, and was certainly not added meanwhile."""

    def done(self, key: str) -> bool:
        """The key is processed. Returns whether it can be taken again, having been added meanwhile."""

    def delaying(self, simulation: Simulation, add: Add) -> Delays:
        """What lets keys wait that are to be added later, by ``add``."""


class Workqueue:
    """Keys that wait for a worker."""

    __slots__ = ("_known", "forget", "pop", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Item] = deque()
        """Items that a worker can take, in order."""
        self.pop: Callable[[], Item] = self.waiting.popleft
        """Take the next item, without a call of Python."""
        # What is known of each key that client-go has in ``dirty`` or ``processing``: that it waits, that it is
        # processed, or the item that waits for the end of its processing. One look-up instead of two.
        self._known: dict[str, Item] = {}
        self.forget: Callable[[str], object] = self._known.__delitem__
        """The key is processed, and was certainly not added meanwhile."""

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, key: str, cause: str, now: int) -> bool:
        """Add a key, unless it already waits. Returns whether a worker can take it now."""
        known = self._known.get(key)
        if known is None:
            self._known[key] = _WAITING
            self.waiting.append((key, cause, now))
            return True
        if known is _PROCESSING:
            self._known[key] = (key, cause, now)
        return False

    def added(self) -> list[str]:
        """Keys that wait for a worker, and those added while they are processed."""
        return [key for key, known in self._known.items() if known is not _PROCESSING]

    def delaying(self, simulation: Simulation, add: Add) -> Delays:
        """client-go's delaying queue stands before this one and knows nothing of it."""
        return DelayingQueue(simulation, add)

    def get(self) -> Item | None:
        """Take the next item for processing; None where there is none."""
        if not self.waiting:
            return None
        item = self.pop()
        self.begin(item[0])
        return item

    def begin(self, key: str) -> None:
        """A key that was taken is processed from now on."""
        self._known[key] = _PROCESSING

    def done(self, key: str) -> bool:
        """The key is processed. If it was added meanwhile it is queued again, at the end; returns whether."""
        item = self._known.pop(key, _PROCESSING)
        if item is _PROCESSING:
            return False
        self._known[key] = _WAITING
        self.waiting.append(item)
        return True
