"""A Go process whose goroutines serve short requests: the API server, etcd.

Most requests come alone. What they compute then follows at once, without the ways by which goroutines wake each other.
"""

from __future__ import annotations

from heapq import heappush

from sim.kernel.bursts import Burst, Goroutine
from sim.kernel.go import LONG_BURST, GoProcess


class GoServer(GoProcess):
    """A process that lives, and whose goroutines leave no ``debt``."""

    def compute(self, burst: Burst) -> None:
        """As ``network_ready`` of a goroutine that computes ``burst`` first, cheaper while cores are idle."""
        machine, ends, idle = self._machine, self._ends, self.idle
        if not idle or self.running is not None or machine.waiting or len(ends) >= machine.cores:
            self.network_ready(burst.has_processor)
            return
        processor = idle.pop()
        processor.turn += 1
        processor.burst = burst = burst.has_processor()
        demand = burst.demand
        if demand >= LONG_BURST:
            self.sysmon.later()
        sim, computed = self._sim, self._when_computed
        next_tie = sim.next_tie
        machine.busy_ns += demand
        end = sim.now + demand
        ends[processor] = (end, demand, computed)
        heappush(sim.calls, (end, next_tie(), computed, processor))

    def queue(self, goroutine: Goroutine) -> None:
        """Make a goroutine runnable behind all that wait for a processor; who is in the network is not seen yet."""
        self._global.append(goroutine)
        if self.running is None and (self.idle or self.spare):
            self._fill()

    def gives_way(self, goroutine: Goroutine) -> bool:
        """Whether the goroutine that runs has to let others have their turn first (Gosched): all that wait now.

        It goes on as ``goroutine`` then. Who is not seen yet, in the network, does not count.
        """
        processor = self.running
        if self._global or self._waiting or processor is None or processor.due:
            self._global.append(goroutine)
            return True
        processor.turn += 1
        return False

    def passes(self, demand: int) -> bool:
        """Compute ``demand`` nanoseconds as ``compute`` does, where nothing can come in between: returns whether.

        The time has passed then, see ``Simulation.passes``. What follows must not ask for this process.
        """
        sim = self._sim
        end = sim.now + demand
        if demand >= LONG_BURST or not self._alone_until(end):
            return False
        next_tie = sim.next_tie
        next_tie()
        sim.now = end
        self.idle[-1].turn += 1
        self._machine.busy_ns += demand
        return True

    def passes_with(self, demand: int, wait: int, other: GoServer, more: int) -> bool:
        """As ``passes``, then ``wait`` nanoseconds, then ``more`` of computing in another process of the machine."""
        sim = self._sim
        end = sim.now + demand + wait + more
        if demand >= LONG_BURST or more >= LONG_BURST or not other.idle or other.running is not None:
            return False
        if not self._alone_until(end):
            return False
        next_tie = sim.next_tie
        next_tie()
        next_tie()
        if wait:
            next_tie()
        sim.now = end
        self.idle[-1].turn += 1
        other.idle[-1].turn += 1
        self._machine.busy_ns += demand + more
        return True

    def _alone_until(self, end: int) -> bool:
        """Whether there is a processor and a core for a burst now, and nothing else happens until then."""
        machine, calls = self._machine, self._sim.calls
        return (
            bool(self.idle)
            and self.running is None
            and not machine.waiting
            and len(self._ends) < machine.cores
            and not (calls and calls[0][0] <= end)
        )
