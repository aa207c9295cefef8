"""What is read of a Certificate's body in an audit log: its status, and the kind of its key."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

_decode = msgspec.json.Decoder().decode


class CertificateView(NamedTuple):
    """What is read of a Certificate's body. None where a field is absent."""

    issuing: str | None  # status of the condition Issuing: True, False, Unknown
    ready: str | None  # status of the condition Ready
    next_key: bool  # status.nextPrivateKeySecretName is set
    failed: bool  # status.lastFailureTime is set
    key: str | None  # spec.privateKey, such as RSA-2048; None where the body has no spec


def view_of(raw: Raw) -> CertificateView | None:
    """Return what is read of a body; None where it is no Certificate's."""
    try:
        body = _decode(raw) if raw else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("kind") != "Certificate":
        return None
    status = body.get("status")
    status = status if isinstance(status, dict) else {}
    conditions = status.get("conditions")
    found: dict[str, str] = {}
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict):
            found[_text(condition, "type")] = _text(condition, "status")
    return _shared(
        CertificateView(
            found.get("Issuing"), found.get("Ready"), bool(status.get("nextPrivateKeySecretName")),
            bool(status.get("lastFailureTime")), _key(body.get("spec")),
        )
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _shared(view: CertificateView) -> CertificateView:
    """The first view that is equal: there are few, and many are kept."""
    return view


def _key(spec: object) -> str | None:
    if not isinstance(spec, dict) or not spec.get("secretName"):
        return None
    key = spec.get("privateKey")
    key = key if isinstance(key, dict) else {}
    algorithm = _text(key, "algorithm") or "RSA"
    size = key.get("size")
    if not isinstance(size, int) or size <= 0:
        size = {"RSA": 2048, "ECDSA": 256}.get(algorithm, 0)
    return f"{algorithm}-{size}" if size else algorithm


def _text(mapping: Any, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
