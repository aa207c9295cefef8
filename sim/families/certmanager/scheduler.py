"""cert-manager's pkg/scheduler: adds a key at a time, in place of what was scheduled for it before."""

from __future__ import annotations

from sim.client.worker import Workers
from sim.kernel.simulation import Timer


class ScheduledWorkQueue:
    """Keys that are to be looked at later: one time each, and the last one asked for holds."""

    __slots__ = ("_timers", "_workers")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._timers: dict[str, Timer] = {}

    def add(self, key: str, delay: int) -> None:
        """Add a key after ``delay`` nanoseconds."""
        previous = self._timers.get(key)
        if previous is not None:
            previous.cancel()
        self._timers[key] = self._workers.sim.timer(delay, ScheduledWorkQueue._due, self, key)

    def waiting(self) -> list[str]:
        """Keys whose time has not come."""
        return list(self._timers)

    def _due(self, key: str) -> None:
        del self._timers[key]
        if not self._workers.process.stopped:
            self._workers.add(key, "schedule")
