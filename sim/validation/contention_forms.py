"""Closed forms of contention: exact results for clients that read, think and write conditionally.

The first half are formulas. ``checks`` runs a few of them through the simulator's own clients, policies and store, as
rungs of the validation ladder; the tests run all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from sim.scenario.model import Scenario
from sim.validation.closed_forms import Check

SEED = 20


def ramanujan_q(n: int) -> float:
    """Q(n) = sum over k >= 1 of n! / ((n - k)! n^k)."""
    term = q = 1.0
    for k in range(1, n):
        term *= (n - k) / n
        q += term
    return q


def chain(clients: int, idle: float | None, read: float, window: float, backoff: float | None) -> tuple[float, float]:
    """Share refused and commits per unit of time of ``clients``, all times exponential with these rates.

    A client is idle, reading, holds a current or a stale copy, or waits after a refusal; a commit makes every other
    current copy stale. Without idling or backoff (None) that state is left out. The stationary distribution of the
    Markov chain is solved for.
    """
    import numpy as np

    parts = 5
    allowed = [idle is not None, True, True, True, backoff is not None]
    states = [
        state for state in _sums(clients, parts) if all(ok or not n for ok, n in zip(allowed, state, strict=True))
    ]
    number = {state: place for place, state in enumerate(states)}
    rates = np.zeros((len(states), len(states)))
    for state, place in number.items():
        for target, rate in _moves(state, idle, read, window, backoff):
            rates[place, number[target]] += rate
            rates[place, place] -= rate
    system, wanted = rates.T.copy(), np.zeros(len(states))
    system[-1], wanted[-1] = 1, 1  # the balance of one state follows from the others: the weights sum to 1 instead
    weights = np.linalg.solve(system, wanted)
    current = float(sum(weight * state[2] for weight, state in zip(weights, states, strict=True)))
    stale = float(sum(weight * state[3] for weight, state in zip(weights, states, strict=True)))
    return stale / (stale + current), window * current


def _sums(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    for head in product(range(total + 1), repeat=parts - 1):
        if sum(head) <= total:
            yield (*head, total - sum(head))


def _moves(
    state: tuple[int, ...], idle: float | None, read: float, window: float, backoff: float | None
) -> Iterator[tuple[tuple[int, ...], float]]:
    resting, reading, current, stale, waiting = state
    if resting and idle is not None:
        yield (resting - 1, reading + 1, current, stale, waiting), resting * idle
    if reading:
        yield (resting, reading - 1, current + 1, stale, waiting), reading * read
    if current:
        left = current - 1
        after = (resting + 1, reading) if idle is not None else (resting, reading + 1)
        yield (*after, 0, stale + left, waiting), current * window
    if stale:
        after = (reading, waiting + 1) if backoff is not None else (reading + 1, waiting)
        yield (resting, after[0], current, stale - 1, after[1]), stale * window
    if waiting and backoff is not None:
        yield (resting, reading + 1, current, stale, waiting - 1), waiting * backoff


def budget(p: float, retries: int) -> tuple[float, float]:
    """Share given up and mean tries, where each try is refused with probability ``p``."""
    lost = p ** (retries + 1)
    return lost, (1 - lost) / (1 - p)


def erlang_wait(rate: float, service: float, servers: int) -> float:
    """Mean wait in M/M/c: ``rate`` per second, each server ``1/service`` seconds a job."""
    offered = rate / service
    terms = [offered**k / math.factorial(k) for k in range(servers + 1)]
    waiting = terms[-1] / (1 - offered / servers)
    return waiting / (sum(terms[:-1]) + waiting) / (servers * service - rate)


def bucket_wait(rate: float, qps: float, burst: int) -> float:
    """Mean wait for a token at Poisson times: max(0, V - (burst - 1)/qps), V the workload of M/D/1.

    The distribution of V is Erlang's: P(V <= x) = (1 - rho) sum over k <= x qps of (-u)^k e^u / k! with
    u = rate (x - k/qps).
    """
    load = rate / qps
    start = (burst - 1) / qps
    mean = rate / (2 * qps**2 * (1 - load))
    steps = 4000
    below = 0.0
    for n in range(steps):  # midpoints: the function has a corner at every token
        x = (n + 0.5) * start / steps
        below += 1 - _workload(x, rate, qps)
    return mean - (below * start / steps if start else 0.0)


def _workload(x: float, rate: float, qps: float) -> float:
    total = 0.0
    for k in range(int(x * qps) + 1):
        u = rate * (x - k / qps)
        total += (-u) ** k * math.exp(u) / math.factorial(k)
    return (1 - rate / qps) * total


def recovery(load: float, ratio: float, capacity: float, timeout: float, outage: float) -> float | None:
    """Seconds from the end of an outage until answers are in time again; None where they never are.

    What came in during the outage, ``ratio`` retries for each request once the time-out has passed, is served at
    ``capacity``, while retries of late answers come in: until the wait is shorter than the time-out. The fluid limit;
    by Wald's identity it is the mean with Poisson arrivals too.
    """
    drain = capacity - load * (1 + ratio)
    if drain <= 0:
        return None
    backlog = load * timeout + load * (1 + ratio) * (outage - timeout)
    return max(backlog - capacity * timeout, 0) / drain


def simulate(scenario: dict[str, Any], replications: int, *, direct: bool = True) -> list[dict[str, float | None]]:
    """Return the figures (``sim.analysis.contention``) of each replication of a contention."""
    from sim.analysis.contention import measure
    from sim.experiment.replicate import played, world_of
    from sim.families.plain.family import PlainFamily

    made = Scenario.model_validate({"name": "closed form", "seed": SEED, **scenario})
    family = PlainFamily(direct=direct)
    return [measure(played(world_of(made, index, family=family), index), made) for index in range(replications)]


def check(name: str, expected: float, values: Sequence[float | None]) -> Check:
    """Return the mean of what came out of the replications beside what a closed form says."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known)
    variance = math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return Check(name, expected, mean, math.sqrt(variance / len(known)))


def share(runs: Sequence[dict[str, float | None]]) -> list[float]:
    """Return the share refused in each replication."""
    return [(run["refused"] or 0) / (run["attempts"] or 1) for run in runs]


def checks() -> list[Check]:
    """Return checks that take about two seconds together."""
    again = {"retry": {"backoff": "none"}}
    window = {"kind": "exponential", "mean": "10ms"}
    closed = simulate({**again, "clients": 10, "contention": {"think": window}, "until": {"at_most": "4s"}}, 20)
    scanned = {"scan": window, "think": window}
    scans = simulate({**again, "clients": 8, "contention": scanned, "until": {"at_most": "4s"}}, 20)
    writers = [{"name": "others", "rate": "20/s"}]
    retry = {"base": "5ms", "max": "40ms", "limit": 4}
    lone = {"clients": 1, "contention": {"think": {"mean": "50ms"}}, "writers": writers, "retry": retry}
    given_up = simulate({**lone, "until": {"at_most": "40s"}}, 20)
    lost, tries = budget(1 - math.exp(-1), 4)
    return [
        check("10 clients, closed loop: share refused", 1 - 1 / ramanujan_q(10), share(closed)),
        check(
            "8 clients, scan then validate: commits a window",
            1.44649,
            [_each(run, "throughput") / 100 for run in scans],
        ),
        check("4 retries among Poisson writers: tries a job", tries, [run["tries_per_job"] for run in given_up]),
        check(
            "4 retries among Poisson writers: share given up",
            lost,
            [_each(run, "gave_up") / (_each(run, "gave_up") + _each(run, "commits")) for run in given_up],
        ),
    ]


def _each(run: dict[str, float | None], name: str) -> float:
    return run[name] or 0.0
