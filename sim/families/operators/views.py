"""Objects as expressions see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sim.cluster.objects import Object
from sim.kernel.clock import rfc3339
from sim.scenario.actions import VARIABLES
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.families.operators.operator import Operator


class View(Mapping[str, Any]):
    """An object in Kubernetes' form. What can be reached from it must not be changed."""

    __slots__ = ("_object",)

    def __init__(self, obj: Object) -> None:
        self._object = obj

    def __getitem__(self, part: str) -> Any:
        if part == "metadata":
            return _metadata(self._object)
        if part in _PARTS:
            return getattr(self._object, part) or {}  # so that has(self.status.phase) is false and not without a value
        raise KeyError(part)

    def __iter__(self) -> Iterator[str]:
        return iter(("metadata", *_PARTS))

    def __len__(self) -> int:
        return 1 + len(_PARTS)


_PARTS = ("spec", "status", "data")


def _metadata(obj: Object) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": obj.name,
        "uid": obj.uid,
        "generation": obj.generation,
        "resourceVersion": str(obj.resource_version),
        "labels": obj.labels,
        "annotations": obj.annotations,
        "finalizers": list(obj.finalizers),
    }
    if obj.deleted is not None:
        metadata["deletionTimestamp"] = rfc3339(obj.deleted)
    return metadata


def view(obj: Object) -> dict[str, Any]:
    """The same as plain data."""
    return dict(View(obj))


class _Owned(Mapping[str, Any]):
    """The cached objects that another controls, by kind, listed once, when asked for."""

    def __init__(self, operator: Operator, uid: str) -> None:
        self._operator = operator
        self._uid = uid
        self._listed: dict[str, list[dict[str, Any]]] = {}

    def __getitem__(self, kind: str) -> list[dict[str, Any]]:
        found = self._listed.get(kind)
        if found is None:
            owned = self._operator.cached(kind).owned_by(self._uid)
            found = self._listed[kind] = [view(each) for each in owned]
        return found

    def __contains__(self, kind: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._operator.manager.informers)

    def __len__(self) -> int:
        return len(self._operator.manager.informers)


class Seen(Mapping[str, Any]):
    """What expressions can read of one object alone, each thing made when it is asked for."""

    VARIABLES: tuple[str, ...] = ("self", "holds", "conditions", "name", "generation")

    __slots__ = ("_made", "_object")

    def __init__(self, obj: Object) -> None:
        self._object = obj
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        try:
            return self._made[name]
        except KeyError:
            made = self._made[name] = self._make(name)
            return made

    def _make(self, name: str) -> Any:
        obj = self._object
        match name:
            case "self":
                return View(obj)
            case "holds":
                return [each["type"] for each in _conditions(obj) if each.get("status") == "True"]
            case "conditions":
                return {each["type"]: each for each in _conditions(obj)}
            case "name":
                return obj.name
            case "generation":
                return obj.generation
            case _:
                raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in self.VARIABLES

    def __iter__(self) -> Iterator[str]:
        return iter(self.VARIABLES)

    def __len__(self) -> int:
        return len(self.VARIABLES)


class Scope(Seen):
    """What the expressions of a controller can read of one object."""

    VARIABLES = VARIABLES

    __slots__ = ("_operator", "_owner")

    def __init__(self, operator: Operator, obj: Object, owner: Object | None = None) -> None:
        super().__init__(obj)
        self._operator = operator
        self._owner = owner

    def _make(self, name: str) -> Any:
        match name:
            case "owned":
                return _Owned(self._operator, self._object.uid)
            case "now":
                return rfc3339(self._operator.now_s)
            case "now_micro":
                now = self._operator.now
                return f"{rfc3339(now // SECOND)[:-1]}.{now % SECOND // 1000:06d}Z"
            case "owner" if self._owner is not None:
                return View(self._owner)
            case "attempt":
                return self._operator.workers.limiter.failures(self._object.name)
            case _:
                return super()._make(name)


def _conditions(obj: Object) -> list[dict[str, Any]]:
    found = (obj.status or {}).get("conditions", [])
    return found if isinstance(found, list) else []
