"""Writers outside the controllers' process: who creates, other controllers, users, an external issuer.

They have clients of their own, without cert-manager's token bucket, and their computing is not modelled: each
request goes to the server at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.client.cache import Cache
from sim.client.effects import Get, Send
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.server import Server
from sim.cluster.watch import Watch, WatchEvent
from sim.families.certmanager.conditions import is_true, ready_reason, with_condition
from sim.families.certmanager.issuers import EXTERNAL_GROUP, failed_status, sign
from sim.families.certmanager.pki import SigningRequest
from sim.families.certmanager.request_manager import CERTIFICATE_NAME
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.model import RateArrival, Scenario, ScheduleArrival, Writer
from sim.scenario.profile import Profile
from sim.units import SECOND


class OutsideRequest:
    """A request of a client that neither waits for a token nor shares the controllers' cores."""

    __slots__ = (
        "_answered",
        "actor",
        "after",
        "asked_ns",
        "back",
        "base",
        "before",
        "cpu",
        "out",
        "read_ns",
        "received",
        "reconcile",
        "retries",
        "send",
        "sent_ns",
    )

    def __init__(
        self,
        actor: str,
        send: Send,
        now: int,
        answered: Callable[[Response], object],
        read_ns: int | None = None,
    ) -> None:
        self.actor = actor
        self.send = send
        self.read_ns = now if read_ns is None else read_ns
        self.asked_ns = self.sent_ns = now
        self.out = self.back = 0  # on the API server's machine, or near it
        self.reconcile = -1
        self._answered = answered
        # The server's (sim.cluster.server.InFlight).
        self.received: int
        self.base: int
        self.before: int
        self.after: int
        self.cpu: int
        self.retries: int

    def arrive(self, response: Response) -> None:
        """The answer is there."""
        self._answered(response)


def _nothing(_: Response) -> None:
    pass


class Outside:
    """Base: sends requests straight to the server."""

    actor = ""

    def __init__(self, simulation: Simulation, server: Server) -> None:
        self.sim = simulation
        self.server = server

    @property
    def now(self) -> int:
        """Simulated time in nanoseconds."""
        return self.sim.now

    def submit(self, send: Send, answered: Callable[[Response], object] = _nothing, read_ns: int | None = None) -> None:
        """Send now."""
        self.server.receive(OutsideRequest(self.actor, send, self.now, answered, read_ns))


class Creator(Outside):
    """Creates the Certificates, as the scenario's workload asks.

    Between an answer and the next creation it computes, on the cores that it shares with everybody else: while keys
    are generated the recorded client took three times as long as on an idle machine.
    """

    actor = "lab"

    def __init__(
        self, simulation: Simulation, machine: Machine, server: Server, scenario: Scenario, profile: Profile
    ) -> None:
        super().__init__(simulation, server)
        self._machine = machine
        self._scenario = scenario
        self._create_cpu = profile.create_cpu
        self._left = scenario.workload.certificates
        self._created = 0
        self.answered = 0
        self.finished: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin at time 0."""
        arrival = self._scenario.workload.arrival
        count = self._scenario.workload.certificates
        if arrival == "one-after-the-other":
            self._create()
        elif arrival == "at-once":
            for _ in range(count):
                self._create()
        elif isinstance(arrival, RateArrival):
            self._by_rate(arrival, count)
        else:
            assert isinstance(arrival, ScheduleArrival)
            for at in arrival.schedule[:count]:
                self.sim.call_in(at, self._create)

    def _by_rate(self, arrival: RateArrival, count: int) -> None:
        if arrival.poisson:
            draw = self.sim.streams.exponential(self.actor, "arrivals", SECOND / arrival.rate)
            at = 0
            for _ in range(count):
                at += draw()
                self.sim.call_in(at, self._create)
        else:
            for k in range(count):
                self.sim.call_in(round(k * SECOND / arrival.rate), self._create)

    def _create(self) -> None:
        name = f"c{self._created:04d}"
        self._created += 1
        body = {"spec": self._spec(name)}
        self.submit(Send(Write("create", "Certificate", name, body, self.actor), name), self._next)

    def _spec(self, name: str) -> dict[str, Any]:
        scenario = self._scenario
        wanted = scenario.certificate.private_key
        private_key: dict[str, Any] = {"algorithm": wanted.algorithm}
        if wanted.size is not None:
            private_key["size"] = wanted.size
        if wanted.rotation_policy is not None:
            private_key["rotationPolicy"] = wanted.rotation_policy
        issuer = {"name": scenario.issuer.type, "kind": "Issuer"}
        if scenario.issuer.type == "external":
            issuer["group"] = EXTERNAL_GROUP
        spec: dict[str, Any] = {
            "secretName": f"{name}-tls",
            "commonName": name,
            "dnsNames": [f"{name}.example.test"],
            "issuerRef": issuer,
            "privateKey": private_key,
        }
        return spec

    def _computed(self) -> None:
        if self._machine.finished(self):
            self._create()

    def _next(self, _: Response) -> None:
        self.answered += 1
        if self._scenario.workload.arrival == "one-after-the-other" and self._created < self._left:
            self._machine.run(self._create_cpu, False, Creator._computed, self)
        if self.answered == self._left:
            for finished in self.finished:
                finished()


class OtherWriter(Outside):
    """A GitOps controller or a user: at Poisson times picks a Certificate at random and writes it."""

    def __init__(self, simulation: Simulation, server: Server, writer: Writer, certificates: int) -> None:
        super().__init__(simulation, server)
        self.actor = writer.name
        self._writer = writer
        self._certificates = certificates
        self._wait = simulation.streams.exponential(self.actor, "times", SECOND / writer.rate)
        self._pick = simulation.streams.uniform(self.actor, "certificates")
        self._value = simulation.streams.uniform(self.actor, "values")
        self.begins = writer.start
        self.stopped = False

    def start(self) -> None:
        """Begin writing."""
        self.sim.call_in(self._wait(), self._act)

    def _act(self) -> None:
        if self.stopped:
            return
        self.sim.call_in(self._wait(), self._act)
        name = f"c{int(self._pick() * self._certificates):04d}"
        value = f"{int(self._value() * 1_000_000):06d}"
        action = self._writer.action
        if action == "update":
            read_ns = self.now
            send = Get(Write("get", "Certificate", name, {}), name)
            self.submit(send, lambda answer: self._read(name, value, answer, read_ns))
            return
        write = self._partial(name, value, action)
        self.submit(Send(write, name))

    def _partial(self, name: str, value: str, action: str) -> Write:
        verb = "apply" if action == "apply" else "merge-patch"
        subresource = "status" if self._writer.target == "readyCondition" else ""
        return Write(verb, "Certificate", name, self._change(name, value), self.actor, subresource)

    def _change(self, name: str, value: str) -> dict[str, Any]:
        target = self._writer.target
        if target == "annotation":
            return {"metadata": {"annotations": {"gitops/revision": value}}}
        if target == "dnsNames":
            return {"spec": {"dnsNames": [f"{name}.example.test", f"{value}.example.test"]}}
        return {
            "status": {
                "conditions": [{"type": "Ready", "status": "False", "reason": "Edited", "message": f"edited {value}"}]
            }
        }

    def _read(self, name: str, value: str, answer: Response, read_ns: int) -> None:
        if answer.object is not None:
            self.sim.call_in(self._writer.wait, self._update, name, value, answer.object, read_ns)

    def _update(self, name: str, value: str, read: Object, read_ns: int) -> None:
        """A PUT of the copy that was read, changed; refused if it is stale, and not tried again."""
        change = self._change(name, value)
        subresource = ""
        if "status" in change:
            subresource = "status"
            body = {"status": {**(read.status or {}), **change["status"]}}
        else:
            annotations = {**read.annotations, **change.get("metadata", {}).get("annotations", {})}
            body = {
                "metadata": {"labels": read.labels, "annotations": annotations},
                "spec": {**(read.spec or {}), **change.get("spec", {})},
            }
        write = Write(
            "update",
            "Certificate",
            name,
            body,
            self.actor,
            subresource,
            False,
            read.resource_version,
            read.uid,
        )
        self.submit(Send(write, name, read), read_ns=read_ns)


class ExternalIssuer(Outside):
    """An issuer with a controller of its own: signs each approved request after a while.

    It takes requests first come first served where it has a rate limit, and fails a share of them.
    """

    actor = "external-issuer"

    def __init__(self, simulation: Simulation, server: Server, scenario: Scenario, profile: Profile) -> None:
        super().__init__(simulation, server)
        self._issuer = scenario.issuer
        self._lifetime = scenario.certificate.duration
        self._latency = simulation.streams.latency(self.actor, "latency", self._issuer.latency)
        self._luck = simulation.streams.uniform(self.actor, "failures")
        self._free_at = 0
        self._taken: set[str] = set()
        self._cache = Cache("CertificateRequest")
        lag = simulation.streams.latency(self.actor, "watch", profile.watch.lag)
        server.watch("CertificateRequest", Watch(simulation, lag, scenario.server.network_one_way, self._arrive))

    def _arrive(self, event: WatchEvent) -> None:
        request = event.object
        if event.deleted:
            self._cache.remove(request.name)
            return
        self._cache.put(request)
        if request.uid in self._taken or not is_true(request.status, "Approved"):
            return
        if ready_reason(request.status) in {"Failed", "Issued"}:
            return
        self._taken.add(request.uid)
        wait = 0
        if self._issuer.rate_limit is not None:
            self._free_at = max(self._free_at, self.now) + round(SECOND / self._issuer.rate_limit)
            wait = self._free_at - self.now
        self.sim.call_in(wait + self._latency(), self._finish, request.name)

    def _finish(self, name: str) -> None:
        """Write the outcome from the cached copy; a refused write is tried again with a fresh one."""
        request = self._cache.get(name)
        if request is None:
            return
        assert request.spec is not None
        csr: SigningRequest = request.spec["request"]
        now = self.sim.unix_seconds
        if self._luck() < self._issuer.failure_rate:
            status = failed_status(request.status, "the external issuer refused", now)
        else:
            signed = sign(csr, f"external-{name}", now, self._lifetime)
            status = {**(request.status or {}), "certificate": signed, "ca": "external"}
            status = with_condition(status, "Ready", "True", "Issued", "signed", now)
        write = Write(
            "update",
            "CertificateRequest",
            name,
            {"status": status},
            self.actor,
            "status",
            False,
            request.resource_version,
            request.uid,
        )
        send = Send(write, request.annotations.get(CERTIFICATE_NAME, ""), request)
        self.submit(send, lambda answer: self._again(name, answer))

    def _again(self, name: str, answer: Response) -> None:
        if answer.code == 409:
            self.sim.call_in(SECOND, self._finish, name)
