"""Objects in the form that Kubernetes clients see."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sim.cluster.kinds import Kind
from sim.cluster.objects import ManagerEntry, Object
from sim.cluster.ownership import NO_TIME

_TIME_BYTES = len('"time":"2026-01-01T00:00:00Z",')


def managed_fields(kind: Kind, item: Object, *, times: bool = True) -> list[dict[str, Any]]:
    """``metadata.managedFields`` in the order in which the server stores it. Its ``fieldsV1`` are shared."""
    return [_entry(kind, entry, times) for entry in item.managers]


def _entry(kind: Kind, entry: ManagerEntry, times: bool) -> dict[str, Any]:
    out: dict[str, Any] = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
    }
    if times and entry.time != NO_TIME:
        out["time"] = timestamp(entry.time)
    out["fieldsType"] = "FieldsV1"
    out["fieldsV1"] = kind.paths.fields_v1(entry.fields)
    if entry.subresource:
        out["subresource"] = entry.subresource
    return out


def seconds_of(time: str) -> int:
    """The seconds since 1970 of a time as Kubernetes writes it. Raises ``ValueError`` where it is none."""
    return int(datetime.fromisoformat(time).timestamp())


def timestamp(seconds: int) -> str:
    """Seconds since 1970 as Kubernetes writes a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_kubernetes(kind: Kind, item: Object) -> dict[str, Any]:
    """The object as the API server would return it in JSON. Its parts are shared: do not change them."""
    metadata: dict[str, Any] = {
        "name": item.name,
        **({"namespace": "default"} if kind.namespaced else {}),
        **({"generateName": item.generate_name} if item.generate_name else {}),
        "uid": item.uid,
        "resourceVersion": str(item.resource_version),
        "creationTimestamp": timestamp(item.created),
    }
    if item.generation:
        metadata["generation"] = item.generation
    if item.labels:
        metadata["labels"] = item.labels
    if item.annotations:
        metadata["annotations"] = item.annotations
    if item.finalizers:
        metadata["finalizers"] = list(item.finalizers)
    if item.owners:
        metadata["ownerReferences"] = list(item.owners)
    if item.deleted is not None:
        metadata["deletionTimestamp"] = timestamp(item.deleted)
        metadata["deletionGracePeriodSeconds"] = 0
    if item.managers:
        metadata["managedFields"] = managed_fields(kind, item)
    out: dict[str, Any] = {"apiVersion": kind.api_version, "kind": item.kind, "metadata": metadata}
    for part in ("spec", "status", "data", "type"):
        value = getattr(item, part)
        if value is not None:
            out[part] = value
    out.update(item.more)
    return out


def managed_fields_bytes(kind: Kind, item: Object) -> int:
    """Bytes of ``metadata.managedFields`` as JSON in the store, times included; 0 without entries."""
    if not item.managers:
        return 0
    size = 1 + len(item.managers)  # brackets and commas
    for entry in item.managers:
        size += _frame_bytes(*entry[:4]) + kind.paths.fields_v1_bytes(entry.fields)
        if entry.time != NO_TIME:
            size += _TIME_BYTES
    return size


@lru_cache(4096)
def _frame_bytes(manager: str, operation: str, api_version: str, subresource: str) -> int:
    """Bytes of an entry without its time and the value of its ``fieldsV1``."""
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": 0,
    }
    if subresource:
        entry["subresource"] = subresource
    return len(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()) - 1
