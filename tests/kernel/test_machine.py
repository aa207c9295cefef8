"""The fair scheduler by its own closed forms: what follows on paper from the rules in ``sim.kernel.machine``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.kernel.machine import LAG, SLICE, TICK, Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.units import MS, SECOND
from tests.strategies import jobs

Job = tuple[int, int]
"""Arrival and demand of a thread that runs once."""

Turn = tuple[int, int]
"""For how long a thread sleeps, and what it wants then."""


class Bench:
    """A machine whose threads are numbers, and when each has had its time; every instant is looked at."""

    def __init__(self, cores: int | None, seed: int = 1) -> None:
        self.sim = Simulation(Streams(seed, 0))
        self.machine = Machine(self.sim, cores)
        self.ends: dict[int, int] = {}
        self.demands: dict[int, int] = {}
        self.used = 0
        self._turns: dict[int, Iterator[Turn]] = {}

    def run(self, thread: int, demand: int) -> None:
        self.demands[thread] = demand
        self.machine.run(demand, self._done, thread)

    def at(self, when: int, thread: int, demand: int) -> None:
        self.sim.call_in(when - self.sim.now, self.run, thread, demand)

    def take_turns(self, thread: int, turns: Sequence[Turn]) -> None:
        """Sleep and run by turns; where it does not sleep it runs again at once."""
        self._turns[thread] = iter(turns)
        self._next_turn(thread)

    def _next_turn(self, thread: int) -> None:
        turn = next(self._turns[thread], None)
        if turn is not None:
            asleep, demand = turn
            if asleep:
                self.at(self.sim.now + asleep, thread, demand)
            else:
                self.run(thread, demand)

    def _done(self, thread: int) -> None:
        if self.machine.finished(thread):
            self.ends[thread] = self.sim.now
            if thread in self._turns:
                self._next_turn(thread)

    def waits(self) -> set[int]:
        return {thread for _, _, thread, _, _ in self.machine.waiting}

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
                self.used += len(self.machine.ends) * (int(following) - self.sim.now)
            self.sim.step()
        return found

    def stop_all(self, now: int) -> dict[int, int]:
        """What those still want that run or wait."""
        self.sim.now = now
        return {thread: self.machine.stop(thread) for thread in (*self.machine.ends, *self.waits())}


def ends_of(cores: int | None, work: Sequence[Job], seed: int = 1) -> list[int]:
    """When each job has got its time."""
    bench = Bench(cores, seed)
    for number, (arrival, demand) in enumerate(work):
        bench.at(arrival, number, demand)
    bench.until()
    assert bench.machine.busy_ns == bench.used == sum(demand for _, demand in work)
    return [bench.ends[number] for number in range(len(work))]


def test_the_figures_are_those_of_two_cores_and_250_ticks_a_second():
    """The kernel's: .7 ms times 1 + log2(2); a second / 250; two slices or a tick, whichever is longer."""
    assert SLICE == 700_000 * (1 + 1)
    assert TICK == SECOND // 250
    assert max(2 * SLICE, TICK) == LAG


# As many threads as cores


def test_as_many_threads_as_cores_do_not_slow_each_other():
    assert ends_of(3, [(0, 10), (1, 20), (2, 30)]) == [10, 21, 32]


def test_without_a_limit_nobody_waits():
    assert ends_of(None, [(k, 1000 + k) for k in range(50)]) == [1000 + 2 * k for k in range(50)]


# More of them


def two_that_want(demand: int, arrival: int) -> list[int]:
    bench = Bench(1)
    bench.sim.now = arrival
    for thread in range(2):
        bench.run(thread, demand)
    bench.until()
    return [bench.ends[thread] for thread in range(2)]


def test_two_threads_on_a_core_take_turns_of_two_ticks():
    """At each tick the one that runs gives way if it has had more: after one tick, then whenever it is one ahead.

    a runs 4 ms; b 8, a 8, b 8 and so on: between its turns each has fallen back by a tick and gains two.
    b has its 15 ms at 4 + 8 + 8 + 7 = 27 ms, a at 4 + 8 + 8 + 7 + 3 = 30.
    """
    assert two_that_want(15 * MS, 0) == [30 * MS, 27 * MS]


def test_two_threads_that_come_between_ticks_take_turns_of_one():
    """Then at each tick the one that runs is ahead: from 1 ms on a has had 3 at 4, b 4 at 8, a 7 at 12, b 8 at 16.

    So it goes on by 4 ms each. a has its 3 + 4 + 4 + 4 at 28 ms, and b its 4 + 4 + 4 + 3 at 31.
    """
    assert two_that_want(15 * MS, MS) == [28 * MS, 31 * MS]


def test_who_has_not_run_for_a_slice_at_a_tick_runs_to_the_next():
    """a comes 1.4 ms before a tick and gives way there; b has had 4 at the next, and a ends 3.6 after that.

    Did it come a bit later it would go on until it has its 5 ms. b ends when all is done.
    """
    just = TICK - SLICE
    assert two_that_want(5 * MS, just) == [2 * TICK + 5 * MS - SLICE, just + 10 * MS]
    assert two_that_want(5 * MS, just + 1) == [just + 1 + 5 * MS, just + 1 + 10 * MS]


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("more", [1, 2, 5])
def test_threads_that_come_together_get_equal_shares_within_a_tick(cores: int, more: int):
    """At a tick the ``cores`` that have had least run on: until the next they get ahead by no more than it.

    All come at a tick and want more than there is: so every slice begins at a tick, and is over at the next.
    """
    n, horizon = cores + more, 500 * MS
    bench = Bench(cores)
    for thread in range(n):
        bench.run(thread, SECOND)
    for served in bench.until(horizon):
        assert max(served.values()) - min(served.values()) <= TICK
    left = bench.stop_all(horizon)
    assert sum(SECOND - left[thread] for thread in range(n)) == cores * horizon == bench.machine.busy_ns
    assert [SECOND - left[thread] for thread in range(n)] == pytest.approx([cores * horizon / n] * n, abs=TICK)


def test_a_thread_that_runs_again_at_once_keeps_its_core_and_its_slice():
    """Bursts of .7 ms without a pause are as good as one: what counts is what a thread has had.

    So it goes as for two that want 15 ms each, where the first has run until 4 and 20 ms and ends at 30; it wants .3 ms
    less. Began each burst another slice, none would ever be over.
    """
    burst, bursts = 7 * MS // 10, 21
    bench = Bench(1)
    bench.take_turns(0, [(0, burst)] * bursts)
    bench.run(1, 15 * MS)
    bench.until()
    assert bench.ends == {0: 30 * MS - (15 * MS - bursts * burst), 1: 27 * MS}


@pytest.mark.parametrize(
    ("others", "comes", "starts"),
    [
        ([(0, SECOND), (0, SECOND)], 9_400_000 - 1, 16_000_000),
        ([(0, SECOND), (0, SECOND)], 9_400_000, 9_400_000),
        ([(3 * MS, SECOND), (3 * MS, SECOND)], 4_400_000 - 1, 12_000_000),
        ([(3 * MS, SECOND), (3 * MS, SECOND)], 4_400_000, 4_400_000),
        ([(0, SECOND), (0, 2_600_000), (5_100_000, SECOND)], 9_400_000 - 1, 16_000_000),
        ([(0, SECOND), (0, 2_600_000), (5_100_000, SECOND)], 9_400_000, 9_400_000),
    ],
)
def test_who_goes_on_at_a_tick_begins_another_slice_if_its_own_is_over(others: list[Job], comes: int, starts: int):
    """One core, where others run and wait when one comes that has had their average.

    * Two are there from 0 on: a runs to 4 ms, then b. At the tick at 8 both have had 4: b goes on, and its next slice
      is over at 9.4. Who comes just before has had 4.7, and waits for b until 12 and for a, that has had 4, until 16.
    * Two are there from 3 on: a has run for 1 ms at the tick at 4, and its slice is over at 4.4. Who comes before waits
      until 8, and for b, that has had nothing, until 12.
    * Two are there from 0 on: a runs to 4 ms, b its 2.6 after that. c comes at 5.1 when they have had 4 and 1.1, on
      average 2.55, and runs from 6.6 on: at 8 it has had 3.95, which is not more than 4, and its slice is just over.
      So another one begins, as for b above.
    """
    bench = Bench(1)
    for number, (arrival, demand) in enumerate(others):
        bench.until(arrival)
        bench.sim.now = arrival
        bench.run(number, demand)
    bench.at(comes, 100, MS)
    bench.until(20 * MS)
    assert bench.ends[100] == starts + MS


def test_who_waits_and_has_had_least_is_next():
    """One core, three threads from 0 on: a runs to 4, b to 8, c to 16 ms, as all have had 4 at 12, then a again to 20.

    There a has had 8, c 8 and b 4: b runs, and ends at 22 ms with its 6. Who comes at 21, when b has had 5, has had
    (8 + 8 + 5) / 3 = 7: less than a and c, which both have waited longer.
    """
    bench = Bench(1)
    for thread, demand in enumerate((SECOND, 6 * MS, SECOND)):
        bench.run(thread, demand)
    bench.at(21 * MS, 3, MS)
    bench.until(30 * MS)
    assert bench.ends == {1: 22 * MS, 3: 23 * MS}


# Sleepers


@pytest.mark.parametrize(
    ("demand", "wakes", "starts"),
    [
        (MS, 54_400_000 - 1, 56_000_000),
        (MS, 54_400_000, 54_400_000),
        (MS, 57_400_000 - 1, 60_000_000),
        (MS, 57_400_000, 57_400_000),
        (MS, 59_999_999, 59_999_999),
        (2_700_000, 55_000_000, 60_000_000),
        (2_700_000, 56_100_000 - 1, 60_000_000),
        (2_700_000, 56_100_000, 56_100_000),
    ],
)
def test_a_thread_that_wakes_gets_the_core_once_the_slice_of_the_one_that_runs_is_over(
    demand: int, wakes: int, starts: int
):
    """One core, a wants all of it. b comes at 49 ms and waits for the tick at 52: a has had 3 ms more by then.

    b wants less than these 3, and so is owed something ever after. It has had its demand at 53 or at 54.7 ms; there the
    slice of a begins.

    * From 53 on it is over at 54.4, and at the tick at 56 another begins, which is over at 57.4. b gets the core at
      once between 54.4 and 56 and from 57.4 on, and else at the next tick.
    * From 54.7 on a has run 1.3 ms at the tick at 56 and goes on; its slice is over at 56.1. b gets the core at once
      from then on; before, it has to wait for the tick at 60.
    """
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.take_turns(1, [(49 * MS, demand), (wakes - 52 * MS - demand, MS // 2)])
    bench.until(70 * MS)
    assert bench.ends == {1: starts + MS // 2}


@pytest.mark.parametrize("long", [0, 10 * TICK])
@pytest.mark.parametrize(("less", "waits"), [(2, 0), (0, MS // 2), (-MS // 10, MS // 2)])
def test_a_sleeper_that_is_owed_nothing_waits_like_others_however_long_it_has_slept(long: int, less: int, waits: int):
    """One core, a wants all of it. b comes at 50 ms, is owed nothing, and waits for the tick at 52 although the slice
    of a is over: a has had no more than b until then, and 2 ms more at the tick.

    b has had 2 ms at 54, as much as a, or a little more or less: who has had 2 ns less than the other has had one less
    than the average. It wakes at 55.5 ms, or 40 ms later, at a time when the slice of a is over, and takes the core if
    it is owed that nanosecond. Else it waits for the tick, when a has had .5 ms more.
    """
    demand, wakes = 2 * MS - less, 55 * MS + MS // 2 + long
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.take_turns(1, [(50 * MS, demand), (wakes - 52 * MS - demand, MS)])
    bench.until(54 * MS + MS // 2)
    assert bench.ends == {1: 52 * MS + demand}
    bench.until(120 * MS)
    assert bench.ends == {1: wakes + waits + MS}


def test_what_a_sleeper_has_had_more_is_forgotten_when_it_wakes():
    """One core. a has had 4 ms, and b from then until 10.6 its 6.6: 2.6 more than a.

    b wakes at 11, as if it had had what a has. At the tick at 12 a has run for 1.4 ms, so that its slice is over, and
    has had one more than b since that woke: b runs. Were it 2.6 ms ahead it would wait until 16.
    """
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.take_turns(1, [(0, 6_600_000), (400_000, MS)])
    bench.until(10_700_000)
    assert bench.ends == {1: 10_600_000}
    bench.until(20 * MS)
    assert bench.ends == {1: 13 * MS}


def test_who_has_got_what_it_was_owed_is_owed_nothing():
    """One core, a wants all of it. b comes at 49 ms and waits until 52: a has had 3 ms more.

    At 53 b has had one, and is owed some, but it runs again at once and has had 3.5 at 55.5 ms. It wakes at 58: the
    slice of a, which began at 55.5, is over, but b waits for the tick at 60.
    """
    bench = Bench(1)
    bench.run(0, SECOND)
    bench.take_turns(1, [(49 * MS, MS), (0, 2_500_000), (2_500_000, MS)])
    bench.until(56 * MS)
    assert bench.ends == {1: 55_500_000}
    bench.until(70 * MS)
    assert bench.ends == {1: 61 * MS}


def test_who_has_run_alone_is_owed_nothing():
    """One core. b waits for a from 0 on and is stopped at 1 ms: it is owed half of that.

    b is alone from 10 ms on and has its 5 at 15, where c comes at 14: that is the average until then, and has more at
    15. c runs from there, so that its slice is over at 16.4. b wakes at 18, and waits for the tick at 20.
    """
    bench = Bench(1)
    bench.run(0, 2 * MS)
    bench.run(1, 20 * MS)
    bench.sim.call_in(MS, bench.machine.stop, 1)
    bench.at(10 * MS, 1, 5 * MS)
    bench.at(14 * MS, 2, SECOND)
    bench.at(18 * MS, 1, MS)
    bench.until(16 * MS)
    assert bench.ends == {0: 2 * MS, 1: 15 * MS}
    bench.until(30 * MS)
    assert bench.ends == {0: 2 * MS, 1: 21 * MS}


@pytest.mark.parametrize(
    ("newcomers", "before_tick", "runs"),
    [
        (0, SLICE, SLICE + TICK),
        (0, 1_600_000, 1_600_000),
        (1, 2_600_000, 2_600_000 + TICK),
        (1, 500_000, 500_000 + TICK),
        (3, 2_600_000, 2_600_000 + TICK),
        (3, 1, 1 + TICK),
        (20, 2_600_000, 2_600_000 + TICK),
        (20, 1, 1 + TICK),
    ],
)
def test_a_sleeper_is_owed_no_more_than_the_lag(newcomers: int, before_tick: int, runs: int):
    """One core; a and b come at 0, a runs and b waits. At 3 ms a has had 3, and their average is 1.5 more than b.

    Others come then and every 4 ms, 1 ms before a tick, and each takes the core of the one before: that began with the
    average, has run for 4 ms and is left alone at no tick between. Who begins with the average does not change it, and
    what runs raises that of n threads by 4 / n: b is owed 1.5, then 1.5 + 4/3 = 2.8, then 3.8 and 4.6 ms, and after 20
    of them 1.5 + 4 (1/3 + 1/4 + ... + 1/22) > 10, of which it keeps 4.

    There all are stopped. Later b wakes while another runs, whose slice is over, takes its core and keeps it until the
    first tick at which its own slice is over and it has run for longer than it is owed: at the first tick after 1.6 ms
    if that is 1.5, not after 1.4, and not after 2.6 if it is 2.8 or more. With 4 ms it gives way at the second, however
    soon after its waking the first one was.
    """
    bench = Bench(1)
    for thread in range(2):
        bench.run(thread, SECOND)
    for number in range(newcomers):
        bench.at((3 + 4 * number) * MS, 2 + number, SECOND)
    stops = (3 + 4 * newcomers) * MS
    if newcomers:
        bench.until(stops)
        assert set(bench.machine.ends) == {1 + newcomers}
    bench.sim.now = stops
    assert bench.machine.stop(1) == SECOND
    bench.stop_all(stops)
    hog, again = 100, 200 * MS - before_tick
    bench.at(100 * MS, hog, SECOND)
    bench.at(again, 1, SECOND)
    bench.until(again + 1)
    assert bench.waits() == {hog}
    bench.until(again + runs)
    assert bench.waits() == {hog}
    bench.until(again + runs + 1)
    assert bench.waits() == {1}
    assert bench.served(bench.sim.now)[1] == runs


def test_of_those_that_run_the_one_that_has_had_most_gives_way():
    """Three threads on two cores have all had 8 ms at 12, 16 at 24 and so on, 64 at 96.

    At 100 two of them have had 68, and one of these waits from then on. At 102 that has had 68, the others 70 and 66:
    who comes has had their average of 68, and takes the core of the one with 70. The slices of both are over.
    """
    bench = Bench(2)
    for thread in range(3):
        bench.run(thread, SECOND)
    bench.at(102 * MS, 3, MS)
    before = bench.until(102 * MS)[-1]
    (waited,) = bench.waits()
    assert before[waited] == 68 * MS
    bench.sim.step()
    at_102 = bench.served(102 * MS)
    assert sorted(at_102.values()) == [0, 66 * MS, 68 * MS, 70 * MS]
    assert {at_102[thread] for thread in bench.waits()} == {68 * MS, 70 * MS}
    bench.until(104 * MS)
    assert bench.ends == {3: 103 * MS}


def test_who_comes_takes_no_core_of_who_has_had_as_little():
    """As above, two milliseconds later in the turn of three: those that run have had 6, who waits 8.

    Who comes has had their average of 6.7, and nobody that runs has had more. At the tick at 108 all have had 8.
    """
    bench = Bench(2)
    for thread in range(3):
        bench.run(thread, SECOND)
    bench.at(106 * MS, 3, MS)
    bench.until(106 * MS + 1)
    assert 3 in bench.waits()
    bench.until(110 * MS)
    assert bench.ends == {3: 109 * MS}


# Stopping


def test_a_thread_that_is_stopped_is_owed_what_it_has_not_had():
    bench = Bench(1)
    bench.run(0, 20 * MS)
    bench.run(1, 20 * MS)  # waits until 4 ms
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


def test_who_neither_runs_nor_waits_cannot_be_stopped():
    bench = Bench(1)
    with pytest.raises(KeyError):
        bench.machine.stop(0)
    bench.run(0, MS)
    bench.run(1, MS)
    with pytest.raises(KeyError):
        bench.machine.stop(2)
    bench.until()
    assert bench.ends == {0: MS, 1: 2 * MS}
    with pytest.raises(KeyError):
        bench.machine.stop(0)


def test_who_waits_gets_the_core_of_who_is_stopped():
    bench = Bench(1)
    bench.run(0, 20 * MS)
    bench.run(1, 20 * MS)
    bench.sim.call_in(2 * MS, bench.machine.stop, 0)
    bench.until()
    assert bench.ends == {1: 22 * MS}


def test_of_those_that_wait_any_can_be_stopped():
    """One core: a runs to 4 ms, then who came first of those that are left."""
    bench = Bench(1)
    for thread in range(5):
        bench.run(thread, 4 * MS)
    bench.sim.call_in(MS, bench.machine.stop, 1)
    bench.sim.call_in(MS, bench.machine.stop, 3)
    bench.until()
    assert bench.ends == {0: 4 * MS, 2: 8 * MS, 4: 12 * MS}
    assert bench.machine.busy_ns == bench.used == 12 * MS


# Whatever comes


work_of_jobs = st.lists(jobs(), min_size=1, max_size=25)
lives = st.lists(
    st.lists(st.tuples(st.sampled_from([0, 0, 1, MS]) | st.integers(0, 10 * MS), st.integers(1, 8 * MS)), max_size=8),
    min_size=1,
    max_size=8,
)


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


@given(lives, st.integers(1, 4), st.integers(0, 1000))
def test_no_core_time_of_sleepers_is_lost_or_invented(turns: list[list[Turn]], cores: int, seed: int):
    bench = Bench(cores, seed)
    for thread, life in enumerate(turns):
        bench.take_turns(thread, life)
    bench.until()
    assert bench.machine.busy_ns == bench.used == sum(demand for life in turns for _, demand in life)
    assert bench.ends.keys() == {thread for thread, life in enumerate(turns) if life}
    for thread, end in bench.ends.items():
        alone = sum(asleep + demand for asleep, demand in turns[thread])
        assert end == alone if len(turns) <= cores else end >= alone


@given(work_of_jobs, st.integers(1, 4), st.integers(0, 1000))
def test_who_runs_is_left_alone_for_a_slice(work: list[Job], cores: int, seed: int):
    """A core is taken only of who has run for a slice since it began, or since the last tick it has run through with
    its slice over; and only at a tick, or when a thread comes."""
    bench = Bench(cores, seed)
    for number, (arrival, demand) in enumerate(work):
        bench.at(arrival, number, demand)
    arrivals = {arrival for arrival, _ in work}
    sim, machine = bench.sim, bench.machine
    began: dict[int, int] = {}
    while sim.peek() < math.inf:
        before = set(machine.ends)
        sim.step()
        for thread in bench.waits() & before:
            since = began[thread]
            over = [tick for tick in range(0, sim.now, TICK) if tick >= since + SLICE]
            assert sim.now - max(over, default=since) >= SLICE
            assert sim.now % TICK == 0 or sim.now in arrivals
        began |= dict.fromkeys(machine.ends.keys() - before, sim.now)


@given(st.lists(st.integers(1, 60 * MS), min_size=2, max_size=12), st.integers(1, 5), st.integers(0, TICK))
def test_of_those_that_come_together_nobody_gets_a_slice_and_a_tick_ahead(demands: list[int], cores: int, start: int):
    """Who gets a core has had least of those that wait. From then on:

    * at a tick at which its slice is over it has had no more than any that waits, or gives way; there is one in less
      than a slice and a tick, and one every tick after that. So it gets ahead of who waits all the while by less;
    * of one that has run beside it and gives way, at a tick: if the slices of both were over the other had had more. If
      not, another that waits has had less than that one, and did not have less than who got the core, a time t before:
      the two were less than t apart, and are less than t and the rest of that slice and tick afterwards.

    When nobody waits any more, nobody gets ahead either.
    """
    bench = Bench(cores)
    bench.sim.now = start
    for thread, demand in enumerate(demands):
        bench.run(thread, demand)
    for served in bench.until():
        assert max(served.values(), default=0) - min(served.values(), default=0) < SLICE + TICK


@given(work_of_jobs, st.integers(1, 2), st.integers(0, 1000))
def test_no_endless_thread_gets_a_slice_and_a_tick_ahead_of_another_whoever_comes(
    work: list[Job], cores: int, seed: int
):
    """On one core or two, with one endless thread more than these: as above.

    Who comes may take a core at any time, but only of who has had more than the average. On two cores, where of two
    endless ones that run the one with more began a time t ago, all that wait have had at least as much as that had
    then; the other has had more than the average of all only where the two are less than t apart.
    """
    bench = Bench(cores, seed)
    endless = range(-cores - 1, 0)
    for thread in endless:
        bench.run(thread, SECOND)
    for number, (arrival, demand) in enumerate(work):
        bench.at(arrival, number, demand)
    horizon = 300 * MS
    for served in bench.until(horizon):
        each = [served[thread] for thread in endless]
        assert max(each) - min(each) < SLICE + TICK
    bench.stop_all(horizon)
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
