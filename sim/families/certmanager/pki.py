"""Keys, requests and certificates as values: what the controllers compare, without cryptography.

Times of certificates are whole Unix seconds, as in X.509.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.units import SECOND


class Key(NamedTuple):
    """A private key. ``serial`` tells two keys apart."""

    serial: str
    algorithm: str
    size: int


class SigningRequest(NamedTuple):
    """A certificate signing request."""

    key: Key
    common_name: str
    dns_names: tuple[str, ...]

    def encoded(self) -> str:
        """What stands for its PEM where an object's schema wants text."""
        return json.dumps(self)


class SignedCertificate(NamedTuple):
    """A signed certificate."""

    serial: str
    key: Key
    common_name: str
    dns_names: tuple[str, ...]
    not_before: int
    not_after: int

    def encoded(self) -> str:
        """What stands for its PEM where an object's schema wants text."""
        return json.dumps(self)


def decoded_request(text: str) -> SigningRequest:
    """A signing request from what ``encoded`` made of it."""
    key, common_name, dns_names = json.loads(text)
    return SigningRequest(Key(*key), common_name, tuple(dns_names))


def decoded_certificate(text: str) -> SignedCertificate:
    """A certificate from what ``encoded`` made of it."""
    serial, key, common_name, dns_names, not_before, not_after = json.loads(text)
    return SignedCertificate(serial, Key(*key), common_name, tuple(dns_names), not_before, not_after)


DEFAULT_SIZES = {"RSA": 2048, "ECDSA": 256, "Ed25519": 0}


def key_shape(spec: dict[str, Any]) -> tuple[str, int]:
    """Algorithm and size that a Certificate's spec asks for."""
    wanted = spec.get("privateKey") or {}
    algorithm = wanted.get("algorithm", "RSA")
    return algorithm, wanted.get("size") or DEFAULT_SIZES[algorithm]


def key_matches_spec(key: Key, spec: dict[str, Any]) -> bool:
    """Whether a key is what the spec asks for (pki.PrivateKeyMatchesSpec)."""
    return (key.algorithm, key.size) == key_shape(spec)


def request_matches_spec(request: dict[str, Any], spec: dict[str, Any]) -> bool:
    """Whether a CertificateRequest's spec is what the Certificate asks for (pki.RequestMatchesSpec)."""
    csr: SigningRequest = request["request"]
    return (
        csr.common_name == spec.get("commonName", "")
        and _same_names(csr.dns_names, spec.get("dnsNames", ()))
        and request["issuerRef"] == spec["issuerRef"]
        and request.get("duration") == spec.get("duration")
    )


def signed_matches_spec(signed: SignedCertificate, spec: dict[str, Any]) -> bool:
    """Whether a signed certificate has the names that the spec asks for (pki.SecretDataAltNamesMatchSpec)."""
    return signed.common_name == spec.get("commonName", "") and _same_names(signed.dns_names, spec.get("dnsNames", ()))


def _same_names(signed: tuple[str, ...], wanted: Sequence[str]) -> bool:
    return signed == tuple(wanted) or sorted(signed) == sorted(wanted)


def renewal_time(signed: SignedCertificate, renew_before: int | None) -> int:
    """Unix seconds at which to renew: ``renew_before`` ns before expiry, by default a third of the lifetime.

    pki.RenewalTime: truncated to the second; a ``renew_before`` that is no shorter than the lifetime is ignored.
    """
    lifetime = (signed.not_after - signed.not_before) * SECOND
    before = lifetime // 3
    if renew_before is not None and renew_before < lifetime:
        before = renew_before
    return (signed.not_after * SECOND - before) // SECOND
