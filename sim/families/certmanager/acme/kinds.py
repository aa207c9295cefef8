"""Order and Challenge, as their CustomResourceDefinitions describe them, and what the http01 solver makes.

deploy/crds/crd-orders.yaml and crd-challenges.yaml at v1.12.9; what a solver may be configured with is left free. Of
the solver's Pods, Services and Ingresses nobody looks at more than who owns them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.families.certmanager.kinds import FLAG, FREE, REF, TEXT, TEXTS, TIME, described
from sim.scenario.kinds.crd import Description, schema_of

GROUP = "acme.cert-manager.io"
FAILED = frozenset({"invalid", "expired", "errored"})
"""States of Orders and Challenges in which they failed (pkg/acme/acme.go: IsFailureState)."""
FINAL = FAILED | {"valid"}
"""States that stay (IsFinalState)."""

_STATE = {"type": "string", "enum": ["valid", "ready", "pending", "processing", "invalid", "expired", "errored", ""]}
_CHALLENGE_OF_ORDER = described("token", "type", "url", token=TEXT, type=TEXT, url=TEXT)
_ORDER = described(
    spec=described(
        "issuerRef",
        "request",
        request=TEXT,
        issuerRef=REF,
        commonName=TEXT,
        dnsNames=TEXTS,
        ipAddresses=TEXTS,
        duration=TEXT,
    ),
    status=described(
        url=TEXT,
        finalizeURL=TEXT,
        state=_STATE,
        reason=TEXT,
        failureTime=TIME,
        certificate=TEXT,
        authorizations={
            "type": "array",
            "items": described(
                "url",
                url=TEXT,
                identifier=TEXT,
                initialState=_STATE,
                wildcard=FLAG,
                challenges={"type": "array", "items": _CHALLENGE_OF_ORDER},
            ),
        },
    ),
)
_CHALLENGE = described(
    spec=described(
        "authorizationURL",
        "dnsName",
        "issuerRef",
        "key",
        "solver",
        "token",
        "type",
        "url",
        **dict.fromkeys(("authorizationURL", "dnsName", "key", "token", "type", "url"), TEXT),
        wildcard=FLAG,
        issuerRef=REF,
        solver=FREE,
    ),
    status=described(processing=FLAG, presented=FLAG, presentedAt=TIME, reason=TEXT, state=_STATE),
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
