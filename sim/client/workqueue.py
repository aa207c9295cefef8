"""The workqueue of one controller: first in, first out, each key once.

client-go's rules (util/workqueue, model.md section 2): a key added twice is one item; a key added while it is
processed is marked dirty and queued again when it is done; one key is never processed twice at once.
"""

from __future__ import annotations

from collections import deque

Item = tuple[str, str, int]
"""A key that waits, what put it there first (watch, backoff, schedule), and when (nanoseconds)."""


class Workqueue:
    """Keys that wait for a worker."""

    __slots__ = ("_dirty", "_processing", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Item] = deque()
        """Items that a worker can take, in order. Taken by ``get`` only."""
        self._dirty: dict[str, Item] = {}  # keys that need processing: queued, or again once done
        self._processing: set[str] = set()

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, key: str, cause: str, now: int) -> bool:
        """Add a key, unless it already waits. Returns whether a worker can take it now."""
        dirty = self._dirty
        if key in dirty:
            return False
        dirty[key] = item = (key, cause, now)
        if key in self._processing:
            return False
        self.waiting.append(item)
        return True

    def get(self) -> Item | None:
        """Take the next item for processing; None where there is none."""
        if not self.waiting:
            return None
        item = self.waiting.popleft()
        key = item[0]
        del self._dirty[key]
        self._processing.add(key)
        return item

    def done(self, key: str) -> bool:
        """The key is processed. If it was added meanwhile it is queued again, at the end; returns whether."""
        self._processing.discard(key)
        if key not in self._dirty:
            return False
        self.waiting.append(self._dirty[key])
        return True
