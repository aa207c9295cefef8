"""What the parts of one controllers' process share: its goroutines, clock, costs and the limits of its client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.client.connection import Connection
from sim.client.surroundings import BreakableWay, Surroundings
from sim.client.throttle import Throttle
from sim.cluster.requests import InFlight
from sim.kernel.go import GoProcess
from sim.kernel.streams import Streams
from sim.scenario.runtimes import RUNTIMES

if TYPE_CHECKING:
    from sim.client.parts import Parts


Line = tuple[int, str, str, str, str]
"""Verbosity, controller, key, place in the source and message of a line in the log."""


class Process:
    """One run of a controllers' binary, from its start to its end or kill.

    ``name`` tells it from other processes; ``streams`` are what its luck is drawn from; ``parts`` what it is built
    from, if not what the surroundings say; ``followed`` is the kind of which it is recorded when each version is in the
    process's cache, if any.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        throttle: Throttle | None = None,
        *,
        name: str = "",
        streams: Streams | None = None,
        parts: Parts | None = None,
        followed: str = "",
    ) -> None:
        scenario, profile, simulation = surroundings.scenario, surroundings.profile, surroundings.simulation
        self.surroundings = surroundings
        self.name = name
        self.followed = followed
        self.sim = simulation
        self.streams: Streams = streams or simulation.streams
        self.server = surroundings.server
        self.send: Callable[[InFlight], None] = surroundings.server.receive
        """Sends a request whose token is there."""
        self.listener = surroundings.listener
        self.scenario = scenario
        self.profile = profile
        self.go = GoProcess(simulation, surroundings.machine, profile.go)
        self.throttle = throttle
        self.network = scenario.server.network_one_way
        one_way, delivery = self.network, profile.server.delivery
        self.message: Callable[[], int] = lambda: one_way
        """Nanoseconds from sending a request until the server takes it."""
        waking: Callable[[], int] | None = None
        if delivery is not None:
            draw = self.streams.latency("network", "delivery", delivery)
            self.message = (lambda: one_way + draw()) if one_way else draw
            waking = self.streams.latency("network", "waking", delivery)
        self.connection = Connection(simulation, self.go, waking)
        self.request_cpu = profile.controllers.request_cpu
        self.response_cpu = profile.controllers.response_cpu
        self.object_cpu = profile.controllers.object_cpu
        self.replica = 1
        """Which of the replicas that work at the same time: of those of which one leads, all are the first."""
        self.lease = ""
        """The Lease that it must hold to work; "" where nobody is elected."""
        self.skew = 0
        """Nanoseconds by which its clock is ahead."""
        self.client_go = RUNTIMES["client-go"].client_go
        """Which client-go it is built with, 0.``client_go``: how its informers hand on what they hear."""
        self.parsing = 0
        """Nanoseconds of a core that the pass which decides now spends on decoding."""
        self.deciding = False
        """Whether a worker decides now: what it logs is written when it has computed (``said``)."""
        self.said: list[Line] = []
        """Lines of the pass that decides now."""
        self.stopped = False
        network, chosen = surroundings.breaks, parts or surroundings.parts
        self.parts: Parts = chosen if network is None else network.breakable(chosen)
        self.link: BreakableWay | None = None if network is None else network.join(self)

    def log(self, *line: *Line) -> None:
        """Log a line, or keep it until the pass that decides now has computed what it decides."""
        if self.deciding:
            self.said.append(line)
        else:
            self.listener.log(self.sim.now, *line)

    def stop(self) -> None:
        """Kill the process: caches, queues, waits and unsent requests are gone; what the server has goes on."""
        self.stopped = True
        self.go.stop()
        if self.link is not None:
            self.link.hang_up()
