"""The server's time: how many requests it serves at once, how long each takes, and when it stands still.

Requests wait first come first served, without limit, and nobody takes one back: what its client no longer waits for
is served all the same. Without a service time and outages every request is served when it arrives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sim.families.plain.draws import Draw
from sim.kernel.simulation import Simulation
from sim.scenario.contention import Outage

Serve = Callable[[Any], object]


class Turns:
    """The queue before the API server; ``service`` draws nanoseconds, or is None."""

    def __init__(self, simulation: Simulation, service: Draw | None, places: int, outages: list[Outage]) -> None:
        self._sim = simulation
        self._service = service
        self._free = places
        self._waiting: deque[tuple[Serve, Any]] = deque()
        self._down = False
        self.at_once = service is None and not outages
        """Whether it does nothing: then nobody has to come here."""
        for outage in outages:
            simulation.call_in(outage.at, self._stop)
            simulation.call_in(outage.at + outage.lasts, self._go_on)

    def arrive(self, serve: Serve, request: Any) -> None:
        """A request is here; ``serve(request)`` is called once it has been served."""
        if self.at_once:
            serve(request)
        elif self._down or not self._free:
            self._waiting.append((serve, request))
        else:
            self._begin(serve, request)

    def _begin(self, serve: Serve, request: Any) -> None:
        if self._service is None:
            serve(request)
            return
        self._free -= 1
        self._sim.after(self._service(), self._served, (serve, request))

    def _served(self, job: tuple[Serve, Any]) -> None:
        self._free += 1
        serve, request = job
        serve(request)
        self._next()

    def _next(self) -> None:
        while self._waiting and self._free and not self._down:
            self._begin(*self._waiting.popleft())

    def _stop(self) -> None:
        self._down = True

    def _go_on(self) -> None:
        self._down = False
        self._next()
