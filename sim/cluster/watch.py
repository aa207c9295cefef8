"""Watch streams: how news of a stored write reaches the clients.

Each kind has its own stream. A stream delivers in the order of revisions; there is no order between streams
(model.md section 6: one kind's cache may lag another's).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.cluster.objects import Object
from sim.kernel.simulation import Simulation


@dataclass(slots=True)
class WatchEvent:
    """An object was stored or, where ``deleted``, removed."""

    object: Object
    deleted: bool


class Watch:
    """One client's watch on one kind: ``deliver`` is called when an event reaches the client."""

    def __init__(
        self,
        simulation: Simulation,
        lag: Callable[[], int],
        network: int,
        deliver: Callable[[WatchEvent], None],
    ) -> None:
        self._sim = simulation
        self._lag = lag
        self._network = network
        self._deliver = deliver
        self._last = 0
        self.stopped = False
        self.owner = ""
        """The process whose watch it is, where there are faults."""

    def publish(self, event: WatchEvent) -> None:
        """The write is committed; the event arrives later, never before the one published before it."""
        if self.stopped:
            return
        sim, lag = self._sim, self._lag
        at = sim.now + lag() + self._network
        if at <= self._last:  # one nanosecond apart, so that the drawing of ties can't reorder a stream
            at = self._last + 1
        self._last = at
        sim.at(at, self._arrive, event)

    def _arrive(self, event: WatchEvent) -> None:
        if not self.stopped:
            self._deliver(event)
