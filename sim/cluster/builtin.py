"""The kinds that every cluster has, as loose as the simulator needs: their values are checked less than a real server
would.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind, Registry
from sim.cluster.shapes import STRING_MAP
from sim.scenario.kinds.crd import Description
from sim.scenario.kinds.structural import read_schema

_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}
_CONDITION = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {name: {"type": "string"} for name in ("type", "status", "reason", "message")}
    | {"lastTransitionTime": _TIME, "lastUpdateTime": _TIME},
}
_CONDITIONS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    "items": _CONDITION,
}
_REPLICAS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
_DEPLOYMENT = {
    "type": "object",
    "properties": {
        "spec": {
            **_FREE,
            "properties": {"replicas": {**_COUNT, "default": 1}, "paused": {"type": "boolean"}, "template": _FREE},
        },
        "status": {
            "type": "object",
            "properties": dict.fromkeys((*_REPLICAS, "observedGeneration", "collisionCount"), _COUNT)
            | {"conditions": _CONDITIONS},
        },
    },
}
_CONFIG_MAP = {
    "type": "object",
    "properties": {"data": {"type": "object", "additionalProperties": {"type": "string"}}},
}
_SECRET = {"type": "object", "properties": {"data": _FREE, "type": {"type": "string", "default": "Opaque"}}}
_LEASE = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "holderIdentity": {"type": "string"},
                "leaseDurationSeconds": {"type": "integer", "minimum": 1},
                "acquireTime": _TIME,
                "renewTime": _TIME,
                "leaseTransitions": _COUNT,
            },
        }
    },
}


def registry(brought: Iterable[Kind] = ()) -> Registry:
    """Return the kinds that every cluster has and those ``brought`` by families of controllers.

    Raises ``ValueError`` where two have one name.
    """
    kinds: dict[str, Kind] = {}
    for kind in (*_built_in(), *brought):
        if kind.name in kinds:
            raise ValueError(f"there are two kinds named {kind.name}")
        kinds[kind.name] = kind
    return kinds


def _built_in() -> Iterable[Kind]:
    yield DescribedKind(_SECRET_KIND, unconditional=True, generations=False, defaults={"type": "Opaque"})
    yield DescribedKind(_CONFIG_MAP_KIND, unconditional=True, generations=False)
    # The same where nobody applies: who owns which field then decides nothing, and is not kept.
    yield Kind("PlainConfigMap", "configmaps", "", "v1", {"data": STRING_MAP}, unconditional=True, tracked=False)
    yield Kind("Event", "events", "", "v1", {}, unconditional=True, tracked=False)
    yield DescribedKind(_DEPLOYMENT_KIND, unconditional=True)
    yield DescribedKind(_LEASE_KIND, unconditional=True, generations=False)


_CONFIG_MAP_KIND = Description(
    "ConfigMap", "configmaps", "", "v1", read_schema(_CONFIG_MAP), status=False, namespaced=True
)
_SECRET_KIND = Description("Secret", "secrets", "", "v1", read_schema(_SECRET), status=False, namespaced=True)
_DEPLOYMENT_KIND = Description(
    "Deployment", "deployments", "apps", "v1", read_schema(_DEPLOYMENT), status=True, namespaced=True
)
_LEASE_KIND = Description(
    "Lease", "leases", "coordination.k8s.io", "v1", read_schema(_LEASE), status=False, namespaced=True
)
