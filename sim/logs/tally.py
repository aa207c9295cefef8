"""Counts while a log streams by: refusals and what became of them, Certificates, other causes, unread lines.

Nothing grows but a few numbers per refusal and per Certificate.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from sim.logs.audit import CERTIFICATES, DRY_RUN, REFUSED_DRY_RUN, WRITES_NOTHING, AuditEvent
from sim.logs.causes import Causes
from sim.logs.conflicts import ANONYMOUS
from sim.logs.controller_log import CONFLICT, ERROR, FIELD_CONFLICT, LogLine
from sim.logs.fates import Fates
from sim.logs.logreport import (
    ALL_WRITERS,
    AUDIT_LOG,
    CERT_MANAGER,
    CONTROLLER_LOG,
    UNNAMED,
    LogReport,
    Resolution,
    WriterRow,
)
from sim.logs.lost_updates import LostUpdates
from sim.logs.reader import FileAccount
from sim.logs.refusals import Counted, FieldLoss, LoggedWriter, Refusals, concerns_certificates
from sim.logs.retold import Retold
from sim.logs.routine import Routine
from sim.logs.stuck import STUCK_AFTER, Certificates
from sim.logs.writers import TOGETHER
from sim.units import SECOND, counted

_SKEW = 2 * SECOND
_LARGEST = 2**63 - 1
T = TypeVar("T")


@dataclass
class _Span:
    """From the first to the last time seen."""

    start: int = _LARGEST
    end: int = -1

    def add(self, first: int, last: int) -> None:
        self.start = min(self.start, first)
        self.end = max(self.end, last)

    @property
    def length(self) -> int:
        return max(self.end - self.start, 0) if self.end >= 0 else 0


class _LogSide(Counted):
    """What the controller's log tells."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = 0
        self.ours = 0  # lines of cert-manager
        self.other = 0  # lines that tell of anything but a refusal
        self.span = _Span()
        self.retold = Retold()
        self.fates = Fates()
        self.causes = Causes()

    def routine(self, found: Routine) -> None:
        """Count lines that tell of nothing but time and objects."""
        self.lines += found.lines
        self.ours += found.ours
        self.other += found.lines
        self.span.add(found.start_ns, found.end_ns)
        self.fates.routine(found.end_ns, found.keys)


class ConflictTally:
    """Counts while a log streams by. Call ``add`` with each item, then ``report``."""

    def __init__(self) -> None:
        self._events = 0
        self._span = _Span()
        self._ours = 0
        self._refusals = Refusals()
        self._lost = LostUpdates()
        self._certificates = Certificates()
        self._untimed = False
        self._together: set[str] = set()  # users of cert-manager whose controllers have one name
        self._log = _LogSide()

    def add(self, item: AuditEvent | LogLine | Routine) -> None:
        """Count one item, or many routine lines, in any order."""
        if isinstance(item, AuditEvent):
            self._event(item)
        elif isinstance(item, LogLine):
            self._line(item)
        else:
            self._log.routine(item)

    def _event(self, event: AuditEvent) -> None:
        self._events += 1
        self._span.add(event.received_ns, event.answered_ns)
        if event.ours:
            self._ours += 1
            if event.actor == TOGETHER:
                self._together.add(event.user)
        if not event.timed:
            self._untimed = True
        self._refusals.add(event)
        if event.succeeded:
            self._lost.add(event)
            if event.resource == CERTIFICATES:
                self._certificates.add(event)

    def _line(self, line: LogLine) -> None:
        log = self._log
        log.lines += 1
        log.ours += line.certmanager
        if line.timed:
            log.span.add(line.time_ns, line.time_ns)
            if log.retold.waiting:
                for waiting in log.retold.rest() if line.what == ERROR else log.retold.until(line.time_ns):
                    self._refused(waiting)
        log.causes.add(line)
        if line.what == CONFLICT:
            log.fates.routine(line.time_ns, (line.key,))
            for one in log.retold.take(line):
                self._refused(one)
            return
        log.fates.add(line)
        if line.what == FIELD_CONFLICT:
            log.count_fields(FieldLoss(line.controller or UNNAMED, line.owner, line.resource or ANONYMOUS), line.field)
        else:
            log.other += 1

    def _refused(self, line: LogLine) -> None:
        log = self._log
        log.fates.add(line)
        log.count(LoggedWriter(line.controller or UNNAMED, line.certmanager, line.resource), line.key, line.time_ns)

    @property
    def read(self) -> int:
        """Audit events and log lines counted so far."""
        return self._events + self._log.lines

    def report(
        self,
        ignored: Counter[str],
        stuck_after_ns: int = STUCK_AFTER,
        parts: int = 60,
        accounts: Iterable[FileAccount] = (),
        left_out: Iterable[tuple[str, str]] = (),
    ) -> LogReport:
        """Return what was counted. With an audit log the controller's log is only compared with it."""
        self._refusals.finish()
        self._lost.finish()
        for waiting in self._log.retold.rest():
            self._refused(waiting)
        audit = self._events > 0
        log = self._log
        side: Counted = self._refusals if audit else log
        span = self._span if audit else log.span
        objects = self._refusals.objects if audit else self._full_keys()
        ours = self._ours > 0 if audit else log.ours > 0
        subject = CERT_MANAGER if ours else ALL_WRITERS
        timeline = _timeline(side.times[subject == CERT_MANAGER], span.start, span.length, parts)
        peak = timeline.index(max(timeline)) if timeline else 0
        stuck, ready = self._certificates.stuck(stuck_after_ns, self._end()), self._certificates.ready
        mine = {who: n for who, n in side.refused.items() if subject == ALL_WRITERS or concerns_certificates(who)}
        kept = list(accounts)
        return LogReport(
            source=AUDIT_LOG if audit else CONTROLLER_LOG,
            subject=subject,
            span_s=span.length / SECOND,
            start_ns=span.start if span.end >= 0 else 0,
            conflicts=_summed((who.actor, n) for who, n in mine.items()),
            logged=log.refused.total() if audit else 0,
            certificates=_summed((key, n) for (who, key), n in objects.items() if concerns_certificates(who)),
            objects=_summed((f"{who.resource} {key}", n) for (who, key), n in objects.items() if who in mine),
            elsewhere=self._elsewhere({who: n for who, n in side.refused.items() if who not in mine}, audit),
            others=_summed(
                (f"{who.actor} on {who.resource} {key}", n) for (who, key), n in objects.items() if who not in mine
            ),
            resolution=self._resolution(subject) if audit else None,
            fates=[] if audit else log.fates.report(),
            filtered=self._filtered(audit, ignored),
            stuck=stuck if self._certificates else None,
            seen=len(self._certificates),
            ready=ready,
            unfinished=len(self._certificates) - ready - len(stuck),
            writes=self._ours,
            all_writes=self._refusals.writes.total() + self._refusals.refused.total(),
            actors=[
                name for name, _ in _summed((who.actor, n) for who, n in self._refusals.writes.items()).most_common(8)
            ],
            writers=self._writers() if audit else [],
            losses=dict(self._refusals.losses.most_common()),
            field_losses=[
                (loss, count, side.field_examples.get(loss, "")) for loss, count in side.fields.most_common()
            ],
            tries=dict(sorted(self._refusals.tries.items())),
            lost=self._lost.lost.most_common(),
            lost_writes=self._lost.writes.total(),
            bodies=self._lost.seen > 0,
            causes=log.causes.found(log.span.end),
            otherwise=self._refusals.otherwise,
            issued=log.causes.issued,
            signed=log.causes.signed,
            timeline=timeline,
            peak_s=peak * span.length / SECOND / max(len(timeline), 1),
            read=self.read,
            ignored=ignored,
            unread_conflicts=sum(account.unread_conflicts for account in kept),
            first_unread=next((f"line {one.first_unread} of {one.name}" for one in kept if one.first_unread), ""),
            accounts=kept,
            left_out=list(left_out),
            notes=self._notes(subject, kept, ignored),
        )

    def _full_keys(self) -> Counter[tuple[LoggedWriter, str]]:
        """Refusals by object, with the namespace where another line of the log tells it."""
        found: Counter[tuple[LoggedWriter, str]] = Counter()
        for (who, key), count in self._log.objects.items():
            found[who, self._log.fates.full_key(key)] += count
        return found

    def _elsewhere(self, refused: dict[LoggedWriter, int], audit: bool) -> Counter[str]:
        found: Counter[str] = Counter()
        for who, count in refused.items():
            stale = " (stale copy)" if who.resource == CERTIFICATES and audit else ""
            found[f"{who.actor} on {who.resource}{stale}"] += count
        for loss, count in self._refusals.fields.items() if audit else ():
            found[f"{loss.loser} on {loss.resource} (fields owned by another)"] += count
        return found

    def _filtered(self, audit: bool, ignored: Counter[str]) -> bool:
        """Whether the log holds refusals alone: then somebody took everything else out."""
        if audit:
            reads = sum(count for why, count in ignored.items() if why in WRITES_NOTHING)
            refused = self._refusals.refused.total() + self._refusals.fields.total()
            return refused > 0 and not self._refusals.writes and not reads
        return self._log.refused.total() > 0 and not self._log.other

    def _resolution(self, subject: str) -> Resolution:
        import numpy as np

        mine = subject == CERT_MANAGER
        moot = left = 0
        for (who, key), times in self._refusals.pending.items():
            if concerns_certificates(who) != mine:
                continue
            if who.resource == CERTIFICATES and self._certificates.settled(key):
                moot += len(times)
            else:
                left += len(times)
        waits = self._refusals.waits[mine]
        count = len(waits)
        total = count + moot + left
        p50, p95 = (float(q) for q in np.quantile(waits, (0.5, 0.95))) if count else (None, None)
        return Resolution(count / total if total else None, p50, p95, count, moot, left)

    def _writers(self) -> list[WriterRow]:
        """All writers of all resources on which anybody was refused or lost something; those refused most first."""
        refusals = self._refusals
        hit = {who.resource for who in refusals.refused} | {loss.resource for loss in refusals.fields}
        hit |= {one.resource for one in self._lost.lost}
        fields = _summed(((loss.loser, loss.resource), n) for loss, n in refusals.fields.items())
        overwrote = _summed(((one.by, one.resource), n) for one, n in self._lost.lost.items())
        lost = _summed(((one.of, one.resource), n) for one, n in self._lost.lost.items())
        rows = [
            WriterRow(
                who.resource, who.actor, refusals.writes[who], refusals.refused[who],
                *(counts[who.actor, who.resource] for counts in (fields, overwrote, lost)),
            )
            for who in {*refusals.writes, *refusals.refused}
            if who.resource in hit
        ]  # fmt: skip
        return sorted(rows, key=lambda row: (row.resource, -row.refused, -row.writes, row.actor))

    def _skew(self) -> int | None:
        """How far the controller's clock is ahead of the server's; None where no conflict is in both logs."""
        logged, audited = self._log.first, self._refusals.first
        both = sorted(logged[name] - audited[name] for name in audited if name in logged)
        return both[len(both) // 2] if both else None

    def _end(self) -> int:
        """Until when the cluster was watched: a controller's log that goes on longer counts too."""
        log = self._log.span
        same_clock = abs(self._skew() or 0) <= _SKEW and log.start <= self._span.end and self._span.start <= log.end
        return max(self._span.end, log.end) if same_clock else self._span.end

    def _notes(self, subject: str, accounts: list[FileAccount], unused: Counter[str]) -> list[str]:
        notes = []
        log = self._log
        if self._refusals.nameless:
            notes.append(
                f"{counted(self._refusals.nameless, 'conflict')} on a Certificate that the log does not name: "
                "whether they resolved can't be told"
            )
        if self._events and log.lines:
            logged, audited = (_certificates(side) for side in (log.refused, self._refusals.refused))
            if logged != audited:
                notes.append(
                    f"the controller's log tells of {counted(logged, 'conflict')}, the audit log of {audited}: "
                    "they may not cover the same time"
                )
            skew = self._skew()
            if skew is not None and abs(skew) > _SKEW:
                notes.append(
                    f"the clocks differ: the controller's log is {abs(skew) / SECOND:.1f} s "
                    f"{'ahead of' if skew > 0 else 'behind'} the audit log (time zone, year or clock)"
                )
        for account in accounts:
            if account.shift_ns:
                hours = account.shift_ns / (3600 * SECOND)
                notes.append(
                    f"{account.name}: its own times are {abs(hours):.2g} h {'ahead of' if hours > 0 else 'behind'} the "
                    "collector's stamps (time zone)"
                )
        if not self._events and log.lines:
            notes.append(
                "a controller's log does not tell of writes that succeed, nor of status: what is stuck, and who "
                "won, needs the API server's audit log"
            )
            if any(who.actor == UNNAMED and who.ours for who in log.refused):
                notes.append("this release's conflict line does not name the controller; the audit log does")
        if self._events and not self._certificates and subject == CERT_MANAGER:
            notes.append("the audit log holds no body of a Certificate, so what is stuck can't be told")
        if self._together:
            users = ", ".join(sorted(user for user in self._together if user)[:3])
            notes.append(
                f"this log does not tell cert-manager's controllers apart{f' (user {users})' if users else ''}: "
                "before 1.8 they shared a user agent, and some proxies and collectors drop it"
            )
        dry = sum(unused[why] for why in (DRY_RUN, REFUSED_DRY_RUN))
        if dry:
            refused = f", {unused[REFUSED_DRY_RUN]} of them refused with 409" if unused[REFUSED_DRY_RUN] else ""
            notes.append(f"{counted(dry, 'dry run')}{refused}: nothing was to be stored, so they are not counted")
        if self._untimed:
            notes.append("this audit log has one time a request, so no service times: calibrate can't use it")
        return notes


def _certificates(refused: Counter[LoggedWriter]) -> int:
    return sum(count for who, count in refused.items() if concerns_certificates(who))


def _summed(pairs: Iterable[tuple[T, int]]) -> Counter[T]:
    found: Counter[T] = Counter()
    for name, count in pairs:
        found[name] += count
    return found


def _timeline(times: array[int], start: int, length: int, parts: int) -> list[int]:
    counts = [0] * parts if times else []
    for time in times:
        counts[min(max((time - start) * parts // max(length, 1), 0), parts - 1)] += 1
    return counts
