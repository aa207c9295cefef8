"""The machine: threads on cores, as Linux's fair scheduler shares them out.

While there are no more threads than cores, each has one. Beyond that the rules are those of EEVDF, the kernel's since
6.6 (kernel/sched/fair.c; its figures for two cores and 250 ticks a second):

* a thread has had so much, its virtual time; whoever waits and has had least is next. With slices of one length that is
  the earliest deadline of those that are eligible;
* a thread that sleeps keeps what it has had less than the average (``place_entity``), at most ``LAG``; what it has had
  more is made up for while it sleeps (DELAY_DEQUEUE);
* who runs is left alone for a ``SLICE`` (RUN_TO_PARITY). A thread that wakes takes the core of whoever has had most of
  those whose slice is over, if that is more than itself; else it waits;
* at the next ``TICK`` whose slice is over gives way to whoever waits and has had less, or begins another slice.

So a thread that mostly sleeps, such as the server's while requests come one by one, gets a core at once in two of three
cases although keys are generated on all of them, and within 4 ms in the third; several get their fair share, slice by
slice. ``tests/kernel/test_linux.py`` holds this to what such a kernel did. The rules before it (Linux 5 and 6.1), by
which a sleeper takes a core nearly always, served requests of fast bursts twice as fast as recorded.

One run queue stands for those of all cores, as if load balancing took no time. Simplified besides (mended, the means
that ``test_linux.py`` compares move by 9% at most): while nobody waits nothing is written down, so bursts that follow
each other then count as one slice from the last of them only, and what a sleeper is owed is still owed to it when it
has run alone; a thread that wakes in the instant in which another leaves its core waits for that core, not for one
whose slice is over.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from sim.kernel.simulation import Simulation
from sim.units import MS

SLICE = 1_400_000
"""For how long a thread is left alone: sysctl_sched_base_slice, .7 ms times 1 + log2 of two cores."""

TICK = 4 * MS
"""How often the kernel looks, while threads wait, at whose slice is over (CONFIG_HZ=250)."""

LAG = 4 * MS
"""What a sleeper is owed at most: two slices or a tick, whichever is longer (update_entity_lag)."""

_Done = Callable[[Any], object]


class Machine:
    """``cores`` shared by the threads that run; ``None`` for no limit.

    A thread is any object that is not running twice at once. When its time may be used up, ``function(thread)``
    is called; it has to ask ``finished(thread)`` first and do nothing where that is False, because a timer that
    was overtaken by another thread's coming is not cancelled. A thread that runs again in that call keeps its core,
    unless nobody waited and it has let another run first.
    """

    def __init__(self, simulation: Simulation, cores: int | None) -> None:
        self._sim = simulation
        self.cores = cores if cores is not None else 1 << 30
        self.ends: dict[Any, tuple[int, int, _Done]] = {}
        """Threads that run: when they end if nobody takes their core, what they asked for, what is called then."""
        self.waiting: list[tuple[int, int, Any, int, _Done]] = []
        """A heap of those that wait: what they have had, serial, thread, what they still want, what is called."""
        self._lead: dict[Any, int] = {}  # of those that run while others wait: what they have had, less the time now
        self._begun: dict[Any, int] = {}  # of the same: when their slice began
        self._owed: dict[Any, int] = {}  # of those that neither run nor wait: how much less than others they have had
        self._average = 0  # what those that run or wait have had, when it was last asked for
        self._leaving: Any = None  # who has just used up its time, and may go on at once
        self._left = (0, 0)  # what that has had, and when its slice began
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
            had, begun = self._left
            self._owed.pop(thread, None)
            self._start(had, thread, demand, function, begun)
            return
        had = self._now_average() - self._owed.pop(thread, 0)
        if len(self.ends) >= self.cores and self._preempt(had):
            self._start(had, thread, demand, function, self._sim.now)
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
        average = self._now_average()
        had = self._lead.pop(thread) + now
        self._left = had, self._begun.pop(thread)
        self._keep(thread, average - had)
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
            had, _, _, left, _ = self.waiting[index]
            self._keep(thread, self._now_average() - had)
            self.waiting[index] = self.waiting[-1]
            self.waiting.pop()
            heapify(self.waiting)
            if not self.waiting:
                self._calm()
        self.busy_ns -= left
        return left

    def _keep(self, thread: Any, owed: int) -> None:
        """The thread sleeps from now on: remember by how much it is behind."""
        if owed > 0:
            if len(self._owed) >= 100:  # threads that are gone
                self._owed.clear()
            self._owed[thread] = owed if owed < LAG else LAG

    def _contend(self) -> None:
        """Somebody has to wait from now on: say what those have had that run, and when their slices began."""
        now, average, owed = self._sim.now, self._average, self._owed
        tick = now - now % TICK
        for thread, (end, demand, _) in self.ends.items():
            start = end - demand
            self._begun[thread] = tick if tick - start >= SLICE else start
            # Alone on its core it is the average there: nothing is owed to it, nor does it owe anything.
            self._lead[thread] = average - now
            owed.pop(thread, None)

    def _now_average(self) -> int:
        """What those that run or wait have had on average."""
        leads, waiting = self._lead, self.waiting
        several = len(leads) + len(waiting)
        if several:
            total = sum(leads.values()) + self._sim.now * len(leads)
            for waits in waiting:
                total += waits[0]
            self._average = total // several
        return self._average

    def _start(self, had: int, thread: Any, demand: int, function: _Done, begun: int) -> None:
        sim = self._sim
        now, next_tie = sim.now, sim.next_tie
        end = now + demand
        self._lead[thread] = had - now
        self._begun[thread] = begun
        self.ends[thread] = (end, demand, function)
        heappush(sim.calls, (end, next_tie(), function, thread))

    def _queue(self, had: int, thread: Any, demand: int, function: _Done) -> None:
        self._serial += 1
        heappush(self.waiting, (had, self._serial, thread, demand, function))
        self._tick_later()

    def _tick_later(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._sim.after(TICK - self._sim.now % TICK, Machine._tick, self)

    def _preempt(self, had: int) -> bool:
        """Take the core of whoever has had most of those whose slice is over, if more than ``had``; returns whether."""
        now, ends, begun = self._sim.now, self.ends, self._begun
        most, most_lead = None, had - now
        for thread, lead in self._lead.items():
            # Who ends now leaves its core by itself.
            if lead > most_lead and now - begun[thread] >= SLICE and ends[thread][0] > now:
                most, most_lead = thread, lead
        if most is None:
            return False
        end, _, function = ends.pop(most)
        del begun[most]
        self._queue(self._lead.pop(most) + now, most, end - now, function)
        return True

    def _give(self) -> None:
        """Give free cores to those that have had least."""
        self._leaving = None
        while self.waiting and len(self.ends) < self.cores:
            self._start_next()
        if not self.waiting:
            self._calm()

    def _start_next(self) -> None:
        had, _, thread, left, function = heappop(self.waiting)
        self._start(had, thread, left, function, self._sim.now)

    def _calm(self) -> None:
        """Nobody waits any more."""
        self._now_average()
        self._lead.clear()
        self._begun.clear()

    def _tick(self) -> None:
        """At most as many as wait change places with as many that run."""
        self._ticking = False
        if not self.waiting:
            return
        for _ in range(min(len(self.ends), len(self.waiting))):
            if not self._preempt(self.waiting[0][0]):
                break
            self._start_next()
        now, begun = self._sim.now, self._begun
        for thread, since in begun.items():
            if now - since >= SLICE:
                begun[thread] = now
        self._tick_later()
