"""What is read of a Certificate's body in an audit log: its status, and the kind of its key."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from sim.logs.documents import parsed


class CertificateView(NamedTuple):
    """What is read of a Certificate's body. None where a field is absent."""

    issuing: str | None  # status of the condition Issuing: True, False, Unknown
    ready: str | None  # status of the condition Ready
    next_key: bool  # status.nextPrivateKeySecretName is set
    failed: bool  # status.lastFailureTime is set
    key: str | None  # spec.privateKey, such as RSA-2048; None where the body has no spec


class _Condition(Struct, gc=False):
    type: str = ""
    status: str = ""


class _Status(Struct, gc=False):
    conditions: list[_Condition] | None = None
    next_key: str | None = msgspec.field(default=None, name="nextPrivateKeySecretName")
    failed: str | None = msgspec.field(default=None, name="lastFailureTime")


class _Key(Struct, gc=False):
    algorithm: str = ""
    size: int = 0


class _Spec(Struct, gc=False):
    secret: str = msgspec.field(default="", name="secretName")
    key: _Key | None = msgspec.field(default=None, name="privateKey")


class _Certificate(Struct, gc=False):
    kind: str = ""
    status: _Status | None = None
    spec: _Spec | None = None


_CERTIFICATE = msgspec.json.Decoder(_Certificate)


def view_of(raw: Raw) -> CertificateView | None:
    """Return what is read of a body; None where it is no Certificate's.

    A part of a wrong type is taken for absent.
    """
    if not raw:
        return None
    body = parsed(raw, _CERTIFICATE) or _piecemeal(raw)
    if body.kind != "Certificate":
        return None
    status = body.status or _Status()
    found = {condition.type: condition.status for condition in status.conditions or ()}
    return _shared(
        CertificateView(
            found.get("Issuing"), found.get("Ready"), bool(status.next_key), bool(status.failed), _key(body.spec)
        )
    )


def _piecemeal(raw: Raw) -> _Certificate:
    """A body of which something has a wrong type, without that."""
    document, made = parsed(raw), _Certificate()
    if isinstance(document, dict) and isinstance(document.get("kind"), str):
        made.kind = document["kind"]
        for name, kind in (("status", _Status), ("spec", _Spec)):
            try:
                setattr(made, name, msgspec.convert(document.get(name), kind))
            except msgspec.ValidationError:
                continue
    return made


@lru_cache(maxsize=1024)
def _shared(view: CertificateView) -> CertificateView:
    """The first view that is equal: there are few, and many are kept."""
    return view


def _key(spec: _Spec | None) -> str | None:
    if spec is None or not spec.secret:
        return None
    key = spec.key or _Key()
    algorithm = key.algorithm or "RSA"
    size = key.size if key.size > 0 else {"RSA": 2048, "ECDSA": 256}.get(algorithm, 0)
    return f"{algorithm}-{size}" if size else algorithm
