"""What a line of a controller's log says: cert-manager's of every release since 0.11, and any other controller's.

Wordings are those of pkg/controller/controller.go and trigger_controller.go in the release branches of cert-manager,
of client-go (``rest/request.go``: throttling; ``tools/leaderelection``), of controller-runtime ("Reconciler error") and
of the API server's refusals, which every client logs in its own frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sim.logs import conflicts
from sim.logs.entries import KLOG, LOGFMT, Entry, pairs
from sim.logs.naming import (
    CONTROLLER,
    about,
    asked_by,
    error_of,
    from_source,
    joined,
    key_of,
    known,
    reconciled,
    writer_of,
)
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
LEASE_LATE = "lease late"  # a try to renew the lease failed, and others follow: it is not lost by that
STARTED = "started"  # a process started, or became the leader
UNAPPROVED = "not approved"  # a CertificateRequest waits for its approval
ERROR = "error"  # an item failed for another reason, and is queued again
OTHER = "other"

NO_TIME = -1

_THROTTLED = re.compile(r"Waited for ([0-9.a-zµ]+?)(?: due to ([^,]*?))?,|Throttling request took ([0-9.a-zµ]+),")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_GO_UNITS = {"h": HOUR, "m": MINUTE, "s": SECOND, "ms": MS, "us": US, "µs": US, "ns": 1}
_TRANSITION = re.compile(
    r'(?:Setting lastTransitionTime for|Found status change for) (\w+) \\?"([^"\\]{1,300})\\?" condition \\?"(\w+)\\?"'
    r'(?:: \\?"\w*\\?" -> \\?"(\w+)\\?")?'
)
_TRANSITION_121 = re.compile(
    r'"?(?:Setting lastTransitionTime for|Found status change for) (\w+) condition.*?'
    r'\b(?:certificate|certificateRequest|resource)="([^"]{1,600})".*?\bcondition="(\w+)"(?:.*?\bstatus="(\w+)")?'
)
WORTH_IT = re.compile(
    r"modified|optimistic|409|Apply failed|re-issued|Found status|[Tt]hrottl|Waited|Retry-After|Too ?[Mm]any|last hour|"
    r"Backing off|multiple Cert|same Secret|already exists|leas|lead|lock|pproved|starting controller|rror|re-queuing|"
    r"cannot be fulfilled|onflict"
)
"""Words without which a line of level I or W tells nothing that is counted."""
_KEY = re.compile(r'\bkey"?="([^"]{1,600})"')
_LOST = re.compile(r"leader ?election lost|failed to renew lease", re.I)
_LATE = re.compile(r"Failed to update lock|error retrieving resource lock", re.I)
_LEADS = re.compile(r"successfully acquired lease|became leader|starting controller\"? version=", re.I)
_DIGITS = re.compile(r"\d+")


class LogLine(NamedTuple):
    """One line of a controller's log. ``time_ns`` counts from 1970, by the controller's clock; -1: not told."""

    time_ns: int
    what: str  # one of the constants above
    controller: str  # "" where the line does not say
    resource: str = ""  # certificates, Certificate, ...: as the line names it; "" if not
    key: str = ""  # namespace/name, or the name alone where the line has no namespace; "" if not
    condition: str = ""  # TRANSITION only
    first: bool = False  # TRANSITION: the object had no such condition before; REISSUE: there was no Secret yet
    status: str = ""  # TRANSITION: the new status, where the line has it
    amount_ns: int = 0  # THROTTLED: the wait; BACKOFF: until the next attempt, where the line has it
    text: str = ""  # what was said, shortened; errors alone
    form: str = ""  # the kind of log that it stood in
    certmanager: bool = False  # whether cert-manager wrote it
    owner: str = ""  # FIELD_CONFLICT: the managers of the fields
    field: str = ""  # FIELD_CONFLICT: the first of the fields
    exists: str = ""  # EXISTS: the object that is there already; ``key`` is what it was to be made for
    also: tuple[tuple[str, str], ...] = ()  # CONFLICT: resources and keys that the same error tells of too
    told_by: str = ""  # CONFLICT: the words that it was told with, without what differs from time to time
    reconcile: str = ""  # CONFLICT: the pass in which it was, where the line has that
    understood: bool = False  # it speaks of a 409 that is no stale copy, as of another service: nothing is unread

    @property
    def timed(self) -> bool:
        """Whether it is known when the line was written."""
        return self.time_ns >= 0


Line = Callable[..., LogLine]
"""Makes a line of what it says, its resource, its key and more."""


def said(entry: Entry) -> LogLine:
    """Return what a line says."""
    if entry.values is None and entry.form == KLOG and entry.level in "IW":
        plain = _at_a_glance(entry)
        if plain is not None:
            return plain
    message = _straightened(entry.message)
    if message is not entry.message:
        entry = entry._replace(message=message)
    values: dict[str, Any] = entry.values if entry.values is not None else {}
    if "=" in message and entry.form != LOGFMT:
        values = {**values, **pairs(message)}
    error = error_of(values, entry.level)
    text = f"{message} {error}" if error and error not in message else message
    controller, certmanager = writer_of(entry, values)
    key = key_of(values)

    def line(what: str, resource: str = "", about: str = "", condition: str = "", **more: Any) -> LogLine:
        return LogLine(
            entry.time if entry.time is not None else NO_TIME, what, more.pop("by", controller), resource, about,
            condition, form=entry.form, certmanager=more.pop("ours", certmanager), **more,
        )  # fmt: skip

    refusal = _refusal(line, entry, text, values, controller, key)
    if refusal is not None:
        return refusal
    if "must be re-issued" in message:
        missing = values.get("reason") == "DoesNotExist"
        return line(REISSUE, "certificates", key, first=missing, by="certificates-trigger")
    moved = _moved(message, values)
    if moved is not None:
        kind, of, condition, status, first = moved
        return line(TRANSITION, kind, of, condition, first=first, status=status)
    found = _causes(line, entry, text, values, controller, key) or line(OTHER, "", key)
    return found._replace(understood=True) if error and conflicts.of_another_service(error) else found


def others_in(line: LogLine) -> list[LogLine]:
    """Return the further refusals that a line tells of: an error may hold several."""
    return [line._replace(resource=resource, key=key, also=()) for resource, key in line.also]


def _refusal(line: Line, entry: Entry, text: str, values: dict[str, Any], controller: str, key: str) -> LogLine | None:
    """A refusal with 409 of the API server, of whatever kind; None where the text tells of none."""

    def conflict(resource: str, key: str, **more: Any) -> LogLine:
        words = entry.source + _DIGITS.sub("", entry.message[:40])
        return line(CONFLICT, resource, key, told_by=words, reconcile=str(values.get("reconcileID", "")), **more)

    named = conflicts.refused(text)
    objects = [(one.resource, about(key, values, one.resource, one.name, text)) for one in named if one.stale]
    if objects:
        return conflict(*objects[0], by=controller or from_source(entry), also=tuple(objects[1:]))
    fields = conflicts.field_owners(text)
    if fields is not None:
        return line(FIELD_CONFLICT, "", key, text=text[:200], owner=fields[0], field=fields[1])
    asked = None if named else conflicts.refused_request(text)
    modified = not named and (conflicts.MODIFIED in text or "optimistic lock" in text)
    if asked is not None or modified:
        asked = asked or conflicts.request_of(text)
        if asked is not None and asked.verb == "POST":  # nothing that is made has a copy that could be stale
            if asked.name:
                return line(OTHER, "", key, understood=True)
            there = joined(asked.namespace, conflicts.ANONYMOUS)
            return line(EXISTS, asked.resource, key, exists=there, understood=True)
        if asked is not None and asked.name:
            by, ours = asked_by(values)
            whose = {} if controller or not by else {"by": by, "ours": ours}
            return conflict(asked.resource, joined(asked.namespace, asked.name), **whose)
    if (modified or conflicts.says_so(entry.message)) and key and (resource := reconciled(controller, values)):
        return conflict(resource, key)
    return None


_QUOTES = str.maketrans("\u201c\u201d\u201e\u201f\u2018\u2019", '""""\'\'')
_TYPOGRAPHIC = re.compile("[\u201c-\u201f\u2018\u2019]")


def _straightened(message: str) -> str:
    """The message with quotes as they were logged: word processors curve them, pages write them as entities."""
    if "&#34;" in message or "&#39;" in message or "&quot;" in message:
        from html import unescape

        message = unescape(message)
    return message.translate(_QUOTES) if not message.isascii() and _TYPOGRAPHIC.search(message) else message


def _at_a_glance(entry: Entry) -> LogLine | None:
    """What a line of klog's says that is a transition, or nothing of interest: most are, and their values are not read.

    None where the line must be looked at in full.
    """
    message = entry.message
    time = entry.time if entry.time is not None else NO_TIME
    named = CONTROLLER.match(message)
    controller = known(named[1]) if named else ""
    if "lastTransitionTime" in message:
        moved = _moved(message, {})
        if moved is None:
            return None
        kind, of, condition, status, first = moved
        return LogLine(time, TRANSITION, controller, kind, of, condition, first, status, form=KLOG, certmanager=True)
    if WORTH_IT.search(message) is not None:
        return None
    key = _KEY.search(message)
    ours = named is not None or 'logger="cert-manager' in message
    return LogLine(time, OTHER, controller, key=key[1] if key else "", form=KLOG, certmanager=ours)


def _moved(message: str, values: dict[str, Any]) -> tuple[str, str, str, str, bool] | None:
    """A transition: kind, object, condition, status, and whether it had no such condition; None where there is none."""
    if "lastTransitionTime" not in message and "Found status change for" not in message:
        return None
    moved = _TRANSITION.search(message) or _TRANSITION_121.search(message)
    if moved is not None:
        return moved[1], moved[2], moved[3], moved[4] or "", moved[0].lstrip('"').startswith("Setting")
    # As 1.15 and later log it as JSON.
    named = re.match(r"(?:Setting lastTransitionTime for|Found status change for) (\w+) condition", message)
    of = values.get("certificate") or values.get("certificateRequest") or values.get("resource")
    if named is None or of is None or not isinstance(values.get("condition"), str):
        return None
    if isinstance(of, dict):
        of = joined(of.get("namespace"), str(of.get("name", "")))
    return named[1], str(of), values["condition"], str(values.get("status", "")), message.startswith("Setting")


def _causes(line: Line, entry: Entry, text: str, values: dict[str, Any], controller: str, key: str) -> LogLine | None:
    """What else makes Certificates slow, and failed items."""
    waited = _THROTTLED.search(text)
    if waited or "Waited before sending request" in text:
        amount = go_duration((waited[1] or waited[3]) if waited else str(values.get("delay", "")))
        why = str((waited[2] if waited else values.get("reason")) or "")
        server = "server-side" in why or why.startswith("priority and fairness")
        return line(SERVER_THROTTLED if server else THROTTLED, "", _url_key(text), amount_ns=amount)
    if ("Retry-After" in text and "429" in text) or "TooManyRequests" in text or "Too many requests" in text:
        return line(SERVER_THROTTLED, "", key, text=text[:200])
    if "attempt has been made in the last hour" in text or "Backing off from issuance" in text:
        delay = str(values.get("retry_delay", "") or values.get("retry_after", ""))
        amount = int(delay) if delay.isdigit() and len(delay) < 19 else go_duration(delay)
        return line(BACKOFF, "certificates", key, amount_ns=amount)
    if "multiple CertificateRequests" in text or "same Secret as other Certificates" in text:
        return line(DUPLICATE, "certificates", key, text=text[:200])
    exists = conflicts.existing(text)
    if exists and (entry.level in "EW" or "error" in text.lower()):
        resource, name, words = exists
        there = about(key, values, resource, name, text)
        return line(EXISTS, resource, key or there, text=words, exists=there, understood=True)
    if _LOST.search(text):
        return line(LEASE_LOST, text=text[:200])
    if _LATE.search(text):
        return line(LEASE_LATE, text=text[:200])
    if _LEADS.search(text):
        return line(STARTED)
    if "has not been approved" in text or "until it is Approved" in text:
        return line(UNAPPROVED, "certificaterequests", key)
    if "in work queue no longer exists" in text:
        return None  # it was deleted meanwhile: nothing is left to do
    if entry.level in "EF" or ("re-queuing item" in text and "error" in text) or "Reconciler error" in text:
        error = error_of(values, "E") or text
        return line(ERROR, "", key, text=error[:200], by=controller or from_source(entry))
    return None


def go_duration(text: str) -> int:
    """Return the nanoseconds of a duration as Go prints it, such as ``1m3.5s``; 0 where it is none."""
    return sum(round(float(number) * _GO_UNITS[unit]) for number, unit in _GO_DURATION.findall(text[:60]))


def _url_key(text: str) -> str:
    asked = conflicts.request_of(text)
    return joined(asked.namespace, asked.name) if asked is not None and asked.name else ""
