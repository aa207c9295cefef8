"""The API server's audit log: who asked for what, when it was taken and when it was answered.

Kubernetes writes one JSON object a line (``audit.k8s.io/v1``, kind Event). Only the stage ResponseComplete
is read: between ``requestReceivedTimestamp`` and ``stageTimestamp`` lies the service time in the server.
Of bodies, the status and the kind of key of Certificates are read; who asks for more gets each body as it stands in
the log, of any object but Secrets. Nothing of a Secret is kept.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from sys import intern
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from sim.logs import conflicts
from sim.logs.certificates import CertificateView, view_of
from sim.logs.documents import parsed
from sim.logs.naming import joined
from sim.logs.times import parse_rfc3339
from sim.logs.writers import actor_of

CERTIFICATES = "certificates"
REQUESTS = "certificaterequests"
SECRETS = "secrets"
EVENTS = "events"

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_REMEMBERED = 100_000  # audit IDs kept to find an event that two files both have
_REFUSALS_REMEMBERED = 500_000  # the same of refusals, which are what is counted
_EVENT_NAME = re.compile(r"(.+)\.([0-9a-f]{15,16})")
_MANAGER = re.compile(r"[?&]fieldManager=([^&]+)")

NOT_JSON = "not JSON"
NOT_AUDIT = "JSON, but no audit event"
OTHER_STAGE = "another stage than ResponseComplete"
NO_RESOURCE = "about no resource"
READS = "reads (get, list, watch)"
DRY_RUN = "dry runs: nothing was stored"
REFUSED_DRY_RUN = "dry runs that were refused with 409: nothing was to be stored"
WRITES_NOTHING = frozenset({READS, DRY_RUN, REFUSED_DRY_RUN})
SEEN_BEFORE = "seen before (same auditID)"


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
    reason: str  # "" | Conflict | FieldConflict | OtherConflict | AlreadyExists | NotFound | ...
    base_version: int  # resourceVersion that the body carried; 0 if none
    written_version: int  # resourceVersion of the answer's body; 0 if the log holds none
    recorded_ns: int  # Events only: when the controller recorded it, by its own clock, from the name; else 0
    sent: CertificateView | None  # of the request's body
    answer: CertificateView | None  # of the answer's body
    group: str = ""  # API group of the resource; "" for the core one
    manager: str = ""  # field manager that the request named; "" for the default
    timed: bool = True  # whether the log has both times, so that the service time is known
    user: str = ""  # who it was for the API server
    message: str = ""  # of a refusal whose reason is FieldConflict or OtherConflict
    sent_json: bytes = b""  # the request's body as JSON, where bodies were asked for and the log has it
    answer_json: bytes = b""  # the answer's body, likewise
    wanted: tuple[str, str] | None = (
        None  # what was to be written, where the stale object is another: a quota, a budget
    )

    @property
    def service_ns(self) -> int:
        """Time in the server."""
        return self.answered_ns - self.received_ns

    @property
    def key(self) -> str:
        """``namespace/name`` of the object; the name alone where it is in no namespace."""
        return joined(self.namespace, self.name or conflicts.ANONYMOUS)

    @property
    def sent_body(self) -> dict[str, Any] | None:
        """What was sent, as an object; None where it was not asked for, or the log does not have it."""
        return _body(self.sent_json)

    @property
    def answer_body(self) -> dict[str, Any] | None:
        """What was answered, likewise."""
        return _body(self.answer_json)

    @property
    def succeeded(self) -> bool:
        """Answered with 2xx."""
        return 200 <= self.code < 300

    @property
    def stale(self) -> bool:
        """Refused because its copy was an older version: the conflict of optimistic locking."""
        return self.reason == "Conflict" and self.code == 409


class _User(Struct, gc=False):
    username: str = ""


class _About(Struct, gc=False):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = msgspec.field(default="", name="apiGroup")
    subresource: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")


class _Status(Struct, gc=False):
    code: int = 0
    reason: str = ""
    message: str = ""


class _Event(Struct, gc=False):
    """The fields of an audit event that are read; all others are skipped over."""

    identity: str = msgspec.field(default="", name="auditID")
    stage: str = ""
    uri: str = msgspec.field(default="", name="requestURI")
    verb: str = ""
    user: _User | None = None
    agent: str = msgspec.field(default="", name="userAgent")
    about: _About | None = msgspec.field(default=None, name="objectRef")
    status: _Status | None = msgspec.field(default=None, name="responseStatus")
    received: str = msgspec.field(default="", name="requestReceivedTimestamp")
    answered: str = msgspec.field(default="", name="stageTimestamp")
    sent: Raw = msgspec.field(default_factory=Raw, name="requestObject")
    answer: Raw = msgspec.field(default_factory=Raw, name="responseObject")


class _Meta(Struct, gc=False):
    name: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")


class _Named(Struct, gc=False):
    metadata: _Meta | None = None
    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")


_EVENT = msgspec.json.Decoder(_Event)
_NAMED = msgspec.json.Decoder(_Named)
STARTS = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1'
"""How the API server begins each line."""


class AuditParser:
    """Reads audit events; one parser for all files of a log, so that copies are found.

    The reasons counted in ``ignored`` are the constants of this module, and ``missing`` or ``bad`` with the
    field's name. Memory is bounded: one line, the IDs of the last 100,000 events and of 500,000 refusals.
    With ``bodies`` events keep what was sent and answered.
    """

    def __init__(self, ignored: Counter[str], *, bodies: bool = False) -> None:
        self._ignored = ignored
        self._bodies = bodies
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._refused: set[int] = set()
        self.why = ""  # why the last event that can't be used can't be

    def plain(self, line: bytes) -> AuditEvent | None:
        """Return the write in a line that begins as the API server begins each; most are told without parsing."""
        at = line.find(b'"verb":"', 80, 8000)
        if at > 0 and line[at + 8 : at + 12] in _READ_VERBS:  # the first one: bodies come later
            self._unused(READS)
            return None
        item = parsed(line, _EVENT)
        if item is None:  # a field of a wrong type, or damage
            document = parsed(line)
            if document is None:
                self._unused(NOT_JSON)
                return None
            item = _taken(document)
        return self._used(item, timed=True)

    def document(self, document: dict[str, Any], *, timed: bool = True) -> AuditEvent | None:
        """Return the write in an event that was parsed already; fields of a wrong type are taken for absent."""
        return self._used(_taken(document), timed=timed)

    def _used(self, item: _Event, *, timed: bool) -> AuditEvent | None:
        if item.stage == "ResponseComplete" and item.identity and self._known(item):
            self._unused(SEEN_BEFORE)
            return None
        event = _event(item, self._bodies, timed)
        if isinstance(event, str):
            self._unused(event)
            return None
        return event

    def _unused(self, why: str) -> None:
        self._ignored[why] += 1
        self.why = why

    def _known(self, item: _Event) -> bool:
        identity = item.identity
        if item.status is not None and item.status.code == 409:
            digest = hash(identity)
            if digest in self._refused:
                return True
            if len(self._refused) < _REFUSALS_REMEMBERED:
                self._refused.add(digest)
        elif identity in self._seen:
            return True
        self._seen[identity] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False


_READ_VERBS = frozenset({b'get"', b"list", b"watc"})


def _taken(document: dict[str, Any]) -> _Event:
    about, status, user = (_object(document, name) for name in ("objectRef", "responseStatus", "user"))
    code = status.get("code") if isinstance(status, dict) else None
    return _Event(
        identity=_text(document, "auditID"),
        stage=_text(document, "stage"),
        uri=_text(document, "requestURI"),
        verb=_text(document, "verb"),
        user=_User(_text(user, "username")) if isinstance(user, dict) else None,
        agent=_text(document, "userAgent"),
        about=_About(*(_text(about, name) for name in _REF)) if isinstance(about, dict) else None,
        status=_Status(code, _text(status, "reason"), _text(status, "message"))
        if isinstance(status, dict) and isinstance(code, int) else None,
        received=_text(document, "requestReceivedTimestamp"),
        answered=_text(document, "stageTimestamp"),
        sent=_raw(_object(document, "requestObject")),
        answer=_raw(_object(document, "responseObject")),
    )  # fmt: skip


_REF = ("resource", "namespace", "name", "apiGroup", "subresource", "resourceVersion")


def _object(document: dict[str, Any], name: str) -> Any:
    """An object in an event; some exports have it as a string of JSON."""
    found = document.get(name)
    if isinstance(found, str) and found[:1] == "{":
        return _body(found.encode("utf-8", "replace"))
    return found


def _raw(body: object) -> Raw:
    return Raw(msgspec.json.encode(body)) if isinstance(body, dict) else Raw()


def _event(item: _Event, bodies: bool, timed: bool) -> AuditEvent | str:
    """Read one event; return the reason where it can't be used."""
    if item.stage != "ResponseComplete":
        return OTHER_STAGE if item.stage else "missing stage"
    about = item.about
    if about is None or not about.resource:
        return NO_RESOURCE
    verb = item.verb
    if not verb:
        return "missing verb"
    if verb not in _WRITES:
        return READS
    status = item.status
    if status is None or not status.code:
        return "missing responseStatus.code"
    received, answered = parse_rfc3339(item.received), parse_rfc3339(item.answered)
    if received is None or answered is None:
        field, text = (
            ("requestReceivedTimestamp", item.received) if received is None else ("stageTimestamp", item.answered)
        )
        return f"{'bad' if text else 'missing'} {field}"
    if answered < received:
        return "answered before it was received"
    if "dryRun=" in item.uri or (verb == "delete" and b'"dryRun"' in bytes(item.sent)):
        return REFUSED_DRY_RUN if status.code == 409 else DRY_RUN
    user = item.user.username if item.user is not None else ""
    actor, ours = actor_of(item.agent, user)
    resource, code, name = about.resource, status.code, about.name
    # The server fills a Namespace's own name in as its namespace.
    namespace = about.namespace if resource != "namespaces" else ""
    reason, base, wanted = status.reason, _number(about.version), None
    if code == 409:
        reason, stale = conflicts.why_refused(verb, status.reason, status.message)
        if stale is not None and not resource.startswith(stale.resource.lower()):
            wanted = (resource, joined(namespace, name or conflicts.ANONYMOUS))
            resource, name, base = stale.resource, stale.name, 0
    good = 200 <= code < 300
    secret = resource == SECRETS
    answer_named = parsed(item.answer, _NAMED) if good and not secret and item.answer else None
    written = 0
    if answer_named is not None and answer_named.metadata is not None:
        written = _number(answer_named.metadata.version)
        name = name or answer_named.metadata.name
    force = verb == "patch" and "force=" in item.uri
    if verb == "patch" and "fieldManager=" in item.uri and (
        force or code == 201 or reason == "FieldConflict" or (not secret and item.sent and _applied(item.sent))
    ):  # fmt: skip
        verb = "apply"
    sent = answer = None
    if resource == CERTIFICATES and about.api_group == "cert-manager.io":
        answer = view_of(item.answer) if good else None
        sent = None if bodies and answer is not None else view_of(item.sent)  # who has the body needs no second view
    recorded = 0
    if resource == EVENTS and (match := _EVENT_NAME.fullmatch(name)):
        # client-go names an Event after its object and the nanosecond (tools/record/event.go, makeEvent).
        name, recorded = match[1], int(match[2], 16)
    manager = _MANAGER.search(item.uri) if "fieldManager=" in item.uri else None
    # Kept by the hundred thousand, and few of them differ.
    return AuditEvent(
        received, answered, intern(actor), ours, intern(verb), intern(resource), intern(about.subresource),
        intern(namespace), intern(name), code, intern(reason), base, written, recorded, sent,
        answer, intern(about.api_group), intern(manager[1]) if manager else "", timed, intern(user),
        status.message[:400] if reason in {"FieldConflict", "OtherConflict"} else "",
        bytes(item.sent) if bodies and not secret else b"",
        bytes(item.answer) if bodies and good and not secret else b"", wanted,
    )  # fmt: skip


def _body(text: bytes) -> dict[str, Any] | None:
    found = parsed(text)
    return found if isinstance(found, dict) else None


def _applied(raw: Raw) -> bool:
    """Tell a server-side apply from another patch, of which the log does not hold the content type.

    Its body must say what it is; a merge patch of the difference does not, and a JSON patch is a list.
    """
    sent = parsed(raw, _NAMED)
    return sent is not None and bool(sent.kind and sent.api_version)


def _text(mapping: Any, key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _number(value: str) -> int:
    return int(value) if value and len(value) < 20 and value.isascii() and value.isdigit() else 0
