"""A recording to send to others: what a validation reads of it, without names or contents.

Of each recorded run a ``run.json`` and an ``audit.jsonl.gz`` are written that ``requeue validate`` reads like the
recording itself, to the same figures. What is kept of an audit event: its times, verb, resource, controller, code and
reason, and of a Certificate's status whether it is Ready, Issuing, has a next key and has failed. Objects are numbered
by kind, namespaces are one, programs other than cert-manager's are numbered; no other part of a body is written, no
message, no user, no address.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim.logs.audit import AuditEvent
from sim.logs.certificates import CertificateView
from sim.logs.reader import read_mixed
from sim.scenario.machinery import is_own
from sim.units import SECOND
from sim.validation.cases import RUN, CaseError, Run
from sim.validation.faults import MARKS, marks_of
from sim.validation.observed import audit_logs
from sim.validation.operators.asked import MARK
from sim.validation.recorded import KNOWN

T0 = 946_684_800
"""When every shared run begins, in seconds since 1970: the day and the hour stay at home."""
_TOLD = frozenset(
    {"conflicts", "conflicts_by_controller", "status_writes_by_controller", "reconciles_by_controller", "requests",
     "requests_by_controllers", "time_to_ready_s", "unfinished_at_end", "conflicts_on_other_resources"}
)  # fmt: skip
"""What of ``recorded`` a validation reads: counts by controller, and times."""
_LAB = "lab"
"""The program that makes the project's own recordings; the simulator calls its creator so too."""


class Numbers:
    """Numbers instead of names: the same for the same name, in the order in which they come."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._count: Counter[str] = Counter()

    def of(self, kind: str, name: str) -> str:
        """Return what to call this object of a kind; "" stays so."""
        if not name:
            return ""
        known = self._known.get((kind, name))
        if known is None:
            known = self._known[kind, name] = f"{kind}-{self._count[kind]}"
            self._count[kind] += 1
        return known

    def program(self, actor: str, ours: bool) -> str:
        """Return what to call who sent a request: cert-manager's controllers as they are, others by number."""
        return actor if ours or actor == _LAB else self.of("other", actor)


def share(runs: Iterable[Run], folder: Path) -> int:
    """Write what a validation reads of these runs into ``folder``, as ``CASE/rN``; return how many there were.

    Cases are numbered too, in their order. Raises ``CaseError`` as ``check`` does.
    """
    cases, known = Numbers(), Counter[str]()
    for run in runs:
        check(run)
        case = cases.of("case", run.name.rsplit("/", 1)[0])
        known[case] += 1
        _share(run, folder / case / f"r{known[case]}", f"{case}/r{known[case]}")
    return known.total()


def check(run: Run) -> None:
    """Raise ``CaseError`` for a run that can't be shared.

    The figures of other programs than cert-manager are read from the bodies of objects, which stay at home.
    """
    if MARK in run.asked:
        raise CaseError(
            f"{run.folder}: --share is for recordings of cert-manager; an operator's figures are in the bodies of its "
            "objects, which are not shared"
        )


def _share(run: Run, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    numbers = Numbers()
    start = run.t0
    events = [] if start is None else list(_events(run, numbers, round((T0 - start) * SECOND)))
    document: dict[str, Any] = {
        "name": name,
        "asked": {key: value for key, value in run.asked.items() if key in KNOWN},
        "t0": None if start is None else T0,
        "ended_after_s": run.ended_s,
        "created_s": {numbers.of("certificates", name): at for name, at in run.created_s.items()},
        "recorded": _recorded(run.recorded, numbers),
    }
    (folder / RUN).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if marks := marks_of(run.folder):
        shared = {"marks": [{"at_s": mark.get("at_s"), "what": mark.get("what")} for mark in marks]}
        (folder / MARKS).write_text(json.dumps(shared, indent=1) + "\n", encoding="utf-8")
    if events:
        with gzip.open(folder / "audit.jsonl.gz", "wt", encoding="utf-8") as log:
            log.writelines(json.dumps(event) + "\n" for event in events)


def _recorded(recorded: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """The figures of a run; of requests by ``actor verb resource code`` the actors of others are numbered."""
    found = {key: value for key, value in recorded.items() if key in _TOLD}
    if isinstance(requests := found.get("requests"), dict):
        found["requests"] = {
            " ".join([numbers.program(actor, is_own(actor)), *rest]): count
            for (actor, *rest), count in ((key.rsplit(" ", 3), count) for key, count in requests.items())
        }
    return found


def _events(run: Run, numbers: Numbers, shift_ns: int) -> Iterator[dict[str, Any]]:
    ignored: Counter[str] = Counter()
    events = (event for event in read_mixed(audit_logs(run.folder), ignored) if isinstance(event, AuditEvent))
    for count, event in enumerate(events):
        yield _event(event, numbers, count, shift_ns)


def _event(event: AuditEvent, numbers: Numbers, count: int, shift_ns: int) -> dict[str, Any]:
    program = numbers.program(event.actor, event.ours)
    name = numbers.of(event.resource, event.name)
    if event.recorded_ns:  # an Event's name holds when it was recorded
        name += f".{event.recorded_ns + shift_ns:x}"
    shared: dict[str, Any] = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": str(count),
        "stage": "ResponseComplete", "verb": "patch" if event.verb == "apply" else event.verb,
        "requestURI": "/?fieldManager=&force=true" if event.verb == "apply" else "/",
        "userAgent": f"cert-manager-{program}/shared cert-manager/shared" if event.ours else f"{program}/shared",
        "objectRef": {"resource": event.resource, "subresource": event.subresource, "apiGroup": event.group,
                      "namespace": "shared" if event.namespace else "", "name": name},
        "responseStatus": {"code": event.code, "reason": event.reason},
        "requestReceivedTimestamp": _time(event.received_ns + shift_ns),
        "stageTimestamp": _time(event.answered_ns + shift_ns),
    }  # fmt: skip
    for key, view in (("requestObject", event.sent), ("responseObject", event.answer)):
        if view is not None:
            shared[key] = _body(view)
    return shared


def _body(view: CertificateView) -> dict[str, Any]:
    """The least Certificate that is read as this view."""
    said = (("Issuing", view.issuing), ("Ready", view.ready))
    status: dict[str, Any] = {"conditions": [{"type": kind, "status": value} for kind, value in said if value]}
    if view.next_key:
        status["nextPrivateKeySecretName"] = "set"
    if view.failed:
        status["lastFailureTime"] = "set"
    return {"kind": "Certificate", "status": status}


def _time(ns: int) -> str:
    seconds, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
