"""The API server's audit log: who asked for what, when it was taken and when it was answered.

Kubernetes writes one JSON object a line (``audit.k8s.io/v1``, kind Event). Only the stage ResponseComplete
is read: between ``requestReceivedTimestamp`` and ``stageTimestamp`` lies the service time in the server.
Bodies are read of Certificates alone, and of those only the status and the kind of key; nothing of any other
object is kept.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from sim.logs.lines import Progress, parse_rfc3339, read_lines

CERTIFICATES = "certificates"
REQUESTS = "certificaterequests"
SECRETS = "secrets"
EVENTS = "events"

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REMEMBERED = 100_000  # audit IDs kept to find an event that two rotated files both have
_EVENT_NAME = re.compile(r"(.+)\.([0-9a-f]{15,16})")

NAMELESS = "(not named)"
"""An object whose name the log does not have."""

NOT_JSON = "not JSON"
NOT_AUDIT = "JSON, but no audit event"
OTHER_STAGE = "another stage than ResponseComplete"
NO_RESOURCE = "about no resource"
READS = "reads (get, list, watch)"
DUPLICATE = "seen before (same auditID)"


class CertificateView(NamedTuple):
    """What is read of a Certificate's body. None where a field is absent."""

    issuing: str | None  # status of the condition Issuing: True, False, Unknown
    ready: str | None  # status of the condition Ready
    next_key: bool  # status.nextPrivateKeySecretName is set
    failed: bool  # status.lastFailureTime is set
    key: str | None  # spec.privateKey, such as RSA-2048; None where the body has no spec


class AuditEvent(NamedTuple):
    """One answered request. Times are nanoseconds since 1970, by the server's clock."""

    received_ns: int
    answered_ns: int
    actor: str  # the controller, such as certificates-trigger; else the user agent's first word
    ours: bool  # sent by a part of cert-manager
    verb: str  # create, update, patch, apply, delete
    resource: str
    subresource: str
    namespace: str
    name: str  # "" where the server was to choose it and the log holds no body
    code: int
    reason: str  # "" | Conflict | FieldConflict | AlreadyExists | NotFound | ...
    base_version: int  # resourceVersion that the body carried; 0 if none
    written_version: int  # resourceVersion of the answer's body; 0 if the log holds none
    recorded_ns: int  # Events only: when the controller recorded it, by its own clock, from the name; else 0
    sent: CertificateView | None  # of the request's body
    answer: CertificateView | None  # of the answer's body

    @property
    def service_ns(self) -> int:
        """Time in the server."""
        return self.answered_ns - self.received_ns

    @property
    def key(self) -> str:
        """``namespace/name`` of the object."""
        return f"{self.namespace}/{self.name or NAMELESS}"

    @property
    def succeeded(self) -> bool:
        """Answered with 2xx."""
        return 200 <= self.code < 300


def actor_of(user_agent: str) -> tuple[str, bool]:
    """Return who sent a request and whether that is a part of cert-manager, from its user agent.

    cert-manager names the controller first: ``cert-manager-certificates-trigger/v1.12.9 (linux/amd64)
    cert-manager/...`` (recorded for 1.12 and 1.21). Where its parts share one user agent, such as
    ``controller/v1.8.0 ... cert-manager/...``, they are "controllers (not told apart)".
    """
    first = user_agent.split("/", 1)[0].strip() or "no user agent"
    if first.startswith("cert-manager-"):
        return first.removeprefix("cert-manager-"), True
    if " cert-manager/" in user_agent or first == "cert-manager":
        return ("controllers (not told apart)" if first in {"controller", "cert-manager"} else first), True
    return first[:60], False


def read_audit(path: Path, ignored: Counter[str], progress: Progress | None = None) -> Iterator[AuditEvent]:
    """Yield the writes in an audit log, in the file's order; all else is counted in ``ignored``."""
    return parse_audit(read_lines(path, ignored, progress), ignored)


def parse_audit(lines: Iterable[bytes], ignored: Counter[str]) -> Iterator[AuditEvent]:
    """Yield the writes in these lines of an audit log, as an ``AuditParser`` reads them."""
    parser = AuditParser(ignored)
    for line in lines:
        yield from parser.read(line)


class AuditParser:
    """Reads the lines of audit logs; one parser for all files of a log, so that copies are found.

    The reasons counted in ``ignored`` are the constants of this module, and ``missing`` or ``bad`` with the
    field's name. Memory is bounded: one line, and the IDs of the last 100,000 events.
    """

    def __init__(self, ignored: Counter[str]) -> None:
        self._ignored = ignored
        self._seen: OrderedDict[str, None] = OrderedDict()

    def read(self, line: bytes) -> Iterator[AuditEvent]:
        """Yield the writes in one line: none, one, or the items of a list."""
        if not line.strip():
            return
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            self._ignored[NOT_JSON] += 1
            return
        for item in _events(document):
            event = NOT_AUDIT if item is None else DUPLICATE if self._known(item) else _event(item)
            if isinstance(event, str):
                self._ignored[event] += 1
            else:
                yield event

    def _known(self, item: dict[str, Any]) -> bool:
        identity = item.get("auditID")
        if not isinstance(identity, str) or item.get("stage") != "ResponseComplete":
            return False
        if identity in self._seen:
            return True
        self._seen[identity] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False


def _events(document: object) -> Iterator[dict[str, Any] | None]:
    """The audit events in one JSON document: itself, or the items of an EventList as a webhook receives."""
    if isinstance(document, dict):
        group = str(document.get("apiVersion", ""))
        if group.startswith("audit.k8s.io/"):
            if document.get("kind") == "Event":
                yield document
                return
            if document.get("kind") == "EventList" and isinstance(document.get("items"), list):
                yield from (item if isinstance(item, dict) else None for item in document["items"])
                return
    yield None


def _event(item: dict[str, Any]) -> AuditEvent | str:
    """Read one event; return the reason where it can't be used."""
    if item.get("stage") != "ResponseComplete":
        return OTHER_STAGE if "stage" in item else "missing stage"
    about = item.get("objectRef")
    if not isinstance(about, dict) or not _text(about, "resource"):
        return NO_RESOURCE
    verb = item.get("verb")
    if not isinstance(verb, str):
        return "missing verb"
    if verb not in _WRITES:
        return READS
    status = item.get("responseStatus")
    code = status.get("code") if isinstance(status, dict) else None
    if not isinstance(code, int):
        return "missing responseStatus.code"
    received = parse_rfc3339(item.get("requestReceivedTimestamp"))
    answered = parse_rfc3339(item.get("stageTimestamp"))
    if received is None or answered is None:
        field = "requestReceivedTimestamp" if received is None else "stageTimestamp"
        return f"{'bad' if field in item else 'missing'} {field}"
    if answered < received:
        return "answered before it was received"
    agent = item.get("userAgent")
    actor, ours = actor_of(agent if isinstance(agent, str) else "")
    resource = _text(about, "resource")
    uri = item.get("requestURI")
    if verb == "patch" and isinstance(uri, str) and "fieldManager=" in uri and _applies(item, uri):
        verb = "apply"
    sent = answer = None
    name = _text(about, "name")
    written = 0
    if resource == CERTIFICATES and about.get("apiGroup") == "cert-manager.io":
        sent = _view(item.get("requestObject"))
        body = item.get("responseObject")
        answer = _view(body) if 200 <= code < 300 else None
        if isinstance(body, dict) and 200 <= code < 300 and isinstance(body.get("metadata"), dict):
            written = _number(body["metadata"].get("resourceVersion"))
            name = name or _text(body["metadata"], "name")
    recorded = 0
    if resource == EVENTS and (match := _EVENT_NAME.fullmatch(name)):
        # client-go names an Event after its object and the nanosecond (tools/record/event.go, makeEvent).
        name, recorded = match[1], int(match[2], 16)
    assert isinstance(status, dict)
    # Kept by the hundred thousand, and few of them differ.
    return AuditEvent(
        received, answered, intern(actor), ours, intern(verb), intern(resource), intern(_text(about, "subresource")),
        intern(_text(about, "namespace")), intern(name), code, intern(_reason(status)),
        _number(about.get("resourceVersion")), written, recorded, sent, answer,
    )  # fmt: skip


def _applies(item: dict[str, Any], uri: str) -> bool:
    """Tell a server-side apply from another patch: the log does not hold the content type.

    Only an apply may be forced, and cert-manager forces all of its own; the first apply of an object that did
    not exist answers 201, which no other patch does.
    """
    status = item.get("responseStatus")
    return "force=" in uri or (isinstance(status, dict) and status.get("code") == 201)


def _reason(status: dict[str, Any]) -> str:
    reason = _text(status, "reason")
    if reason == "Conflict" and _text(status, "message").startswith("Apply failed with"):
        return "FieldConflict"
    return reason


def _text(mapping: dict[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


def _view(body: object) -> CertificateView | None:
    if not isinstance(body, dict) or body.get("kind") != "Certificate":
        return None
    status = body.get("status")
    status = status if isinstance(status, dict) else {}
    conditions = status.get("conditions")
    found: dict[str, str] = {}
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, dict):
            found[_text(condition, "type")] = _text(condition, "status")
    return _shared(
        CertificateView(
            found.get("Issuing"), found.get("Ready"), bool(status.get("nextPrivateKeySecretName")),
            bool(status.get("lastFailureTime")), _key(body.get("spec")),
        )
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _shared(view: CertificateView) -> CertificateView:
    """The first view that is equal: there are few, and many are kept."""
    return view


def _key(spec: object) -> str | None:
    if not isinstance(spec, dict) or not spec.get("secretName"):
        return None
    key = spec.get("privateKey")
    key = key if isinstance(key, dict) else {}
    algorithm = _text(key, "algorithm") or "RSA"
    size = key.get("size")
    if not isinstance(size, int) or size <= 0:
        size = {"RSA": 2048, "ECDSA": 256}.get(algorithm, 0)
    return f"{algorithm}-{size}" if size else algorithm
