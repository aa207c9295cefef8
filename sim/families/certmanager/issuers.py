"""certificaterequests-issuer-*: the built-in issuers, of which one signs.

Follows pkg/controller/certificaterequests/sync.go and its selfsigned and ca folders (model.md section 3). Each
of them looks at every request and records WaitingForApproval where it sees it before it is approved.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from sim.client.conditions import Status, condition, is_true, ready_reason, with_condition
from sim.client.effects import Compute, Reconcile, Sleep
from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.names import PRIVATE_KEY
from sim.families.certmanager.requests import RequestController
from sim.kernel.clock import rfc3339, unix_seconds
from sim.kernel.simulation import Simulation
from sim.scenario.model import Scenario
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.families.certmanager.manager import CertManager

WAITING = "Not signing CertificateRequest until it is Approved"
FETCHED = "Certificate fetched from issuer successfully"
DENIED = "The CertificateRequest was denied by an approval controller"
NOT_READY = "Referenced issuer does not have a Ready status condition"
EXTERNAL_GROUP = "example.org"
OWN_GROUP = "cert-manager.io"


class BuiltInIssuer(RequestController):
    """One of acme, ca, selfsigned, vault and venafi; only the scenario's own type signs."""

    label = "issuer"

    def __init__(self, manager: CertManager, type_: str) -> None:
        self.type = type_
        self.name = f"certificaterequests-issuer-{type_}"
        super().__init__(manager)
        self._signs = self.scenario.issuer.type == type_
        self._luck = self.process.streams.uniform(self.name, "failures")
        link = self.process.link
        self._outages = link.network.outages if link is not None and self._signs else None
        if self._outages is not None:
            self._outages.issuer_ready.append(self._issuer_ready)

    def _issuer_ready(self) -> None:
        """The Issuer's event adds every request that refers to it (certificaterequests/checks.go)."""
        if not self.process.stopped:
            for request in list(self.requests.values()):
                self.workers.add(request.name)

    def register(self) -> None:
        """Woken by requests; where issuerRef names the group, the selfsigned one also by the Secret of one's key.

        certificaterequests/selfsigned/checks.go, handleSecretReferenceWorkFunc; as recorded it is not named.
        """
        super().register()
        issuer = self.scenario.issuer
        if self.type == issuer.type == "selfsigned" and issuer.group == OWN_GROUP:
            self.manager.secrets.add_handler(self._secret)

    def _secret(self, secret: Object) -> None:
        for request in list(self.requests.values()):
            if request.annotations.get(PRIVATE_KEY) == secret.name:
                self.workers.add(request.name)

    def reconcile(self, request: Object) -> Reconcile | None:
        """Sync of certificaterequests/sync.go."""
        assert request.spec is not None
        if request.spec["issuerRef"].get("group", "") not in {"", OWN_GROUP}:
            return None
        if is_true(request.status, "Denied"):  # asked before whose request it is: all of them say so, at once
            return self._end(request, "Denied", DENIED) if ready_reason(request.status) != "Denied" else None
        if not is_true(request.status, "Approved"):
            self.event(request, "WaitingForApproval", WAITING)
            return None
        if not self._signs or ready_reason(request.status) in {"Failed", "Issued"}:
            return None
        if (request.status or {}).get("certificate") is not None:
            return None
        return self._sign(request)

    def _sign(self, request: Object) -> Reconcile:
        assert request.spec is not None
        csr: pki.SigningRequest = request.spec["request"]
        late, fails = 0, False
        if self._outages is not None:
            if self.process.sim.now < self._outages.issuer_until:
                return (yield from self._pending(request, "IssuerNotReady", NOT_READY))
            late, fails = self._outages.signs(request.name)
        if self.type == "selfsigned":
            secret_name = request.annotations[PRIVATE_KEY]
            secret = self.secrets.get(secret_name)
            if secret is None or not secret.data:
                reason = f'Referenced secret default/{secret_name} not found: secret "{secret_name}" not found'
                return (yield from self._pending(request, "MissingSecret", reason))
            if secret.data["tls.key"] != csr.key:
                reason = "Error generating certificate template: CSR not signed by referenced private key"
                return (yield from self._failed(request, "ErrorKeyMatch", reason))
            if not csr.common_name:
                self.event(request, "BadConfig", "empty subject DN", "Warning")
            signing_key = csr.key
        else:
            signing_key = pki.Key("ca", "ECDSA", 256)
        yield Compute(self.manager.costs.sign(signing_key))
        if late:
            yield Sleep(late)
        if self._luck() < self.scenario.issuer.failure_rate or fails:
            return (yield from self._failed(request, "ErrorSigning", "Error signing certificate"))
        signed = sign(csr, self.manager.suffix(self.name, "serials", 12), self.now_s, self.manager.lifetime)
        authority = signed if self.type == "selfsigned" else "ca"
        return (yield from self._ready(request, {"certificate": signed, "ca": authority}))

    def _ready(self, request: Object, issued: Status) -> Reconcile:
        """reporter.Ready, with what was issued."""
        now = self.now_s
        self.log_transition(request, "Ready", "True")
        self.event(request, "CertificateIssued", FETCHED)

        def change(status: Status | None) -> Status:
            return with_condition({**(status or {}), **issued}, "Ready", "True", "Issued", FETCHED, now)

        response = yield self.request_status_write(request, change)
        return response if response.code >= 400 else None

    def _pending(self, request: Object, reason: str, message: str) -> Reconcile:
        """reporter.Pending: nobody looks again until something changes the request."""
        if ready_reason(request.status) != "Pending":
            self.event(request, reason, message)
        now = self.now_s

        def change(status: Status | None) -> Status:
            return with_condition(status, "Ready", "False", "Pending", message, now)

        if change(request.status) == request.status:
            return None
        response = yield self.request_status_write(request, change)
        return response if response.code >= 400 else None

    def _failed(self, request: Object, reason: str, message: str) -> Reconcile:
        """reporter.Failed."""
        self.event(request, reason, message, "Warning")
        return (yield from self._end(request, "Failed", message))

    def _end(self, request: Object, reason: str, message: str) -> Reconcile:
        """Ready=False for good: failed, or denied."""
        now = self.now_s
        response = yield self.request_status_write(request, lambda status: ended_status(status, reason, message, now))
        return response if response.code >= 400 else None


def sign(csr: pki.SigningRequest, serial: str, now: int, lifetime: int, ends: float = inf) -> pki.SignedCertificate:
    """Sign a request; ``now`` and the end of the CA, ``ends``, in Unix seconds, ``lifetime`` in nanoseconds."""
    not_after = int(min(now + lifetime // SECOND, ends))
    return pki.SignedCertificate(serial, csr.key, csr.common_name, csr.dns_names, now, not_after)


def ca_ends(scenario: Scenario, simulation: Simulation) -> float:
    """The Unix second beyond which an external issuer's certificates do not live."""
    expires = scenario.issuer.ca_expires
    return inf if expires is None else (simulation.epoch + expires) // SECOND


def issued_by(request: Object, lifetime: int, ends: float) -> pki.SignedCertificate:
    """The certificate of an issued request; a text in its place, as of a described operator, is one for its CSR."""
    assert request.spec is not None
    found = (request.status or {}).get("certificate")
    if isinstance(found, pki.SignedCertificate):
        return found
    ready = condition(request.status, "Ready")
    assert ready is not None
    return sign(request.spec["request"], str(found), unix_seconds(ready["lastTransitionTime"]), lifetime, ends)


def ended_status(status: Status | None, reason: str, message: str, now: int) -> Status:
    """A request's status once it will not be signed: ``reason`` is Failed or Denied."""
    changed = {"failureTime": rfc3339(now), **(status or {})}
    return with_condition(changed, "Ready", "False", reason, message, now)
