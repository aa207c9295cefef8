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
ends well (its workqueue forgets the failures then), if a conditional write was among them. Each conditional
request is a try, and so is a pass that failed without one. Outside a workqueue a write is all requests of one
sender for one object up to the one that is accepted.

Core time is what was recorded: of every pass (``cpu``, without keys and signing) and of the server for every refused
request. What a refusal wasted is said once, in ``wasted_by_request``; attribution shows the same, conflict by conflict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.recording.alike import packed, take
from sim.recording.columns import RECONCILES, REFUSALS, REQUESTS
from sim.recording.conflict import CODE, is_conflict
from sim.recording.rows import Mask, Rows

if TYPE_CHECKING:
    from sim.recording.replication import Replication

Metrics = dict[str, float | None]
"""The figures of one replication by name; ``None`` where one is undefined."""
Row = tuple[Any, ...]

DROPPED = frozenset({"gave-up", "over-budget"})
"""Outcomes of a reconcile after which its key is not tried again."""
FAILED = frozenset({"conflict", "error", *DROPPED})
"""Outcomes of a pass that failed, which controller-runtime logs at Error level."""
REFUSED = frozenset({"conflict", *DROPPED})
"""Outcomes of a pass whose work is lost if a write of it was refused."""

SECOND = 1_000_000_000


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
    ghosts = list(ghost_passes(replication.reconciles))
    metrics.update(with_parts("ghost_reconciles", Counter(controller for controller, _ in ghosts)))
    metrics["wasted_cpu"] = wasted_cpu(
        replication.requests, replication.reconciles, replication.refusals, ghosts, replication.subject
    )
    seconds = packed(replication.requests, REQUESTS).array("received_ns") // SECOND
    metrics["requests_peak"] = int(np.bincount(seconds - seconds.min()).max()) if len(seconds) else 0
    return metrics


def tries(requests: Iterable[Row], reconciles: Iterable[Row], subject: str = "certificates") -> dict[str, int]:
    """Count the writes by how many tries they took."""
    counted: Counter[str] = Counter()
    alone: dict[tuple[str, str], int] = {}
    rows = packed(requests, REQUESTS)
    number_of = rows.array("reconcile")
    ours = rows.among("resource", subject) & (rows.array("conditional") > 0)
    in_pass = number_of[ours & (number_of >= 0)]
    of_request = ("resource", "actor", "object", "code", "reason")
    for resource, actor, name, code, reason in take(
        rows, REQUESTS, *of_request, where=lambda _: ours & (number_of < 0)
    ):
        writer = (actor, name)
        alone[writer] = alone.get(writer, 0) + 1
        if not is_conflict(resource, code, reason, (subject,)):
            counted[f"tries.{alone.pop(writer)}"] += 1
    passes = packed(reconciles, RECONCILES)
    numbers = passes.array("reconcile")
    sent = np.bincount(in_pass, minlength=int(numbers.max(initial=0)) + 1)[numbers]  # writes of each pass
    failed = ~passes.among("outcome", "ok")
    keys = passes.array("key")
    items = passes.array("controller") * (keys.max(initial=0) + 1) + keys
    # Passes that neither wrote nor failed matter only where they end what a failure began.
    told = np.flatnonzero((sent > 0) | np.isin(items, items[failed]))
    told = told[np.argsort(items[told], kind="stable")]  # key by key, each in the order of its passes
    items, sent, failed = items[told], sent[told], failed[told]
    ends = passes.among("outcome", "ok", "gave-up")[told]
    last = np.append(items[1:] != items[:-1], True)[: len(told)] | ends
    starts = np.flatnonzero(np.append(True, last[:-1])[: len(told)])
    writes, took = np.add.reduceat([sent, np.maximum(sent, failed)], starts, axis=1) if len(told) else (sent, sent)
    finished, dropped = ends[last], failed[last]
    for many, times in enumerate(np.bincount(took[(writes > 0) & finished & ~dropped]).tolist()):
        counted[f"tries.{many}"] += times
    counted["tries_gave_up"] += int(np.count_nonzero((writes > 0) & finished & dropped))
    unfinished = len(alone) + int(np.count_nonzero((writes > 0) & ~finished))
    return {**+counted, "tries_unfinished": unfinished}


def wasted_cpu(
    requests: Iterable[Row],
    reconciles: Sequence[Row],
    refusals: Iterable[Row],
    ghosts: Iterable[tuple[str, int]],
    subject: str = "certificates",
) -> float:
    """Return the core seconds spent for nothing, of recorded rows and of what ``ghost_passes`` finds in them."""
    columns = ("code", "request", "resource", "reason", "reconcile")
    lost = [
        (request, number)
        for code, request, resource, reason, number in take(
            requests, REQUESTS, *columns, where=lambda rows: rows.array("code") == CODE
        )
        if is_conflict(resource, code, reason, (subject,))
    ]
    passes = take(
        reconciles, RECONCILES, "reconcile", "outcome", "cpu_ns", where=lambda rows: rows.among("outcome", *REFUSED)
    )
    served = take(refusals, REFUSALS, "request", "server_cpu_ns")
    spent = sum(wasted_by_request(lost, passes, served).values())
    return float(spent + sum(cpu for _, cpu in ghosts)) / SECOND


def wasted_by_request(
    conflicts: Sequence[tuple[Hashable, Hashable]],
    passes: Iterable[tuple[Hashable, str, int]],
    server: Iterable[tuple[Hashable, int]],
) -> dict[Hashable, int]:
    """Return the core time, in nanoseconds, that each conflict wasted, by its request.

    ``conflicts`` are (request, pass), each known by whatever tells it from others; ``passes`` (pass, outcome, core
    time); ``server`` (request, core time). A pass that ended refused was for nothing: its core time is shared among its
    conflicts. One that got through in the end, by trying in place, was not.
    """
    in_pass = Counter(number for _, number in conflicts)
    lost = {number: cpu for number, outcome, cpu in passes if number in in_pass and outcome in REFUSED}
    served = dict(server)
    return {
        request: served.get(request, 0) + round(lost.get(number, 0) / in_pass[number]) for request, number in conflicts
    }


def ghost_passes(reconciles: Iterable[Row]) -> Iterator[tuple[str, int]]:
    """Yield controller and core time (ns) of the reconciles that a backoff began after a conflict for nothing.

    Nothing cancels a waiting re-add, so the retry that the winner's watch event started has normally done the
    work before. The conflict is the last failure of that key in that controller.
    """

    def told(rows: Rows) -> Mask:
        idle = rows.among("cause", "backoff") & rows.among("outcome", "ok") & (rows.array("requests") == 0)
        return idle | rows.among("outcome", *FAILED)

    columns = ("outcome", "started_ns", "controller", "key", "cpu_ns")
    last_failure: dict[tuple[str, str], str] = {}
    rows = take(reconciles, RECONCILES, *columns, where=told)
    for outcome, _, controller, key, cpu in sorted(rows, key=itemgetter(1)):
        if outcome in FAILED:
            last_failure[controller, key] = outcome
        elif last_failure.get((controller, key)) == "conflict":
            yield controller, cpu
