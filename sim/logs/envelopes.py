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
    inside: str  # path of what is wrapped: text, an object, or a list of either
    time: tuple[str, ...] = ()  # paths of the time, the best first
    pod: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # paths of what else must be there
    many: bool = False  # whether it wraps a list, and then nothing else; else anything but a list


_K8S_POD = ("kubernetes.pod_name", "kubernetes.pod.name", "pod_name", "pod", "podName", "k8s.pod.name")
_STAMPS = ("@timestamp", "timestamp", "time", "date", "ts", "_time", "Time", "Date", "Timestamp")
_GKE = Envelope(
    "GKE Cloud Logging, jsonPayload", "jsonPayload", ("timestamp",), ("resource.labels.pod_name",), ("severity",)
)

_BATCHES = (
    Envelope("audit EventList", "items", beside=("kind", "apiVersion")),
    Envelope("CloudWatch subscription or Firehose", "logEvents"),
    Envelope("CloudWatch log events", "events"),
    Envelope("Kibana search", "rawResponse.hits.hits"),
    Envelope("Elasticsearch search", "hits.hits"),
    Envelope("Loki query", "data.result"),
    Envelope("Loki push", "streams"),
    Envelope("Loki stream", "values", beside=("stream",)),
    Envelope("Azure Event Hub", "records"),
    Envelope("OpenTelemetry", "resourceLogs"),
    Envelope("OpenTelemetry resource", "scopeLogs"),
    Envelope("OpenTelemetry scope", "logRecords"),
    Envelope("list of entries", "entries"),
    Envelope("list of values", "value"),
    *(Envelope(f"list of {name}", name) for name in ("results", "items", "data", "rows", "logs")),
)

ENVELOPES = (
    *(each._replace(many=True) for each in _BATCHES),
    Envelope("Docker json-file", "log", ("time",), _K8S_POD, beside=("stream", "time")),
    Envelope("Fluent Bit", "log", _STAMPS, _K8S_POD),
    Envelope("AKS diagnostic log", "properties.log", ("time",), ("properties.pod",)),
    Envelope("AKS Log Analytics", "log_s", ("TimeGenerated",), ("pod_s",)),
    Envelope("Azure ContainerLogV2", "LogMessage", ("TimeGenerated",), ("PodName",), ("LogLevel",)),
    Envelope("Azure ContainerLog", "LogEntry", ("LogEntryTimeStamp", "TimeGenerated"), ("PodName", "Name")),
    Envelope("stern", "message", (), ("podName",), beside=("podName",)),
    Envelope("Elasticsearch document", "_source", ("_source.@timestamp",)),
    Envelope("Elasticsearch fields", "fields.message", ("fields.@timestamp",)),
    Envelope("Splunk", "result._raw", ("result._time",)),
    Envelope("Splunk", "_raw", ("_time",)),
    *(_GKE._replace(inside=path) for path in ("jsonPayload.message", "jsonPayload.MESSAGE", "jsonPayload")),
    _GKE._replace(name="GKE Cloud Logging, textPayload", inside="textPayload"),
    Envelope("CloudWatch Logs Insights", "@message", ("@timestamp", "@ingestionTime"), ("@logStream",)),
    Envelope("Loki (logcli, Grafana)", "line", ("timestamp",), ("labels.pod", "fields.pod"), beside=("timestamp",)),
    Envelope("Loki (logcli, Grafana)", "line", _STAMPS, ("labels.pod",)),
    Envelope("Grafana", "Line", ("tsNs", *_STAMPS), ("labels.pod", "pod")),
    Envelope("journald", "MESSAGE", ("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"), ("CONTAINER_NAME",)),
    Envelope("OpenTelemetry record", "body", ("timeUnixNano", "observedTimeUnixNano", *_STAMPS), _K8S_POD,
             ("severityText",)),
    *(Envelope("Datadog", f"{path}.message", (f"{path}.timestamp",)) for path in ("content", "attributes")),
    Envelope("Datadog", "Content", ("Date",), ("Pod Name",)),
    Envelope("Datadog", "Message", ("Date", *_STAMPS), ("Pod Name",)),
    Envelope("event.original", "event.original", _STAMPS, _K8S_POD),
    Envelope("CloudWatch log event", "message", ("timestamp",), ("logStreamName",), beside=("logStreamName",)),
    Envelope("CloudWatch log event", "message", ("timestamp",), beside=("id", "timestamp")),
    Envelope("message with a time (Filebeat and others)", "message", _STAMPS, _K8S_POD,
             ("level", "log.level", "severity", "status")),
)  # fmt: skip
"""The first whose keys are there is taken."""


def look_up(document: dict[str, Any], path: str) -> Any:
    """Return what is at a path; None where nothing is."""
    found = document.get(path)
    if found is None and "." in path:
        head, _, rest = path.partition(".")
        below = document.get(head)
        if isinstance(below, dict):
            return look_up(below, rest)
    return found


def first(document: dict[str, Any], paths: tuple[str, ...]) -> Any:
    """Return what is at the first path that is there, of a list with one item (Elastic's ``fields``) that; or None."""
    for path in paths:
        found = look_up(document, path)
        if found is not None and found != "":
            return found[0] if isinstance(found, list) and len(found) == 1 else found
    return None


def envelope_of(document: dict[str, Any]) -> tuple[Envelope, Any] | None:
    """Return the envelope of a document and what is inside; None where the table has none for it."""
    keys = tuple(document)
    if len(keys) > 60:
        return None
    for each in _candidates(keys):
        inside = _plain(look_up(document, each.inside))
        if isinstance(inside, list) != each.many:
            inside = _one_text(inside)
        if inside is None or isinstance(inside, int | float):
            continue
        if all(look_up(document, path) is not None for path in each.beside):
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


@lru_cache(maxsize=2000)
def _candidates(keys: tuple[str, ...]) -> tuple[Envelope, ...]:
    """The rows that documents with these keys may match: a log has few sets of keys and many lines."""
    begins = {key.partition(".")[0] for key in keys}
    return tuple(
        each for each in ENVELOPES if begins.issuperset(path.partition(".")[0] for path in (each.inside, *each.beside))
    )
