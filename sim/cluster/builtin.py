"""The kinds that every cluster has, as loose as the simulator needs: their values are checked less than a real server
would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
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


def registry(brought: Iterable[Kind] = ()) -> Served:
    """Return the kinds that every cluster has and those ``brought`` by families of controllers.

    Raises ``ValueError`` where two have one name.
    """
    kinds: dict[str, Kind] = {}
    for kind in brought:
        if kind.name in kinds or kind.name in _BUILT_IN:
            raise ValueError(f"there are two kinds named {kind.name}")
        kinds[kind.name] = kind
    return Served(kinds)


class Served(Mapping[str, Kind]):
    """Kinds that are there, and the built-in ones, each made when it is first asked for: few runs have them all."""

    def __init__(self, made: dict[str, Kind]) -> None:
        self.made = made
        """Those that are there."""
        self._names = (*_BUILT_IN, *made)

    def __getitem__(self, name: str) -> Kind:
        found = self.made.get(name)
        if found is None:
            found = self.made[name] = _BUILT_IN[name]()
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


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

_BUILT_IN: Mapping[str, Callable[[], Kind]] = {
    "Secret": partial(DescribedKind, _SECRET_KIND, unconditional=True, generations=False, defaults={"type": "Opaque"}),
    "ConfigMap": partial(DescribedKind, _CONFIG_MAP_KIND, unconditional=True, generations=False),
    # The same where nobody applies: who owns which field then decides nothing, and is not kept.
    "PlainConfigMap": partial(Kind, "PlainConfigMap", "configmaps", "", "v1"),
    "Event": partial(Kind, "Event", "events", "", "v1"),
    "Deployment": partial(DescribedKind, _DEPLOYMENT_KIND, unconditional=True),
    "Lease": partial(DescribedKind, _LEASE_KIND, unconditional=True, generations=False),
}
