"""Closed forms of contention that only tests ask for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

from sim.validation.closed_forms import erlang_c


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


def erlang_wait(rate: float, service: float, servers: int) -> float:
    """Mean wait in M/M/c: ``rate`` per second, each server ``1/service`` seconds a job."""
    return erlang_c(servers, rate / service) / (servers * service - rate)


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
