"""What waits for a processor of a Go process, and in which order it is taken (runtime/proc.go: schedule, findRunnable).

A processor (P) has a queue of its own and a place for what runs next; beside them there is one global queue, and what
nobody has seen yet that arrived in the network.
"""

from __future__ import annotations

from collections import deque

from sim.kernel.bursts import Burst, Goroutine

GLOBAL_EVERY = 61
"""The global queue comes first at every so many turns, so that it can't starve."""


class Processor:
    """A processor (P); ``turn`` counts what it has run, as ``schedtick`` does."""

    __slots__ = ("burst", "debt", "due", "queue", "runnext", "seen_at", "seen_turn", "since", "turn")

    def __init__(self) -> None:
        self.burst: Burst | None = None
        self.debt = 0  # computing for which nobody waits, not yet taken from a core, in nanoseconds
        self.due: list[Goroutine] = []  # goroutines whose timer has run out here
        self.queue: deque[Goroutine] = deque()
        self.runnext: Goroutine | None = None
        self.turn = 0
        self.seen_turn = -1
        self.seen_at = 0
        self.since = 0  # when it became idle


class RunQueues:
    """The queues of one process with ``procs`` processors."""

    def __init__(self, procs: int) -> None:
        self._procs = procs
        self._all: list[Processor] = []
        self._global: deque[Goroutine] = deque()
        self._network: list[Goroutine] = []
        self._waiting = 0  # goroutines in processors' own queues and runnext places

    def crowded(self) -> bool:
        """Whether anybody waits for a processor."""
        return bool(self._global or self._waiting or self._network)

    def _put_next(self, processor: Processor, goroutine: Goroutine) -> None:
        self._waiting += 1
        if processor.runnext is not None:
            processor.queue.append(processor.runnext)
        processor.runnext = goroutine

    def _next(self, processor: Processor) -> Goroutine:
        """What the processor runs next where anything waits (schedule, findRunnable)."""
        if processor.due:
            for goroutine in processor.due:
                self._put_next(processor, goroutine)
            processor.due.clear()
        queued = self._global
        if queued and processor.turn % GLOBAL_EVERY == 0:
            processor.turn += 1
            return queued.popleft()
        work = processor.runnext
        if work is not None:  # inherits the slice: the turn stays
            processor.runnext = None
            self._waiting -= 1
            return work
        processor.turn += 1
        if processor.queue:
            self._waiting -= 1
            return processor.queue.popleft()
        if queued:
            more = len(queued) // self._procs  # globrunqget: a fair share of what was there, the one to run included
            work = queued.popleft()
            for _ in range(min(more, len(queued))):
                processor.queue.append(queued.popleft())
                self._waiting += 1
            return work
        if self._network:
            work = self._network[0]
            for goroutine in self._network[1:]:
                processor.queue.append(goroutine)
                self._waiting += 1
            self._network.clear()
            return work
        return self._steal(processor)

    def _steal(self, thief: Processor) -> Goroutine:
        """Half of another processor's queue, or else its runnext."""
        for other in self._all:
            queue = other.queue
            if queue:
                for _ in range(len(queue) - len(queue) // 2):
                    thief.queue.append(queue.popleft())
                self._waiting -= 1
                return thief.queue.pop()  # runqsteal: the last of them first
        for other in self._all:
            if other.runnext is not None:
                work, other.runnext = other.runnext, None
                self._waiting -= 1
                return work
        raise AssertionError("nothing to steal")
