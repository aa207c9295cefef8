"""certificates-readiness: keeps Ready, notBefore, notAfter and renewalTime in step with the Secret.

Follows pkg/controller/certificates/readiness (model.md section 3).
"""

from __future__ import annotations

from sim.client.conditions import Status, condition, has_condition, with_condition
from sim.client.effects import Failure, Reconcile
from sim.cluster.objects import Object
from sim.families.certmanager import pki, policies
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.trigger import _fail
from sim.kernel.clock import rfc3339

READY = ("Ready", "Certificate is up to date and has not expired")
TIMES = ("notAfter", "notBefore", "renewalTime")


class Readiness(CertManagerController):
    """Writes Ready and the three times where they differ from what the Secret says."""

    name = "certificates-readiness"
    label = "readiness"

    def register(self) -> None:
        """Woken by the Certificate, CertificateRequests it owns, and the Secret it names."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.requests.add_handler(self.on_owned)
        self.manager.secrets.add_handler(self.on_target_secret)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of readiness_controller.go."""
        given = self.manager.policy_input(certificate)
        if isinstance(given, Failure):
            return _fail(given)
        checks_request = self.release.policies_check_request_key
        # SecretPublicKeysDiffer decodes the key; 1.21 has two more checks that do.
        self.parse_secret(given.secret, 1 + checks_request + (checks_request and given.current is not None))
        violation = policies.readiness(given, self.now, checks_request)
        value, (reason, message) = ("True", READY) if violation is None else ("False", violation)
        times: Status = {}
        secret = given.secret
        if secret is not None and secret.data and "tls.crt" in secret.data:
            signed = secret.data["tls.crt"]
            times["notBefore"] = rfc3339(signed.not_before)
            times["notAfter"] = rfc3339(signed.not_after)
            times["renewalTime"] = rfc3339(pki.renewal_time(signed, self.manager.renew_before))
        status = certificate.status
        if (
            status
            and has_condition(status, "Ready", value, reason, message, certificate.generation)
            and _same_times(status, times)
        ):
            return None
        self.log_transition(certificate, "Ready", value)
        now = self.now_s

        def change(read: Object) -> Status:
            status = with_condition(read.status, "Ready", value, reason, message, now, read.generation)
            for name in TIMES:
                status.pop(name, None)
            status.update(times)
            return status

        return self._write(certificate, change)

    def _write(self, certificate: Object, change: object) -> Reconcile:
        response = yield self.status_write(certificate, change, own)  # type: ignore[arg-type]
        return response if response.code >= 400 else None


def _same_times(status: Status, times: Status) -> bool:
    not_after, not_before, renewal = TIMES
    return bool(
        status.get(not_after) == times.get(not_after)
        and status.get(not_before) == times.get(not_before)
        and status.get(renewal) == times.get(renewal)
    )


def own(status: Status) -> Status:
    """What readiness applies: the Ready condition and the three times."""
    applied: Status = {name: status[name] for name in TIMES if name in status}
    ready = condition(status, "Ready")
    if ready:
        applied["conditions"] = [ready]
    return applied
