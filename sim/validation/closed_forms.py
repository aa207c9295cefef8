"""Closed forms: what queueing theory says must come out of the simulator's own parts.

Each check drives classes that every simulation runs on (token bucket, cores, store and preconditions) with a
load whose outcome is known exactly, and returns what came out beside it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from sim.client.throttle import TokenBucket
from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import Write
from sim.cluster.store import Store
from sim.families.certmanager.kinds import kinds
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS, SECOND

SEED = 20


class Check(NamedTuple):
    """What a closed form says and what came out; ``error`` is the latter's standard error, 0 where exact."""

    name: str
    expected: float
    found: float
    error: float

    @property
    def off(self) -> float:
        """The relative difference."""
        return abs(self.found / self.expected - 1)

    @property
    def holds(self) -> bool:
        """Whether the difference is within four standard errors, or of rounding where there is none."""
        return abs(self.found - self.expected) <= max(4 * self.error, 1e-6 * abs(self.expected))


def checks() -> list[Check]:
    """Return all checks; together about a second."""
    return [simultaneous_calls(), poisson_calls(), shared_cores(), against_writers(), closed_loop()]


def simultaneous_calls() -> Check:
    """n calls at once, b tokens saved, r a second: they wait (n - b)(n - b + 1) / (2 r n) on average."""
    calls, qps, burst = 400, 20, 50
    bucket = TokenBucket(qps, burst)
    waits = [bucket.reserve(0) or 0 for _ in range(calls)]
    expected = (calls - burst) * (calls - burst + 1) / (2 * qps * calls)
    return Check("token bucket, calls at once: mean wait, s", expected, sum(waits) / calls / SECOND, 0.0)


def poisson_calls() -> Check:
    """Poisson calls on a bucket that saves one token wait as in M/D/1: rate / (2 qps^2 (1 - rate/qps))."""
    rate, qps, calls = 14, 20, 100_000
    draw = Streams(SEED, 0).exponential("calls", "times", SECOND / rate)
    bucket = TokenBucket(qps, 1)
    now = 0
    batches = []
    for _ in range(100):
        total = 0
        for _ in range(calls // 100):
            now += draw()
            total += bucket.reserve(now) or 0
        batches.append(total / (calls // 100) / SECOND)
    expected = rate / (2 * qps**2 * (1 - rate / qps))
    return _mean("token bucket, Poisson calls: mean wait, s", expected, batches)


def shared_cores() -> Check:
    """Poisson jobs of exponential length that share cores take as long as in M/M/c (Erlang C)."""
    cores, load, jobs = 2, 0.7, 40_000
    sim = Simulation(Streams(SEED, 0))
    machine = Machine(sim, cores)
    between = sim.streams.exponential("jobs", "times", MS / (load * cores))
    work = sim.streams.exponential("jobs", "work", MS)
    over = sim.event()
    took: list[int] = []

    class Thread:
        def __init__(self) -> None:
            self.began: int = sim.now

    def arrive(left: int) -> None:
        machine.run(max(work(), 1), ended, Thread())
        if left:
            sim.call_in(between(), arrive, left - 1)

    def ended(thread: Thread) -> None:
        if machine.finished(thread):
            took.append(sim.now - thread.began)
            if len(took) == jobs:
                over.succeed()

    arrive(jobs - 1)
    sim.run_until(over)
    part = jobs // 40
    batches = [sum(took[n : n + part]) / part / MS for n in range(0, jobs, part)]
    expected = 1 + erlang_c(cores, load * cores) / (cores * (1 - load))
    return _mean("shared cores, Poisson jobs: mean time, ms", expected, batches)


def against_writers() -> Check:
    """A write from a copy of a fixed age, among Poisson patches: refused 1 - exp(-rate * window)."""
    rate, window, attempts = 20, 50 * MS, 8_000
    sim, api = _with_certificate()
    draw = sim.streams.exponential("writer", "times", SECOND / rate)
    over = sim.event()
    outcomes: list[bool] = []

    def patch(serial: int) -> None:
        api.handle(_patch(f"p{serial}"), 0)
        sim.call_in(draw(), patch, serial + 1)

    def write(version: int) -> None:
        outcomes.append(api.handle(_patch(f"c{len(outcomes)}", version), 0).code == 409)
        read()

    def read() -> None:
        if len(outcomes) == attempts:
            over.succeed()
        else:
            sim.call_in(window, write, _version(api))

    sim.call_in(draw(), patch, 0)
    read()
    sim.run_until(over)
    return _share("one writer among Poisson patches: share refused", 1 - math.exp(-rate * window / SECOND), outcomes)


def closed_loop() -> Check:
    """N clients that read, wait exponentially, write, and read again: refused 1 - 1/Q(N)."""
    clients, commits = 10, 4_000
    sim, api = _with_certificate()
    window = sim.streams.exponential("clients", "windows", MS)
    over = sim.event()
    outcomes: list[bool] = []

    def read() -> None:
        sim.call_in(window(), write, _version(api))

    def write(version: int) -> None:
        outcomes.append(api.handle(_patch(f"c{len(outcomes)}", version), 0).code == 409)
        if len(outcomes) == clients * commits:
            over.succeed()
        read()

    for _ in range(clients):
        read()
    sim.run_until(over)
    return _share(f"{clients} writers of one object: share refused", 1 - 1 / ramanujan_q(clients), outcomes)


def ramanujan_q(n: int) -> float:
    """Ramanujan's Q-function: Q(n) = sum over k >= 1 of n! / ((n - k)! n^k)."""
    term = q = 1.0
    for k in range(1, n):
        term *= (n - k) / n
        q += term
    return q


def _with_certificate() -> tuple[Simulation, ApiServer]:
    api = ApiServer(Store(kinds()))
    spec = {"secretName": "c-tls", "issuerRef": {"name": "selfsigned"}, "commonName": "c"}
    api.handle(Write("create", "Certificate", "c", {"spec": spec}, "lab"), 0)
    return Simulation(Streams(SEED, 0)), api


def _patch(value: str, version: int | None = None) -> Write:
    body = {"metadata": {"annotations": {"value": value}}}
    return Write("merge-patch", "Certificate", "c", body, "lab", resource_version=version)


def _version(api: ApiServer) -> int:
    current = api.store.get("Certificate", "c")
    assert current is not None
    return current.resource_version


def erlang_c(servers: int, offered: float) -> float:
    """Share of jobs that wait in M/M/c with this many servers, ``offered`` of which are busy on average."""
    terms = [offered**k / math.factorial(k) for k in range(servers + 1)]
    waiting = terms[-1] / (1 - offered / servers)
    return waiting / (sum(terms[:-1]) + waiting)


def _mean(name: str, expected: float, batches: list[float]) -> Check:
    """A mean over batches: what happens within one depends on itself, batches hardly on each other."""
    mean = sum(batches) / len(batches)
    variance = sum((batch - mean) ** 2 for batch in batches) / (len(batches) - 1)
    return Check(name, expected, mean, math.sqrt(variance / len(batches)))


def _share(name: str, expected: float, outcomes: list[bool]) -> Check:
    parts = 40
    size = len(outcomes) // parts
    return _mean(name, expected, [sum(outcomes[n * size : (n + 1) * size]) / size for n in range(parts)])
