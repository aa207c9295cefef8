"""The machine held to what a real kernel did: ``linux_threads.c`` beside this file, and the same simulated.

The kernel's figures are those of one run each; simulated are the same threads, demands and arrivals. What is left to
chance is who is first in one instant.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from sim.kernel import machine
from sim.kernel.machine import TICK, Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS, SECOND

EXTRA = 33_000
"""What a step takes beyond what it computes, to lock, wake and change threads: alone a request takes the kernel 2.40 ms
(p50 without hogs) for its three steps of 2.30."""

BEFORE, STORE, AFTER, BEHIND = (demand + EXTRA for demand in (1_000_000, 600_000, 700_000, 600_000))
CHUNK = 10 * MS
"""What a hog asks for at a time; it runs again at once."""

SEEDS = range(1, 4)


class Load(NamedTuple):
    hogs: int
    rate: float
    requests: int
    batch: int = 1

    def __str__(self) -> str:
        return f"{self.hogs}-hogs-{self.rate:g}-a-second-by-{self.batch}"


class Found(NamedTuple):
    mean: float
    """Milliseconds until the answer."""
    share: float
    """Of a core, for each hog."""


ALONE, RARE, HALF, MANY, MOST, BATCHES = (
    Load(0, 300, 2000),
    Load(2, 100, 800),
    Load(2, 200, 1500),
    Load(2, 300, 2400),
    Load(2, 330, 2400),
    Load(2, 200, 1500, batch=8),
)
KERNEL = {
    ALONE: Found(3.04, 0),
    RARE: Found(4.01, 0.84),
    HALF: Found(5.56, 0.70),
    MANY: Found(11.81, 0.55),
    MOST: Found(15.94, 0.50),
    BATCHES: Found(25.83, 0.74),
}


def drand48() -> Iterator[float]:
    """The C library's, after srand48(1)."""
    state = (1 << 16) + 0x330E
    while True:
        state = (state * 0x5DEECE66D + 0xB) % (1 << 48)
        yield state / (1 << 48)


def arrivals(load: Load) -> Iterator[int]:
    draws, now = drand48(), 0.0
    for number in range(load.requests):
        if number % load.batch == 0:
            now -= math.log(1 - next(draws)) * load.batch / load.rate
        yield round(now * SECOND)


@dataclass(eq=False)
class Request:
    came: int
    stored: bool = False


@dataclass(eq=False)
class Thread:
    """One of a pool's; what it computes, and what it does then."""

    machine: Machine
    then: Callable[[], object] = bool

    def compute(self, demand: int, then: Callable[[], object]) -> None:
        self.then = then
        self.machine.run(demand, Thread.fire, self)

    def fire(self) -> None:
        if self.machine.finished(self):
            self.then()


@dataclass(eq=False)
class Pool:
    """Threads that take requests from a queue, first come, first served; the one that has slept longest wakes."""

    serve: Callable[[Thread, Request], object]
    asleep: deque[Thread]
    queue: deque[Request] = field(default_factory=deque)

    def put(self, request: Request) -> None:
        self.queue.append(request)
        if self.asleep:
            self.next(self.asleep.popleft())

    def next(self, thread: Thread) -> None:
        if self.queue:
            self.serve(thread, self.queue.popleft())
        else:
            self.asleep.append(thread)


def simulated(load: Load, seed: int, kind: type[Machine] = Machine) -> Found:
    """What the C program does, on a simulated machine."""
    sim = Simulation(Streams(seed, 0))
    cores = kind(sim, 2)
    took: list[int] = []
    hogs_had = 0

    def serve(thread: Thread, request: Request) -> None:
        if request.stored:
            thread.compute(AFTER, lambda: answer(thread, request))
        else:
            thread.compute(BEFORE, lambda: pass_on(thread, api, etcd, request))

    def store(thread: Thread, request: Request) -> None:
        request.stored = True
        thread.compute(STORE, lambda: pass_on(thread, etcd, api, request))

    def pass_on(thread: Thread, pool: Pool, to: Pool, request: Request) -> None:
        to.put(request)
        pool.next(thread)

    def answer(thread: Thread, request: Request) -> None:
        took.append(sim.now - request.came)
        thread.compute(BEHIND, lambda: api.next(thread))

    def hog(thread: Thread) -> None:
        def again() -> None:
            nonlocal hogs_had
            hogs_had += CHUNK
            hog(thread)

        thread.compute(CHUNK, again)

    api, etcd = (Pool(each, deque(Thread(cores) for _ in range(2))) for each in (serve, store))
    for _ in range(load.hogs):
        hog(Thread(cores))
    for arrival in arrivals(load):
        sim.at(arrival, api.put, Request(arrival))
    while len(took) < load.requests:
        sim.step()
    return Found(sum(took) / len(took) / MS, hogs_had / sim.now / max(load.hogs, 1))


def on_average(load: Load, kind: type[Machine] = Machine) -> Found:
    found = [simulated(load, seed, kind) for seed in SEEDS]
    return Found(*(sum(each) / len(found) for each in zip(*found, strict=True)))


def within_a_third(load: Load, found: Found) -> bool:
    return abs(found.mean / KERNEL[load].mean - 1) < 1 / 3


@pytest.mark.parametrize("load", KERNEL, ids=str)
def test_requests_take_as_long_as_with_the_kernel_and_hogs_get_as_much(load: Load):
    """The mean is a quarter too high for rare requests, a sixth too low for many, and within a tenth for the others."""
    found = on_average(load)
    assert within_a_third(load, found)
    assert found.share == pytest.approx(KERNEL[load].share, abs=0.04)


# What else would show


@pytest.mark.parametrize(("rule", "otherwise"), [("LAG", 0), ("SLICE", TICK)])
def test_by_other_figures_rare_requests_would_take_too_long(rule: str, otherwise: int, monkeypatch: pytest.MonkeyPatch):
    """Were sleepers owed nothing, or had they to wait for a tick in any case."""
    monkeypatch.setattr(machine, rule, otherwise)
    assert on_average(RARE).mean / KERNEL[RARE].mean > 4 / 3


class Generous(Machine):
    """Who sleeps comes back with 6 ms less than others, whatever it has had, as by the rules of Linux 5."""

    def _keep(self, thread: Thread, owed: int) -> None:
        super()._keep(thread, 6 * MS)


@pytest.mark.parametrize("load", [RARE, HALF, MANY, MOST], ids=str)
def test_if_sleepers_took_a_core_at_once_requests_would_be_answered_too_soon(
    load: Load, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machine, "LAG", 6 * MS)
    monkeypatch.setattr(machine, "SLICE", 0)
    assert on_average(load, Generous).mean / KERNEL[load].mean < 2 / 3
