"""client-go's delaying queue: keys that are added to a workqueue after a wait.

One waiting entry a key, of which the earlier due stays (util/workqueue/delaying_queue.go). *Nothing cancels a waiting
entry*: where a watch event brings the key back sooner, the delayed one comes all the same, as a ghost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.kernel.simulation import Simulation

Add = Callable[[str, str], object]
"""Adds a key to a queue now, with what brought it there."""


class Delays(Protocol):
    """The waits of a queue's keys."""

    def add_after(self, key: str, wait: int, cause: str = "backoff") -> None:
        """Add a key after ``wait`` nanoseconds, by the queue's rule for keys that wait already."""

    def waiting(self) -> list[str]:
        """Keys whose wait is not over."""


class DelayingQueue:
    """Adds keys to the queue behind ``add`` when their wait is over."""

    __slots__ = ("_add", "_due", "_sim")

    def __init__(self, simulation: Simulation, add: Add) -> None:
        self._sim = simulation
        self._add = add
        self._due: dict[str, int] = {}
        """When each waiting key is due, in nanoseconds."""

    def add_after(self, key: str, wait: int, cause: str = "backoff") -> None:
        """Add a key after ``wait`` nanoseconds, unless it is due before that already."""
        now = self._sim.now
        due = now + wait
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._sim.call_in(due - now, self._over, key, due, cause)

    def waiting(self) -> list[str]:
        """Keys whose wait is not over."""
        return list(self._due)

    def _over(self, key: str, due: int, cause: str) -> None:
        if self._due.get(key) == due:
            del self._due[key]
            self._add(key, cause)
