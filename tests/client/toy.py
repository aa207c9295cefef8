"""A process with its server, and nothing in them: what one part of the client needs to run alone."""

from __future__ import annotations

from typing import Any

from sim.client.outside import OutsideClient
from sim.client.process import Process
from sim.client.standard import STANDARD
from sim.client.surroundings import Surroundings
from sim.client.throttle import OneBucket
from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import Object, Write
from sim.cluster.server import Server
from sim.cluster.store import Store
from sim.families.certmanager.kinds import kinds
from sim.families.certmanager.service import service_class
from sim.kernel.clock import EPOCH
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.recording.columns import RECONCILES, REQUESTS
from sim.recording.recorder import Recorder
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile, ServiceTimes

SPEC = {
    "secretName": "c0000-tls",
    "issuerRef": {"name": "ca", "kind": "Issuer"},
    "dnsNames": ["a.example.test"],
}


def constant(ns: int) -> dict[str, int]:
    """A latency that is as good as constant."""
    return {"p50": ns, "p90": ns + 1}


def service(ns: int, **others: int) -> dict[str, Any]:
    """Service times of ``ns`` for every kind of request but those named."""
    return {name: constant(others.get(name, ns)) for name in ServiceTimes.model_fields}


class Toy:
    """Simulated time, a machine, an API server and a process of controllers without controllers."""

    def __init__(
        self, scenario: dict[str, Any] | None = None, profile: dict[str, Any] | None = None, seed: int = 1
    ) -> None:
        self.scenario = Scenario.model_validate({"name": "toy", "seed": seed, **(scenario or {})})
        self.profile = Profile.model_validate(profile or {})
        self.sim = Simulation(Streams(seed, 0))
        self.machine = Machine(self.sim, self.scenario.cpu.cores)
        self.recorder = Recorder()
        self.api = ApiServer(Store(kinds()))
        self.server = Server(
            self.sim, self.machine, self.api, self.recorder, self.scenario, self.profile.server, service_class
        )
        self.surroundings = Surroundings(
            self.scenario, self.profile, self.sim, self.machine, self.server, self.recorder, STANDARD
        )
        client = self.scenario.client
        self.throttle = OneBucket(client.qps, client.burst) if client.throttle else None
        self.process = Process(self.surroundings, self.throttle, followed="Certificate")
        self.outside = OutsideClient(self.sim, self.server)

    def certificate(self, name: str = "c0000") -> Object:
        """Put a Certificate into the store, without any time passing."""
        response = self.api.handle(Write("create", "Certificate", name, {"spec": dict(SPEC)}, "lab"), EPOCH)
        assert response.object is not None
        return response.object

    def requests(self, **wanted: Any) -> list[dict[str, Any]]:
        """The recorded requests by column, those that have the wanted values."""
        rows = [dict(zip(REQUESTS, row, strict=True)) for row in self.recorder.requests]
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def reconciles(self) -> list[dict[str, Any]]:
        """The recorded reconciles by column."""
        return [dict(zip(RECONCILES, row, strict=True)) for row in self.recorder.reconciles]


def annotate(name: str, value: str, version: int | None = None, manager: str = "other") -> Write:
    """A merge patch of an annotation of a Certificate."""
    body = {"metadata": {"annotations": {"note": value}}}
    return Write("merge-patch", "Certificate", name, body, manager, resource_version=version)
