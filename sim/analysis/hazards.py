"""What goes wrong without a 409: lost updates, duplicates, stale passes, writes for nothing, loops without an end."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence

from sim.analysis.intervals import quantile
from sim.analysis.waste import Metrics, Row, positions
from sim.recording.columns import LOSSES, RECONCILES, REQUESTS
from sim.recording.replication import Replication

SECONDS = 1e-9
LATE = 5_000_000_000
"""Nanoseconds at the end in which nothing should be written any more, where a replication had settled by then."""


def hazards(replication: Replication) -> Metrics:
    """Return the figures of a replication of operators: see ``sim.scenario.metrics``."""
    metrics: Metrics = {}
    metrics.update(_losses(replication))
    metrics.update(_requests(replication))
    metrics.update(_reconciles(replication))
    return metrics


def _losses(replication: Replication) -> Metrics:
    by, lost, repaired = positions(LOSSES, "by", "lost_ns", "repaired_ns")
    rows: Sequence[Row] = replication.losses
    counted = Counter(str(row[by]) for row in rows)
    times = sorted((int(row[repaired]) - int(row[lost])) * SECONDS for row in rows if int(row[repaired]) >= 0)
    return {
        "lost_updates": len(rows),
        **{f"lost_updates.{who}": count for who, count in sorted(counted.items())},
        "lost_updates_never_repaired": sum(row[repaired] == -1 for row in rows),
        **{
            f"lost_updates_never_repaired.{who}": sum(row[repaired] == -1 for row in rows if row[by] == who)
            for who in sorted(counted)
        },
        "lost_updates_repaired_p95": quantile(times, 0.95),
    }


def _requests(replication: Replication) -> Metrics:
    actor, verb, code, reason, written, decided = positions(
        REQUESTS, "actor", "verb", "code", "reason", "written_version", "decided_ns"
    )
    controllers = {row[RECONCILES.index("controller")] for row in replication.reconciles}
    late_from = replication.ended_ns - LATE
    exists = nothing = late = 0
    requests: Sequence[Row] = replication.requests
    for row in requests:
        if row[actor] not in controllers or row[verb] == "get":
            continue
        if row[code] == 409 and row[reason] == "AlreadyExists":
            exists += 1
        elif row[code] == 200 and row[verb] != "delete" and not row[written]:
            nothing += 1
        late += bool(row[written]) and int(row[decided]) > late_from
    return {
        "already_exists": exists,
        "writes_without_change": nothing,
        "duplicates": replication.duplicates,
        "late_writes": late / (LATE * SECONDS),
    }


def _reconciles(replication: Replication) -> Metrics:
    name, resource, written, decided = positions(REQUESTS, "object", "resource", "written_version", "decided_ns")
    versions: defaultdict[object, list[tuple[int, int]]] = defaultdict(list)
    requests: Sequence[Row] = replication.requests
    for row in requests:  # in the order of decisions
        if row[resource] == replication.subject and row[written]:
            versions[row[name]].append((int(row[decided]), int(row[written])))
    key, started, read, outcome, failures = positions(
        RECONCILES, "key", "started_ns", "read_version", "outcome", "failures"
    )
    stale = 0
    rows: Sequence[Row] = replication.reconciles
    for row in rows:
        known = versions.get(row[key])
        if known and row[read]:
            place = bisect_right(known, (int(row[started]), 1 << 62))
            stale += place > 0 and known[place - 1][1] > int(row[read])
    return {
        "stale_reconciles": stale,
        "errors_logged": sum(row[outcome] in {"conflict", "error", "gave-up", "over-budget"} for row in rows),
        "most_failures": max((int(row[failures]) for row in rows), default=0),
    }
