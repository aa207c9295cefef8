"""What collectors wrap around a line of a log, declared: where the message is, and where time and origin stand.

One table for all of them, and one way to apply it, over and over, until something is found that Kubernetes or a
controller wrote (``unwrap.py``). A row names the keys that an envelope has; where it has them, the table says the
rest. Paths have dots between keys; a key may also have the dots in its name, as flattened exports do. Forms are those
of each tool's own documentation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple


class Envelope(NamedTuple):
    """One kind of wrapping."""

    name: str
    has: tuple[str, ...]  # paths that must be there
    inside: str  # path of what is wrapped: text, an object, or a list of either
    time: tuple[str, ...] = ()  # paths of the time, the best first
    pod: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    level: tuple[str, ...] = ()


_K8S_POD = ("kubernetes.pod_name", "kubernetes.pod.name", "pod_name", "pod", "podName", "k8s.pod.name")
_K8S_NAMESPACE = ("kubernetes.namespace_name", "kubernetes.namespace", "namespace_name", "k8s.namespace.name")
_STAMPS = ("@timestamp", "timestamp", "time", "date", "ts", "_time", "Time", "Date", "Timestamp")

BATCHES = (
    Envelope("audit EventList", ("kind", "apiVersion", "items"), "items"),
    Envelope("CloudWatch subscription or Firehose", ("logEvents",), "logEvents"),
    Envelope("CloudWatch log events", ("events",), "events"),
    Envelope("Kibana search", ("rawResponse.hits.hits",), "rawResponse.hits.hits"),
    Envelope("Elasticsearch search", ("hits.hits",), "hits.hits"),
    Envelope("Loki query", ("data.result",), "data.result"),
    Envelope("Loki push", ("streams",), "streams"),
    Envelope("Loki stream", ("stream", "values"), "values"),
    Envelope("Azure Event Hub", ("records",), "records"),
    Envelope("OpenTelemetry", ("resourceLogs",), "resourceLogs"),
    Envelope("OpenTelemetry resource", ("scopeLogs",), "scopeLogs"),
    Envelope("OpenTelemetry scope", ("logRecords",), "logRecords"),
    Envelope("list of entries", ("entries",), "entries"),
    Envelope("list of values", ("value",), "value"),
    Envelope("list of results", ("results",), "results"),
    Envelope("list of items", ("items",), "items"),
    Envelope("list of data", ("data",), "data"),
    Envelope("list of rows", ("rows",), "rows"),
    Envelope("list of logs", ("logs",), "logs"),
)
"""Wrappings of many; each applies only where what is inside is a list."""

ENVELOPES = (
    Envelope("Docker json-file", ("log", "stream", "time"), "log", ("time",), _K8S_POD, _K8S_NAMESPACE),
    Envelope("Fluent Bit", ("log",), "log", _STAMPS, _K8S_POD, _K8S_NAMESPACE),
    Envelope("AKS diagnostic log", ("properties.log",), "properties.log", ("time",), ("properties.pod",)),
    Envelope("AKS Log Analytics", ("log_s",), "log_s", ("TimeGenerated",), ("pod_s",)),
    Envelope("Azure ContainerLogV2", ("LogMessage",), "LogMessage", ("TimeGenerated",), ("PodName",), ("PodNamespace",),
             ("LogLevel",)),
    Envelope("Azure ContainerLog", ("LogEntry",), "LogEntry", ("LogEntryTimeStamp", "TimeGenerated"),
             ("PodName", "Name"), ("Namespace",)),
    Envelope("stern", ("message", "podName"), "message", (), ("podName",), ("namespace",)),
    Envelope("Elasticsearch document", ("_source",), "_source", ("_source.@timestamp",)),
    Envelope("Elasticsearch fields", ("fields.message",), "fields.message", ("fields.@timestamp",)),
    Envelope("Splunk", ("result._raw",), "result._raw", ("result._time",)),
    Envelope("Splunk", ("_raw",), "_raw", ("_time",)),
    Envelope("GKE Cloud Logging, jsonPayload", ("jsonPayload.message",), "jsonPayload.message", ("timestamp",),
             ("resource.labels.pod_name",), ("resource.labels.namespace_name",), ("severity",)),
    Envelope("GKE Cloud Logging, jsonPayload", ("jsonPayload.MESSAGE",), "jsonPayload.MESSAGE", ("timestamp",),
             ("resource.labels.pod_name",), ("resource.labels.namespace_name",), ("severity",)),
    Envelope("GKE Cloud Logging, jsonPayload", ("jsonPayload",), "jsonPayload", ("timestamp",),
             ("resource.labels.pod_name",), ("resource.labels.namespace_name",), ("severity",)),
    Envelope("GKE Cloud Logging, textPayload", ("textPayload",), "textPayload", ("timestamp",),
             ("resource.labels.pod_name",), ("resource.labels.namespace_name",), ("severity",)),
    Envelope("CloudWatch Logs Insights", ("@message",), "@message", ("@timestamp", "@ingestionTime"), ("@logStream",)),
    Envelope("Loki (logcli, Grafana)", ("line", "timestamp"), "line", ("timestamp",), ("labels.pod", "fields.pod"),
             ("labels.namespace", "fields.namespace")),
    Envelope("Loki (logcli, Grafana)", ("line",), "line", _STAMPS, ("labels.pod",), ("labels.namespace",)),
    Envelope("Grafana", ("Line",), "Line", ("tsNs", *_STAMPS), ("labels.pod", "pod"),
             ("labels.namespace", "namespace")),
    Envelope("journald", ("MESSAGE",), "MESSAGE", ("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"),
             ("CONTAINER_NAME",)),
    Envelope("OpenTelemetry record", ("body",), "body", ("timeUnixNano", "observedTimeUnixNano", *_STAMPS), _K8S_POD,
             _K8S_NAMESPACE, ("severityText",)),
    Envelope("Datadog", ("content.message",), "content.message", ("content.timestamp",)),
    Envelope("Datadog", ("attributes.message",), "attributes.message", ("attributes.timestamp",)),
    Envelope("Datadog", ("Content",), "Content", ("Date",), ("Pod Name",)),
    Envelope("Datadog", ("Message",), "Message", ("Date", *_STAMPS), ("Pod Name",)),
    Envelope("event.original", ("event.original",), "event.original", _STAMPS, _K8S_POD, _K8S_NAMESPACE),
    Envelope("CloudWatch log event", ("message", "logStreamName"), "message", ("timestamp",), ("logStreamName",)),
    Envelope("CloudWatch log event", ("message", "id", "timestamp"), "message", ("timestamp",)),
    Envelope("message with a time (Filebeat and others)", ("message",), "message", _STAMPS, _K8S_POD, _K8S_NAMESPACE,
             ("level", "log.level", "severity", "status")),
)  # fmt: skip
"""Wrappings of one; the first whose keys are there is taken."""

_ABSENT: Any = object()


def look_up(document: dict[str, Any], path: str) -> Any:
    """Return what is at a path, or ``ABSENT``; of a list with one item (as Elastic's ``fields`` are), that item."""
    found = document.get(path, _ABSENT)
    if found is _ABSENT and "." in path:
        head, _, rest = path.partition(".")
        below = document.get(head)
        if isinstance(below, dict):
            found = look_up(below, rest)
    return found


ABSENT = _ABSENT


def first(document: dict[str, Any], paths: tuple[str, ...]) -> Any:
    """Return what is at the first of these paths that is there; None at none."""
    for path in paths:
        found = look_up(document, path)
        if found is not _ABSENT and found != "":
            return found[0] if isinstance(found, list) and len(found) == 1 else found
    return None


def envelope_of(document: dict[str, Any]) -> tuple[Envelope, Any] | None:
    """Return the envelope of a document and what is inside; None where the table has none for it."""
    keys = tuple(document)
    if len(keys) > 60:
        return None
    for each in _candidates(keys):
        inside = _plain(look_up(document, each.inside))
        if inside is _ABSENT or inside is None:
            continue
        if isinstance(inside, list) != (each in _BATCHES):
            inside = _one_text(inside)
            if inside is None:
                continue
        if isinstance(inside, int | float):
            continue
        if all(look_up(document, path) is not _ABSENT for path in each.has):
            return each, inside
    return None


def _plain(value: Any) -> Any:
    """A value without OpenTelemetry's wrapping (opentelemetry.proto.common.v1.AnyValue); any other as it is."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    if kind == "kvlistValue" and isinstance(inner, dict):
        return _pairs(inner.get("values"))
    return inner if kind in {"stringValue", "intValue", "doubleValue", "boolValue"} else value


def _pairs(items: Any) -> dict[str, Any]:
    there = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return {str(item["key"]): _plain(item.get("value")) for item in there if "key" in item}


def attributes_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a collector put beside a line's message: Datadog's and OpenTelemetry's attributes."""
    found = document.get("attributes")
    return found if isinstance(found, dict) else _pairs(found)


def _one_text(inside: Any) -> str | None:
    """The text that a list stands for: its one item, or its bytes, as journald writes what is not all printable."""
    if not isinstance(inside, list) or not inside:
        return None
    if len(inside) == 1 and isinstance(inside[0], str):
        return inside[0]
    if all(each.__class__ is int and 0 <= each < 256 for each in inside):
        return bytes(inside).decode("utf-8", "replace")
    return None


_BATCHES = frozenset(BATCHES)


@lru_cache(maxsize=2000)
def _candidates(keys: tuple[str, ...]) -> tuple[Envelope, ...]:
    """The rows that documents with these keys may match: a log has few sets of keys and many lines."""
    there = set(keys)
    begins = {key.partition(".")[0] for key in keys}

    def possible(path: str) -> bool:
        return path in there or path.partition(".")[0] in begins

    return tuple(each for each in (*BATCHES, *ENVELOPES) if all(possible(path) for path in each.has))
