"""certificates-trigger: decides that a Certificate must be issued, and says so with Issuing=True.

Follows pkg/controller/certificates/trigger (model.md section 3).
"""

from __future__ import annotations

from sim.client.conditions import Status, condition, is_true, with_condition
from sim.client.effects import Failure, Reconcile
from sim.cluster.objects import Object
from sim.families.certmanager import pki, policies
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.kernel.clock import unix_seconds
from sim.units import HOUR, MINUTE, SECOND

MAX_DELAY = 32 * HOUR
STOP_DOUBLING_AFTER = 6


class Trigger(CertManagerController):
    """Sets Issuing=True where a policy asks for a new certificate."""

    name = "certificates-trigger"
    label = "trigger"

    def register(self) -> None:
        """Woken by the Certificate, CertificateRequests it owns, and the Secret it names."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.requests.add_handler(self.on_owned)
        self.manager.secrets.add_handler(self.on_target_secret)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of trigger_controller.go."""
        if is_true(certificate.status, "Issuing"):
            return None
        key = certificate.name
        assert certificate.spec is not None
        if self.release.trigger_checks_duplicates and self._secret_is_anothers(certificate):
            self.scheduled.add(key, 3 * MINUTE)
            return None
        given = self.manager.policy_input(certificate)
        if isinstance(given, Failure):
            return _fail(given)
        delay = self._backoff(certificate, given.next)
        if delay > 0:
            self.log(
                2,
                key,
                "trigger_controller.go:171",
                f'"cert-manager/{self.name}: Backing off from issuance due to previously failed issuance(s)" '
                f'key="default/{key}"',
            )
            self.scheduled.add(key, delay)
            return None
        status = certificate.status or {}
        renewal = status.get("renewalTime")
        if renewal is not None:
            until = unix_seconds(renewal) * SECOND - self.now
            if until > 0:  # at 0 too in the source, but a real timer is never that punctual
                self.scheduled.add(key, until)
        checks_request = self.release.policies_check_request_key
        # SecretPublicKeysDiffer, SecretPrivateKeyMatchesSpec and 1.21's check of the request decode the key anew.
        self.parse_secret(given.secret, 3 if checks_request and given.current is not None else 2)
        violation = policies.trigger(given, self.now, self.manager.renew_before, checks_request)
        if violation is None:
            return None
        return self._issue(certificate, *violation)

    def _issue(self, certificate: Object, reason: str, message: str) -> Reconcile:
        key = certificate.name
        self.log(
            2,
            key,
            "trigger_controller.go:194",
            f'"cert-manager/{self.name}: Certificate must be re-issued" key="default/{key}" '
            f'reason="{reason}" message="{message}"',
        )
        now = self.now_s
        self.log_transition(certificate, "Issuing", "True")

        def change(read: Object) -> Status:
            return with_condition(read.status, "Issuing", "True", reason, message, now, read.generation)

        response = yield self.status_write(certificate, change, own)
        if response.code >= 400:
            return response
        self.event(certificate, "Issuing", message)
        return None

    def _backoff(self, certificate: Object, following: Object | None) -> int:
        """Nanoseconds to wait after failed issuances; 0 for none (shouldBackoffReissuingOnFailure)."""
        status = certificate.status or {}
        failed_at = status.get("lastFailureTime")
        if failed_at is None:
            return 0
        assert certificate.spec is not None
        if following is not None:
            assert following.spec is not None
            if not pki.request_matches_spec(following.spec, certificate.spec):
                return 0
        attempts = status.get("failedIssuanceAttempts", 0)
        delay = HOUR * 2 ** min(max(attempts - 1, 0), STOP_DOUBLING_AFTER)
        if attempts > STOP_DOUBLING_AFTER:
            delay = MAX_DELAY
        since = self.now - unix_seconds(failed_at) * 1_000_000_000
        return int(max(min(delay, MAX_DELAY) - since, 0))

    def _secret_is_anothers(self, certificate: Object) -> bool:
        """1.21: another Certificate owns the Secret (model.md section 4, CertificateOwnsSecret).

        The one that the Secret names, or else the one that was there first.
        """
        assert certificate.spec is not None
        names = self.manager.certificates_with_secret(certificate.spec["secretName"])
        if len(names) < 2:
            return False
        secret = self.secrets.get(certificate.spec["secretName"])
        named = secret.annotations.get(CERTIFICATE_NAME) if secret is not None else None
        if named in names:
            return named != certificate.name
        others = [other for name in names if (other := self.certificates.get(name)) is not None]
        return min(others, key=lambda other: (other.created, other.name)) is not certificate


def own(status: Status) -> Status:
    """What trigger applies: the Issuing condition."""
    issuing = condition(status, "Issuing")
    return {"conditions": [issuing]} if issuing else {}


def _fail(failure: Failure) -> Reconcile:
    return failure
    yield  # a generator that ends at once
