"""The seam for faults: what may go wrong at a server is asked at three points of a request's and an event's way.

A server that has no faults asks nobody. One that has them asks when a request arrives, when it is about to be
decided, and when an event is about to be sent on a watch.
"""

from __future__ import annotations

from typing import Protocol

from sim.cluster.messages import Response
from sim.cluster.requests import InFlight
from sim.cluster.watch import Watch, WatchEvent

LOST = -1
"""Nothing more is heard of it: the request is not taken or not decided, the event never arrives."""

UNANSWERED = -2
"""The request is decided, and what it writes is stored, but its answer never arrives."""

Outcome = int | Response
"""0: go on. More: hold it for so many nanoseconds and ask again. ``LOST``, ``UNANSWERED``, or an answer in place."""


class Faults(Protocol):
    """What goes wrong at one server."""

    def on_receive(self, request: InFlight) -> Outcome:
        """A request arrives; ``UNANSWERED`` is of no use yet."""

    def on_decide(self, request: InFlight) -> Outcome:
        """A request has computed and is about to be decided."""

    def on_publish(self, watch: Watch, event: WatchEvent) -> int:
        """An event is about to be sent: 0 to go on, nanoseconds to hold it, or ``LOST``."""
