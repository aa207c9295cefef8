"""Who is outside cert-manager's process: who asks for Certificates, who else writes them, an external issuer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from sim.client import writes
from sim.client.cache import Cache
from sim.client.conditions import Status, is_true, ready_reason, with_condition
from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.client.policy import Shared, policy_of
from sim.client.ratelimiter import RateLimiter
from sim.client.surroundings import Surroundings
from sim.client.throttle import TokenBucket
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.cluster.watch import Watch, WatchEvent
from sim.families.certmanager.issuers import EXTERNAL_GROUP, ca_ends, ended_status, sign
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.families.certmanager.pki import SigningRequest
from sim.families.creator import Creator
from sim.families.otherwriter import Change, OtherWriter, change_of
from sim.scenario.deeds import certificate_name
from sim.scenario.model import Scenario
from sim.scenario.retry import Retry
from sim.scenario.writer import Writer
from sim.units import SECOND


def certificates(surroundings: Surroundings) -> Creator:
    """Who creates the Certificates of the scenario's workload."""
    scenario = surroundings.scenario
    there = scenario.workload.total - scenario.workload.certificates
    common = common_spec(scenario)
    return Creator(
        surroundings,
        scenario.workload,
        "Certificate",
        lambda number: certificate_name(there + number),
        lambda name: {"spec": certificate_spec(scenario, name, common)},
    )


def common_spec(scenario: Scenario) -> dict[str, Any]:
    """What the specs of all Certificates have in common: objects are immutable, so that it is there once."""
    wanted = scenario.certificate.private_key
    private_key: dict[str, Any] = {"algorithm": wanted.algorithm}
    if wanted.size is not None:
        private_key["size"] = wanted.size
    if wanted.rotation_policy is not None:
        private_key["rotationPolicy"] = wanted.rotation_policy
    issuer = {"name": scenario.issuer.type, "kind": "Issuer"}
    group = EXTERNAL_GROUP if scenario.issuer.type == "external" else scenario.issuer.group
    if group:
        issuer["group"] = group
    return {"issuerRef": issuer, "privateKey": private_key}


def certificate_spec(scenario: Scenario, name: str, common: dict[str, Any]) -> dict[str, Any]:
    """The spec of a Certificate, as the scenario asks; ``common`` is what ``common_spec`` says."""
    return {
        "secretName": scenario.certificate.secret_name or f"{name}-tls",
        # An ACME issuer refuses a common name that is none of the DNS names.
        **({"commonName": name} if scenario.issuer.type != "acme" else {}),
        "dnsNames": dns_names(scenario, name),
        **common,
    }


def dns_names(scenario: Scenario, name: str) -> list[str]:
    """The DNS names of a Certificate, all of one registered domain."""
    wanted = scenario.certificate
    domain = f"example-{int(name[1:]) % wanted.registered_domains}.test" if wanted.registered_domains > 1 else _DOMAIN
    return [f"{name}{f'-{number}' if number else ''}.{domain}" for number in range(wanted.dns_names)]


_DOMAIN = "example.test"


def _annotation(_: str, value: str) -> writes.Body:
    return {"metadata": {"annotations": {"gitops/revision": value}}}


def _dns_names(name: str, value: str) -> writes.Body:
    return {"spec": {"dnsNames": [f"{name}.example.test", f"{value}.example.test"]}}


def _ready_condition(_: str, value: str) -> writes.Body:
    condition = {"type": "Ready", "status": "False", "reason": "Edited", "message": f"edited {value}"}
    return {"status": {"conditions": [condition]}}


_CHANGES: dict[str, Change] = {"annotation": _annotation, "dnsNames": _dns_names, "readyCondition": _ready_condition}
"""What a scenario's ``writers.target`` means for a Certificate."""


def other_writer(surroundings: Surroundings, writer: Writer) -> OtherWriter:
    """Another writer of the workload's Certificates."""
    count = surroundings.scenario.workload.total
    change = change_of(writer.set) if writer.set else _CHANGES[writer.target]
    return OtherWriter(surroundings, writer, "Certificate", certificate_name, lambda: count, change)


class ExternalIssuer(OutsideClient):
    """An issuer with a controller of its own: signs each approved request after a while.

    It takes requests first come first served where it has a rate limit, and fails a share of them.
    ``controllers.issuer`` gives it workers, each of which is held from a request's turn until that is answered for
    good, a token bucket for its writes, and waits after refused ones; without, it takes any number at once, sends at
    once, and waits a second. With ``issuer.reports_pending`` it says so of each request as soon as it sees it.
    """

    actor = "external-issuer"

    def __init__(self, surroundings: Surroundings) -> None:
        simulation, server, scenario = surroundings.simulation, surroundings.server, surroundings.scenario
        super().__init__(simulation, server)
        self._issuer = scenario.issuer
        self._lifetime = scenario.certificate.duration
        self._ends = ca_ends(scenario, simulation)
        self._latency = simulation.streams.latency(self.actor, "latency", self._issuer.latency)
        self._luck = simulation.streams.uniform(self.actor, "failures")
        options = scenario.controllers.issuer
        self._workers = options.workers or 1 << 30
        self._turns: deque[str] = deque()
        client = options.client
        self._bucket = TokenBucket(client.qps, client.burst) if client is not None else None
        retry = options.retry or Retry(base=SECOND, max=SECOND)
        self._limiter = RateLimiter(policy_of(retry, simulation.streams.uniform(self.actor, "retries"), Shared()))
        self._outages = surroundings.breaks.outages if surroundings.breaks is not None else None
        self._failing: set[str] = set()  # requests that a fault makes it refuse
        self._seen: set[str] = set()
        self._free_at = 0
        self._taken: set[str] = set()
        self.unfinished: set[str] = set()
        """Names of the requests that it has taken and not answered."""
        self._cache = Cache("CertificateRequest")
        lag = simulation.streams.latency(self.actor, "watch", surroundings.profile.watch.lag)
        server.watch("CertificateRequest", Watch(simulation, lag, scenario.server.network_one_way, self._arrive))

    def _arrive(self, event: WatchEvent) -> None:
        request = event.object
        if event.deleted:
            self._cache.remove(request.name)
            return
        self._cache.put(request)
        if self._issuer.reports_pending and request.uid not in self._seen:
            self._seen.add(request.uid)
            self._report_pending(request)
        if request.uid in self._taken or not is_true(request.status, "Approved"):
            return
        if ready_reason(request.status) in {"Failed", "Issued"}:
            return
        self._taken.add(request.uid)
        self.unfinished.add(request.name)
        self._turns.append(request.name)
        self._next()

    def _report_pending(self, request: Object) -> None:
        """Ready=False with reason Pending; where that is refused the next event shows somebody else's newer state."""
        if ready_reason(request.status):
            return
        now = self.sim.unix_seconds
        self._write(request, with_condition(request.status, "Ready", "False", "Pending", "waiting", now), bool)

    def _next(self) -> None:
        """Let free workers take what waits for its turn."""
        while self._turns and self._workers:
            self._workers -= 1
            wait = 0
            if self._issuer.rate_limit is not None:
                self._free_at = max(self._free_at, self.now) + round(SECOND / self._issuer.rate_limit)
                wait = self._free_at - self.now
            name = self._turns.popleft()
            if self._outages is not None:
                late, fails = self._outages.signs(name)
                wait += late
                if fails:
                    self._failing.add(name)
            self.sim.call_in(wait + self._latency(), self._finish, name)

    def _finish(self, name: str) -> None:
        """Write the outcome from the cached copy; a refused write is tried again with a fresh one."""
        if self._outages is not None and self.now < self._outages.issuer_until:
            self.sim.call_in(self._outages.issuer_until - self.now, self._finish, name)
            return
        request = self._cache.get(name)
        if request is None:
            self._done(name)
            return
        assert request.spec is not None
        csr: SigningRequest = request.spec["request"]
        now = self.sim.unix_seconds
        if self._luck() < self._issuer.failure_rate or name in self._failing:
            status = ended_status(request.status, "Failed", "the external issuer refused", now)
        else:
            signed = sign(csr, f"external-{name}", now, self._lifetime, self._ends)
            status = {**(request.status or {}), "certificate": signed, "ca": "external"}
            status = with_condition(status, "Ready", "True", "Issued", "signed", now)
        self._write(request, status, lambda answer: self._answered(name, answer))

    def _write(self, request: Object, status: Status, answered: Callable[[Response], object]) -> None:
        """Send the status as soon as there is a token, made from the copy that was read before the wait."""
        write = writes.replace("update", request, {"status": status}, manager=self.actor, subresource="status")
        send = Send(write, request.annotations.get(CERTIFICATE_NAME, ""), request)
        wait = (self._bucket.reserve(self.now) or 0) if self._bucket is not None else 0
        if wait:
            self.sim.call_in(wait, self.submit, send, answered, self.now)
        else:
            self.submit(send, answered)

    def _answered(self, name: str, answer: Response) -> None:
        if answer.code == 409:
            wait = self._limiter.when(name, self.now)
            if wait >= 0:
                self.sim.call_in(wait, self._finish, name)
                return
        self._done(name)

    def _done(self, name: str) -> None:
        self._limiter.forget(name)
        self.unfinished.discard(name)
        self._workers += 1
        self._next()
