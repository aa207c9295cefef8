"""The same audit events under other names, and tables that hold them row by row.

- AKS, resource-specific tables ``AKSAudit`` and ``AKSAuditAdmin``: the columns of an audit event, in Azure's spelling
  (learn.microsoft.com, azure-monitor/reference/tables/aksauditadmin); exported as CSV, objects are JSON strings.
- GKE, Cloud Audit Logs: ``protoPayload`` (cloud.google.com, google.cloud.audit.AuditLog): the method's name holds
  group, version, resource and verb; ``status.code`` is that of google.rpc. There is one time alone, so no service time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sim.logs.documents import parsed
from sim.logs.times import parse_rfc3339, parse_time

AUDIT_GROUP = "audit.k8s.io/"
"""How the apiVersion of an audit event begins."""
_EVENT = {"kind": "Event", "apiVersion": f"{AUDIT_GROUP}v1"}
_CODES = {0: 200, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 409, 10: 409, 12: 501, 13: 500, 14: 503, 16: 401}
"""HTTP's codes for those of google.rpc.Code: 10 is ABORTED, 6 ALREADY_EXISTS."""
_AKS_COLUMNS = {"Level": "level", "AuditId": "auditID", "Stage": "stage", "RequestUri": "requestURI", "Verb": "verb",
        "User": "user", "UserAgent": "userAgent", "ObjectRef": "objectRef", "ResponseStatus": "responseStatus",
        "RequestObject": "requestObject", "ResponseObject": "responseObject", "SourceIps": "sourceIPs",
        "RequestReceivedTime": "requestReceivedTimestamp", "StageReceivedTime": "stageTimestamp",
        "Annotations": "annotations"}  # fmt: skip
_AKS_BY_LOWER = {name.lower(): field for name, field in _AKS_COLUMNS.items()}
_OBJECTS = frozenset({"user", "objectRef", "responseStatus", "requestObject", "responseObject", "annotations"})


class Dialect(NamedTuple):
    """One other way to write an audit event."""

    name: str
    event: Callable[[dict[str, Any]], dict[str, Any]]
    timed: bool  # whether it has two times for a request, not one alone


def dialect_of(document: dict[str, Any]) -> Dialect | None:
    """Return the dialect that a document is in; None for any other document."""
    if any(isinstance(document.get(name), dict) and "methodName" in document[name] for name in _GKE_NAMES):
        return _GKE
    if "objectRef.resource" in document and "verb" in document:
        return _FLAT if "requestReceivedTimestamp" in document else _FLAT_UNTIMED
    if len(document) >= 5:
        names = {name.lower() for name in document}
        if {"verb", "objectref", "stage"} <= names and ("auditid" in names or "requestreceivedtime" in names):
            return _AKS if "apiVersion" not in document else None
    if "verb" in document and "apiVersion" not in document and all(
        isinstance(document.get(name), dict) for name in ("objectRef", "responseStatus")
    ):  # fmt: skip
        return _FLAT if document.keys() >= _BOTH_TIMES else _FLAT_UNTIMED
    return None


def _of_aks(document: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = dict(_EVENT)
    for name, value in document.items():
        field = _AKS_BY_LOWER.get(name.lower())
        if field is None:
            continue
        if field in _OBJECTS and isinstance(value, str) and value.startswith("{"):
            if (found := parsed(value)) is not None:
                event[field] = found
        elif field.endswith("Timestamp") and isinstance(value, str):
            event[field] = _stamp(value)
        else:
            event[field] = value
    if not event.get("requestReceivedTimestamp"):
        event["requestReceivedTimestamp"] = _stamp(str(document.get("TimeGenerated", "")))
    if not event.get("stageTimestamp"):
        event["stageTimestamp"] = event["requestReceivedTimestamp"]
    return event


def _stamp(text: str) -> str:
    """The portal's stamps (``3/18/2025, 6:34:56.050 AM``) as RFC 3339."""
    if parse_rfc3339(text) is not None or (time := parse_time(text)) is None:
        return text
    return datetime.fromtimestamp(time // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{time % 10**9:09d}Z"


def _of_gke(document: dict[str, Any]) -> dict[str, Any]:
    payload = next(_object(document, name) for name in _GKE_NAMES if name in document)
    method = str(payload["methodName"]).split(".")
    path = [part for part in str(payload.get("resourceName", "")).split("/") if part]
    group = path[0] if path and path[0] != "core" else ""
    about: dict[str, Any] = {"apiGroup": group, "apiVersion": path[1] if len(path) > 1 else ""}
    rest = path[2:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        about["namespace"], rest = rest[1], rest[2:]
    about |= dict(zip(("resource", "name", "subresource"), rest, strict=False))
    verb = method[-1]
    if len(method) >= 2 and "subresource" not in about and method[-2] in {"status", "scale", "finalize", "binding"}:
        about["subresource"] = method[-2]
    status, answer, sent = (_object(payload, name) for name in ("status", "response", "request"))
    code = answer.get("code")
    if not isinstance(code, int):
        code = _CODES.get(status.get("code", 0), 500)
        code = 201 if code == 200 and verb == "create" else code
    message = str(answer.get("message") or status.get("message") or "")
    reason = answer.get("reason") or (
        "AlreadyExists" if "already exists" in message else "Conflict" if code == 409 else ""
    )
    caller, who = _object(payload, "requestMetadata"), _object(payload, "authenticationInfo")
    operation = _object(document, "operation")
    stamp = _stamp(str(document.get("timestamp", "")))
    if isinstance(sent.get("metadata"), dict):
        about.setdefault("resourceVersion", sent["metadata"].get("resourceVersion", ""))
    return {
        **_EVENT, "stage": "ResponseComplete", "verb": verb, "objectRef": about,
        "auditID": operation.get("id") or document.get("insertId"),
        "user": {"username": who.get("principalEmail", "")},
        "userAgent": caller.get("callerSuppliedUserAgent", ""),
        "responseStatus": {"code": code, "reason": reason if code >= 300 else "", "message": message},
        "requestObject": _typed(sent), "responseObject": _typed(answer) if code < 300 else None,
        "requestReceivedTimestamp": stamp, "stageTimestamp": stamp,
    }  # fmt: skip


def _object(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _typed(body: dict[str, Any] | None) -> dict[str, Any] | None:
    """A body with its kind, which Cloud Logging may say in ``@type`` alone."""
    if not body:
        return None
    if "kind" not in body and isinstance(body.get("@type"), str):
        return {**body, "kind": body["@type"].rsplit(".", 1)[-1]}
    return body


def _of_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Fields that were picked from audit events: ``objectRef.resource`` and so on, or ``objectRef`` as a whole."""
    event: dict[str, Any] = {**_EVENT, "stage": "ResponseComplete"}
    for name, value in document.items():
        plain = value[0] if isinstance(value, list) and len(value) == 1 else value
        *path, last = name.split(".")
        if plain in {"", "-"} if isinstance(plain, str) else plain is None:
            continue
        below = event
        for part in path:
            below = below.setdefault(part, {}) if isinstance(below.get(part, {}), dict) else {}
        below[last] = int(plain) if last == "code" and isinstance(plain, str) and plain.isdigit() else plain
    stamp = next((event[name] for name in _ONE_TIME if name in event), "")
    for field in ("requestReceivedTimestamp", "stageTimestamp"):
        event[field] = _stamp(str(event.get(field) or stamp))
    return event


_BOTH_TIMES = {"requestReceivedTimestamp", "stageTimestamp"}
_ONE_TIME = ("@timestamp", "timestamp", "time", "_time", "stageTimestamp", "requestReceivedTimestamp")
_GKE_NAMES = ("protoPayload", "protopayload_auditlog")
_GKE = Dialect("GKE audit log (protoPayload)", _of_gke, timed=False)
_AKS = Dialect("AKS audit log (resource-specific)", _of_aks, timed=True)
_FLAT = Dialect("fields of an audit event", _of_fields, timed=True)
_FLAT_UNTIMED = Dialect("fields of an audit event with one time", _of_fields, timed=False)


def rows_of(document: dict[str, Any]) -> tuple[str, Iterator[dict[str, Any]]] | None:
    """Return the rows of a table that names its columns apart, and what kind it is; None for any other document."""
    tables = document.get("tables")
    if isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables):
        return "Azure Log Analytics query", (row for table in tables for row in _table(table))
    if isinstance(document.get("columns"), list) and isinstance(document.get("rows"), list):
        return "table", _table(document)
    schema, data = document.get("schema"), document.get("data")
    if isinstance(schema, dict) and isinstance(data, dict) and isinstance(data.get("values"), list):
        names = [str(each.get("name")) for each in schema.get("fields", ()) if isinstance(each, dict)]
        return "Grafana frame", (dict(zip(names, row, strict=False)) for row in zip(*data["values"], strict=False))
    return None


def _table(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    columns = table.get("columns", ())
    names = [str(column.get("name") if isinstance(column, dict) else column) for column in columns]
    for row in table.get("rows", ()):
        if isinstance(row, list):
            yield dict(zip(names, row, strict=False))


def fields_of_insights(items: list[Any]) -> dict[str, Any] | None:
    """Return a row of ``aws logs get-query-results``, a list of fields and values; None for any other list."""
    if items and all(isinstance(item, dict) and {"field", "value"} <= item.keys() for item in items):
        return {str(item["field"]): item["value"] for item in items}
    return None
