"""What goes wrong without a 409: lost updates, duplicates, stale passes, writes for nothing, loops without an end."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from sim.analysis.intervals import quantile
from sim.analysis.waste import FAILED, Metrics, with_parts
from sim.recording.alike import column, counts, take
from sim.recording.columns import DUPLICATES, LOSSES, RECONCILES, REQUESTS, TIMED
from sim.recording.packing import Row
from sim.recording.replication import Replication
from sim.recording.rows import Mask, Rows

SECONDS = 1e-9
LATE = 5_000_000_000
"""Nanoseconds that are never longer between two writes of a hot loop, nor after its last one until the end."""
TURNS = 10
"""Writes of one controller about one object that make a hot loop, where nothing longer than ``LATE`` comes between."""

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
    "late_writes_timed": "of them on a timer",
}
"""What goes wrong by controller, and how columns of it are headed. Writes at the end are those of hot loops
(``hot_loops``). One on its own is made on a version that the controller has written itself: it wakes itself; where
others stored that version they undo each other. One on a timer is of a pass that began at a time that the controller
had set, whatever it is made on."""


def hazards(replication: Replication) -> Metrics:
    """Return the figures of a replication of operators: see ``sim.scenario.metrics``."""
    metrics: Metrics = {}
    metrics.update(_losses(replication))
    metrics.update(_requests(replication))
    metrics.update(_reconciles(replication))
    metrics.update(hot_loops(replication))
    return metrics


def hot_loops(replication: Replication) -> Metrics:
    """Return the writes a second of controllers that go round without end, those on its own, and on a timer.

    A controller does where it stored its last ten writes about one object at most 5 s apart, and the last of them in
    the last 5 s: nothing else needs so many. Of what is made and deleted the subject's name counts.
    """
    of = ("actor", "verb", "resource", "object", "certificate", "base_version", "reconcile")
    ended = replication.ended_ns
    turns: defaultdict[tuple[str, str, str], list[tuple[int, bool, bool]]] = defaultdict(list)
    writer: dict[tuple[str, str], tuple[int, str]] = {}  # by resource and object: its version, and whose that is

    def late_ones(rows: Rows) -> Mask:
        late = (rows.array("written_version") > 0) & (rows.array("decided_ns") > ended - TURNS * LATE)
        return late & ~rows.among("resource", "events")

    found: Iterable[Row] = ()
    if max(column(replication.requests, REQUESTS, "decided_ns", where=late_ones), default=0) >= ended - LATE:
        found = take(replication.requests, REQUESTS, "written_version", "decided_ns", *of, where=late_ones)
    timed = _timed(replication) if found else set()
    for written, decided, who, verb, resource, name, about, base, reconcile in found:
        own = writer.get((resource, name)) == (base, who)
        turns[who, resource, about if verb in {"create", "delete"} else name].append((decided, own, reconcile in timed))
        writer[resource, name] = written, who
    late: defaultdict[str, float] = defaultdict(float)
    shares: dict[str, list[float]] = {}  # of writes on its own and on a timer: of the object with least of them
    for (who, _, _), writes in turns.items():
        times = [decided for decided, _, _ in writes[-TURNS:]]
        if len(times) < TURNS or max(b - a for a, b in pairwise((*times, ended))) > LATE:
            continue
        late[who] += (TURNS - 1) / (max(times[-1] - times[0], 1) * SECONDS)
        found_here = [sum(each[kind] for each in writes[-TURNS:]) / TURNS for kind in (1, 2)]
        shares[who] = list(map(min, found_here, shares.get(who, found_here)))
    if late:
        controllers = counts(replication.reconciles, RECONCILES, "controller")
        late = defaultdict(float, {who: rate for who, rate in late.items() if who in controllers})
    on_own, on_timer = ({who: rate * shares[who][kind] for who, rate in late.items()} for kind in (0, 1))
    return {
        **with_parts("late_writes", late),
        **with_parts("late_writes_on_own", on_own),
        **with_parts("late_writes_timed", on_timer),
    }


def _timed(replication: Replication) -> set[int]:
    """The late passes that began at a time that their controller had set."""

    def timed(rows: Rows) -> Mask:
        return rows.among("cause", *TIMED) & (rows.array("ended_ns") > replication.ended_ns - TURNS * LATE)

    return set(column(replication.reconciles, RECONCILES, "reconcile", where=timed))


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
    columns = ("actor", "verb", "code", "reason", "written_version")
    controllers = counts(replication.reconciles, RECONCILES, "controller")
    exists: Counter[str] = Counter()
    nothing: Counter[str] = Counter()
    for who, verb, code, reason, written in take(replication.requests, REQUESTS, *columns):
        if who in controllers and verb != "get":
            if code == 409 and reason == "AlreadyExists":
                exists[who] += 1
            elif code == 200 and verb != "delete" and not written:
                nothing[who] += 1
    created = Counter(column(replication.duplicates, DUPLICATES, "by"))
    return {
        **with_parts("already_exists", exists),
        **with_parts("writes_without_change", nothing),
        **with_parts("duplicates", created),
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
