"""The kinds of cert-manager.

Certificate is the custom resource of cert-manager v1.12.9 (``deploy/crds/crd-certificates.yaml``), field by
field. CertificateRequest and Issuer are as loose as the simulator needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sim.cluster.builtin import registry
from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind, Registry
from sim.scenario.kinds.crd import Description
from sim.scenario.kinds.structural import read_schema

GROUP = "cert-manager.io"

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_NUMBER = {"type": "integer"}
_TIME = {"type": "string", "format": "date-time"}
_TEXTS = {"type": "array", "items": _TEXT}
_TEXT_MAP = {"type": "object", "additionalProperties": _TEXT}
_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _enum(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


_CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": _object(
        "status",
        "type",
        lastTransitionTime=_TIME,
        message=_TEXT,
        observedGeneration=_NUMBER,
        reason=_TEXT,
        status=_enum("True", "False", "Unknown"),
        type=_TEXT,
    ),
}
_ISSUER_REF = _object("name", group=_TEXT, kind=_TEXT, name=_TEXT)
_PASSWORD_REF = _object("name", key=_TEXT, name=_TEXT)
_KEYSTORE = _object("create", "passwordSecretRef", create=_FLAG, passwordSecretRef=_PASSWORD_REF)
_USAGES = (
    *("signing", "digital signature", "content commitment", "key encipherment", "key agreement"),
    *("data encipherment", "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth"),
    *("client auth", "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel"),
    *("ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc"),
)
_SUBJECT = (
    *("countries", "localities", "organizationalUnits", "organizations", "postalCodes", "provinces"),
    *("serialNumber", "streetAddresses"),
)

_CERTIFICATE = _object(
    "spec",
    spec=_object(
        "issuerRef",
        "secretName",
        additionalOutputFormats={"type": "array", "items": _object("type", type=_enum("DER", "CombinedPEM"))},
        commonName=_TEXT,
        dnsNames=_TEXTS,
        duration=_TEXT,
        emailAddresses=_TEXTS,
        encodeUsagesInRequest=_FLAG,
        ipAddresses=_TEXTS,
        isCA=_FLAG,
        issuerRef=_ISSUER_REF,
        keystores=_object(jks=_KEYSTORE, pkcs12=_KEYSTORE),
        literalSubject=_TEXT,
        privateKey=_object(
            algorithm=_enum("RSA", "ECDSA", "Ed25519"),
            encoding=_enum("PKCS1", "PKCS8"),
            rotationPolicy=_enum("Never", "Always"),
            size=_NUMBER,
        ),
        renewBefore=_TEXT,
        revisionHistoryLimit=_NUMBER,
        secretName=_TEXT,
        secretTemplate=_object(annotations=_TEXT_MAP, labels=_TEXT_MAP),
        subject=_object(**{name: _TEXT if name == "serialNumber" else _TEXTS for name in _SUBJECT}),
        uris=_TEXTS,
        usages={"type": "array", "items": _enum(*_USAGES)},
    ),
    status=_object(
        conditions=_CONDITIONS,
        failedIssuanceAttempts=_NUMBER,
        lastFailureTime=_TIME,
        nextPrivateKeySecretName=_TEXT,
        notAfter=_TIME,
        notBefore=_TIME,
        renewalTime=_TIME,
        revision=_NUMBER,
    ),
)
_REQUEST = _object(
    spec={**_FREE, "properties": {"issuerRef": _ISSUER_REF}},
    status={**_FREE, "properties": {"conditions": _CONDITIONS, "failureTime": _TIME}},
)
_ISSUER = _object(spec=_FREE, status={**_FREE, "properties": {"conditions": _CONDITIONS}})


def kinds() -> Registry:
    """Return the kinds of a cluster with cert-manager, for one run."""
    return registry(brought())


@lru_cache(1)
def _described() -> tuple[Description, ...]:
    return tuple(
        Description(name, f"{name.lower()}s", GROUP, "v1", read_schema(schema), status=True, namespaced=True)
        for name, schema in (("Certificate", _CERTIFICATE), ("CertificateRequest", _REQUEST), ("Issuer", _ISSUER))
    )


def brought() -> Iterable[Kind]:
    """Return the kinds that cert-manager brings along, for one run."""
    return tuple(map(DescribedKind, _described()))
