"""The kinds of cert-manager.

Certificate is the custom resource of cert-manager v1.12.9 (``deploy/crds/crd-certificates.yaml``), field by
field. CertificateRequest and Issuer are as loose as the simulator needs.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.cluster.builtin import registry
from sim.cluster.kinds import Kind, Registry
from sim.cluster.shapes import (
    ANY,
    BOOLEAN,
    DATE_TIME,
    INTEGER,
    STRING,
    STRING_MAP,
    STRINGS,
    array,
    enum,
    free_map,
    list_map,
    struct,
)

GROUP = "cert-manager.io"

_CONDITIONS = list_map(
    "type",
    struct(
        ("status", "type"),
        lastTransitionTime=DATE_TIME,
        message=STRING,
        observedGeneration=INTEGER,
        reason=STRING,
        status=enum("True", "False", "Unknown"),
        type=STRING,
    ),
)
_ISSUER_REF = struct(("name",), group=STRING, kind=STRING, name=STRING)
_PASSWORD_REF = struct(("name",), key=STRING, name=STRING)
_KEYSTORE = struct(("create", "passwordSecretRef"), create=BOOLEAN, passwordSecretRef=_PASSWORD_REF)
_USAGES = (
    *("signing", "digital signature", "content commitment", "key encipherment", "key agreement"),
    *("data encipherment", "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth"),
    *("client auth", "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel"),
    *("ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc"),
)

_CERTIFICATE_SPEC = struct(
    ("issuerRef", "secretName"),
    additionalOutputFormats=array(struct(("type",), type=enum("DER", "CombinedPEM"))),
    commonName=STRING,
    dnsNames=STRINGS,
    duration=STRING,
    emailAddresses=STRINGS,
    encodeUsagesInRequest=BOOLEAN,
    ipAddresses=STRINGS,
    isCA=BOOLEAN,
    issuerRef=_ISSUER_REF,
    keystores=struct(jks=_KEYSTORE, pkcs12=_KEYSTORE),
    literalSubject=STRING,
    privateKey=struct(
        algorithm=enum("RSA", "ECDSA", "Ed25519"),
        encoding=enum("PKCS1", "PKCS8"),
        rotationPolicy=enum("Never", "Always"),
        size=INTEGER,
    ),
    renewBefore=STRING,
    revisionHistoryLimit=INTEGER,
    secretName=STRING,
    secretTemplate=struct(annotations=STRING_MAP, labels=STRING_MAP),
    subject=struct(
        countries=STRINGS,
        localities=STRINGS,
        organizationalUnits=STRINGS,
        organizations=STRINGS,
        postalCodes=STRINGS,
        provinces=STRINGS,
        serialNumber=STRING,
        streetAddresses=STRINGS,
    ),
    uris=STRINGS,
    usages=array(enum(*_USAGES)),
)
_CERTIFICATE_STATUS = struct(
    conditions=_CONDITIONS,
    failedIssuanceAttempts=INTEGER,
    lastFailureTime=DATE_TIME,
    nextPrivateKeySecretName=STRING,
    notAfter=DATE_TIME,
    notBefore=DATE_TIME,
    renewalTime=DATE_TIME,
    revision=INTEGER,
)


def kinds() -> Registry:
    """Return the kinds of a cluster with cert-manager, for one run."""
    return registry(brought())


def brought() -> Iterable[Kind]:
    """Return the kinds that cert-manager brings along, for one run."""
    return (
        Kind(
            "Certificate",
            "certificates",
            GROUP,
            "v1",
            {"spec": _CERTIFICATE_SPEC, "status": _CERTIFICATE_STATUS},
            required=("spec",),
            status=True,
        ),
        Kind(
            "CertificateRequest",
            "certificaterequests",
            GROUP,
            "v1",
            {
                "spec": free_map(ANY, issuerRef=_ISSUER_REF),
                "status": struct(conditions=_CONDITIONS, certificate=ANY, ca=ANY, failureTime=DATE_TIME),
            },
            status=True,
        ),
        Kind(
            "Issuer",
            "issuers",
            GROUP,
            "v1",
            {"spec": free_map(ANY), "status": struct(conditions=_CONDITIONS, acme=ANY)},
            status=True,
        ),
    )
