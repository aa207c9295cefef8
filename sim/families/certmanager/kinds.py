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

TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
_NUMBER = {"type": "integer"}
TIME = {"type": "string", "format": "date-time"}
TEXTS = {"type": "array", "items": TEXT}
_TEXT_MAP = {"type": "object", "additionalProperties": TEXT}
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _enum(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def described(*required: str, **properties: Any) -> dict[str, Any]:
    """The schema of a map with these fields."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


_CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": described(
        "status",
        "type",
        lastTransitionTime=TIME,
        message=TEXT,
        observedGeneration=_NUMBER,
        reason=TEXT,
        status=_enum("True", "False", "Unknown"),
        type=TEXT,
    ),
}
REF = described("name", group=TEXT, kind=TEXT, name=TEXT)
_PASSWORD_REF = described("name", key=TEXT, name=TEXT)
_KEYSTORE = described("create", "passwordSecretRef", create=FLAG, passwordSecretRef=_PASSWORD_REF)
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

_CERTIFICATE = described(
    "spec",
    spec=described(
        "issuerRef",
        "secretName",
        additionalOutputFormats={"type": "array", "items": described("type", type=_enum("DER", "CombinedPEM"))},
        commonName=TEXT,
        dnsNames=TEXTS,
        duration=TEXT,
        emailAddresses=TEXTS,
        encodeUsagesInRequest=FLAG,
        ipAddresses=TEXTS,
        isCA=FLAG,
        issuerRef=REF,
        keystores=described(jks=_KEYSTORE, pkcs12=_KEYSTORE),
        literalSubject=TEXT,
        privateKey=described(
            algorithm=_enum("RSA", "ECDSA", "Ed25519"),
            encoding=_enum("PKCS1", "PKCS8"),
            rotationPolicy=_enum("Never", "Always"),
            size=_NUMBER,
        ),
        renewBefore=TEXT,
        revisionHistoryLimit=_NUMBER,
        secretName=TEXT,
        secretTemplate=described(annotations=_TEXT_MAP, labels=_TEXT_MAP),
        subject=described(**{name: TEXT if name == "serialNumber" else TEXTS for name in _SUBJECT}),
        uris=TEXTS,
        usages={"type": "array", "items": _enum(*_USAGES)},
    ),
    status=described(
        conditions=_CONDITIONS,
        failedIssuanceAttempts=_NUMBER,
        lastFailureTime=TIME,
        nextPrivateKeySecretName=TEXT,
        notAfter=TIME,
        notBefore=TIME,
        renewalTime=TIME,
        revision=_NUMBER,
    ),
)
_REQUEST = described(
    spec={**FREE, "properties": {"issuerRef": REF}},
    status={**FREE, "properties": {"conditions": _CONDITIONS, "failureTime": TIME}},
)
_ISSUER = described(spec=FREE, status={**FREE, "properties": {"conditions": _CONDITIONS}})


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
