"""What goes wrong without a 409: lost updates, duplicates, stale passes, writes for nothing, loops without an end."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from sim.analysis.intervals import quantile
from sim.analysis.waste import Metrics, Row, positions
from sim.recording.columns import DUPLICATES, LOSSES, RECONCILES, REQUESTS
from sim.recording.replication import Replication

SECONDS = 1e-9
LATE = 5_000_000_000
"""Nanoseconds at the end in which nothing should be written any more, where a replication had settled by then."""

FAILED = frozenset({"conflict", "error", "gave-up", "over-budget"})
"""Outcomes of a pass that controller-runtime logs at Error level."""
HAZARDS: Mapping[str, str] = {
    "lost_updates": "lost updates",
    "lost_updates_never_repaired": "never repaired",
    "duplicates": "duplicates",
    "already_exists": "AlreadyExists",
    "writes_without_change": "changed nothing",
    "stale_reconciles": "stale copies",
    "ghost_reconciles": "ghosts",
    "errors_logged": "Error lines",
    "late_writes": "writes/s at the end",
    "late_writes_on_own": "of them on its own",
}
"""What goes wrong by controller, and how columns of it are headed. A write at the end on its own is one that a
controller makes on a version that it has written itself: it wakes itself; where others stored that version they undo
each other."""


def hazards(replication: Replication) -> Metrics:
    """Return the figures of a replication of operators: see ``sim.scenario.metrics``."""
    metrics: Metrics = {}
    metrics.update(_losses(replication))
    metrics.update(_requests(replication))
    metrics.update(_reconciles(replication))
    return metrics


def _by(name: str, counted: Mapping[str, float]) -> Metrics:
    """A figure and its part of each controller."""
    return {name: sum(counted.values()), **{f"{name}.{who}": count for who, count in sorted(counted.items())}}


def _losses(replication: Replication) -> Metrics:
    by, lost, repaired = positions(LOSSES, "by", "lost_ns", "repaired_ns")
    rows: Sequence[Row] = replication.losses
    never = [row for row in rows if row[repaired] == -1]
    times = sorted((int(row[repaired]) - int(row[lost])) * SECONDS for row in rows if int(row[repaired]) >= 0)
    return {
        **_by("lost_updates", Counter(str(row[by]) for row in rows)),
        **_by("lost_updates_never_repaired", Counter(str(row[by]) for row in never)),
        "lost_updates_repaired_p95": quantile(times, 0.95),
    }


def _requests(replication: Replication) -> Metrics:
    actor, verb, code, reason, written, decided, name, resource, base = positions(
        REQUESTS,
        *("actor", "verb", "code", "reason", "written_version", "decided_ns", "object", "resource", "base_version"),
    )
    controllers = {row[RECONCILES.index("controller")] for row in replication.reconciles}
    late_from = replication.ended_ns - LATE
    exists: Counter[str] = Counter()
    nothing: Counter[str] = Counter()
    late: Counter[str] = Counter()
    own: Counter[str] = Counter()
    writer: dict[tuple[str, str], tuple[int, str]] = {}  # by resource and object: its version, and whose that is
    requests: Sequence[Row] = replication.requests
    for row in requests:
        who, key = row[actor], (row[resource], row[name])
        if who in controllers and row[verb] != "get":
            if row[code] == 409 and row[reason] == "AlreadyExists":
                exists[who] += 1
            elif row[code] == 200 and row[verb] != "delete" and not row[written]:
                nothing[who] += 1
            if row[written] and int(row[decided]) > late_from:
                late[who] += 1
                own[who] += writer.get(key) == (row[base], who)
        if row[written]:
            writer[key] = row[written], who
    created = Counter(str(row[DUPLICATES.index("by")]) for row in replication.duplicates)
    rate = 1 / (LATE * SECONDS)
    return {
        **_by("already_exists", exists),
        **_by("writes_without_change", nothing),
        **_by("duplicates", created),
        **_by("late_writes", {who: count * rate for who, count in late.items()}),
        **_by("late_writes_on_own", {who: own[who] * rate for who in late}),
    }


def _reconciles(replication: Replication) -> Metrics:
    name, resource, written, decided = positions(REQUESTS, "object", "resource", "written_version", "decided_ns")
    versions: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    of: dict[int, str] = {}  # by version, the resource that it is of: there is one counter for all
    requests: Sequence[Row] = replication.requests
    for row in requests:  # in the order of decisions
        if row[written]:
            versions[row[resource], row[name]].append((int(row[decided]), int(row[written])))
            of[row[written]] = row[resource]
    controller, key, started, read, outcome, failures = positions(
        RECONCILES, "controller", "key", "started_ns", "read_version", "outcome", "failures"
    )
    stale: Counter[str] = Counter()
    rows: Sequence[Row] = replication.reconciles
    for row in rows:
        known = versions.get((of.get(row[read], ""), row[key]))
        if known:
            place = bisect_right(known, (int(row[started]), 1 << 62))
            stale[row[controller]] += place > 0 and known[place - 1][1] > int(row[read])
    return {
        **_by("stale_reconciles", stale),
        **_by("errors_logged", Counter(row[controller] for row in rows if row[outcome] in FAILED)),
        "most_failures": max((int(row[failures]) for row in rows), default=0),
    }
