"""What the parts of one controllers' process share: its goroutines, clock, costs and token bucket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.client.connection import Connection
from sim.client.throttle import TokenBucket
from sim.cluster.server import Server
from sim.kernel.go import GoProcess
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.recording.recorder import Recorder
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile

if TYPE_CHECKING:
    from sim.client.parts import Parts


class Process:
    """One run of the controllers' binary, from its start to its end or kill."""

    def __init__(
        self,
        simulation: Simulation,
        machine: Machine,
        server: Server,
        recorder: Recorder,
        scenario: Scenario,
        profile: Profile,
        throttled: bool,
        parts: Parts,
        streams: Streams | None = None,
        followed: bool = True,
    ) -> None:
        self.parts = parts
        self.followed = followed
        """Whether it is recorded when each version of a Certificate is in the cache: cert-manager's own."""
        self.sim = simulation
        self.streams: Streams = streams or simulation.streams
        self.server = server
        self.recorder = recorder
        self.scenario = scenario
        self.profile = profile
        self.go = GoProcess(simulation, machine, profile.go)
        self.bucket = TokenBucket(scenario.client.qps, scenario.client.burst) if throttled else None
        self.network = scenario.server.network_one_way
        network, delivery = self.network, profile.server.delivery
        self.message: Callable[[], int] = lambda: network
        """Nanoseconds from sending a request until the server takes it."""
        waking: Callable[[], int] | None = None
        if delivery is not None:
            draw = self.streams.latency("network", "delivery", delivery)
            self.message = (lambda: network + draw()) if network else draw
            waking = self.streams.latency("network", "waking", delivery)
        self.connection = Connection(simulation, self.go, waking)
        self.request_cpu = profile.controllers.request_cpu
        self.response_cpu = profile.controllers.response_cpu
        self.object_cpu = profile.controllers.object_cpu
        self.stopped = False

    def stop(self) -> None:
        """Kill the process: caches, queues, waits and unsent requests are gone; what the server has goes on."""
        self.stopped = True
        self.go.stop()
