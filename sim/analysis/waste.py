"""What conflicts cost in one replication: tries for each write, core time for nothing, the busiest second.

==================  ================================================================================
tries.N             finished writes that took N tries
tries_gave_up       writes dropped because no retry was left
tries_unfinished    writes still being tried at the end
wasted_cpu          core seconds spent on writes that were refused, on the passes that sent them, and on
                    ghost reconciles; controllers and server together
requests_peak       requests that the server received in the busiest second
==================  ================================================================================

A *write* is what one controller wants to change about one Certificate: all passes of its key up to the one that
ends well (its workqueue forgets the failures then), if a conditional write was among them. Each conditional
request is a try, and so is a pass that failed without one. Outside a workqueue a write is all requests of one
sender for one object up to the one that is accepted.

Core time is accounted at the profile's means, because a recording has no core time: a pass costs
``reconcile_cpu``, a request ``request_cpu`` and ``response_cpu`` in the controllers and ``cpu_share`` of a
refused request's service time in the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp, log
from typing import TYPE_CHECKING, Any

from sim.analysis.metrics import Metrics, ghosts, is_conflict
from sim.recording.columns import RECONCILES, REQUESTS

if TYPE_CHECKING:
    from sim.recording.replication import Replication
    from sim.scenario.model import Latency
    from sim.scenario.profile import Profile

Row = tuple[Any, ...]

_R = {name: place for place, name in enumerate(REQUESTS)}
_C = {name: place for place, name in enumerate(RECONCILES)}
_Z90 = 1.2815515655446004  # the standard normal's 90th percentile
SECOND = 1_000_000_000


def waste(replication: Replication, profile: Profile) -> Metrics:
    """Return the figures above for a replication that ran on ``profile``."""
    metrics: Metrics = {
        "tries_gave_up": 0,
        "tries_unfinished": 0,
        **tries(replication.requests, replication.reconciles),
    }
    metrics["wasted_cpu"] = wasted_cpu(replication.requests, replication.reconciles, profile)
    requests: Sequence[Row] = replication.requests
    seconds = Counter(row[_R["received_ns"]] // SECOND for row in requests)
    metrics["requests_peak"] = max(seconds.values(), default=0)
    return metrics


def tries(requests: Iterable[Row], reconciles: Iterable[Row]) -> dict[str, int]:
    """Count the writes by how many tries they took."""
    sent: Counter[int] = Counter()
    counted: Counter[str] = Counter()
    alone: dict[tuple[str, str], int] = {}
    number, actor, name = _R["reconcile"], _R["actor"], _R["object"]
    resource, code, reason, conditional = _R["resource"], _R["code"], _R["reason"], _R["conditional"]
    for row in requests:
        if row[resource] != "certificates" or not row[conditional]:
            continue
        if row[number] >= 0:
            sent[row[number]] += 1
            continue
        writer = (row[actor], row[name])
        alone[writer] = alone.get(writer, 0) + 1
        if not is_conflict(row[resource], row[code], row[reason]):
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


def wasted_cpu(requests: Iterable[Row], reconciles: Sequence[Row], profile: Profile) -> float:
    """Return the core seconds spent for nothing."""
    costs = profile.controllers
    resource, code, reason = _R["resource"], _R["code"], _R["reason"]
    refused = sum(is_conflict(row[resource], row[code], row[reason]) for row in requests)
    outcome = _C["outcome"]
    lost = sum(row[outcome] == "conflict" for row in reconciles) + sum(ghosts(reconciles).values())
    server = profile.server.cpu_share * mean(profile.server.times.certificate_refused)
    each_refused = costs.request_cpu + costs.response_cpu + server
    return float(refused * each_refused + lost * mean(costs.reconcile_cpu)) / SECOND


def mean(latency: Latency) -> float:
    """Return the mean in nanoseconds of a lognormal time with this median and 90th percentile."""
    mu = log(max(latency.p50, 1))
    sigma = (log(max(latency.p90, 1)) - mu) / _Z90
    return exp(mu + sigma**2 / 2)
