"""Order and Challenge, as their CustomResourceDefinitions describe them, and what the http01 solver makes.

deploy/crds/crd-orders.yaml and crd-challenges.yaml at v1.12.9; what a solver may be configured with is left free. Of
the solver's Pods, Services and Ingresses nobody looks at more than who owns them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.scenario.kinds.crd import Description, schema_of

GROUP = "acme.cert-manager.io"

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}
_TEXTS = {"type": "array", "items": _TEXT}
_STATE = {"type": "string", "enum": ["valid", "ready", "pending", "processing", "invalid", "expired", "errored", ""]}
_REF = {"type": "object", "required": ["name"], "properties": dict.fromkeys(("name", "kind", "group"), _TEXT)}


def _object(required: Iterable[str] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


_CHALLENGE_OF_ORDER = _object(("token", "type", "url"), token=_TEXT, type=_TEXT, url=_TEXT)
_ORDER = _object(
    spec=_object(
        ("issuerRef", "request"),
        request=_TEXT,
        issuerRef=_REF,
        commonName=_TEXT,
        dnsNames=_TEXTS,
        ipAddresses=_TEXTS,
        duration=_TEXT,
    ),
    status=_object(
        url=_TEXT,
        finalizeURL=_TEXT,
        state=_STATE,
        reason=_TEXT,
        failureTime=_TIME,
        certificate=_TEXT,
        authorizations={
            "type": "array",
            "items": _object(
                ("url",),
                url=_TEXT,
                identifier=_TEXT,
                initialState=_STATE,
                wildcard=_FLAG,
                challenges={"type": "array", "items": _CHALLENGE_OF_ORDER},
            ),
        },
    ),
)
_CHALLENGE = _object(
    spec=_object(
        ("authorizationURL", "dnsName", "issuerRef", "key", "solver", "token", "type", "url"),
        **dict.fromkeys(("authorizationURL", "dnsName", "key", "token", "type", "url"), _TEXT),
        wildcard=_FLAG,
        issuerRef=_REF,
        solver={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    ),
    status=_object(processing=_FLAG, presented=_FLAG, presentedAt=_TIME, reason=_TEXT, state=_STATE),
)

SOLVERS = ("Pod", "Service", "Ingress")
"""What http01 makes for each Challenge, in this order."""


@lru_cache(1)
def _described() -> tuple[Description, Description]:
    order = Description("Order", "orders", GROUP, "v1", schema_of(_ORDER), status=True, namespaced=True)
    challenge = Description("Challenge", "challenges", GROUP, "v1", schema_of(_CHALLENGE), status=True, namespaced=True)
    return order, challenge


def brought() -> Iterable[Kind]:
    """Return the kinds of an ACME issuer, for one run."""
    yield from (DescribedKind(each) for each in _described())
    yield Kind("Pod", "pods", "", "v1")
    yield Kind("Service", "services", "", "v1")
    yield Kind("Ingress", "ingresses", "networking.k8s.io", "v1")
