"""What conflicts cost in one replication: tries for each write, core time for nothing, the busiest second.

==================  ================================================================================
tries.N             finished writes that took N tries
tries_gave_up       writes dropped because no retry was left
tries_unfinished    writes still being tried at the end
wasted_cpu          core seconds of passes that ended refused, of the server for refused requests, and of
                    ghost reconciles
requests_peak       requests that the server received in the busiest second
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
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sim.recording.columns import RECONCILES, REFUSALS, REQUESTS
from sim.recording.conflict import is_conflict

if TYPE_CHECKING:
    from sim.recording.replication import Replication

Metrics = dict[str, float | None]
"""The figures of one replication by name; ``None`` where one is undefined."""
Row = tuple[Any, ...]

DROPPED = frozenset({"gave-up", "over-budget"})
"""Outcomes of a reconcile after which its key is not tried again."""
REFUSED = frozenset({"conflict", *DROPPED})
"""Outcomes of a pass whose work is lost if a write of it was refused."""

SECOND = 1_000_000_000


def positions(columns: Sequence[str], *names: str) -> list[int]:
    """Return where columns are in a recorded row."""
    return [columns.index(name) for name in names]


_R = {name: place for place, name in enumerate(REQUESTS)}
_C = {name: place for place, name in enumerate(RECONCILES)}


def waste(replication: Replication) -> Metrics:
    """Return the figures above for a replication."""
    metrics: Metrics = {
        "tries_gave_up": 0,
        "tries_unfinished": 0,
        **tries(replication.requests, replication.reconciles, replication.subject),
    }
    metrics["wasted_cpu"] = wasted_cpu(
        replication.requests, replication.reconciles, replication.refusals, replication.subject
    )
    requests: Sequence[Row] = replication.requests
    seconds = Counter(row[_R["received_ns"]] // SECOND for row in requests)
    metrics["requests_peak"] = max(seconds.values(), default=0)
    return metrics


def tries(requests: Iterable[Row], reconciles: Iterable[Row], subject: str = "certificates") -> dict[str, int]:
    """Count the writes by how many tries they took."""
    sent: Counter[int] = Counter()
    counted: Counter[str] = Counter()
    alone: dict[tuple[str, str], int] = {}
    number, actor, name = _R["reconcile"], _R["actor"], _R["object"]
    resource, code, reason, conditional = _R["resource"], _R["code"], _R["reason"], _R["conditional"]
    for row in requests:
        if row[resource] != subject or not row[conditional]:
            continue
        if row[number] >= 0:
            sent[row[number]] += 1
            continue
        writer = (row[actor], row[name])
        alone[writer] = alone.get(writer, 0) + 1
        if not is_conflict(row[resource], row[code], row[reason], (subject,)):
            counted[f"tries.{alone.pop(writer)}"] += 1
    open_tries: dict[tuple[str, str], int] = {}
    writing: set[tuple[str, str]] = set()
    number, controller, key, outcome = _C["reconcile"], _C["controller"], _C["key"], _C["outcome"]
    for row in reconciles:
        item = (row[controller], row[key])
        attempts = sent.get(row[number], 0)
        failed = row[outcome] != "ok"
        if attempts:
            writing.add(item)
        if attempts or failed:
            open_tries[item] = open_tries.get(item, 0) + max(attempts, failed)
        if row[outcome] in {"ok", "gave-up"} and item in open_tries:
            count = open_tries.pop(item)
            if item in writing:
                writing.discard(item)
                counted["tries_gave_up" if failed else f"tries.{count}"] += 1
    counted["tries_unfinished"] += len(alone) + len(writing)
    return dict(counted)


def wasted_cpu(
    requests: Iterable[Row], reconciles: Sequence[Row], refusals: Iterable[Row], subject: str = "certificates"
) -> float:
    """Return the core seconds spent for nothing, of recorded rows."""
    request, resource, code, reason, number = positions(REQUESTS, "request", "resource", "code", "reason", "reconcile")
    lost = [
        (row[request], row[number])
        for row in requests
        if is_conflict(row[resource], row[code], row[reason], (subject,))
    ]
    passes = ((row[_C["reconcile"]], row[_C["outcome"]], row[_C["cpu_ns"]]) for row in reconciles)
    refused, server = positions(REFUSALS, "request", "server_cpu_ns")
    served = ((row[refused], row[server]) for row in refusals)
    spent = sum(wasted_by_request(lost, passes, served).values())
    return float(spent + sum(row[_C["cpu_ns"]] for row in ghost_passes(reconciles))) / SECOND


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


def ghost_passes(reconciles: Iterable[Row]) -> Iterator[Row]:
    """Yield the reconciles that a backoff started after a conflict and that found nothing to do.

    Nothing cancels a waiting re-add, so the retry that the winner's watch event started has normally done the
    work before. The conflict is the last failure of that key in that controller.
    """
    controller, key, cause, started, requests, outcome = positions(
        RECONCILES, "controller", "key", "cause", "started_ns", "requests", "outcome"
    )
    last_failure: dict[tuple[str, str], str] = {}
    for row in sorted(reconciles, key=lambda row: int(row[started])):
        item = (row[controller], row[key])
        if row[outcome] in {"conflict", "error", *DROPPED}:
            last_failure[item] = row[outcome]
        elif (
            row[outcome] == "ok"
            and row[cause] == "backoff"
            and row[requests] == 0
            and last_failure.get(item) == "conflict"
        ):
            yield row


def ghosts(reconciles: Iterable[Row]) -> Counter[str]:
    """Count the ghost passes by controller."""
    return Counter(row[_C["controller"]] for row in ghost_passes(reconciles))
