from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS
from tests.strategies import jobs

Job = tuple[int, int, bool]
# The machine rounds shares of a core down to a millionth.
ROUNDING = 5e-5


def ends_of(cores: int | None, work: Sequence[Job], seed: int = 1, contended_share: float | None = None) -> list[int]:
    """When each job (arrival, demand, long) has got its time."""
    sim = Simulation(Streams(seed, 0))
    machine = Machine(sim, cores, contended_share)
    ends = [-1] * len(work)

    def done(job: int) -> None:
        if machine.finished(job) is not False:
            assert ends[job] == -1
            ends[job] = sim.now

    for number, (arrival, demand, long) in enumerate(work):
        sim.call_in(arrival, machine.run, demand, long, done, number)
    sim.run()
    assert machine.busy_ns == sum(demand for _, demand, _ in work)
    return ends


def shared(cores: int, work: Sequence[Job]) -> list[float]:
    """When each job ends if prompt ones share the cores equally and long ones what those leave.

    Written from the definition: rates change where jobs come and end, and no job gets more than a core.
    """
    left = [float(demand) for _, demand, _ in work]
    ends = [math.nan] * len(work)
    coming = sorted(range(len(work)), key=lambda n: work[n][0])
    here: list[int] = []
    now = 0.0
    while coming or here:
        prompt = sum(not work[n][2] for n in here)
        rate = {
            False: min(1.0, cores / max(prompt, 1)),
            True: min(1.0, max(cores - prompt, 0) / max(len(here) - prompt, 1)),
        }
        next_end = min((now + left[n] / rate[work[n][2]] for n in here if rate[work[n][2]]), default=math.inf)
        then = min(next_end, work[coming[0]][0] if coming else math.inf)
        for n in here:
            left[n] -= (then - now) * rate[work[n][2]]
        now = then
        for n in [n for n in here if left[n] < 1e-3]:
            ends[n] = now
            here.remove(n)
        while coming and work[coming[0]][0] <= now:
            here.append(coming.pop(0))
    return ends


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("cores", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_equal_jobs_end_together(n: int, cores: int, long: bool):
    ends = ends_of(cores, [(5, 10 * MS, long)] * n)
    assert ends == pytest.approx([5 + max(n / cores, 1) * 10 * MS] * n, rel=ROUNDING)


def test_shares_change_when_jobs_come_and_go():
    # One core: alone for 10 ms, halves for 20 ms, alone again.
    ends = ends_of(1, [(0, 25 * MS, False), (10 * MS, 10 * MS, False)])
    assert ends == pytest.approx([35 * MS, 30 * MS], rel=ROUNDING)


def test_as_many_jobs_as_cores_do_not_slow_each_other():
    assert ends_of(3, [(0, 10, False), (1, 20, True), (2, 30, False)]) == [10, 21, 32]


def test_without_a_limit_nobody_waits():
    assert ends_of(None, [(k, 1000 + k, bool(k % 2)) for k in range(50)]) == [1000 + 2 * k for k in range(50)]


def test_a_prompt_thread_runs_before_a_long_one():
    ends = ends_of(1, [(0, 100 * MS, True), (10 * MS, 5 * MS, False)])
    assert ends == pytest.approx([105 * MS, 15 * MS], rel=ROUNDING)


def test_long_threads_share_what_prompt_ones_leave():
    # Two cores: the prompt one has a core to itself, the two long ones half a core each.
    ends = ends_of(2, [(0, 40 * MS, False), (0, 20 * MS, True), (0, 20 * MS, True)])
    assert ends == pytest.approx([40 * MS] * 3, rel=ROUNDING)
    # Two prompt ones leave nothing.
    ends = ends_of(2, [(0, 10 * MS, True), (0, 30 * MS, False), (0, 30 * MS, False)])
    assert ends == pytest.approx([40 * MS, 30 * MS, 30 * MS], rel=ROUNDING)


def test_a_thread_may_run_again_at_once():
    sim = Simulation(Streams(1, 0))
    machine = Machine(sim, 2)
    bursts: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    def done(thread: str) -> None:
        if machine.finished(thread) is False:
            return
        bursts[thread].append(sim.now)
        if len(bursts[thread]) < 10:
            machine.run(3 * MS, False, done, thread)

    for thread in bursts:
        machine.run(3 * MS, False, done, thread)
    sim.run()
    # Three threads on two cores: each burst of 3 ms takes 4.5 ms.
    for ends in bursts.values():
        assert ends == pytest.approx([4.5 * MS * k for k in range(1, 11)], rel=ROUNDING)


@given(st.lists(jobs(), min_size=1, max_size=25), st.integers(1, 5))
def test_every_job_ends_when_processor_sharing_says(work: list[Job], cores: int):
    for end, expected in zip(ends_of(cores, work), shared(cores, work), strict=True):
        assert end == pytest.approx(expected, rel=ROUNDING, abs=len(work) + 5)


def test_several_prompt_threads_share_with_long_ones_where_asked():
    # One core: while two are prompt they have .4 of it together, and the long one has .6.
    work = [(0, 90 * MS, True), (0, 10 * MS, False), (0, 10 * MS, False)]
    assert ends_of(1, work, contended_share=0.4) == pytest.approx([110 * MS, 50 * MS, 50 * MS], rel=ROUNDING)
    # Of two cores one long thread holds no more than one, and keeps half of it.
    ends = ends_of(2, [(0, 90 * MS, True), (0, 15 * MS, False), (0, 15 * MS, False)], contended_share=0.5)
    assert ends == pytest.approx([100 * MS, 20 * MS, 20 * MS], rel=ROUNDING)
    # A single prompt one has the core to itself, whatever share is asked.
    assert ends_of(1, work[:2], contended_share=0.4) == pytest.approx([100 * MS, 10 * MS], rel=ROUNDING)


shares = st.sampled_from([None, 0.0, 0.3, 1.0])


@given(st.lists(jobs(), min_size=1, max_size=25), st.integers(1, 5), shares)
def test_no_core_time_is_lost_or_invented(work: list[Job], cores: int, contended_share: float | None):
    ends = ends_of(cores, work, contended_share=contended_share)
    for (arrival, demand, _), end in zip(work, ends, strict=True):
        assert end >= arrival + demand  # never faster than one core
    # Whatever is shared how, one core's work ends when the last of a busy period's demands is used up.
    if cores == 1:
        workload, now = 0, 0
        for arrival, demand, _ in sorted(work):
            workload = max(workload - (arrival - now), 0) + demand
            now = arrival
        assert max(ends) == pytest.approx(now + workload, rel=ROUNDING, abs=len(work) + 5)
    # And no more than all cores' time passes between any arrival and the end of what came from then on.
    for start in {arrival for arrival, _, _ in work}:
        later = [n for n, (arrival, _, _) in enumerate(work) if arrival >= start]
        total = sum(work[n][1] for n in later)
        assert max(ends[n] for n in later) - start >= total / cores


@given(st.lists(jobs(), min_size=1, max_size=12), st.integers(1, 3), st.integers(0, 1000))
def test_ties_do_not_change_who_gets_how_much(work: list[Job], cores: int, seed: int):
    assert ends_of(cores, work, seed) == pytest.approx(ends_of(cores, work), rel=ROUNDING, abs=len(work) + 5)


def mean_sojourns(cores: int, load: float, law: str, mean: int) -> np.ndarray:
    """Mean sojourn times of Poisson arrivals at ``load`` of the cores, for each of 16 runs."""
    found = []
    for run in range(16):
        rng = np.random.default_rng([run, cores])
        n = 2500
        arrivals = np.cumsum(rng.exponential(mean / (load * cores), n)).astype(int)
        # Two points: many short jobs, and a few that are 21 times as long.
        two_points = np.where(rng.random(n) < 0.9, mean / 3, 7 * mean)
        sizes = two_points if law == "two-point" else rng.exponential(mean, n)
        work = [(int(a), max(int(d), 1), False) for a, d in zip(arrivals, sizes, strict=True)]
        ends = np.array(ends_of(cores, work, run))
        found.append((ends - arrivals)[500:].mean())
    return np.array(found)


@pytest.mark.parametrize("law", ["exponential", "two-point"])
@pytest.mark.parametrize(("cores", "load"), [(1, 0.6), (2, 0.7)])
def test_mean_sojourn_of_processor_sharing(cores: int, load: float, law: str):
    mean = 2 * MS
    means = mean_sojourns(cores, load, law, mean)
    # Processor sharing is insensitive: whatever the law of the demands, as in M/M/c.
    offered = load * cores
    waiting = offered**cores / math.factorial(cores) / (1 - load)
    waiting /= waiting + sum(offered**k / math.factorial(k) for k in range(cores))  # Erlang C
    expected = mean * (1 + waiting / (cores * (1 - load)))
    low, high = stats.t.interval(0.999, len(means) - 1, means.mean(), stats.sem(means))
    assert low < expected < high
    # First come first served would give the two-point law 1.9 (one core) and 2.2 times as much.
    assert (high - low) / expected < 0.25
