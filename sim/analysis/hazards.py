"""What goes wrong without a 409: lost updates, duplicates, stale passes, writes for nothing, loops without an end."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping

from sim.analysis.intervals import quantile
from sim.analysis.waste import FAILED, Metrics, with_parts
from sim.recording.columns import DUPLICATES, LOSSES, RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.recording.rows import column, take

SECONDS = 1e-9
LATE = 5_000_000_000
"""Nanoseconds at the end in which nothing should be written any more, where a replication had settled by then."""

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


def _losses(replication: Replication) -> Metrics:
    rows = list(take(replication.losses, LOSSES, "by", "lost_ns", "repaired_ns"))
    never = Counter(by for by, _, repaired in rows if repaired == -1)
    times = sorted((repaired - lost) * SECONDS for _, lost, repaired in rows if repaired >= 0)
    return {
        **with_parts("lost_updates", Counter(by for by, _, _ in rows)),
        **with_parts("lost_updates_never_repaired", never),
        "lost_updates_repaired_p95": quantile(times, 0.95),
    }


def _requests(replication: Replication) -> Metrics:
    columns = ("actor", "verb", "code", "reason", "written_version", "decided_ns", "object", "resource", "base_version")
    controllers = set(column(replication.reconciles, RECONCILES, "controller"))
    late_from = replication.ended_ns - LATE
    exists: Counter[str] = Counter()
    nothing: Counter[str] = Counter()
    late: Counter[str] = Counter()
    own: Counter[str] = Counter()
    writer: dict[tuple[str, str], tuple[int, str]] = {}  # by resource and object: its version, and whose that is
    for row in take(replication.requests, REQUESTS, *columns):
        who, verb, code, reason, written, decided, name, resource, base = row
        if who in controllers and verb != "get":
            if code == 409 and reason == "AlreadyExists":
                exists[who] += 1
            elif code == 200 and verb != "delete" and not written:
                nothing[who] += 1
            if written and decided > late_from:
                late[who] += 1
                own[who] += writer.get((resource, name)) == (base, who)
        if written:
            writer[resource, name] = written, who
    created = Counter(column(replication.duplicates, DUPLICATES, "by"))
    rate = 1 / (LATE * SECONDS)
    return {
        **with_parts("already_exists", exists),
        **with_parts("writes_without_change", nothing),
        **with_parts("duplicates", created),
        **with_parts("late_writes", {who: count * rate for who, count in late.items()}),
        **with_parts("late_writes_on_own", {who: own[who] * rate for who in late}),
    }


def _reconciles(replication: Replication) -> Metrics:
    versions: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    of: dict[int, str] = {}  # by version, the resource that it is of: there is one counter for all
    stored = take(replication.requests, REQUESTS, "written_version", "resource", "object", "decided_ns")
    for written, resource, name, decided in stored:  # in the order of decisions
        if written:
            versions[resource, name].append((decided, written))
            of[written] = resource
    stale: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    most = 0
    columns = ("controller", "key", "started_ns", "read_version", "outcome", "failures")
    for controller, key, started, read, outcome, failures in take(replication.reconciles, RECONCILES, *columns):
        known = versions.get((of.get(read, ""), key))
        if known:
            place = bisect_right(known, (started, 1 << 62))
            stale[controller] += place > 0 and known[place - 1][1] > read
        failed[controller] += outcome in FAILED
        most = max(most, failures)
    return {
        **with_parts("stale_reconciles", stale),
        **with_parts("errors_logged", +failed),
        "most_failures": most,
    }
