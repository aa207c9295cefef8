"""What a real log says about conflicts: how many, whose, whether they resolved, and what is stuck.

Counts are kept while the log streams by; nothing grows but a few numbers per conflict and per Certificate.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.logs.audit import CERTIFICATES, AuditEvent
from sim.logs.certificates import CertificateView
from sim.logs.controller_log import CONFLICT, LogLine
from sim.units import HOUR, MINUTE, SECOND

STUCK_AFTER = MINUTE
"""A Certificate is stuck when nothing happened to it for so long before the log's end, in nanoseconds."""
UNNAMED = "controller not named"
"""Where a conflict is counted whose line does not name the controller, as in 1.21's own log."""

_BARS = "▁▂▃▄▅▆▇█"
_SKEW = 2 * SECOND


class Stuck(NamedTuple):
    """A Certificate that is not as it should be, and where nothing happens any more."""

    certificate: str  # namespace/name
    why: str
    quiet_s: float  # from the last write to it until the log's end


class Resolution(NamedTuple):
    """What became of the conflicts; ``share`` and the quantiles are None where there was none to judge."""

    share: float | None  # followed by a successful write of the same controller to the same object
    p50_s: float | None
    p95_s: float | None
    resolved: int
    moot: int  # not followed by one, but the Certificate ended Ready and not Issuing: nothing was left to do
    open: int  # neither


@dataclass
class LogReport:
    """The answer to "are these conflicts a problem?". Times in seconds, rates an hour."""

    source: str  # what the counts are from: "audit log" or "controller log"
    span_s: float
    conflicts: Counter[str]  # by controller
    certificates: Counter[str]  # by Certificate
    elsewhere: Counter[str]  # conflicts on other resources, and of other writers
    resolution: Resolution | None  # None where the log can't tell
    stuck: list[Stuck] | None  # None where the log holds no status
    seen: int  # Certificates whose status was seen
    ready: int  # of them Ready and not Issuing at the end
    unfinished: int  # of them neither that nor stuck: something happened shortly before the end
    writes: int  # of cert-manager, whatever the answer
    timeline: list[int]  # conflicts in equal parts of the span
    peak_s: float  # start of the fullest part, since the start of the log
    read: int
    ignored: Counter[str]
    notes: list[str]

    @property
    def total(self) -> int:
        """Conflicts of cert-manager's controllers on Certificates."""
        return self.conflicts.total()

    def per_hour(self, count: int) -> float | None:
        """Return the rate of ``count`` events in the log's span; None where it spans no time."""
        return count * 3600 / self.span_s if self.span_s > 0 else None


@dataclass
class _Certificate:
    view: CertificateView
    changed_ns: int


@dataclass
class ConflictTally:
    """Counts while a log streams by. Call ``add`` with each item, then ``report``."""

    _events: int = 0
    _lines: int = 0
    _nameless: int = 0
    _writes: int = 0
    _span: list[int] = field(default_factory=lambda: [2**63, -1])
    _log_span: list[int] = field(default_factory=lambda: [2**63, -1])
    _times: array[int] = field(default_factory=lambda: array("q"))
    _log_times: array[int] = field(default_factory=lambda: array("q"))
    _conflicts: Counter[str] = field(default_factory=Counter)
    _log_conflicts: Counter[str] = field(default_factory=Counter)
    _by_object: Counter[str] = field(default_factory=Counter)
    _log_by_object: Counter[str] = field(default_factory=Counter)
    _elsewhere: Counter[str] = field(default_factory=Counter)
    _log_elsewhere: Counter[str] = field(default_factory=Counter)
    _pending: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    _written: dict[tuple[str, str], int] = field(default_factory=dict)
    _waits: array[float] = field(default_factory=lambda: array("d"))
    _certificates: dict[str, _Certificate] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)  # first refusal of each object, by the server's clock
    _log_first: dict[str, int] = field(default_factory=dict)  # the same by the controller's clock

    def add(self, item: AuditEvent | LogLine) -> None:
        """Count one item, in any order."""
        if isinstance(item, AuditEvent):
            self._event(item)
        else:
            self._line(item)

    def _event(self, event: AuditEvent) -> None:
        self._events += 1
        self._span = [min(self._span[0], event.received_ns), max(self._span[1], event.answered_ns)]
        self._writes += event.ours
        if event.resource != CERTIFICATES:
            if event.ours and event.reason == "Conflict":
                self._elsewhere[f"{event.actor} on {event.resource}"] += 1
            return
        self._status(event)
        if event.reason in {"Conflict", "FieldConflict"}:
            if not event.ours or event.reason == "FieldConflict":
                kind = "fields owned by another" if event.reason == "FieldConflict" else "stale copy"
                self._elsewhere[f"{event.actor} on certificates ({kind})"] += 1
                return
            self._conflicts[event.actor] += 1
            self._by_object[event.key] += 1
            self._times.append(event.answered_ns)
            name = event.name
            if not name:  # nobody can tell what became of it
                self._nameless += 1
                return
            self._first[name] = min(self._first.get(name, 2**63), event.answered_ns)
            self._refused(event)
        elif event.ours and event.succeeded and event.name:
            self._succeeded(event)

    def _refused(self, event: AuditEvent) -> None:
        which = (event.actor, event.key)
        written = self._written.get(which, -1)
        if written >= event.answered_ns:  # the log is out of order: the later write was seen first
            self._waits.append((written - event.answered_ns) / SECOND)
        else:
            self._pending.setdefault(which, []).append(event.answered_ns)

    def _succeeded(self, event: AuditEvent) -> None:
        which = (event.actor, event.key)
        self._written[which] = max(self._written.get(which, -1), event.answered_ns)
        waiting = self._pending.get(which)
        if waiting:
            left = [time for time in waiting if time > event.answered_ns]
            self._waits.extend((event.answered_ns - time) / SECOND for time in waiting if time <= event.answered_ns)
            if left:
                self._pending[which] = left
            else:
                del self._pending[which]

    def _status(self, event: AuditEvent) -> None:
        if not event.succeeded:
            return
        if event.verb == "delete":
            self._certificates.pop(event.key, None)
            return
        # An update sends the whole status, so the request's body will do; an apply or patch sends a part.
        view = event.answer or (event.sent if event.verb == "update" and event.subresource else None)
        if view is None or not event.name:
            return
        known = self._certificates.get(event.key)
        if known is None:
            self._certificates[event.key] = _Certificate(view, event.answered_ns)
        elif event.answered_ns >= known.changed_ns:
            known.view, known.changed_ns = view, event.answered_ns

    def _line(self, line: LogLine) -> None:
        self._lines += 1
        self._log_span = [min(self._log_span[0], line.time_ns), max(self._log_span[1], line.time_ns)]
        if line.what != CONFLICT:
            return
        if line.resource != CERTIFICATES:
            self._log_elsewhere[f"{line.controller or UNNAMED} on {line.resource}"] += 1
            return
        self._log_conflicts[line.controller or UNNAMED] += 1
        self._log_by_object[line.key] += 1
        self._log_times.append(line.time_ns)
        name = line.key.rsplit("/", 1)[-1]
        self._log_first[name] = min(self._log_first.get(name, 2**63), line.time_ns)

    @property
    def read(self) -> int:
        """Audit events and log lines counted so far."""
        return self._events + self._lines

    def report(self, ignored: Counter[str], stuck_after_ns: int = STUCK_AFTER, parts: int = 60) -> LogReport:
        """Return what was counted. With an audit log the controller's log is only compared with it."""
        audit = self._events > 0
        span = self._span if audit else self._log_span
        times = self._times if audit else self._log_times
        length = max(span[1] - span[0], 0)
        timeline = _timeline(times, span[0], length, parts)
        peak = timeline.index(max(timeline)) if timeline else 0
        stuck, ready = self._stuck(stuck_after_ns, self._end())
        return LogReport(
            source="audit log" if audit else "controller log",
            span_s=length / SECOND,
            conflicts=self._conflicts if audit else self._log_conflicts,
            certificates=self._by_object if audit else self._log_by_object,
            elsewhere=self._elsewhere if audit else self._log_elsewhere,
            resolution=self._resolution() if audit else None,
            stuck=stuck if self._certificates else None,
            seen=len(self._certificates),
            ready=ready,
            unfinished=len(self._certificates) - ready - len(stuck),
            writes=self._writes,
            timeline=timeline,
            peak_s=peak * length / SECOND / max(len(timeline), 1),
            read=self.read,
            ignored=ignored,
            notes=self._notes(),
        )

    def _resolution(self) -> Resolution:
        import numpy as np

        moot = left = 0
        for (_, key), times in self._pending.items():
            known = self._certificates.get(key)
            if known is not None and known.view.ready == "True" and known.view.issuing != "True":
                moot += len(times)
            else:
                left += len(times)
        count = len(self._waits)
        total = count + moot + left
        p50, p95 = (float(q) for q in np.quantile(self._waits, (0.5, 0.95))) if count else (None, None)
        return Resolution(count / total if total else None, p50, p95, count, moot, left)

    def _skew(self) -> int | None:
        """How far the controller's clock is ahead of the server's; None where no conflict is in both logs."""
        both = sorted(self._log_first[name] - self._first[name] for name in self._first if name in self._log_first)
        return both[len(both) // 2] if both else None

    def _end(self) -> int:
        """Until when the cluster was watched: a controller's log that goes on longer counts too."""
        start, end = self._span
        log_start, log_end = self._log_span
        same_clock = abs(self._skew() or 0) <= _SKEW and log_start <= end and start <= log_end
        return max(end, log_end) if same_clock else end

    def _stuck(self, after_ns: int, end_ns: int) -> tuple[list[Stuck], int]:
        found = []
        ready = 0
        for key, known in sorted(self._certificates.items()):
            view = known.view
            if view.ready == "True" and view.issuing != "True":
                ready += 1
                continue
            quiet = end_ns - known.changed_ns
            if quiet < after_ns:
                continue
            if view.issuing == "True":
                why = "Issuing=True and nothing happens" + (", not Ready" if view.ready != "True" else "")
            elif view.failed:
                why = "not Ready: the last issuance failed and the next attempt is not due"
            else:
                why = "not Ready and not Issuing"
            found.append(Stuck(key, why, quiet / SECOND))
        return found, ready

    def _notes(self) -> list[str]:
        notes = []
        if self._nameless:
            notes.append(
                f"{_count(self._nameless, 'conflict')} on a Certificate that the log does not name: "
                "whether they resolved can't be told"
            )
        if self._events and self._lines:
            logged, audited = self._log_conflicts.total(), self._conflicts.total()
            if logged != audited:
                notes.append(
                    f"the controller's log tells of {logged} conflicts, the audit log of {audited}: "
                    "they may not cover the same time"
                )
            skew = self._skew()
            if skew is not None and abs(skew) > _SKEW:
                notes.append(
                    f"the clocks differ: the controller's log is {abs(skew) / SECOND:.1f} s "
                    f"{'ahead of' if skew > 0 else 'behind'} the audit log (time zone, year or clock)"
                )
        if not self._events and self._lines:
            notes.append(
                "a controller's log does not tell of writes that succeed, nor of status: whether conflicts "
                "resolved and whether a Certificate is stuck needs the API server's audit log"
            )
            if UNNAMED in self._log_conflicts:
                notes.append("this release's conflict line does not name the controller; the audit log does")
        if self._events and not self._certificates:
            notes.append("the audit log holds no body of a Certificate, so what is stuck can't be told")
        return notes


def _timeline(times: Iterable[int], start: int, length: int, parts: int) -> list[int]:
    counts = [0] * parts
    some = False
    for time in times:
        some = True
        counts[min((time - start) * parts // max(length, 1), parts - 1)] += 1
    return counts if some else []


def sparkline(counts: Iterable[int]) -> str:
    """Draw counts as a row of bars, the highest one full; a part with nothing is a blank."""
    values = list(counts)
    top = max(values, default=0)
    return "".join(" " if not value else _BARS[(value * len(_BARS) - 1) // top] for value in values)


def span_in_words(seconds: float) -> str:
    """Write a length of time for people, such as ``59 s`` or ``2.5 h``."""
    for unit, size in (("d", 24 * 3600.0), ("h", HOUR / SECOND), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 0.1 or not seconds else f"{seconds * 1000:.2g} ms"


def verdict(report: LogReport) -> str:
    """Say in words whether the conflicts are a problem."""
    said = []
    span = span_in_words(report.span_s)
    if report.stuck:
        many = len(report.stuck)
        said.append(
            f"{many} of {report.seen} Certificates {'is' if many == 1 else 'are'} stuck: "
            + "; ".join(f"{one.certificate} ({one.why})" for one in report.stuck[:3])
            + (f" and {many - 3} more" if many > 3 else "")
            + "."
        )
    if report.unfinished:
        said.append(
            f"{_count(report.unfinished, 'Certificate')} of {report.seen} "
            f"{'was' if report.unfinished == 1 else 'were'} not finished when the log ended."
        )
    if not report.total:
        said.append(
            f"No conflict: in {span} none of cert-manager's {report.writes} writes was refused as stale."
            if report.source == "audit log"
            else f"No conflict in {span} of the controller's log."
        )
        return " ".join(said)
    said.append(f"{_count(report.total, 'conflict')} in {span} on {_count(len(report.certificates), 'Certificate')}.")
    outcome = report.resolution
    if outcome is None:
        said.append("Whether they resolved themselves this log does not tell.")
        return " ".join(said)
    if outcome.resolved:
        said.append(
            f"{outcome.resolved} ({outcome.share:.0%}) resolved themselves: the same controller wrote the "
            f"same object later, half of them within {span_in_words(outcome.p50_s or 0)} and 95% within "
            f"{span_in_words(outcome.p95_s or 0)}."
        )
    if outcome.moot:
        said.append(f"{outcome.moot} had nothing left to write: the Certificate ended Ready without them.")
    if outcome.open:
        said.append(f"{outcome.open} were still open when the log ended.")
    if not report.stuck and not report.unfinished and not outcome.open:
        said.append("These conflicts are the price of optimistic locking, not a fault.")
    return " ".join(said)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_json(report: LogReport) -> dict[str, Any]:
    """Return the report as plain data, as ``requeue log --json`` prints it."""
    outcome = report.resolution
    return {
        "verdict": verdict(report),
        "source": report.source,
        "span_s": report.span_s,
        "conflicts": {
            "total": report.total,
            "per_hour": report.per_hour(report.total),
            "by_controller": {
                name: {"count": count, "per_hour": report.per_hour(count)}
                for name, count in report.conflicts.most_common()
            },
            "by_certificate": dict(report.certificates.most_common()),
            "elsewhere": dict(report.elsewhere.most_common()),
            "timeline": report.timeline,
        },
        "resolved": outcome._asdict() if outcome else None,
        "stuck": None if report.stuck is None else [one._asdict() for one in report.stuck],
        "certificates": {"seen": report.seen, "ready": report.ready, "unfinished": report.unfinished},
        "read": report.read,
        "ignored": dict(report.ignored.most_common()),
        "notes": report.notes,
    }
