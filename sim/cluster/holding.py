"""Requests that are held up on their way to the server: their writers have decided, and others come first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sim.cluster.faults import Faults, Outcome
from sim.cluster.requests import InFlight
from sim.cluster.watch import Watch, WatchEvent

Point = tuple[str, str]
"""An actor, and the name of the object that its requests are about, or "" for all of them."""


class HeldRequests:
    """Faults of a network that holds up single requests; Events are not counted.

    ``held`` has by point the nanoseconds by which request number n is late, from 1; number 0 stands for each of them.
    ``sent`` counts them.
    """

    def __init__(self, held: Mapping[Point, Mapping[int, int]]) -> None:
        self._held = held
        self._counted: set[int] = set()  # requests that will be asked about again
        self.behind: Faults | None = None
        """Other faults, which are asked once a request is let go."""
        self.sent: Counter[Point] = Counter()
        self.added = 0
        """Nanoseconds by which requests were held so far."""

    def on_receive(self, request: InFlight) -> Outcome:
        """Hold a request that is due to be; asked again when its time is over, let it go to the faults behind."""
        write = request.send.write
        if write.kind != "Event" and id(request) not in self._counted:
            actor, about = request.actor, request.send.about
            late = self._late((actor, "")) + (self._late((actor, about)) if about else 0)
            if late:
                self.added += late
                self._counted.add(id(request))
                return late
        outcome = self.behind.on_receive(request) if self.behind is not None else 0
        if isinstance(outcome, int) and outcome > 0:
            self._counted.add(id(request))
        else:
            self._counted.discard(id(request))
        return outcome

    def _late(self, point: Point) -> int:
        self.sent[point] = number = self.sent[point] + 1
        held = self._held.get(point)
        return 0 if held is None else held.get(0, 0) + held.get(number, 0)

    def on_decide(self, request: InFlight) -> Outcome:
        """What the faults behind say."""
        return self.behind.on_decide(request) if self.behind is not None else 0

    def on_publish(self, watch: Watch, event: WatchEvent) -> int:
        """What the faults behind say: a watch is held by its draws, so that its events stay in order."""
        return self.behind.on_publish(watch, event) if self.behind is not None else 0


def held_requests(perturbed: Sequence[tuple[str, str, int, int]]) -> HeldRequests:
    """Return them from (actor, about, number or 0, nanoseconds) each."""
    held: dict[Point, dict[int, int]] = {}
    for actor, about, number, delay in perturbed:
        at = held.setdefault((actor, about), {})
        at[number] = at.get(number, 0) + delay
    return HeldRequests(held)
