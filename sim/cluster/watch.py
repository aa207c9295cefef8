"""Watch streams: how news of a stored write reaches the clients.

Each kind has its own stream. A stream delivers in the order of revisions; there is no order between streams
(model.md section 6: one kind's cache may lag another's).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.cluster.objects import Object
from sim.cluster.serving import Relay
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
        self._ready = 0  # when the last event was
        self._last = 0  # when it arrives
        self.relay: Relay | None = None
        """What hands its events on in the server, in turn with all else that waits there; None for nothing."""
        self.stopped = False
        self.owner = ""
        """The process whose watch it is, where there are faults."""

    def publish(self, event: WatchEvent) -> None:
        """The write is committed; the event arrives later, never before the one published before it."""
        if self.stopped:
            return
        sim, lag = self._sim, self._lag
        at = sim.now + lag()
        if at <= self._ready:  # one nanosecond apart, so that the drawing of ties can't reorder a stream
            at = self._ready + 1
        self._ready = at
        sim.at(at, self._hand_on, event)

    def _hand_on(self, event: WatchEvent) -> None:
        if self.relay is not None:
            self.relay.hand(self._leave, event)
        else:
            self._leave(event)

    def _leave(self, event: WatchEvent) -> None:
        at = max(self._sim.now + self._network, self._last + 1)
        self._last = at
        if at == self._sim.now:
            self._arrive(event)
        else:
            self._sim.at(at, self._arrive, event)

    def _arrive(self, event: WatchEvent) -> None:
        if not self.stopped:
            self._deliver(event)
