from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy.core import EmptySchedule

from sim import kernel
from sim.kernel.simulation import Life, Simulation
from sim.kernel.streams import Streams


def simulation(seed: int = 1) -> Simulation:
    return Simulation(Streams(seed, 0))


def finish(sim: Simulation, at: int) -> None:
    """Run until ``at`` nanoseconds, what happens then included."""
    over = sim.event()
    sim.call_in(at - sim.now, lambda: sim.call_in(1, over.succeed))
    sim.run_until(over)


def test_what_is_set_anew_for_long_leaves_nothing_behind():
    sim = simulation()
    fired: list[int] = []
    sim.later(10**15, fired.append, 0)
    timers = {}
    for number in range(20_000):
        earlier = timers.get(number % 100)
        if earlier is not None:
            earlier.cancel()
        timers[number % 100] = sim.timer(10**15 + number + 1, fired.append, number + 1)
    assert len(sim._far) <= 1001
    assert sum(1 for _ in sim.to_come()) == 101
    finish(sim, 10**15 + 20_001)
    assert fired == [0, *range(19_901, 20_001)]


def test_a_life_goes_on_when_it_says_and_leaves_others_their_turn_and_their_lots():
    def told(live: bool) -> list[tuple[str, int]]:
        """What happens to three who go on every 5 or 7 ns, beside calls at every 5th, as lives or as calls."""
        sim, seen = simulation(), []

        def life(name: str, step: int) -> Life:
            now = sim.now
            for _ in range(4):
                now = yield now + step
                seen.append((name, now))

        def call(who: tuple[str, int, int]) -> None:
            name, step, left = who
            seen.append((name, sim.now))
            if left:
                sim.after(step, call, (name, step, left - 1))

        for name, step in (("a", 5), ("b", 5), ("c", 7)):
            if live:
                sim.begin(life(name, step))
            else:
                sim.after(step, call, (name, step, 3))
        for at in range(0, 30, 5):
            sim.at(at, lambda name: seen.append((name, sim.now)), "other")
        finish(sim, 30)
        return seen

    assert told(live=True) == told(live=False)
    assert len(told(live=True)) == 3 * 4 + 6


def test_a_life_is_among_what_is_to_come_and_is_let_go():
    sim = simulation()
    ended: list[int] = []

    def life() -> Life:
        try:
            while True:
                yield sim.now + 1
        finally:
            ended.append(sim.now)

    sim.begin(life())
    finish(sim, 10)
    assert sum(1 for _ in sim.to_come()) == 1
    sim.abort(KeyError())
    with pytest.raises(KeyError):
        sim.run_until(sim.event())
    sim.let_go()
    assert len(ended) == 1


def order_of_a_tie(seed: int, calls: int = 2) -> tuple[int, ...]:
    sim = simulation(seed)
    seen: list[int] = []
    for k in range(calls):
        sim.call_in(7, seen.append, k)
    finish(sim, 7)
    return tuple(seen)


@given(st.lists(st.integers(0, 10**6) | st.integers(0, 10**17), min_size=1, max_size=40))
def test_every_call_runs_once_exactly_when_it_is_due(delays: list[int]):
    sim = simulation()
    seen: list[tuple[int, int]] = []
    for k, delay in enumerate(delays):
        sim.call_in(delay, lambda k=k: seen.append((k, sim.now)))
    finish(sim, max(delays))
    assert sorted(seen) == list(enumerate(delays))
    assert [now for _, now in seen] == sorted(delays)
    assert {type(now) for _, now in seen} == {int}


def test_time_stays_exact_where_floats_would_drift():
    sim = simulation()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(sim.now)
        if len(ticks) < 1000:
            sim.call_in(100_000_001, tick)

    sim.call_in(2**60, tick)  # 36 years: doubles are 256 ns apart there
    finish(sim, 2**60 + 1000 * 100_000_001)
    assert ticks == [2**60 + k * 100_000_001 for k in range(1000)]


def test_arguments_reach_the_function():
    sim = simulation()
    seen: list[tuple[object, ...]] = []
    sim.call_in(1, lambda *args: seen.append(args), 1, "two", None)
    sim.call_in(2, lambda *args: seen.append(args))
    finish(sim, 2)
    assert seen == [(1, "two", None), ()]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
def test_a_cancelled_timer_does_nothing_and_the_others_are_not_touched(plan: list[tuple[int, bool]]):
    sim = simulation()
    seen: list[int] = []
    timers = [sim.timer(delay, seen.append, k) for k, (delay, _) in enumerate(plan)]
    for timer, (_, cancelled) in zip(timers, plan, strict=True):
        if cancelled:
            timer.cancel()
    finish(sim, 5)
    assert sorted(seen) == [k for k, (_, cancelled) in enumerate(plan) if not cancelled]


def test_a_timer_can_be_cancelled_at_its_own_instant_but_not_undone():
    # Over the seeds the canceller comes before and after the timer: the call is prevented or has happened.
    outcomes = Counter()
    for seed in range(40):
        sim = simulation(seed)
        seen: list[str] = []
        timer = sim.timer(5, seen.append, "ran")
        sim.call_in(5, timer.cancel)
        finish(sim, 5)
        timer.cancel()
        outcomes[tuple(seen)] += 1
    assert set(outcomes) == {(), ("ran",)}


def test_two_calls_at_one_instant_come_in_either_order():
    first = sum(order_of_a_tie(seed)[0] == 0 for seed in range(400))
    assert 140 < first < 260  # 200 +- 6 standard deviations; first come first served gives 400


def test_the_place_in_a_tie_does_not_depend_on_who_was_scheduled_first():
    places: Counter[tuple[int, int]] = Counter()
    for seed in range(600):
        places.update(enumerate(order_of_a_tie(seed, 4)))
    # Each of the four is in each place a quarter of the time: 150 +- 5 standard deviations of 10.6.
    assert all(97 < places[place, call] < 203 for place in range(4) for call in range(4))


def test_calls_made_at_different_times_for_one_instant_tie_too():
    first = Counter()
    for seed in range(200):
        sim = simulation(seed)
        seen: list[str] = []
        sim.call_in(10, seen.append, "early")
        sim.call_in(9, lambda sim=sim, seen=seen: sim.call_in(1, seen.append, "late"))
        finish(sim, 10)
        first[seen[0]] += 1
    assert 60 < first["late"] < 140


def test_the_same_seed_draws_the_same_order():
    for seed in range(10):
        assert order_of_a_tie(seed, 30) == order_of_a_tie(seed, 30)
    assert len({order_of_a_tie(seed, 30) for seed in range(10)}) == 10


def test_ties_are_told_apart_beyond_a_batch_of_random_numbers():
    seen = order_of_a_tie(3, 5000)
    assert sorted(seen) == list(range(5000))
    rising = sum(later > earlier for earlier, later in itertools.pairwise(seen))
    assert 2300 < rising < 2700  # a shuffled order rises half of the time


def test_a_process_works_beside_calls():
    sim = simulation()
    seen: list[tuple[str, int]] = []
    door = sim.event()

    def process():
        for _ in range(3):
            yield sim.timeout(10)
            seen.append(("process", sim.now))
        seen.append((f"opened by {(yield door)}", sim.now))

    finished = sim.process(process())
    for delay in (5, 15, 25):
        sim.call_in(delay, lambda: seen.append(("call", sim.now)))
    sim.call_in(40, door.succeed, "a call")
    sim.run_until(finished)
    assert seen == [
        ("call", 5), ("process", 10), ("call", 15), ("process", 20), ("call", 25), ("process", 30),
        ("opened by a call", 40),
    ]  # fmt: skip
    assert {type(now) for _, now in seen} == {int}


def test_simpys_own_run_works_with_calls():
    sim = simulation()
    seen: list[int] = []
    for delay in (1, 2, 3):
        sim.call_in(delay, lambda: seen.append(sim.now))
    sim.run(until=3)  # SimPy: up to, and not including, that time
    assert seen == [1, 2]
    assert sim.now == 3
    sim.run()
    assert seen == [1, 2, 3]


def test_a_process_and_a_call_at_one_instant_come_in_either_order():
    first = Counter()
    for seed in range(100):
        sim = simulation(seed)
        seen: list[str] = []

        def process(sim: Simulation = sim, seen: list[str] = seen):
            yield sim.timeout(5)
            seen.append("process")

        sim.process(process())
        sim.call_in(5, seen.append, "call")
        finish(sim, 5)
        first[seen[0]] += 1
    assert 20 < first["call"] < 80


def test_running_stops_at_the_event_and_leaves_the_rest():
    sim = simulation()
    seen: list[int] = []
    over = sim.event()
    sim.call_in(1, seen.append, 1)
    sim.call_in(2, over.succeed)
    sim.call_in(3, seen.append, 3)
    sim.run_until(over)
    assert (seen, sim.now) == ([1], 2)


def test_waiting_for_what_never_happens_is_an_error():
    sim = simulation()
    sim.call_in(1, lambda: None)
    with pytest.raises(EmptySchedule):
        sim.run_until(sim.event())
    assert sim.now == 1


def test_the_layout_of_the_heap_is_known_in_the_kernel_alone() -> None:
    room = Path(kernel.__file__).parent
    others = [path for path in room.parent.rglob("*.py") if room not in path.parents]
    assert [path.name for path in others if re.search(r"\b(sim|simulation)\.calls\b", path.read_text())] == []


plans = st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30)


@given(plans, st.integers(1, 5))
def test_calls_that_wait_in_the_other_heap_come_in_the_same_order(plan: list[tuple[int, bool, int]], seed: int):
    """Whether calls are said to be far off changes nothing: neither when they happen, nor their order in an instant."""

    def course(far: bool) -> list[tuple[int, int]]:
        sim = simulation(seed)
        seen: list[tuple[int, int]] = []
        numbers = itertools.count()

        def plan_one(k: int) -> None:
            delay, is_far, children = plan[k % len(plan)]
            schedule = sim.later if far and is_far else sim.after
            schedule(delay, happen, (next(numbers), children))

        def happen(what: tuple[int, int]) -> None:
            number, children = what
            seen.append((sim.now, number))
            for child in range(children if number < 60 else 0):
                plan_one(number + child)

        for k in range(len(plan)):
            plan_one(k)
        finish(sim, 50 * 200)
        return seen

    assert course(far=True) == course(far=False)


def test_time_passes_only_where_nothing_else_happens_before_or_then():
    sim = simulation()
    passed: list[tuple[int, bool, int]] = []

    def try_until(when: int) -> None:
        passed.append((when, sim.passes(when), sim.now))

    sim.at(5, try_until, 9)
    sim.at(10, try_until, 20)
    sim.at(20, try_until, 20)
    sim.run()
    assert passed == [(9, True, 9), (20, False, 10), (20, True, 20)]


def test_time_that_passes_draws_a_place_as_a_call_does():
    called, passing = simulation(), simulation()
    called.at(3, bool, None)
    assert passing.passes(3)
    assert called.next_tie() == passing.next_tie()


@given(st.lists(st.integers(0, 20), max_size=12), st.lists(st.integers(0, 20), max_size=12))
def test_a_series_of_calls_is_as_if_each_were_there_from_the_start(delays: list[int], others: list[int]):
    def seen(series: bool) -> list[tuple[int, str]]:
        sim = simulation()
        found: list[tuple[int, str]] = []

        def come() -> None:
            found.append((sim.now, "series"))
            sim.call_in(3, found.append, (sim.now, "after"))

        sim.call_in(5, lambda: found.append((sim.now, "before")))
        if series:
            sim.series(delays, come)
            assert len(sim.calls) <= 2
        else:
            for delay in delays:
                sim.call_in(delay, come)
        for delay in others:
            sim.call_in(delay, found.append, (delay, "other"))
        finish(sim, 30)
        return found

    assert seen(True) == seen(False)
