"""Go's monitor thread: it looks at the processors now and then, if it gets a core itself."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush

from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation

LOOK = 10_000
"""Nanoseconds that a look takes: the poller is asked once, and each processor's counters are read. An assumption; what
counts is that it needs a core."""


class Sysmon:
    """Sleeps ``every`` nanoseconds after each look (runtime/proc.go: sysmon), and then is a thread like others.

    Where all cores are taken it waits for one, and all looks after it come as much later: so goroutines that compute
    for long are left alone for longer where other processes compute as well.
    """

    def __init__(self, simulation: Simulation, machine: Machine, every: int, look: Callable[[], None]) -> None:
        self._sim = simulation
        self._machine = machine
        self._every = every
        self._look = look
        self._looked = 0
        self.awaited = False
        """Whether its next look is arranged: it is while there is anything for it to see."""
        self._stopped = self._waits = False

    def later(self) -> None:
        """Arrange its next look."""
        if not self.awaited:
            self.awaited = True
            every, sim = self._every, self._sim
            now, next_tie = sim.now, sim.next_tie
            heappush(sim.calls, (now + every - (now - self._looked) % every, next_tie(), Sysmon._wakes, self))

    def stop(self) -> None:
        """The process is killed."""
        self._stopped = True
        if self._waits:
            self._machine.stop(self)

    def _wakes(self) -> None:
        if self._stopped:
            return
        machine = self._machine
        if len(machine.ends) < machine.cores and not machine.waiting:
            self._looks()
        else:
            self._waits = True
            machine.run(LOOK, Sysmon._has_looked, self)

    def _has_looked(self) -> None:
        if self._machine.finished(self):
            self._waits = False
            self._looks()

    def _looks(self) -> None:
        self.awaited = False
        self._looked = self._sim.now
        self._look()
