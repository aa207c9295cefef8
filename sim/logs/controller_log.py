"""What a line of a controller's log says: cert-manager's of every release since 0.11, and any other controller's.

Wordings are those of pkg/controller/controller.go and trigger_controller.go in the release branches of cert-manager,
of client-go (``rest/request.go``: throttling; ``tools/leaderelection``), of controller-runtime ("Reconciler error") and
of the API server's refusals, which every client logs in its own frame.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sim.logs.entries import KLOG, LOGFMT, Entry, pairs
from sim.logs.unwrap import Unread
from sim.units import HOUR, MINUTE, MS, SECOND, US

CONFLICT = "conflict"  # a write was refused as stale: the item is queued again
REISSUE = "reissue"  # trigger decided that a Certificate must be issued
TRANSITION = "transition"  # a condition is about to be written with a new status
THROTTLED = "throttled"  # a request waited for the client's own limit, ``amount_ns`` long
SERVER_THROTTLED = "throttled by the server"
BACKOFF = "back-off"  # the last issuance failed: the next waits, an hour at first
DUPLICATE = "duplicate"  # two CertificateRequests of one revision, or two Certificates of one Secret
EXISTS = "already exists"  # a creation was refused: the name is taken
FIELD_CONFLICT = "field conflict"  # an apply that was not forced met a field of another manager
LEASE_LOST = "lease lost"
STARTED = "started"  # a process started, or became the leader
UNAPPROVED = "not approved"  # a CertificateRequest waits for its approval
ERROR = "error"  # an item failed for another reason, and is queued again
OTHER = "other"

NOT_KLOG = "no header of a known kind of log"
BAD_TIME = "klog header with an impossible time"
NO_TIME = -1

_QUOTE = r'(?:\\*["“”\']){1,2}'
_REFUSED = re.compile(
    rf"Operation cannot be fulfilled on ([a-zA-Z0-9.-]+)\s+{_QUOTE}([^\"\\“”']{{1,300}}){_QUOTE}: (?P<why>.{{0,60}})",
    re.DOTALL,
)
_MODIFIED = "the object has been modified"
_APPLY = re.compile(r"Apply failed with \d+ conflicts?: ?(.{0,200})", re.DOTALL)
_EXISTS = re.compile(rf"([a-z][a-z0-9.-]*)\s+{_QUOTE}([^\"\\“”']{{1,300}}){_QUOTE} already exists")
_URL = re.compile(
    r"/apis?/(?:[a-z0-9.-]+/)?v[0-9][a-z0-9]*/(?:namespaces/([^/\s?]+)/)?([a-z]+)/([^/\s?\".]+)(?:/[a-z]+)?"
)
_THROTTLED = re.compile(r"Waited for ([0-9.a-zµ]+?)(?: due to ([^,]*?))?,|Throttling request took ([0-9.a-zµ]+),")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_GO_UNITS = {"h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS, "us": US, "µs": US, "ns": 1}
_NAMED_PARTS = re.compile(r'"(name|namespace)": ?"([^"]*)"')
_CONTROLLER = re.compile(r'^"?cert-manager/(?:controller/)?([A-Za-z0-9-]+)(?=[/:\s"])')
_TRANSITION = re.compile(
    r'(?:Setting lastTransitionTime for|Found status change for) (\w+) "([^"]{1,300})" condition "(\w+)"'
    r'(?:: "\w*" -> "(\w+)")?'
)
_TRANSITION_121 = re.compile(
    r'"?(?:Setting lastTransitionTime for|Found status change for) (\w+) condition.*?'
    r'\b(?:certificate|certificateRequest|resource)="([^"]{1,600})".*?\bcondition="(\w+)"(?:.*?\bstatus="(\w+)")?'
)
WORTH_IT = re.compile(
    r"modified|optimistic|409|Apply failed|re-issued|Found status|[Tt]hrottl|Waited|Retry-After|Too ?[Mm]any|last hour|"
    r"Backing off|multiple Cert|same Secret|already exists|leas|lead|lock|pproved|starting controller|rror|re-queuing|"
    r"cannot be fulfilled"
)
"""Words without which a line of level I or W tells nothing that is counted."""
_KEY = re.compile(r'\bkey"?="([^"]{1,600})"')
_LOST = re.compile(
    r"leader ?election lost|failed to renew lease|stopped leading|lost lease|lost leadership|Failed to update lock",
    re.I,
)
_LEADS = re.compile(r"successfully acquired lease|became leader|starting controller\"? version=", re.I)
_SPEAKS = re.compile(
    rb"object has been modified|optimistic lock|Operation cannot be fulfilled|"
    rb"\b409\b.{0,80}?[Cc]onflict|[Cc]onflict.{0,80}?\b409\b",
    re.DOTALL,
)
_CAMEL = {
    "CertificateIssuing": "certificates-issuing",
    "CertificateKeyManager": "certificates-key-manager",
    "CertificateMetrics": "certificates-metrics",
    "CertificateReadiness": "certificates-readiness",
    "CertificateRequestManager": "certificates-request-manager",
    "CertificateTrigger": "certificates-trigger",
}
"""Names of 0.15 to 1.2, as 1.3 and later call the same controllers."""
_NOT_CONTROLLERS = frozenset({"controller", "build-context", "leader-election", "events", "healthz", "start", ""})
_RESOURCES = (
    ("certificates-", "certificates"), ("certificaterequests", "certificaterequests"), ("challenges", "challenges"),
    ("orders", "orders"), ("clusterissuers", "clusterissuers"), ("issuers", "issuers"),
)  # fmt: skip


class LogLine(NamedTuple):
    """One line of a controller's log. ``time_ns`` counts from 1970, by the controller's clock; -1: not told."""

    time_ns: int
    level: str  # I, W, E, F
    source: str  # file:line
    what: str  # one of the constants above
    controller: str  # "" where the line does not say
    resource: str  # certificates, Certificate, ...: as the line names it; "" if not
    key: str  # namespace/name, or the name alone where the line has no namespace; "" if not
    condition: str  # TRANSITION only
    first: bool = False  # TRANSITION: the object had no such condition before; REISSUE: there was no Secret yet
    status: str = ""  # TRANSITION: the new status, where the line has it
    amount_ns: int = 0  # THROTTLED: the wait; BACKOFF: until the next attempt, where the line has it
    text: str = ""  # what was said, shortened; errors alone
    form: str = ""  # the kind of log that it stood in
    certmanager: bool = False  # whether cert-manager wrote it
    owner: str = ""  # FIELD_CONFLICT: the manager of the fields

    @property
    def timed(self) -> bool:
        """Whether it is known when the line was written."""
        return self.time_ns >= 0


def speaks_of_conflict(raw: bytes) -> bool:
    """Whether a line's wording is that of a refused write, whether or not it was understood."""
    return _SPEAKS.search(raw) is not None


def refused_in(text: str) -> set[tuple[str, str]]:
    """Every object that a text says a stale write to was refused of: resource and name."""
    return {(found[1], found[2]) for found in _REFUSED.finditer(text)}


def why_unread(found: Unread) -> str:
    """The reason under which an unread text is counted."""
    from sim.logs.entries import klog_header

    return BAD_TIME if not found.json and klog_header(found.text) is not None else NOT_KLOG


def said(entry: Entry) -> LogLine:
    """Return what a line says."""
    message = entry.message
    if entry.values is None and entry.form == KLOG and entry.level in "IW":
        plain = _at_a_glance(entry)
        if plain is not None:
            return plain
    values: dict[str, Any] = entry.values if entry.values is not None else {}
    if "=" in message and entry.form != LOGFMT:
        values = {**values, **pairs(message)}
    error = _error(values)
    text = f"{message} {error}" if error and error not in message else message
    controller, certmanager = _controller(entry, values)
    key = _key(values)

    def line(what: str, resource: str = "", about: str = "", condition: str = "", **more: Any) -> LogLine:
        return LogLine(
            entry.time if entry.time is not None else NO_TIME, entry.level, entry.source, what,
            more.pop("by", controller), resource, about, condition, form=entry.form, certmanager=certmanager, **more,
        )  # fmt: skip

    refused = _REFUSED.search(text)
    if refused and _MODIFIED in text:
        resource = refused[1].split(".", 1)[0]
        named = controller or _from_source(entry)
        return line(CONFLICT, resource, _about(key, values, refused[2], text), by=named)
    if (
        _MODIFIED in text
        or "optimistic locking" in text
        or (_SPEAKS.search(text.encode("utf-8", "replace")) and "409" in text)
    ):
        found = _without_names(text, controller, key)
        if found is not None:
            return line(CONFLICT, *found)
    applied = _APPLY.search(text)
    if applied:
        owner = re.search(rf"conflict with {_QUOTE}([^\"\\]{{1,200}}){_QUOTE}", applied[0])
        return line(FIELD_CONFLICT, "", key, text=applied[0][:200], owner=owner[1] if owner else "(not named)")
    if "must be re-issued" in message:
        missing = values.get("reason") == "DoesNotExist"
        return line(REISSUE, "certificates", key, first=missing, by="certificates-trigger")
    if "lastTransitionTime" in message or "Found status change for" in message:
        moved = _TRANSITION.search(message) or _TRANSITION_121.search(message) or _moved(message, values)
        if moved is not None:
            first = "Setting lastTransitionTime" in message[: message.find(moved[1]) + 1]
            return line(TRANSITION, moved[1], moved[2], moved[3], first=first, status=moved[4] or "")
    return _causes(line, entry, text, values, key) or line(OTHER, "", key)


def _at_a_glance(entry: Entry) -> LogLine | None:
    """What a line of klog's says that is a transition, or nothing of interest: most are, and their values are not read.

    None where the line must be looked at in full.
    """
    message = entry.message
    time = entry.time if entry.time is not None else NO_TIME
    named = _CONTROLLER.match(message)
    controller = _known(named[1]) if named else ""
    if "lastTransitionTime" in message:
        moved = _TRANSITION.search(message) or _TRANSITION_121.search(message)
        if moved is None:
            return None
        first = "Setting lastTransitionTime" in message[: moved.end(1)]
        return LogLine(
            time, entry.level, entry.source, TRANSITION, controller, moved[1], moved[2], moved[3], first,
            moved[4] or "", form=KLOG, certmanager=True,
        )  # fmt: skip
    if WORTH_IT.search(message) is not None:
        return None
    key = _KEY.search(message)
    ours = named is not None or 'logger="cert-manager' in message
    return LogLine(
        time, entry.level, entry.source, OTHER, controller, "", key[1] if key else "", "", form=KLOG, certmanager=ours
    )


def _moved(message: str, values: dict[str, Any]) -> tuple[str, str, str, str, str] | None:
    """A transition as 1.15 and later log it as JSON."""
    named = re.match(r"(?:Setting lastTransitionTime for|Found status change for) (\w+) condition", message)
    about = values.get("certificate") or values.get("certificateRequest") or values.get("resource")
    if named is None or about is None or not isinstance(values.get("condition"), str):
        return None
    if isinstance(about, dict):
        about = f"{about.get('namespace', '')}/{about.get('name', '')}".lstrip("/")
    return "", named[1], str(about), values["condition"], str(values.get("status", ""))


def _causes(line: Any, entry: Entry, text: str, values: dict[str, Any], key: str) -> LogLine | None:
    """What else makes Certificates slow, and failed items."""
    made: LogLine
    waited = _THROTTLED.search(text)
    if waited or "Waited before sending request" in text:
        amount = go_duration((waited[1] or waited[3]) if waited else str(values.get("delay", "")))
        why = str((waited[2] if waited else values.get("reason")) or "")
        server = "server-side" in why or (why.startswith("priority and fairness"))
        made = line(SERVER_THROTTLED if server else THROTTLED, "", _url_key(text), amount_ns=amount)
        return made
    if ("Retry-After" in text and "429" in text) or "TooManyRequests" in text or "Too many requests" in text:
        made = line(SERVER_THROTTLED, "", key, text=text[:200])
        return made
    if "attempt has been made in the last hour" in text or "Backing off from issuance" in text:
        delay = str(values.get("retry_delay", "") or values.get("retry_after", ""))
        amount = int(delay) if delay.isdigit() and len(delay) < 19 else go_duration(delay)
        made = line(BACKOFF, "certificates", key, amount_ns=amount)
        return made
    if "multiple CertificateRequests" in text or "same Secret as other Certificates" in text:
        made = line(DUPLICATE, "certificates", key, text=text[:200])
        return made
    exists = _EXISTS.search(text)
    if exists and (entry.level in "EW" or "error" in text.lower()):
        made = line(EXISTS, exists[1].split(".", 1)[0], key or exists[2], text=exists[0])
        return made
    if _LOST.search(text):
        made = line(LEASE_LOST, text=text[:200])
        return made
    if _LEADS.search(text):
        made = line(STARTED)
        return made
    if "has not been approved" in text or "until it is Approved" in text:
        made = line(UNAPPROVED, "certificaterequests", key)
        return made
    if "in work queue no longer exists" in text:
        return None  # it was deleted meanwhile: nothing is left to do
    if entry.level in "EF" or ("re-queuing item" in text and "error" in text) or "Reconciler error" in text:
        made = line(ERROR, "", key, text=(_error(values) or text)[:200], by=line("").controller or _from_source(entry))
        return made
    return None


def go_duration(text: str) -> int:
    """Return the nanoseconds of a duration as Go prints it, such as ``1m3.5s``; 0 where it is none."""
    return sum(round(float(number) * _GO_UNITS[unit]) for number, unit in _GO_DURATION.findall(text[:60]))


def _error(values: dict[str, Any]) -> str:
    for name in ("error", "err", "exception", "stack_trace", "stackTrace", "errorCauses"):
        value = values.get(name)
        if isinstance(value, str) and value:
            return value
        if value and not isinstance(value, str):
            return str(value)
    return ""


def _controller(entry: Entry, values: dict[str, Any]) -> tuple[str, bool]:
    """Who wrote the line, and whether that is cert-manager."""
    message = entry.message
    named = _CONTROLLER.match(message)
    logger = entry.logger or (values.get("logger") if isinstance(values.get("logger"), str) else "") or ""
    if named:
        return _known(named[1]), True
    if "controller-runtime." in logger and ".controller." in logger:
        return logger.rpartition(".controller.")[2], logger.startswith("cert-manager")
    for prefix in ("cert-manager.", "cert-manager/controller/", "cert-manager/"):
        if logger.startswith(prefix):
            return _known(re.split(r"[./]", logger[len(prefix) :], maxsplit=1)[0]), True
    ours = (
        logger == "cert-manager" or message.startswith("cert-manager/") or "certificate_controller.go" in entry.source
    )
    ours = (
        ours
        or entry.source.rpartition("/")[2].split(":")[0] in {"trigger_controller.go", "conditions.go"}
        or ("re-queuing item due to" in message.replace("  ", " "))
    )
    value = values.get("controller")
    if isinstance(value, str) and value:
        return value.removeprefix("controller/"), ours and value in _CAMEL.values()
    if entry.form == KLOG:
        old = re.match(r'([\w./-]+) "msg"=', message)
        if old:
            logger = old[1]
    for prefix in ("controller.", "controllers.", "controller/", "controllers/"):
        if logger.startswith(prefix):
            return re.split(r"[./]", logger[len(prefix) :])[0], ours
    if logger and not ours and logger not in {"UnhandledError", "controller-runtime", "setup"}:
        return logger.rsplit(".", 1)[-1] if re.search(r"\.[A-Z]\w+$", logger) else logger, False
    return "", ours


def _known(name: str) -> str:
    return _CAMEL.get(name, "" if name in _NOT_CONTROLLERS else name)


def _from_source(entry: Entry) -> str:
    """The controller that a file of kube-controller-manager belongs to: ``deployment_controller.go``."""
    stem = re.split(r"[./]go:|\.go:", entry.source.rsplit("/", 1)[-1])[0]
    if not stem.endswith("_controller") and stem not in {
        "replica_set",
        "stateful_set",
        "horizontal",
        "garbagecollector",
    }:
        return ""
    if stem in {"trigger_controller", "issuing_controller", "readiness_controller"}:
        return ""
    return stem.removesuffix("_controller").replace("_", "") + "-controller"


def _key(values: dict[str, Any]) -> str:
    """The object that a line is about: ``namespace/name`` where it has both."""
    for name in ("key", "request", "object", "item"):
        value = values.get(name)
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return _joined(value.get("namespace") or value.get("Namespace"), value["name"])
        if isinstance(value, str) and value.startswith("{"):
            parts = dict(_NAMED_PARTS.findall(value))
            return _joined(parts.get("namespace"), parts.get("name", ""))
        if isinstance(value, str) and value:
            return value.strip("/")[:600]
    for of, where in (("name", "namespace"), ("resource_name", "resource_namespace"), ("Name", "Namespace")):
        value = values.get(of)
        if isinstance(value, str) and value and (of == "resource_name" or values.get(where) or "controller" in values):
            return _joined(values.get(where), value)
    for name, value in values.items():  # Widget={"name": .., "namespace": ..} or deployment="default/web"
        if isinstance(value, dict) and isinstance(value.get("name"), str) and set(value) <= {"name", "namespace"}:
            return _joined(value.get("namespace"), value["name"])
        if isinstance(value, str) and value.startswith('{"name"'):
            parts = dict(_NAMED_PARTS.findall(value))
            return _joined(parts.get("namespace"), parts.get("name", ""))
        if (
            name[:1].islower()
            and isinstance(value, str)
            and name.isalpha()
            and re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", value)
        ):
            return value
    return ""


def _joined(namespace: object, name: str) -> str:
    return f"{namespace}/{name}" if isinstance(namespace, str) and namespace else name


def _about(key: str, values: dict[str, Any], refused: str, text: str) -> str:
    """The refused object's key: its name, in the namespace that the line has."""
    if key.rsplit("/", 1)[-1] == refused and "/" in key:
        return key
    namespace = key.rsplit("/", 1)[0] if "/" in key else values.get("namespace")
    if not namespace:
        named = re.search(rf"namespaces/([a-z0-9-]+)/[a-z]+/{re.escape(refused)}\b", text) or re.search(
            rf"(?<![\w/.-])([a-z0-9][a-z0-9-]*)/{re.escape(refused)}(?![\w/.-])", text
        )
        namespace = named[1] if named else ""
    return _joined(namespace, refused)


def _without_names(text: str, controller: str, key: str) -> tuple[str, str] | None:
    """Resource and key of a refusal whose text has neither: from its URL, or from who wrote the line."""
    url = _URL.search(text)
    if url:
        return url[2], _joined(url[1], url[3])
    resource = next((name for prefix, name in _RESOURCES if controller.startswith(prefix)), "")
    return (resource, key) if resource and key else None


def _url_key(text: str) -> str:
    url = _URL.search(text)
    return _joined(url[1], url[3]) if url else ""
