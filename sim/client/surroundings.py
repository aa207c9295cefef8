"""What everybody in one simulated cluster shares, handed to whoever is built into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sim.client.listener import ProcessListener
from sim.cluster.requests import InFlight
from sim.cluster.server import Server
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile

if TYPE_CHECKING:
    from sim.client.parts import Parts
    from sim.cluster.outages import Outages


class BreakableWay(Protocol):
    """A process's way to the API server, which may break."""

    @property
    def network(self) -> Breaks:
        """What it is one of."""

    def send(self, request: InFlight) -> None:
        """Send a request, if there is a connection to be had."""

    def hang_up(self) -> None:
        """The process is killed."""


class Breaks(Protocol):
    """What may break between all processes and the server: ``sim.client.link``."""

    outages: Outages

    @property
    def breakable(self) -> Callable[[Parts], Parts]:
        """Makes the parts of a process such that they can fail."""

    def join(self, process: Any) -> BreakableWay:
        """A process starts; returns its way to the server."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One replication's scenario and profile, its simulated time, cores and API server, and who listens."""

    scenario: Scenario
    profile: Profile
    simulation: Simulation
    machine: Machine
    server: Server
    listener: ProcessListener
    parts: Parts
    """What the processes of controllers are built from."""
    breaks: Breaks | None = None
    """What may break between processes and server; None where there are no faults."""

    def heard_in(self) -> int:
        """Nanoseconds until a process that starts now finds the server: it waits with whatever it does."""
        return 0 if self.breaks is None else self.breaks.outages.heard_in()
