"""Times between the things that a recording shows, each taken only where nothing else explains it.

The client gives away its own clock in two ways: its log's lines, and the name of every Event that it
recorded, which holds the nanosecond. With the server's two times a request these show every step between a
write and the next controller's request. All functions return nanoseconds, as lists of samples; where keys are
being generated or tokens are waited for, nothing is taken.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import zip_longest
from typing import NamedTuple

from sim.calibration.trace import Trace, creates_key, starts_issuance
from sim.logs.audit import CERTIFICATES, EVENTS, REQUESTS, SECRETS, AuditEvent
from sim.logs.controller_log import CONFLICT, REISSUE, TRANSITION, LogLine
from sim.units import MS, SECOND

LONGEST = 50 * MS
"""A longer step is not the next one any more: something was waited for."""
KEY_LONGEST = 20 * SECOND
STEP_LONGEST = 1 * MS
"""Two signs of the client further apart have a pause between them."""


class Reaction(NamedTuple):
    """How long after a write's arrival the first of the controllers that it wakes is seen at work."""

    kind: str  # certificate, request, secret: each has its own watch and its own work before the first sign
    service_ns: int
    reaction_ns: int


def _first_after(trace: Trace, what: str, name: str, time: int, condition: str = "") -> LogLine | None:
    for line in trace.lines_about.get((what, name), ()):
        if line.time_ns > time and (not condition or line.condition == condition):
            return line if line.time_ns < time + LONGEST else None
    return None


def _recorded_after(trace: Trace, name: str, time: int, actor: str) -> int | None:
    """When an actor first recorded an Event about ``name`` after a time, by the controller's clock."""
    times = [
        event.recorded_ns
        for i in trace.by_object.get((EVENTS, name), ())
        if (event := trace.events[i]).recorded_ns > time and event.actor == actor
    ]
    first = min(times, default=None)
    return first if first is not None and first < time + LONGEST else None


def reactions(trace: Trace) -> list[Reaction]:
    """Return the first sign of life of the controllers that a write wakes, where they don't have to wait for it.

    After a Certificate's creation trigger and readiness show one, after a request's the approver and the
    issuers, after the target Secret's first apply readiness. Those that follow the first have mostly waited for its
    pass: readiness' line comes .2 to .45 ms after trigger's in steady-60-update, as long as a pass takes.
    Only writes that nothing disturbed count: in a burst of creations or behind a full token bucket the woken
    controller waits for a worker, a core or a token, and that would be taken for the watch's lag.
    """
    found = []
    seen = _requests_seen(trace)
    for event, undisturbed in zip(trace.events, trace.undisturbed, strict=True):
        if not event.succeeded or not undisturbed or not trace.calm(event.received_ns):
            continue
        start = event.received_ns
        signs: list[int] = []
        kind = ""
        if event.resource == CERTIFICATES and event.verb == "create" and event.name:
            kind = "certificate"
            lines = (
                _first_after(trace, REISSUE, event.name, start),
                _first_after(trace, TRANSITION, event.name, start, "Ready"),
            )
            signs = [line.time_ns for line in lines if line is not None]
        elif event.resource == REQUESTS and event.verb == "create":
            kind = "request"
            signs = seen.get(start, [])
        elif event.resource == SECRETS and event.verb == "apply" and event.code == 201:
            kind = "secret"
            line = _first_after(trace, TRANSITION, _certificate_of(trace, event), start, "Ready")
            signs = [line.time_ns] if line is not None else []
        if signs:
            found.append(Reaction(kind, event.service_ns, min(signs) - start))
    return found


def _certificate_of(trace: Trace, applied: AuditEvent) -> str:
    """Whose target Secret it is: issuing's next status write says, for the Secret's name need not."""
    start = bisect_left(trace.received, applied.answered_ns)
    for event in trace.events[start : start + 20]:
        if event.actor == applied.actor and event.resource == CERTIFICATES:
            return event.name
    return ""


def _requests_seen(trace: Trace) -> dict[int, list[int]]:
    """When each controller first did anything about a new CertificateRequest, by the arrival of its creation.

    The server chooses the name, so the log of a creation may not have it: a name first seen within LONGEST of
    one creation and of no other is that one's.
    """
    first: dict[str, dict[str, int]] = {}
    for (resource, name), indices in trace.by_object.items():
        for event in (trace.events[i] for i in indices if resource == EVENTS):
            if event.recorded_ns and event.actor.startswith("certificaterequests-issuer-"):
                signs = first.setdefault(name, {})
                signs[event.actor] = min(signs.get(event.actor, event.recorded_ns), event.recorded_ns)
    for (what, name), lines in trace.lines_about.items():
        if what == TRANSITION and lines[0].resource == "CertificateRequest" and lines[0].condition == "Approved":
            first.setdefault(name, {})["certificaterequests-approver"] = lines[0].time_ns
    created = [
        event.received_ns
        for event in trace.events
        if event.resource == REQUESTS and event.verb == "create" and event.succeeded
    ]
    seen: dict[int, list[int]] = {}
    for signs in first.values():
        time = min(signs.values())
        end = bisect_left(created, time)
        if end and created[end - 1] > time - LONGEST and (end == 1 or created[end - 2] < time - LONGEST):
            seen.setdefault(created[end - 1], []).extend(
                sign for sign in signs.values() if sign < created[end - 1] + LONGEST
            )
    return seen


class AnswerTimes(NamedTuple):
    """Times from the end of service until the code that waited for the answer runs."""

    refused: list[int]
    stored: list[int]  # these carry the object, which is decoded


def answers(trace: Trace) -> AnswerTimes:
    """Return how long answers take to the code that waits for them, less the delay that was asked for.

    Only of requests that were alone in the server: next to others the answer would wait for a core as well.
    """
    found = AnswerTimes([], [])
    for event, alone in zip(trace.events, trace.alone, strict=True):
        if not alone or not event.ours or event.resource == EVENTS or not trace.calm(event.answered_ns):
            continue
        seen: int | None = None
        if event.reason == "Conflict":
            line = _first_after(trace, CONFLICT, event.name, event.received_ns)
            seen = line.time_ns if line else None
        elif event.succeeded and event.actor in _RECORDS_AFTER_STATUS and event.subresource == "status":
            seen = _recorded_after(trace, event.name, event.received_ns, event.actor)
        if seen is not None and seen > event.answered_ns:
            (found.stored if event.succeeded else found.refused).append(seen - event.answered_ns - trace.delay_ns)
    return found


_RECORDS_AFTER_STATUS = {"certificates-trigger", "certificates-issuing", "certificaterequests-approver"}
_DECIDES = {
    "certificates-trigger": (CERTIFICATES, "Issuing"),
    "certificates-readiness": (CERTIFICATES, "Ready"),
    "certificaterequests-approver": (REQUESTS, "Approved"),
}


def sends(trace: Trace) -> list[int]:
    """Return times from the log line that a status is about to change to the request's arrival, less that delay.

    Only of requests that were alone in the server, as for ``answers``.
    """
    found = []
    for i, event in enumerate(trace.events):
        decides = _DECIDES.get(event.actor)
        if decides is None or event.resource != decides[0] or event.subresource != "status":
            continue
        if not trace.alone[i] or trace.throttled[i] or not trace.calm(event.received_ns):
            continue
        before = [
            line.time_ns
            for line in trace.lines_about.get((TRANSITION, event.name), ())
            if line.condition == decides[1] and line.time_ns < event.received_ns
        ]
        if before and event.received_ns - before[-1] < LONGEST:
            found.append(event.received_ns - before[-1] - trace.delay_ns)
    return found


class Steps(NamedTuple):
    """Times from one sign of the client to the next, where the next step was at hand."""

    passes: list[int]  # a refusal's line to the next decision where there is no key yet: a plain pass
    parsing: list[int]  # the same to a change of Ready: a pass that decodes the stored key on its way
    decisions: list[int]  # a decision to another one: sending a request, and a plain pass
    refusals: list[int]  # a decision to a refusal's line: sending a request, and receiving an answer


def steps(trace: Trace, *, busy: bool) -> Steps:
    """Return the client's steps while keys were generated (``busy``) or were not.

    While keys are generated, what can run has queued up and runs without a pause as soon as a processor is
    free: the fastest that the client can go, and what its computing costs. A Ready condition that changes tells of
    a Secret with a key and a certificate; one that is set for the first time, of none. Without an audit log nothing
    tells whether keys were generated, and there are none.
    """
    found = Steps([], [], [], [])
    if not trace.events:
        return found
    lines = [line for line in trace.lines if line.what in {CONFLICT, REISSUE, TRANSITION}]
    for before, line in zip_longest(lines, lines[1:]):
        if line is None or line.time_ns - before.time_ns >= STEP_LONGEST:
            continue
        if before.what == REISSUE or trace.calm(line.time_ns) == busy:
            continue  # trigger writes two lines for one decision
        step = line.time_ns - before.time_ns
        plain = line.what in {REISSUE, TRANSITION} and line.first
        if before.what == CONFLICT and plain:
            found.passes.append(step)
        elif before.what == CONFLICT and line.what == TRANSITION and line.condition == "Ready":
            found.parsing.append(step)
        elif before.what == TRANSITION and plain:
            found.decisions.append(step)
        elif before.what == TRANSITION and line.what == CONFLICT:
            found.refusals.append(step)
    return found


def _next(trace: Trace, after: AuditEvent, wanted: tuple[str, str, str], longest: int) -> int | None:
    """Index of the next success of an actor, resource and verb after another's arrival; None if too late."""
    actor, resource, verb = wanted
    start = bisect_left(trace.received, after.received_ns)
    for i in range(start, len(trace.events)):
        event = trace.events[i]
        if event.received_ns > after.answered_ns + longest:
            return None
        if event.actor == actor and event.resource == resource and event.verb == verb and event.succeeded:
            return i
    return None


def plain_hops(trace: Trace) -> list[int]:
    """Return times from the end of a status write to another controller's request that needs no computing.

    That is issuing's last write and key-manager's deletion of the next key.
    """
    return _hops(trace, "certificates-issuing", ("certificates-key-manager", SECRETS, "delete"))


def signed_request_hops(trace: Trace) -> list[int]:
    """The same from key-manager's write of the key's name to request-manager's create: it signs first."""
    return _hops(trace, "certificates-key-manager", ("certificates-request-manager", REQUESTS, "create"))


def _hops(trace: Trace, writer: str, following: tuple[str, str, str]) -> list[int]:
    found = []
    starts = [
        event
        for event in trace.events
        if event.actor == writer
        and event.resource == CERTIFICATES
        and event.subresource == "status"
        and event.succeeded
        and (writer != "certificates-key-manager" or event.sent is None or event.sent.next_key)
    ]
    for event, after in zip_longest(starts, starts[1:]):
        index = _next(trace, event, following, LONGEST)
        if index is None or trace.throttled[index] or not trace.calm(event.received_ns):
            continue
        if after is None or after.received_ns > trace.events[index].received_ns:
            found.append(trace.events[index].received_ns - event.answered_ns)
    return found


def issuing_hops(trace: Trace) -> list[int]:
    """Return times from the end of the issuer's last write to issuing's first apply of the target Secret."""
    found = []
    for event in trace.events:
        signed = event.actor.startswith("certificaterequests-issuer-") and event.resource == REQUESTS
        if not signed or not event.succeeded or not trace.calm(event.received_ns):
            continue
        index = _next(trace, event, ("certificates-issuing", SECRETS, "apply"), LONGEST)
        if index is not None and not trace.throttled[index]:
            found.append(trace.events[index].received_ns - event.answered_ns)
    return found


def first_line_hops(trace: Trace) -> list[int]:
    """Return times from the end of a Certificate's creation to the first line of the controllers it wakes."""
    return [one.reaction_ns - one.service_ns for one in reactions(trace) if one.kind == "certificate"]


def signing_hops(trace: Trace) -> list[int]:
    """Return times from the end of the approval to the issuer's line that it has signed."""
    found = []
    for event in trace.events:
        if event.actor == "certificaterequests-approver" and event.resource == REQUESTS and event.succeeded:
            line = _first_after(trace, TRANSITION, event.name, event.received_ns, "Ready")
            if line is not None and trace.calm(event.received_ns):
                found.append(line.time_ns - event.answered_ns)
    return found


def key_times(trace: Trace) -> list[int]:
    """Return times from the end of trigger's write to the arrival of the new key, one key at a time."""
    found = []
    starts = [event for event in trace.events if starts_issuance(event)]
    for event, after in zip_longest(starts, starts[1:]):
        if not trace.calm(event.received_ns):
            continue
        index = _next(trace, event, ("certificates-key-manager", SECRETS, "create"), KEY_LONGEST)
        if index is None or trace.throttled[index] or not creates_key(trace.events[index]):
            continue
        if after is None or after.received_ns > trace.events[index].received_ns:
            found.append(trace.events[index].received_ns - event.answered_ns)
    return found


def create_gaps(trace: Trace) -> list[int]:
    """Return times from a creation's answer to the same client's next creation."""
    found = []
    last: dict[str, AuditEvent] = {}
    for event in trace.events:
        if event.resource == trace.subject and event.verb == "create" and not event.ours:
            before = last.get(event.actor)
            if before is not None and 0 < event.received_ns - before.answered_ns < LONGEST:
                found.append(event.received_ns - before.answered_ns)
            last[event.actor] = event
    return found
