"""certificates-issuing: stores what was signed in the target Secret and ends the issuance.

Follows pkg/controller/certificates/issuing (model.md sections 3 and 5).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sim.client import writes
from sim.client.conditions import Status, condition, is_true, with_condition, without_condition
from sim.client.effects import Effect, Failure, Reconcile, Send
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.families.certmanager import pki
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.issuers import ca_ends, issued_by
from sim.families.certmanager.key_manager import PART_OF_LABEL
from sim.kernel.clock import rfc3339, unix_seconds
from sim.units import SECOND

ISSUED = "The certificate has been successfully issued"


class Issuing(CertManagerController):
    """Applies the target Secret, then writes revision and removes Issuing (or records the failure)."""

    name = "certificates-issuing"
    label = "issuing"
    deadline = 10 * SECOND

    def register(self) -> None:
        """Woken as in model.md section 3; a new key Secret wakes nobody here."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.requests.add_handler(self.on_owned)
        self.manager.secrets.add_handler(self._on_next_key_secret)
        self.manager.secrets.add_handler(self.on_target_secret)

    def _on_next_key_secret(self, obj: Object) -> None:
        """A Secret that is owned *and* named in the cached status.nextPrivateKeySecretName."""
        name = self.manager.certificate_of(obj.owner)
        certificate = self.certificates.get(name) if name is not None else None
        if certificate is not None and (certificate.status or {}).get("nextPrivateKeySecretName") == obj.name:
            self.workers.add(certificate.name)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of issuing_controller.go."""
        if not is_true(certificate.status, "Issuing"):
            return self._ensure_secret(certificate)
        spec, status = certificate.spec, certificate.status
        assert spec is not None
        assert status is not None
        secret = self.secrets.get(status.get("nextPrivateKeySecretName", ""))
        private_key = (secret.data or {}).get("tls.key") if secret is not None else None
        if private_key is None:
            return None
        self.parse(private_key)
        if not pki.key_matches_spec(private_key, spec):
            return None
        revision = status.get("revision", 0) + 1
        requests = self.manager.requests_of(certificate, revision)
        if len(requests) != 1:
            return None
        request = requests[0]
        assert request.spec is not None
        if not pki.request_matches_spec(request.spec, spec):
            return None
        ready = condition(request.status, "Ready")
        failed = (request.status or {}).get("failureTime")
        issuing = condition(status, "Issuing")
        assert issuing is not None
        before = failed is not None and unix_seconds(failed) < unix_seconds(issuing["lastTransitionTime"])
        if ready is not None and ready["reason"] == "Failed" and before:
            return None  # of the issuance before; request-manager deletes it
        denied = condition(request.status, "Denied")
        if is_true(request.status, "Denied") and denied and (ready is None or self.release.denial_comes_first):
            return self._fail(certificate, denied)
        if ready is None:
            return None
        if ready["reason"] == "Failed":
            return self._fail(certificate, ready)
        if request.spec["request"].key != private_key or ready["reason"] != "Issued":
            return None
        self.process.parsing += self.manager.costs.issue(private_key)
        signed = issued_by(request, self.manager.lifetime, ca_ends(self.scenario, self.process.sim))
        if self.release.issuing_checks_certificate:
            problem = None
            if signed.key != private_key:
                problem = "Issuer returned a certificate with a public key that does not match the CSR."
            elif self.release.issuing_checks_expiry and self.now > signed.not_after * SECOND:
                problem = "Issuer returned an already expired certificate."
            if problem is not None:
                return self._fail(certificate, {"reason": "InvalidCertificate", "message": problem})
        return self._issue(certificate, request, signed, private_key, revision)

    def _issue(
        self,
        certificate: Object,
        request: Object,
        signed: pki.SignedCertificate,
        private_key: pki.Key,
        revision: int,
    ) -> Reconcile:
        assert request.status is not None
        data = {
            "tls.key": private_key,
            "tls.crt": signed,
            **({"ca.crt": request.status["ca"]} if "ca" in request.status else {}),
        }
        applied = yield from self._apply_secret(certificate, data)
        if applied.code >= 400:
            return applied
        now = self.now_s
        strategy = self.strategy
        self.log_transition(certificate, "Issuing", "False" if strategy == "apply" else "")

        def change(read: Object) -> Status:
            status = dict(read.status or {})
            status["revision"] = revision
            status.pop("lastFailureTime", None)
            status.pop("failedIssuanceAttempts", None)
            if strategy == "apply":
                # An apply that drops the condition would not remove trigger's (model.md section 5).
                return with_condition(status, "Issuing", "False", "Issued", ISSUED, now, read.generation)
            return without_condition(status, "Issuing")

        response = yield self.status_write(certificate, change, own)
        if response.code >= 400:
            return response
        self.event(certificate, "Issuing", ISSUED)
        return None

    def _fail(self, certificate: Object, ready: dict[str, Any]) -> Reconcile:
        """Record a failed issuance; the *cached* object is changed before it is copied (model.md section 5)."""
        status = dict(certificate.status or {})
        status["lastFailureTime"] = rfc3339(self.now_s)
        status["failedIssuanceAttempts"] = status.get("failedIssuanceAttempts", 0) + 1
        self.manager.change_cached_status(certificate, status)
        reason = ready["reason"]
        message = f"The certificate request has failed to complete and will be retried: {ready['message']}"
        now = self.now_s
        kept = {name: status[name] for name in ("lastFailureTime", "failedIssuanceAttempts")}

        def change(read: Object) -> Status:
            changed = with_condition(read.status, "Issuing", "False", reason, message, now, read.generation)
            return {**changed, **kept}

        response = yield self.status_write(certificate, change, own)
        if response.code >= 400:
            return response
        self.event(certificate, reason, message, "Warning")
        return None

    def _ensure_secret(self, certificate: Object) -> Reconcile | None:
        """Not issuing: apply the target Secret again where it lost what issuing puts there.

        Of the post-issuance policies only the base labels can be violated here: scenarios name no
        secretTemplate, keystores or output formats.
        """
        assert certificate.spec is not None
        secret = self.secrets.get(certificate.spec["secretName"])
        if secret is None or secret.labels.get(PART_OF_LABEL) == "true":
            return None
        if not secret.data or "tls.key" not in secret.data or "tls.crt" not in secret.data:
            return None
        return self._repair_secret(certificate, secret.data)

    def _repair_secret(self, certificate: Object, data: dict[str, Any]) -> Reconcile:
        response = yield from self._apply_secret(certificate, data)
        return response if response.code >= 400 else None

    def _apply_secret(self, certificate: Object, data: dict[str, Any]) -> Generator[Effect, Any, Response | Failure]:
        write = target_secret(certificate, data, self.field_manager)
        response: Response | Failure = yield Send(write, certificate.name)
        if isinstance(response, Failure):
            return Failure(f"failed to apply secret default/{write.name}: {response.message}")
        return response


def target_secret(certificate: Object, data: dict[str, Any], manager: str) -> Write:
    """The write that makes the Secret of a Certificate what it shall be (internal/secretsmanager)."""
    spec = certificate.spec
    assert spec is not None
    signed: pki.SignedCertificate = data["tls.crt"]
    issuer = spec["issuerRef"]
    body = {
        "metadata": {
            "annotations": {
                "cert-manager.io/certificate-name": certificate.name,
                "cert-manager.io/issuer-name": issuer["name"],
                "cert-manager.io/issuer-kind": issuer.get("kind", "Issuer"),
                "cert-manager.io/issuer-group": issuer.get("group", ""),
                "cert-manager.io/common-name": signed.common_name,
                "cert-manager.io/alt-names": ",".join(signed.dns_names),
                "cert-manager.io/ip-sans": "",
                "cert-manager.io/uri-sans": "",
            },
            "labels": {PART_OF_LABEL: "true"},
        },
        "data": data,
        "type": "kubernetes.io/tls",
    }
    return writes.apply("Secret", spec["secretName"], body, manager=manager)


def own(status: Status) -> Status:
    """What issuing applies: Issuing, revision and lastFailureTime, but not failedIssuanceAttempts."""
    applied: Status = {name: status[name] for name in ("revision", "lastFailureTime") if name in status}
    issuing = condition(status, "Issuing")
    if issuing:
        applied["conditions"] = [issuing]
    return applied
