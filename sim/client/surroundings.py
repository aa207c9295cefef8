"""What everybody in one simulated cluster shares, handed to whoever is built into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.client.listener import ProcessListener
from sim.cluster.server import Server
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile

if TYPE_CHECKING:
    from sim.client.link import Network
    from sim.client.parts import Parts


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
    breaks: Network | None = None
    """What may break between processes and server; None where there are no faults."""
