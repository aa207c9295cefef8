"""The machine: threads on cores, as Linux's fair scheduler shares them out.

While there are no more threads than cores, each has one. Beyond that the rules are those of the kernel's completely
fair scheduler (kernel/sched/fair.c, Linux 5 and 6.1; its figures for two cores):

* a thread has had so much: its virtual time. Whoever waits and has had least is next;
* a thread that has slept is not paid for all of it: it comes back with at most half a latency (``CREDIT``) less
  than who has had least (``place_entity``);
* one that wakes takes the core of whoever has had most, if that is more than ``WAKEUP`` beyond its own
  (``wakeup_preempt_entity``); else it waits;
* a thread that has run a time slice gives way to whoever waits and has had less (``check_preempt_tick``).

So a thread that mostly sleeps, such as the server's while requests come one by one, runs at once although keys are
generated on all cores; several that have used up their credit get their fair share, slice by slice. The recordings
show both: then a request that arrives alone is served as fast as before, and whole batches are answered late.

One run queue stands for those of all cores, as if load balancing took no time.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from sim.kernel.simulation import Simulation
from sim.units import MS

CREDIT = 6 * MS
"""What a sleeper is paid at most: half of sched_latency, 6 ms times 1 + log2 of two cores."""

WAKEUP = 2 * MS
"""How much more another must have had for a waking thread to take its core (sched_wakeup_granularity)."""

SLICE = 3 * MS
"""How often those that run are compared with those that wait, while any do: a base time slice."""

_Done = Callable[[Any], object]


class Machine:
    """``cores`` shared by the threads that run; ``None`` for no limit.

    A thread is any object that is not running twice at once. When its time may be used up, ``function(thread)``
    is called; it has to ask ``finished(thread)`` first and do nothing where that is False, because a timer that
    was overtaken by another thread's coming is not cancelled. A thread that runs again in that call keeps its core.
    """

    def __init__(self, simulation: Simulation, cores: int | None) -> None:
        self._sim = simulation
        self.cores = cores if cores is not None else 1 << 30
        self.ends: dict[Any, tuple[int, int, _Done]] = {}
        """Threads that run: when they end if nobody takes their core, what they asked for, what is called then."""
        self.waiting: list[tuple[int, int, Any, int, _Done]] = []
        """A heap of those that wait: what they have had, serial, thread, what they still want, what is called."""
        self._had: dict[Any, int] = {}  # virtual times of those that neither run nor wait
        self._lead: dict[Any, int] = {}  # of those that run while others wait: what they have had, less the time now
        self._least = 0  # what all have had at least, at ``_at``; passes with the time while nobody waits
        self._at = 0
        self._leaving: Any = None  # who has just used up its time, and may go on at once
        self._ticking = False
        self._serial = 0
        self.busy_ns = 0
        """Core time given so far, and what the threads that run still want."""

    def run(self, demand: int, function: _Done, thread: Any) -> None:
        """Use ``demand`` nanoseconds of a core, then call ``function(thread)``."""
        self.busy_ns += demand
        if not self.waiting:
            ends = self.ends
            if len(ends) < self.cores:
                sim = self._sim
                end = sim.now + demand
                ends[thread] = (end, demand, function)
                heappush(sim.calls, (end, sim.next_tie(), function, thread))
                return
            self._contend()
        elif self._leaving is thread:
            self._leaving = None
            self._start(self._had[thread], thread, demand, function)
            return
        had = max(self._had.get(thread, -CREDIT), self._floor() - CREDIT)
        if len(self.ends) >= self.cores and self._preempt(had + WAKEUP):
            self._start(had, thread, demand, function)
        else:
            self._queue(had, thread, demand, function)

    def finished(self, thread: Any) -> bool:
        """Whether the thread's time is used up now; asked once, by the function that is called then."""
        end = self.ends.get(thread)
        if end is None or end[0] != self._sim.now:
            return False
        del self.ends[thread]
        if self.waiting:
            self.left(thread)
        return True

    def left(self, thread: Any) -> None:
        """The thread has left its core while others wait: one of them gets it, unless it goes on in this instant."""
        sim = self._sim
        now, next_tie = sim.now, sim.next_tie
        self._had[thread] = self._lead.pop(thread) + now
        self._leaving = thread
        heappush(sim.calls, (now, next_tie(), Machine._give, self))

    def stop(self, thread: Any) -> int:
        """Stop a thread that runs or waits; returns the core time that it still wants, in nanoseconds."""
        end = self.ends.pop(thread, None)
        if end is not None:
            left = end[0] - self._sim.now
            if self.waiting:
                self.left(thread)
        else:
            index = next((n for n, waits in enumerate(self.waiting) if waits[2] is thread), None)
            if index is None:
                raise KeyError(thread)
            self._had[thread], _, _, left, _ = self.waiting[index]
            self.waiting[index] = self.waiting[-1]
            self.waiting.pop()
            heapify(self.waiting)
            if not self.waiting:
                self._calm()
        self.busy_ns -= left
        return left

    def _contend(self) -> None:
        """Somebody has to wait from now on: say what those have had that run."""
        now = self._sim.now
        calm = now - self._at
        self._least = least = self._least + calm
        known, leads = self._had, self._lead
        for thread, (end, demand, _) in self.ends.items():
            ran = now - end + demand
            # Where it has slept it has caught up so far; a sleeper or not, it has had what it had and has run since.
            had = least if ran >= CREDIT else least - CREDIT + ran
            if thread in known:
                had = max(had, known[thread] + (ran if ran < calm else calm))
            leads[thread] = had - now

    def _floor(self) -> int:
        """What every thread has had that runs or waits; it never falls."""
        least, now, waiting = self._least, self._sim.now, self.waiting
        if self._lead:
            running = min(self._lead.values()) + now
            if running > least and not (waiting and waiting[0][0] <= least):
                self._least = least = min(running, waiting[0][0]) if waiting else running
        elif waiting and waiting[0][0] > least:
            self._least = least = waiting[0][0]
        return least

    def _start(self, had: int, thread: Any, demand: int, function: _Done) -> None:
        sim = self._sim
        now, next_tie = sim.now, sim.next_tie
        end = now + demand
        self._lead[thread] = had - now
        self.ends[thread] = (end, demand, function)
        heappush(sim.calls, (end, next_tie(), function, thread))

    def _queue(self, had: int, thread: Any, demand: int, function: _Done) -> None:
        self._serial += 1
        heappush(self.waiting, (had, self._serial, thread, demand, function))
        if not self._ticking:
            self._ticking = True
            self._sim.after(SLICE, Machine._tick, self)

    def _preempt(self, had: int) -> bool:
        """Take the core of whoever has had most, if that is more than ``had``; returns whether."""
        now = self._sim.now
        ends = self.ends
        most, most_lead = None, had - now
        for thread, lead in self._lead.items():
            if lead > most_lead and ends[thread][0] > now:  # who ends now leaves its core by itself
                most, most_lead = thread, lead
        if most is None:
            return False
        end, _, function = ends.pop(most)
        self._queue(self._lead.pop(most) + now, most, end - now, function)
        return True

    def _give(self) -> None:
        """Give free cores to those that have had least."""
        self._leaving = None
        waiting = self.waiting
        while waiting and len(self.ends) < self.cores:
            had, _, thread, left, function = heappop(waiting)
            self._start(had, thread, left, function)
        if not waiting:
            self._calm()

    def _calm(self) -> None:
        """Nobody waits any more."""
        self._floor()
        self._at = now = self._sim.now
        for thread, lead in self._lead.items():
            self._had[thread] = lead + now
        self._lead.clear()
        if len(self._had) > 100:  # whoever has had less than a sleeper is paid for need not be known
            known = self._least - CREDIT
            self._had = {thread: had for thread, had in self._had.items() if had > known}

    def _tick(self) -> None:
        """The end of a time slice: at most as many as wait change places with as many that run."""
        self._ticking = False
        if not self.waiting:
            return
        for _ in range(min(len(self.ends), len(self.waiting))):
            if not self._preempt(self.waiting[0][0]):
                break
            had, _, thread, left, function = heappop(self.waiting)
            self._start(had, thread, left, function)
        if not self._ticking:
            self._ticking = True
            self._sim.after(SLICE, Machine._tick, self)
