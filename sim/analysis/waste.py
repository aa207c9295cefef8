"""What conflicts cost in one replication: tries for each write, core time for nothing, the busiest second.

==================  ================================================================================
tries.N             finished writes that took N tries
tries_gave_up       writes dropped because no retry was left
tries_unfinished    writes still being tried at the end
wasted_cpu          core seconds of passes that ended refused, of the server for refused requests, and of
                    ghost reconciles
requests_peak       requests that the server received in the busiest second
ghost_reconciles    see ``ghost_passes``; a part for each controller
==================  ================================================================================

A *write* is what one controller wants to change about one Certificate: all passes of its key up to the one that
ends well (its workqueue forgets the failures then), if a conditional write was among them. Each replica that works has
a workqueue of its own. Each conditional
request is a try, and so is a pass that failed without one. Outside a workqueue a write is all requests of one
sender for one object up to the one that is accepted.

Core time is what was recorded: of every pass (``cpu``, without keys and signing) and of the server for every refused
request. What a refusal wasted is said once, in ``wasted_by_request``; attribution shows the same, conflict by conflict.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, product
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from sim.families.endings import DROPPED
from sim.recording.alike import arrays, packed, parts, take
from sim.recording.columns import RECONCILES, REFUSALS, REQUESTS
from sim.recording.conflict import CODE, is_conflict
from sim.recording.packing import Row
from sim.recording.rows import Mask, Rows

if TYPE_CHECKING:
    from sim.recording.replication import Replication

Metrics = dict[str, float | None]
"""The figures of one replication by name; ``None`` where one is undefined."""
Begun = dict[tuple[tuple[str, int], str], tuple[int, int]]
"""By controller, replica and key the writes and tries of a write that goes on."""

FAILED = frozenset({"conflict", "error", *DROPPED})
"""Outcomes of a pass that failed, which controller-runtime logs at Error level."""
REFUSED = frozenset({"conflict", *DROPPED})
"""Outcomes of a pass whose work is lost if a write of it was refused."""

SECOND = 1_000_000_000
_END = (1 << 63) - 1
"""Later than any time, in nanoseconds."""


def with_parts(name: str, counted: Mapping[str, float]) -> Metrics:
    """Return a figure, and its part of each controller or whatever else was counted."""
    return {name: sum(counted.values()), **{f"{name}.{part}": count for part, count in sorted(counted.items())}}


def waste(replication: Replication) -> Metrics:
    """Return the figures above for a replication."""
    metrics: Metrics = {
        "tries_gave_up": 0,
        "tries_unfinished": 0,
        **tries(replication.requests, replication.reconciles, replication.subject),
    }
    ghosts: Counter[str] = Counter()
    idle = 0
    for controller, cpu in ghost_passes(replication.reconciles):
        ghosts[controller] += 1
        idle += cpu
    metrics.update(with_parts("ghost_reconciles", ghosts))
    metrics["wasted_cpu"] = wasted_cpu(
        replication.requests, replication.reconciles, replication.refusals, idle, replication.subject
    )
    received: Counter[int] = Counter()  # by second
    for rows in filter(len, parts(replication.requests, REQUESTS)):
        seconds = rows.array("received_ns") // SECOND
        first = int(seconds.min())
        counted = np.bincount(seconds - first)
        there = np.flatnonzero(counted)
        received.update(dict(zip((there + first).tolist(), counted[there].tolist(), strict=True)))
    metrics["requests_peak"] = max(received.values(), default=0)
    return metrics


def tries(requests: Iterable[Row], reconciles: Iterable[Row], subject: str = "certificates") -> dict[str, int]:
    """Count the writes by how many tries they took."""
    took: Counter[int] = Counter()
    alone: dict[tuple[str, str], int] = {}
    places = [REQUESTS.index(name) for name in ("resource", "actor", "object", "code", "reason")]
    written = [np.zeros(0, np.int64)]  # for each try of a pass, the pass
    for rows in parts(requests, REQUESTS):
        in_pass = rows.array("reconcile")
        ours = rows.among("resource", subject) & (rows.array("conditional") > 0)
        written.append(in_pass[ours & (in_pass >= 0)])
        for resource, actor, name, code, reason in rows.take(places, ours & (in_pass < 0)):
            writer = (actor, name)
            alone[writer] = alone.get(writer, 0) + 1
            if not is_conflict(resource, code, reason, (subject,)):
                took[alone.pop(writer)] += 1
    of_passes = np.sort(np.concatenate(written))
    del written
    begun: Begun = {}
    gave_up = 0
    for rows in filter(len, parts(reconciles, RECONCILES)):
        finished, dropped = _finished(rows, of_passes, begun)
        took.update({many: times for many, times in enumerate(finished) if times})
        gave_up += dropped
    counted = {f"tries.{many}": times for many, times in sorted(took.items())}
    if gave_up:
        counted["tries_gave_up"] = gave_up
    return {**counted, "tries_unfinished": len(alone) + sum(writes > 0 for writes, _ in begun.values())}


def _finished(rows: Rows, written: np.ndarray, begun: Begun) -> tuple[list[int], int]:
    """Return how many writes ended well in these passes by the tries they took, and how many were dropped.

    ``written`` has a pass's number for each of its tries, in order. What is ``begun`` goes on here, and is what goes on
    after these passes then.
    """
    sent = _sent(rows.array("reconcile"), written)
    failed, ends = ~rows.among("outcome", "ok"), rows.among("outcome", "ok", "gave-up")
    columns = [RECONCILES.index(name) for name in ("controller", "key")]
    controllers, keys = (rows.texts(place) or [] for place in columns)
    replicas = int(rows.array("replica").max()) + 1
    queues = list(product(controllers, range(replicas)))
    items = (rows.array("controller") * replicas + rows.array("replica")) * len(keys) + rows.array("key")
    before = _here(begun, queues, keys)
    # Passes that neither wrote nor failed matter only where they end what a failure began.
    tried = np.zeros(len(queues) * len(keys), np.bool_)
    tried[items[failed]] = tried[before[0]] = True
    told = np.flatnonzero((sent > 0) | tried[items])
    sent, failed = sent[told], failed[told]
    items = np.append(before[0], items[told])
    if not len(items):
        return [], 0
    writes, took = np.append(before[1:], [sent, np.maximum(sent, failed)], axis=1)
    failed, ends = (np.append(np.zeros(len(before[0]), np.bool_), each) for each in (failed, ends[told]))
    order = np.argsort(items, kind="stable")  # key by key, each in the order of its passes
    items, failed, ends = items[order], failed[order], ends[order]
    last = np.append(items[1:] != items[:-1], True) | ends
    starts = np.flatnonzero(np.append(True, last[:-1]))
    writes, took = np.add.reduceat([writes[order], took[order]], starts, axis=1)
    items, finished, dropped = items[last], ends[last], failed[last]
    for item, *each in np.array([items, writes, took]).T[~finished].tolist():
        begun[queues[item // len(keys)], keys[item % len(keys)]] = (each[0], each[1])
    wrote = (writes > 0) & finished
    return np.bincount(took[wrote & ~dropped]).tolist(), int(np.count_nonzero(wrote & dropped))


def _sent(passes: np.ndarray, written: np.ndarray) -> np.ndarray:
    """How often each pass's number is in ``written``, which is sorted."""
    first, last = int(passes.min()), int(passes.max())  # not far from each other: passes are recorded as they end
    between = written[np.searchsorted(written, first) : np.searchsorted(written, last, "right")]
    sent: np.ndarray = np.bincount(between - first, minlength=last - first + 1)[passes - first]
    return sent


def _here(begun: Begun, queues: Sequence[tuple[str, int]], keys: Sequence[str]) -> np.ndarray:
    """Take out of ``begun`` what may go on where there are these queues and keys: rows of numbers, writes and tries."""
    found = []
    if begun:
        of, at = ({each: number for number, each in enumerate(names)} for names in (queues, keys))
        for item in [item for item in begun if item[0] in of and item[1] in at]:
            found.append((of[item[0]] * len(keys) + at[item[1]], *begun.pop(item)))
    return np.array(found, np.int64).reshape(-1, 3).T


def wasted_cpu(
    requests: Iterable[Row],
    reconciles: Iterable[Row],
    refusals: Iterable[Row],
    ghosts: int,
    subject: str = "certificates",
) -> float:
    """Return the core seconds spent for nothing, of recorded rows and of ghosts: ``ghosts`` nanoseconds."""

    def conflicts(rows: Rows) -> Mask:
        refused = rows.array("code") == CODE
        answers = rows.take([REQUESTS.index(name) for name in ("resource", "code", "reason")], refused)
        refused[refused] = [is_conflict(resource, code, reason, (subject,)) for resource, code, reason in answers]
        return refused

    def lost(rows: Rows) -> Mask:
        return rows.among("outcome", *REFUSED)

    found = wasted_by_request(
        arrays(requests, REQUESTS, "request", "reconcile", where=conflicts),
        arrays(reconciles, RECONCILES, "reconcile", "cpu_ns", where=lost),
        arrays(refusals, REFUSALS, "request", "server_cpu_ns"),
    )
    return float(int(found.sum()) + ghosts) / SECOND


def wasted_by_request(
    conflicts: Sequence[np.ndarray], passes: Sequence[np.ndarray], server: Sequence[np.ndarray]
) -> np.ndarray:
    """Return the core time, in nanoseconds, that each conflict wasted, in their order.

    ``conflicts`` are requests and their passes, by whatever numbers tell them from others; ``passes`` those that ended
    ``REFUSED`` and their core time; ``server`` requests and their core time. A pass that ended refused was for
    nothing: its core time is shared among its conflicts. One that got through in the end, by trying in place, was not.
    """
    requests, in_pass = conflicts
    ordered = np.sort(in_pass)
    many = np.searchsorted(ordered, in_pass, "right") - np.searchsorted(ordered, in_pass)
    shares = np.rint(_looked_up(in_pass, *passes) / many)  # half to the even, as round does
    wasted: np.ndarray = _looked_up(requests, *server) + shares.astype(np.int64)
    return wasted


def _looked_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each key that is wanted; 0 of those that are not there."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    order = np.argsort(keys, kind="stable")
    place = np.searchsorted(keys, wanted, sorter=order)
    place = order[np.minimum(place, len(keys) - 1, out=place)]
    return np.where(keys[place] == wanted, values[place], 0)


def ghost_passes(reconciles: Iterable[Row]) -> Iterator[tuple[str, int]]:
    """Yield controller and core time (ns) of the reconciles that a backoff began after a conflict for nothing.

    Nothing cancels a waiting re-add, so the retry that the winner's watch event started has normally done the
    work before. The conflict is the last failure of that key in that controller, of the same replica.
    """
    last_failure: dict[tuple[str, int, str], str] = {}
    for _, outcome, controller, replica, key, cpu in _told(reconciles):
        if outcome in FAILED:
            last_failure[controller, replica, key] = outcome
        elif last_failure.get((controller, replica, key)) == "conflict":
            yield controller, cpu


def _told(reconciles: Iterable[Row]) -> Iterator[Row]:
    """Yield the passes that failed, and those that a backoff began and that sent nothing, as they began."""

    def told(rows: Rows) -> Mask:
        idle = rows.among("cause", "backoff") & rows.among("outcome", "ok") & (rows.array("requests") == 0)
        return idle | rows.among("outcome", *FAILED)

    # They are recorded as they end. Where a process stands still while another is at its keys, a pass that began before
    # others may end long after them: those wait here that began after the first pass of a later part.
    columns = ("started_ns", "outcome", "controller", "replica", "key", "cpu_ns")
    passes = packed(reconciles, RECONCILES)
    begins = [int(rows.array("started_ns").min(initial=_END)) for rows in parts(passes, RECONCILES)]
    until = [*accumulate(reversed(begins[1:]), min, initial=_END)][::-1]
    waiting: list[Row] = []
    for rows, later in zip(parts(passes, RECONCILES), until, strict=True):
        waiting += take(rows, RECONCILES, *columns, where=told)
        waiting.sort(key=itemgetter(0))
        over = bisect_left(waiting, later, key=itemgetter(0))
        yield from waiting[:over]
        del waiting[:over]
