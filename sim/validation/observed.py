"""One recorded run in figures: from its ``run.json``, and from its audit log what that does not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from sim.logs.audit import CERTIFICATES, READS, AuditEvent
from sim.scenario.machinery import is_own
from sim.units import MS, SECOND
from sim.validation.cases import CaseError, Run
from sim.validation.faults import Back
from sim.validation.faults import begun as begun_s
from sim.validation.figures import Figures, Observation, Phases, at_zero, request_kind, time_figures, with_total

_QUANTILES = ("p50", "p95", "max")


def observe_run(run: Run) -> Observation:
    """Return the figures of a recorded run.

    Where there is an audit log the conflicts by phase and each Certificate's time to Ready come from it, and
    so does whatever ``run.json`` does not say. Where both have a figure ``run.json``'s is taken, and a
    difference in the conflicts is noted. Raises ``CaseError`` where neither tells the conflicts.
    """
    figures = _told(run)
    times: list[float] = []
    notes: list[str] = []
    logs = audit_logs(run.folder)
    if logs:
        seen = _from_audit(run, logs, notes)
        times = seen.times
        if seen.figures["conflicts"] != figures.get("conflicts", seen.figures["conflicts"]):
            notes.append(
                f"the audit log has {seen.figures['conflicts']:g} conflicts and run.json "
                f"{figures['conflicts']:g}: the log is cut off, or holds something else"
            )
        figures = {**seen.figures, **figures}
    if "conflicts" not in figures:
        raise CaseError(f"{run.folder}: neither run.json nor an audit log says how many conflicts there were")
    return Observation(figures, times, [f"{run.name}: {note}" for note in notes])


def _told(run: Run) -> Figures:
    """The figures that ``run.json`` has."""
    recorded = run.recorded
    figures: Figures = {}
    for key, name in (
        ("conflicts", "conflicts"),
        ("requests_by_controllers", "requests"),
        ("unfinished_at_end", "unfinished"),
    ):
        if recorded.get(key) is not None:
            figures[name] = run.number(key, recorded[key])
    by_controller = run.counts("conflicts_by_controller")
    if by_controller is not None:
        figures.update({f"conflicts.{name}": count for name, count in (at_zero() | by_controller).items()})
    for key, name in (("requests", "requests"), ("reconciles_by_controller", "reconciles")):
        found = run.counts(key)
        if found is not None:
            figures.update({f"{name}.{item}": count for item, count in found.items()})
    writes = run.counts("status_writes_by_controller")
    if writes is not None:
        figures.update(with_total("status_writes", at_zero() | writes))
    elsewhere = recorded.get("conflicts_on_other_resources")
    if isinstance(elsewhere, dict):
        counts = Counter(
            {
                f"{resource}.{name}": run.number(f"conflicts_on_other_resources.{resource}.{name}", count)
                for resource, named in elsewhere.items()
                if isinstance(named, dict)
                for name, count in named.items()
            }
        )
        figures.update(with_total("elsewhere", counts))
    times = recorded.get("time_to_ready_s")
    if isinstance(times, dict):
        for quantile in _QUANTILES:
            if times.get(quantile) is not None:
                figures[f"time_to_ready.{quantile}"] = run.number(f"time_to_ready_s.{quantile}", times[quantile])
    return figures


def audit_logs(folder: Path) -> list[Path]:
    """The files of the folder that hold audit events, told from their content."""
    from sim.logs.sources import AUDIT, kind_of

    files = [file for file in sorted(folder.iterdir()) if file.is_file() and file.name != "run.json"]
    return [file for file in files if kind_of(file)[0] == AUDIT]


def _from_audit(run: Run, logs: list[Path], notes: list[str]) -> Observation:
    from sim.logs.reader import read_mixed

    ignored: Counter[str] = Counter()
    events = (event for event in read_mixed(logs, ignored) if isinstance(event, AuditEvent))
    start = round(run.t0 * SECOND) if run.t0 is not None else None
    end = start + round(run.ended_s * SECOND) if start is not None and run.ended_s is not None else None
    begun = begun_s(run.folder, run.asked) if start is not None else []
    back = Back([round((start or 0) + at * SECOND) for at in begun])
    found = follow(events, start, end, back)
    if run.created_s and start is not None:
        created = {name: start + round(at * SECOND) for name, at in run.created_s.items()}
    else:
        created = found.created
    times = [(at - created[name]) / SECOND for name, at in found.ready.items() if name in created]
    notes += not_used(ignored)
    return Observation({**found.figures(), **time_figures(times), **back.figures()}, times)


def not_used(ignored: Mapping[str, int]) -> list[str]:
    """Return a note of the lines of an audit log that were not used, but for reads: nothing counts those."""
    lost = ", ".join(f"{why}: {count}" for why, count in ignored.items() if why != READS)
    return [f"not used of the audit log: {lost}"] if lost else []


class Followed:
    """What the requests about each Certificate came to. Times are nanoseconds since 1970."""

    def __init__(self) -> None:
        self.created: dict[str, int] = {}
        self.ready: dict[str, int] = {}
        self.conflicts = at_zero()
        self.writes = at_zero()
        self.kinds: Counter[str] = Counter()
        self.own = 0
        self.phases = Phases()

    def figures(self) -> Figures:
        """Return the figures, without times."""
        return {
            **with_total("conflicts", self.conflicts),
            **with_total("status_writes", self.writes),
            **with_total("requests", self.kinds),
            "requests": self.own,
            **{f"phase.{phase}": count for phase, count in self.phases.counts.items()},
        }


def follow(events: Iterable[AuditEvent], start: int | None, end: int | None, back: Back | None = None) -> Followed:
    """Count the requests between ``start`` and ``end`` (nanoseconds since 1970; None for no limit).

    ``back`` is told of the controllers' accepted writes.

    An audit log is in the order of answers, which is that of decisions to within milliseconds.
    """
    found = Followed()
    for event in events:
        # The recording's clock was read just before its first request was sent.
        if (start is not None and event.received_ns < start - MS) or (end is not None and event.received_ns > end):
            continue
        _follow(found, event)
        if back is not None and event.succeeded and event.ours and is_own(event.actor) and event.resource != "events":
            back.write(event.actor, event.received_ns, event.answered_ns)
    return found


def _follow(found: Followed, event: AuditEvent) -> None:
    found.kinds[request_kind(event.actor, event.verb, event.resource, event.subresource, event.code)] += 1
    own = event.ours and is_own(event.actor)
    found.own += event.ours
    if event.resource != CERTIFICATES:
        return
    name = event.name
    if event.succeeded:
        if event.verb == "create":
            found.created[name] = event.answered_ns
        elif event.subresource == "status" and own:
            found.writes[event.actor] += 1
        if event.answer is not None and event.answer.ready == "True":
            found.ready.setdefault(name, event.answered_ns)
        key_manager = event.actor == "certificates-key-manager"
        found.phases.stored(name, event.actor, key_manager and event.answer is not None and event.answer.next_key)
    elif event.reason == "Conflict" and own:
        found.conflicts[event.actor] += 1
        # What key-manager sends differs from its copy in the name alone: it sets it, or takes it away.
        found.phases.refused(name, event.actor, event.sent is not None and not event.sent.next_key)
