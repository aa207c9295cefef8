"""When a Certificate must be issued again, and when it is ready.

The chains of cert-manager's internal/controller/certificates/policies (1.12.9), in their order. Each check
looks at cached objects only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.kernel.clock import rfc3339

Violation = tuple[str, str]
"""Reason and message of the first check that fails."""


class Input(NamedTuple):
    """What the checks look at: the Certificate, its Secret, and the requests of this and the next revision."""

    certificate: Object
    secret: Object | None
    current: Object | None = None
    next: Object | None = None


def _secret_unusable(given: Input) -> Violation | None:
    """SecretDoesNotExist, SecretIsMissingData, SecretPublicKeysDiffer."""
    secret = given.secret
    if secret is None:
        return "DoesNotExist", "Issuing certificate as Secret does not exist"
    data = secret.data
    if not data:
        return "MissingData", "Issuing certificate as Secret does not contain any data"
    if "tls.key" not in data:
        return "MissingData", "Issuing certificate as Secret does not contain a private key"
    if "tls.crt" not in data:
        return "MissingData", "Issuing certificate as Secret does not contain a certificate"
    if data["tls.crt"].key != data["tls.key"]:
        return "InvalidKeyPair", (
            "Issuing certificate as Secret contains an invalid key-pair: tls: private key does not match public key"
        )
    return None


def _request_outdated(given: Input, spec: dict[str, Any]) -> Violation | None:
    """CurrentCertificateRequestNotValidForSpec, with its fallback to the Secret."""
    if given.current is not None:
        assert given.current.spec is not None
        if not pki.request_matches_spec(given.current.spec, spec):
            return "RequestChanged", ("Fields on existing CertificateRequest resource not up to date: [spec.dnsNames]")
        return None
    assert given.secret is not None
    assert given.secret.data is not None
    if not pki.signed_matches_spec(given.secret.data["tls.crt"], spec):
        return "SecretMismatch", "Existing issued Secret is not up to date for spec: [spec.dnsNames]"
    return None


def _not_of_this_certificate(given: Input, spec: dict[str, Any]) -> Violation | None:
    """SecretIssuerAnnotationsNotUpToDate."""
    issuer = spec["issuerRef"]
    assert given.secret is not None
    annotations = given.secret.annotations
    issued_by = (
        annotations.get("cert-manager.io/issuer-name"),
        annotations.get("cert-manager.io/issuer-group", ""),
    )
    if issued_by != (issuer["name"], issuer.get("group", "")):
        return "IncorrectIssuer", (
            f"Issuing certificate as Secret was previously issued by Issuer.cert-manager.io/{issued_by[0]}"
        )
    return None


def _of_another_certificate(given: Input) -> Violation | None:
    """SecretCertificateNameAnnotationsMismatch, since 1.13."""
    assert given.secret is not None
    named = given.secret.annotations.get(CERTIFICATE_NAME)
    if named is not None and named != given.certificate.name:
        return "IncorrectCertificate", (
            f"Secret was issued for {named!r}. If this message is not transient, you might have two conflicting "
            "Certificates pointing to the same secret."
        )
    return None


def _key_mismatch(given: Input, spec: dict[str, Any]) -> Violation | None:
    """SecretPrivateKeyMatchesSpec."""
    assert given.secret is not None
    assert given.secret.data is not None
    if not pki.key_matches_spec(given.secret.data["tls.key"], spec):
        return "SecretMismatch", "Existing private key is not up to date for spec: [spec.privateKey]"
    return None


def _request_key_differs(given: Input) -> Violation | None:
    """1.21's SecretPublicKeyDiffersFromCurrentCertificateRequest.

    With rotationPolicy Always a renewal's Secret has a new key until status.revision has moved on.
    """
    if given.current is None:
        return None
    assert given.current.spec is not None
    assert given.secret is not None
    assert given.secret.data is not None
    if given.current.spec["request"].key != given.secret.data["tls.key"]:
        return "SecretMismatch", ("Secret contains a private key that does not match the current CertificateRequest")
    return None


def trigger(given: Input, now_ns: int, renew_before: int | None, check_request_key: bool) -> Violation | None:
    """The trigger chain; ``now_ns`` is Unix time in nanoseconds."""
    violation = _secret_unusable(given)
    if violation is not None:
        return violation
    spec = given.certificate.spec
    secret = given.secret
    assert spec is not None
    assert secret is not None
    assert secret.data is not None
    violation = (
        _key_mismatch(given, spec)
        or _not_of_this_certificate(given, spec)
        or ((_of_another_certificate(given) or _request_key_differs(given)) if check_request_key else None)
        or _request_outdated(given, spec)
    )
    if violation is not None:
        return violation
    renewal = pki.renewal_time(secret.data["tls.crt"], renew_before)
    if renewal * 1_000_000_000 <= now_ns:
        return "Renewing", f"Renewing certificate as renewal was scheduled at {rfc3339(renewal)}"
    return None


def readiness(given: Input, now_ns: int, check_request_key: bool) -> Violation | None:
    """The readiness chain; ``now_ns`` is Unix time in nanoseconds. 1.21 checks more of the Secret."""
    violation = _secret_unusable(given)
    if violation is not None:
        return violation
    spec = given.certificate.spec
    assert spec is not None
    if check_request_key:
        violation = (
            _not_of_this_certificate(given, spec)
            or _of_another_certificate(given)
            or _key_mismatch(given, spec)
            or _request_key_differs(given)
        )
    violation = violation or _request_outdated(given, spec)
    if violation is not None:
        return violation
    assert given.secret is not None
    assert given.secret.data is not None
    signed = given.secret.data["tls.crt"]
    if now_ns > signed.not_after * 1_000_000_000:
        return "Expired", f"Certificate expired on {rfc3339(signed.not_after)}"
    return None
