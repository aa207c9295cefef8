"""The fair scheduler by its own closed forms: what follows on paper from the rules in ``sim.kernel.machine``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.kernel.machine import CREDIT, SLICE, WAKEUP, Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS, SECOND
from tests.strategies import jobs

Job = tuple[int, int]
"""Arrival and demand of a thread that runs once."""


class Bench:
    """A machine whose threads are numbers, and when each has had its time; every instant is looked at."""

    def __init__(self, cores: int | None, seed: int = 1) -> None:
        self.sim = Simulation(Streams(seed, 0))
        self.machine = Machine(self.sim, cores)
        self.ends: dict[int, int] = {}
        self.demands: dict[int, int] = {}

    def run(self, thread: int, demand: int) -> None:
        self.demands[thread] = demand
        self.machine.run(demand, self._done, thread)

    def at(self, when: int, thread: int, demand: int) -> None:
        self.sim.call_in(when, self.run, thread, demand)

    def _done(self, thread: int) -> None:
        if self.machine.finished(thread):
            self.ends[thread] = self.sim.now

    def served(self, now: int) -> dict[int, int]:
        """How long each thread that is there has run by ``now``: no later than the next event."""
        machine, demands = self.machine, self.demands
        running = {thread: demands[thread] - (end - now) for thread, (end, _, _) in machine.ends.items()}
        waiting = {thread: demands[thread] - left for _, _, thread, left, _ in machine.waiting}
        assert running.keys().isdisjoint(waiting)
        return running | waiting

    def until(self, end: float = math.inf) -> list[dict[int, int]]:
        """Run; returns what each thread had had before each instant in which something happened.

        Work is conserved: between instants no core is idle while a thread waits, and none runs two.
        """
        found = []
        while (following := self.sim.peek()) < end:
            if following > self.sim.now:
                assert len(self.machine.ends) <= self.machine.cores
                assert not self.machine.waiting or len(self.machine.ends) == self.machine.cores
                found.append(self.served(int(following)))
            self.sim.step()
        return found


def ends_of(cores: int | None, work: Sequence[Job], seed: int = 1) -> list[int]:
    """When each job has got its time."""
    bench = Bench(cores, seed)
    for number, (arrival, demand) in enumerate(work):
        bench.at(arrival, number, demand)
    bench.until()
    assert bench.machine.busy_ns == sum(demand for _, demand in work)
    return [bench.ends[number] for number in range(len(work))]


# As many threads as cores


def test_as_many_threads_as_cores_do_not_slow_each_other():
    assert ends_of(3, [(0, 10), (1, 20), (2, 30)]) == [10, 21, 32]


def test_without_a_limit_nobody_waits():
    assert ends_of(None, [(k, 1000 + k) for k in range(50)]) == [1000 + 2 * k for k in range(50)]


# More of them


def test_two_threads_on_a_core_take_turns_of_two_slices():
    """At each slice the one that runs gives way if it has had more: after one slice, then whenever it is one ahead.

    a runs 3 ms; b 6, a 6, b 6 and so on: between its turns each has fallen back by a slice and gains two.
    a has its 15 ms at 3 + 6 + 6 + 6 + 6 = 27 ms, b at 3 + 6 + 6 + 6 + 6 + 3 = 30.
    """
    bench = Bench(1)
    bench.run(0, 15 * MS)
    bench.run(1, 15 * MS)
    bench.until()
    assert bench.ends == {0: 27 * MS, 1: 30 * MS}


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("more", [1, 2, 5])
def test_threads_that_come_together_get_equal_shares_within_a_slice(cores: int, more: int):
    """At the end of a slice the ``cores`` that have had least run on: in the next they get ahead by no more than it."""
    n, horizon = cores + more, 500 * MS
    bench = Bench(cores)
    for thread in range(n):
        bench.run(thread, SECOND)
    for served in bench.until(horizon):
        assert max(served.values()) - min(served.values()) <= SLICE
    bench.sim.now = horizon
    left = [bench.machine.stop(thread) for thread in range(n)]
    assert sum(SECOND - each for each in left) == cores * horizon == bench.machine.busy_ns
    assert [SECOND - each for each in left] == pytest.approx([cores * horizon / n] * n, abs=SLICE)


def test_a_thread_that_runs_again_at_once_keeps_its_core():
    """Bursts of .7 ms without a pause are as good as one: what counts is what a thread has had."""
    bench = Bench(1)
    bursts, burst = 21, 7 * MS // 10

    def again(thread: int) -> None:
        nonlocal bursts
        if bench.machine.finished(thread):
            bursts -= 1
            if bursts:
                bench.machine.run(burst, again, thread)
            else:
                bench.ends[thread] = bench.sim.now

    bench.machine.run(burst, again, 0)
    bench.run(1, 15 * MS)
    bench.sim.run()
    short = 15 * MS - 21 * burst
    assert bench.ends == {0: 27 * MS - short, 1: 30 * MS - short}


# Sleepers


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("endless", [2, 3, 6])
def test_a_thread_that_mostly_sleeps_never_waits(cores: int, endless: int):
    """It comes back with ``CREDIT`` less than any other has had, and takes a core for as long.

    With n endless threads, of which it has slept long enough to have fallen back by CREDIT against all: d ms of
    computing every 40 ms, where 40 ms times cores / n is more than d + CREDIT.
    """
    bench = Bench(cores)
    for thread in range(endless):
        bench.run(thread, SECOND)
    work = round(CREDIT / MS) - 1
    for k in range(1, 20):
        bench.at(40 * k * MS, 100, work * MS)
    for k in range(1, 20):
        bench.until(40 * k * MS)
        bench.until((40 * k + work) * MS + 1)
        assert bench.ends[100] == (40 * k + work) * MS


def test_a_thread_that_comes_runs_until_it_has_had_more_than_those_that_wait():
    """One core, one thread that has had h ms when another comes, with h - 6 to start from.

    It takes the core at once. At the ends of slices after 3 and 6 ms it has had h - 3 and h; after 9 it is ahead, and
    gives way. Then they take turns of 6 ms: of its 20 ms it has had 9 + 6 at 21 ms, and the rest from 27 to 32 ms.
    """
    for demand, took in ((1, 1), (6, 6), (9, 9), (10, 16), (15, 21), (20, 32)):
        bench = Bench(1)
        bench.run(0, SECOND)
        bench.at(50 * MS, 1, demand * MS)
        bench.until(100 * MS)
        assert bench.ends[1] == (50 + took) * MS


def test_who_has_slept_for_a_moment_waits_its_turn():
    """On one core it has run for 8 ms where its credit was 6, and slept for 1.5: it is .5 ms ahead of the other.

    That one has had more at the end of its slice, 3 ms later, and gives way.
    """
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.at(50 * MS, 1, 8 * MS)
    bench.at(59 * MS + MS // 2, 1, 2 * MS)
    bench.until(58 * MS + 1)
    assert bench.ends[1] == 58 * MS
    bench.until(80 * MS)
    assert bench.ends[1] == (59 + 3 + 2) * MS + MS // 2


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_waking_thread_takes_a_core_only_of_who_has_had_much_more(more: int):
    """On one core b comes when a has had h; after its d ms b has had h - 6 + d, and sleeps for 1.5 ms.

    a has had h + 1.5 then, 7.5 - d more than b: b takes the core at once if that is more than ``WAKEUP``. Else a goes
    on to the end of its slice.
    """
    asleep = MS + MS // 2
    equal = CREDIT + asleep - WAKEUP
    demand = equal + more
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.at(50 * MS, 1, demand)
    again = 50 * MS + demand + asleep
    bench.at(again, 1, MS)
    bench.until(again)
    assert bench.ends[1] == 50 * MS + demand
    bench.until(80 * MS)
    assert (bench.ends[1] == again + MS) == (more < 0)


def test_of_those_that_run_the_one_that_has_had_most_gives_way():
    """Three threads on two cores take turns; who comes takes the core of the one that has had most."""
    bench = Bench(2)
    for thread in range(3):
        bench.run(thread, SECOND)
    bench.at(100 * MS + 1, 3, 2 * MS)
    before = bench.until(100 * MS + 1)[-1]
    running = set(bench.machine.ends)
    bench.sim.step()
    if 3 not in bench.machine.ends:  # a slice ends in the same instant
        bench.sim.step()
    (stopped,) = running - set(bench.machine.ends)
    assert before[stopped] == max(before[thread] for thread in running)
    bench.until(110 * MS)
    assert bench.ends[3] == 102 * MS + 1


# Stopping


def test_a_thread_that_is_stopped_is_owed_what_it_has_not_had():
    bench = Bench(1)
    bench.run(0, 20 * MS)
    bench.run(1, 20 * MS)  # waits until 3 ms
    bench.until(MS)
    bench.sim.now = MS
    assert bench.machine.stop(1) == 20 * MS
    bench.sim.now = 5 * MS
    assert bench.machine.stop(0) == 15 * MS
    assert bench.machine.busy_ns == 5 * MS
    assert not bench.machine.ends
    assert not bench.machine.waiting
    with pytest.raises(KeyError):
        bench.machine.stop(0)
    bench.until()
    assert bench.ends == {}


def test_who_waits_gets_the_core_of_who_is_stopped():
    bench = Bench(1)
    bench.run(0, 20 * MS)
    bench.run(1, 20 * MS)
    bench.sim.call_in(2 * MS, bench.machine.stop, 0)
    bench.until()
    assert bench.ends == {1: 22 * MS}


# Whatever comes


work_of_jobs = st.lists(jobs(), min_size=1, max_size=25)


@given(work_of_jobs, st.integers(1, 5), st.integers(0, 1000))
def test_no_core_time_is_lost_or_invented(work: list[Job], cores: int, seed: int):
    ends = ends_of(cores, work, seed)
    for (arrival, demand), end in zip(work, ends, strict=True):
        assert end >= arrival + demand  # never faster than one core
    if cores == 1:
        # As busy as can be: the last end of each busy period is the same whatever the order.
        now, workload = 0, 0
        for arrival, demand in sorted(work):
            workload = max(workload - (arrival - now), 0) + demand
            now = arrival
        assert max(ends) == now + workload
    # And no more than all cores' time passes between any arrival and the end of what came from then on.
    for start in {arrival for arrival, _ in work}:
        later = [n for n, (arrival, _) in enumerate(work) if arrival >= start]
        total = sum(work[n][1] for n in later)
        assert max(ends[n] for n in later) - start >= total / cores


@given(work_of_jobs, st.integers(1, 4), st.integers(0, 1000))
def test_nobody_gets_far_ahead_of_who_waits(work: list[Job], cores: int, seed: int):
    """On a machine with one endless thread more than cores, in what they are served from the later one's coming on:

    * two that came together are no further apart than a slice: at its end the ones that have had least run on;
    * who came first gets ahead of who came later by no more than ``WAKEUP`` and a slice: the later one begins with no
      more than the first has had, and waits only if nobody has had ``WAKEUP`` more;
    * on one core who came later gets ahead by no more than ``CREDIT`` and two slices: the first has had no more than a
      slice beyond the least of all, the later one begins ``CREDIT`` below that, and gets one slice ahead.
    """
    bench = Bench(cores, seed)
    arrivals = dict.fromkeys(range(-cores - 1, 0), 0)
    for thread in arrivals:
        bench.run(thread, SECOND)
    for number, (arrival, demand) in enumerate(work):
        bench.at(arrival, number, demand)
        arrivals[number] = arrival
    horizon = 300 * MS
    before: dict[int, dict[int, int]] = {}  # what those had had that were there when a thread came
    for served in bench.until(horizon):
        there = sorted(served, key=lambda thread: (arrivals[thread], thread))
        for place, second in enumerate(there):
            start = before.setdefault(second, {other: served[other] - served[second] for other in there[:place]})
            for first in there[:place]:
                ahead = served[first] - start[first] - served[second]
                if arrivals[first] == arrivals[second]:
                    assert abs(served[first] - served[second]) <= SLICE
                else:
                    assert ahead <= WAKEUP + SLICE
                    assert cores > 1 or -ahead <= CREDIT + 2 * SLICE
    bench.sim.now = horizon
    for thread in [*bench.machine.ends, *(thread for _, _, thread, _, _ in bench.machine.waiting)]:
        bench.machine.stop(thread)
    assert bench.machine.busy_ns == cores * horizon


@pytest.mark.parametrize(("cores", "load"), [(1, 0.6), (2, 0.7)])
def test_mean_sojourn_of_poisson_jobs(cores: int, load: float):
    """As in M/M/c: who leaves next does not depend on who is served where all demands have no memory.

    Under any order that keeps the cores busy and knows nothing of demands, the number of jobs is the same birth and
    death process; Erlang's C gives the share that find all cores taken, and Little's law the mean time.
    """
    mean, n = 2 * MS, 2500
    found = []
    for run in range(16):
        rng = np.random.default_rng([run, cores])
        arrivals = np.cumsum(rng.exponential(mean / (load * cores), n)).astype(int)
        demands = np.maximum(rng.exponential(mean, n), 1).astype(int)
        ends = np.array(ends_of(cores, list(zip(arrivals.tolist(), demands.tolist(), strict=True)), run))
        found.append((ends - arrivals)[500:].mean())
    means = np.array(found)
    offered = load * cores
    waiting = offered**cores / math.factorial(cores) / (1 - load)
    waiting /= waiting + sum(offered**k / math.factorial(k) for k in range(cores))  # Erlang C
    expected = mean * (1 + waiting / (cores * (1 - load)))
    low, high = stats.t.interval(0.999, len(means) - 1, means.mean(), stats.sem(means))
    assert low < expected < high
    assert (high - low) / expected < 0.25
