"""The machine: cores shared by runnable threads.

Linux gives runnable threads equal shares of the cores, and lets a thread that mostly sleeps run before one that
computes for long (its fair scheduler gives the core to whoever has had least). So there are two classes here:
a *prompt* thread, such as the server's while it handles a request, comes first where it is alone; *long* ones, which
compute for whole time slices, get what is left. Several prompt threads have used up a sleeper's credit: together
they get a share of the cores that long ones hold, and each of them an equal part of it. The recordings show both:
while keys are generated on both cores, a request that arrives alone is served as fast as before, and a batch slows
down several times over.

While there are no more threads than cores, each has a timer of its own, which costs one kernel event a thread;
only beyond that are finishing times kept in virtual time and re-armed when the load changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

from sim.kernel.simulation import Simulation

# Rates are rounded to rationals with this denominator, so that work stays in integers.
_SCALE = 1 << 20

_Done = Callable[[Any], object]
_Thread = tuple[int, int, _Done, Any]


class _Share:
    """Threads of one class that progress at one rate, on a virtual time of their own.

    ``due`` is when the first of them ends as things stand, -1 where none does, and ``tie`` its place among the calls of
    that instant. It moves with every change of load. So it is not put into the simulation's heap while an earlier call
    is there (``awaited``), which will see to it then: a heap full of calls that were overtaken is a slow one.
    """

    __slots__ = ("armed", "awaited", "due", "heap", "rate", "since", "tie", "virtual")

    def __init__(self) -> None:
        self.heap: list[_Thread] = []  # virtual time of the end, serial, function, thread
        self.virtual = 0
        self.since = 0
        self.rate = 0
        self.due = -1
        self.tie = 0
        self.armed = False  # whether that very call is in the heap
        self.awaited = -1  # when the earliest call for this class comes that counts

    def catch_up(self, now: int) -> None:
        self.virtual += (now - self.since) * self.rate
        self.since = now


class Machine:
    """``cores`` shared by the threads that run; ``None`` for no limit.

    A thread is any object that is not running twice at once. When its time may be used up, ``function(thread)``
    is called; it has to ask ``finished(thread)`` first and do nothing where that is False, because a timer that
    was overtaken by a change of load is not cancelled.
    """

    def __init__(self, simulation: Simulation, cores: int | None, contended_share: float | None = None) -> None:
        self._contended_share = contended_share
        self._sim = simulation
        self.cores = cores if cores is not None else 1 << 30
        self.ends: dict[Any, tuple[int, bool, _Done]] = {}
        """Threads with a timer of their own: when it ends, of which class they are, what is called then."""
        self._prompt = _Share()
        self._long = _Share()
        self.contended = False
        """Whether more threads run than there are cores."""
        self._serial = 0
        self.busy_ns = 0
        """Core time given so far, and what the threads that run still want."""

    def run(self, demand: int, long: bool, function: _Done, thread: Any) -> None:
        """Use ``demand`` nanoseconds of a core, then call ``function(thread)``.

        ``long`` says of which class the thread is.
        """
        self.busy_ns += demand
        ends = self.ends
        if not self.contended and len(ends) < self.cores:
            sim = self._sim
            next_tie = sim.next_tie
            end = sim.now + demand
            ends[thread] = (end, long, function)
            heappush(sim.calls, (end, next_tie(), function, thread))
            return
        if not self.contended:
            self._share_out()
        self._catch_up()
        share = self._long if long else self._prompt
        self._serial += 1
        heappush(share.heap, (share.virtual + demand * _SCALE, self._serial, function, thread))
        self._rearm()

    def threads(self) -> Iterator[tuple[Any, _Done]]:
        """Yield the threads that run or wait for a core, and what is called for each when its time is used up."""
        for thread, (_, _, function) in self.ends.items():
            yield thread, function
        for share in (self._prompt, self._long):
            for _, _, function, thread in share.heap:
                yield thread, function

    def finished(self, thread: Any) -> bool:
        """Whether the thread's time is used up now; asked once, by the function that is called then."""
        ends = self.ends
        end = ends.get(thread)
        if end is None or end[0] != self._sim.now:
            return False
        del ends[thread]
        return True

    def stop(self, thread: Any) -> int:
        """Stop a thread that runs; returns the core time that it still wants, in nanoseconds."""
        left = self._take_out(thread)
        self.busy_ns -= left
        return left

    def _take_out(self, thread: Any) -> int:
        end = self.ends.pop(thread, None)
        if end is not None:
            return end[0] - self._sim.now
        self._catch_up()
        for share in (self._prompt, self._long):
            for index, (virtual, _, _, other) in enumerate(share.heap):
                if other is thread:
                    share.heap[index] = share.heap[-1]
                    share.heap.pop()
                    heapify(share.heap)
                    if len(self._prompt.heap) + len(self._long.heap) > self.cores:
                        self._rearm()
                    else:
                        self._separate()
                    return max(-((share.virtual - virtual) // _SCALE), 0)
        raise KeyError(thread)

    def _share_out(self) -> None:
        """More threads than cores from now on: put all on virtual time."""
        self.contended = True
        now = self._sim.now
        for share in (self._prompt, self._long):
            share.virtual = 0
            share.since = now
        ends = self.ends.copy()
        self.ends.clear()
        for thread, (end, long, function) in ends.items():
            if end <= now:  # used up at this very instant: its timer is on the way
                self.ends[thread] = (end, long, function)
                continue
            share = self._long if long else self._prompt
            self._serial += 1
            heappush(share.heap, ((end - now) * _SCALE, self._serial, function, thread))

    def _catch_up(self) -> None:
        now = self._sim.now
        self._prompt.catch_up(now)
        self._long.catch_up(now)

    def _rearm(self) -> None:
        """Set both classes' rates and the alarms for who ends next."""
        prompt, long = self._prompt, self._long
        waiting, computing = len(prompt.heap), len(long.heap)
        total = min(waiting, self.cores) * _SCALE
        if waiting > 1 and computing and self._contended_share is not None:
            # The long threads hold as many cores as they are; what they hold is shared with the others.
            held = min(computing, self.cores) * _SCALE
            total = min(total, self.cores * _SCALE - int(held * (1 - self._contended_share)))
        prompt.rate = min(_SCALE, total // waiting) if waiting else 0
        long.rate = min(_SCALE, (self.cores * _SCALE - total) // computing) if computing else 0
        for share in (prompt, long):
            if share.heap and share.heap[0][0] <= share.virtual:  # used up, whatever the rate is from now on
                self._set_alarm(share, 0)
            elif share.rate:
                # rounded up: never early
                self._set_alarm(share, -((share.virtual - share.heap[0][0]) // share.rate))
            else:
                share.due = -1
                share.armed = False

    def _set_alarm(self, share: _Share, wait: int) -> None:
        sim = self._sim
        share.due = due = sim.now + wait
        share.tie = tie = sim.next_tie()
        share.armed = share.awaited < 0 or due <= share.awaited
        if share.armed:
            share.awaited = due
            heappush(sim.calls, (due, tie, self._alarm, (share, tie)))

    def _alarm(self, call: tuple[_Share, int]) -> None:
        share, tie = call
        sim = self._sim
        if share.tie == tie and share.due == sim.now:
            share.due = share.awaited = -1
            share.armed = False
            self._shared_done(share)
        elif share.awaited == sim.now and not share.armed:
            share.awaited = share.due
            if share.due >= 0:
                share.armed = True
                heappush(sim.calls, (share.due, share.tie, self._alarm, (share, share.tie)))

    def _shared_done(self, share: _Share) -> None:
        self._catch_up()
        done: list[_Thread] = []
        while share.heap and share.heap[0][0] <= share.virtual:
            done.append(heappop(share.heap))
        if len(self._prompt.heap) + len(self._long.heap) > self.cores:
            self._rearm()
        else:
            self._separate()
        now = self._sim.now
        for _, _, function, thread in done:
            self.ends[thread] = (now, False, function)
            function(thread)

    def _separate(self) -> None:
        """No more threads than cores again: a timer for each."""
        self.contended = False
        now = self._sim.now
        for share, long in ((self._prompt, False), (self._long, True)):
            share.due = -1
            share.armed = False
            share.rate = 0
            for end, _, function, thread in share.heap:
                wait = max(-((share.virtual - end) // _SCALE), 0)
                self.ends[thread] = (now + wait, long, function)
                self._sim.after(wait, function, thread)
            share.heap.clear()
