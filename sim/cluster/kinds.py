"""The kinds that the simulated API server serves, and their schemas.

Certificate is the custom resource of cert-manager v1.12.9 (``deploy/crds/crd-certificates.yaml``), field by
field. The other kinds are as loose as the simulator needs: their values are checked less than the real server
would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sim.cluster.fields import Paths, Place
from sim.cluster.keyed import FreeMap, ListMap
from sim.cluster.schema import IrregularError, Leaf, Node, Shape, Struct

GROUP = "cert-manager.io"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.\d+)?(z|[+-]\d\d:\d\d)", re.ASCII)


MAPS = frozenset({"labels", "annotations"})
"""The parts of an object that are in its metadata."""


class Rule:
    """What a leaf's value must satisfy beyond its type.

    ``name`` is the OpenAPI format, ``values`` the enumeration, ``item`` the node of each item of a list.
    """

    __slots__ = ("item", "name", "regular", "values")

    def __init__(
        self,
        regular: Callable[[Any], bool],
        name: str = "",
        values: tuple[str, ...] = (),
        item: Node | None = None,
    ) -> None:
        self.regular = regular
        self.name = name
        self.values = values
        self.item = item


class _DateTimes(dict[str, bool]):
    """Remembers which strings are times: the same few are written again and again."""

    def __missing__(self, text: str) -> bool:
        if len(self) > 1 << 16:
            self.clear()
        valid = self[text] = _is_date_time(text)
        return valid


def _is_date_time(text: str) -> bool:
    """Whether ``text`` has the OpenAPI format date-time (kube-openapi ``strfmt/time.go``, ``IsDateTime``)."""
    day, *rest = text.lower().split("t")
    if not rest or not _DAY.fullmatch(day) or not _TIME_OF_DAY.fullmatch(rest[0]):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _leaf(type_: type | None, rule: Rule | None = None) -> Shape:
    return lambda place: Leaf(place, type_, rule)


def _enum(*values: str) -> Shape:
    return _leaf(str, Rule(frozenset(values).__contains__, values=values))


def _list(item: Shape) -> Shape:
    node = detached(item)
    if isinstance(node, Leaf) and node.type is str and node.rule is None:
        return _leaf(list, Rule(_all_strings, item=node))

    def regular(value: list[Any]) -> bool:
        try:
            for one in value:
                node.adopt(one, False)
        except (IrregularError, TypeError):
            return False
        return True

    return _leaf(list, Rule(regular, item=node))


def _all_strings(values: list[Any]) -> bool:
    return all(type(value) is str for value in values)


def detached(shape: Shape) -> Node:
    """A node of this shape that belongs to no kind."""
    return shape(Place(Paths(), None, "f:", ""))


def _struct(required: tuple[str, ...] = (), **shapes: Shape) -> Shape:
    return lambda place: Struct(place, shapes, required)


def _free(shape: Shape, **declared: Shape) -> Shape:
    return lambda place: FreeMap(place, shape, declared)


def _list_map(key: str, item: Shape) -> Shape:
    def build(up: ListMap, value: str | None) -> Node:
        quoted = json.dumps(value, ensure_ascii=False)
        return item(Place(up.paths, up, f'k:{{"{key}":{quoted}}}', f"[{key}={quoted}]"))

    return lambda place: ListMap(place, key, build)


STRING = _leaf(str)
BOOLEAN = _leaf(bool)
INTEGER = _leaf(int)
DATE_TIME = _leaf(str, Rule(_DateTimes().__getitem__, "date-time"))
ANY = _leaf(None)
STRINGS = _list(STRING)
STRING_MAP = _free(STRING)

_CONDITIONS = _list_map(
    "type",
    _struct(
        ("status", "type"),
        lastTransitionTime=DATE_TIME,
        message=STRING,
        observedGeneration=INTEGER,
        reason=STRING,
        status=_enum("True", "False", "Unknown"),
        type=STRING,
    ),
)
_ISSUER_REF = _struct(("name",), group=STRING, kind=STRING, name=STRING)
_PASSWORD_REF = _struct(("name",), key=STRING, name=STRING)
_KEYSTORE = _struct(("create", "passwordSecretRef"), create=BOOLEAN, passwordSecretRef=_PASSWORD_REF)
_USAGES = (
    *("signing", "digital signature", "content commitment", "key encipherment", "key agreement"),
    *("data encipherment", "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth"),
    *("client auth", "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel"),
    *("ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc"),
)

_CERTIFICATE_SPEC = _struct(
    ("issuerRef", "secretName"),
    additionalOutputFormats=_list(_struct(("type",), type=_enum("DER", "CombinedPEM"))),
    commonName=STRING,
    dnsNames=STRINGS,
    duration=STRING,
    emailAddresses=STRINGS,
    encodeUsagesInRequest=BOOLEAN,
    ipAddresses=STRINGS,
    isCA=BOOLEAN,
    issuerRef=_ISSUER_REF,
    keystores=_struct(jks=_KEYSTORE, pkcs12=_KEYSTORE),
    literalSubject=STRING,
    privateKey=_struct(
        algorithm=_enum("RSA", "ECDSA", "Ed25519"),
        encoding=_enum("PKCS1", "PKCS8"),
        rotationPolicy=_enum("Never", "Always"),
        size=INTEGER,
    ),
    renewBefore=STRING,
    revisionHistoryLimit=INTEGER,
    secretName=STRING,
    secretTemplate=_struct(annotations=STRING_MAP, labels=STRING_MAP),
    subject=_struct(
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
    usages=_list(_enum(*_USAGES)),
)
_CERTIFICATE_STATUS = _struct(
    conditions=_CONDITIONS,
    failedIssuanceAttempts=INTEGER,
    lastFailureTime=DATE_TIME,
    nextPrivateKeySecretName=STRING,
    notAfter=DATE_TIME,
    notBefore=DATE_TIME,
    renewalTime=DATE_TIME,
    revision=INTEGER,
)


class Kind:
    """One kind: its names, its rules, and the compiled schema of its parts.

    ``fields`` are the nodes of the parts at the root, ``nodes`` those and labels and annotations, by the slot
    of ``Object`` that holds them; ``parts`` those that a main write changes. ``status`` is the node of the
    status, ``None`` where there is no status subresource. ``defaults`` are fields that the server fills in
    and that never change. ``unconditional`` kinds may be updated without a resourceVersion. ``tracked`` is
    false where no field ownership is kept.
    """

    __slots__ = (
        "api_version",
        "defaults",
        "fields",
        "first_generation",
        "group",
        "name",
        "nodes",
        "parts",
        "paths",
        "required",
        "resource",
        "root",
        "status",
        "tracked",
        "unconditional",
    )

    def __init__(
        self,
        name: str,
        resource: str,
        group: str,
        version: str,
        parts: Mapping[str, Shape],
        *,
        required: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
        status: bool = False,
        unconditional: bool = False,
        tracked: bool = True,
    ) -> None:
        self.name = name
        self.group = group
        self.api_version = f"{group}/{version}" if group else version
        self.resource = f"{resource}.{group}" if group else resource
        self.paths = Paths()
        self.required = required
        self.unconditional = unconditional
        self.tracked = tracked
        self.defaults = dict(defaults or {})
        self.first_generation = 1 if status else 0
        metadata = _struct(labels=STRING_MAP, annotations=STRING_MAP)(self._place("metadata"))
        assert isinstance(metadata, Struct)
        self.fields: dict[str, Node] = {part: shape(self._place(part)) for part, shape in parts.items()}
        self.status = self.fields.get("status") if status else None
        self.parts = tuple((part, node) for part, node in self.fields.items() if not (status and part == "status"))
        self.root: dict[str, Node] = {"metadata": metadata, **self.fields}
        self.nodes: dict[str, Node] = {**metadata.fields, **self.fields}

    def _place(self, part: str) -> Place:
        return Place(self.paths, None, "f:" + part, "." + part)

    @property
    def group_kind(self) -> str:
        """The kind as an ``Invalid`` answer names it, such as ``Certificate.cert-manager.io``."""
        return f"{self.name}.{self.group}" if self.group else self.name


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
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
                "spec": _free(ANY, issuerRef=_ISSUER_REF),
                "status": _struct(conditions=_CONDITIONS, certificate=ANY, ca=ANY, failureTime=DATE_TIME),
            },
            status=True,
        ),
        Kind(
            "Issuer",
            "issuers",
            GROUP,
            "v1",
            {"spec": _free(ANY), "status": _struct(conditions=_CONDITIONS, acme=ANY)},
            status=True,
        ),
        Kind(
            "Secret",
            "secrets",
            "",
            "v1",
            {"data": _free(ANY), "type": STRING},
            defaults={"type": "Opaque"},
            unconditional=True,
        ),
        Kind("ConfigMap", "configmaps", "", "v1", {"data": STRING_MAP}, unconditional=True),
        # The same where nobody applies: who owns which field then decides nothing, and is not kept.
        Kind("PlainConfigMap", "configmaps", "", "v1", {"data": STRING_MAP}, unconditional=True, tracked=False),
        Kind("Event", "events", "", "v1", {}, unconditional=True, tracked=False),
    )
}
