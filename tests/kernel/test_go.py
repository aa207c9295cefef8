from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.kernel.bursts import Burst, BurstThen, Goroutine
from sim.kernel.goserver import GoServer
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.profile import GoScheduler
from sim.units import MS


class Bench:
    """A Go process with goroutines that only compute, and notes when each began and ended.

    A goroutine's start is noted when it gets a processor.
    """

    def __init__(self, procs: int = 1, cores: int | None = None, seed: int = 1, **options: object) -> None:
        self.sim = Simulation(Streams(seed, 0))
        scheduler = GoScheduler.model_validate({"procs": procs, "slice": 10 * MS, "poll": 10 * MS, **options})
        self.machine = Machine(self.sim, cores if cores is not None else procs + 1)  # one for sysmon
        self.go = GoServer(self.sim, self.machine, scheduler)
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def goroutine(
        self,
        name: str,
        ms: float,
        then: Callable[[], Burst | None] | None = None,
        *,
        first: Callable[[], object] = bool,
    ) -> Goroutine:
        """One that calls ``first`` when it gets a processor, computes, and goes on with ``then``."""

        def ended() -> Burst | None:
            self.ended[name] = self.sim.now / MS
            return then() if then is not None else None

        def run() -> Burst:
            assert name not in self.began
            self.began[name] = self.sim.now / MS
            first()
            return BurstThen(round(ms * MS), ended)

        return run

    def ready(self, at: float, name: str, ms: float, **rest: Callable[[], object]) -> None:
        """Wake a goroutine with a timer."""
        self.sim.call_in(round(at * MS), self.go.ready, self.goroutine(name, ms, **rest))

    def network(self, at: float, name: str, ms: float) -> None:
        """Wake a goroutine with something that arrives at its socket."""
        self.sim.call_in(round(at * MS), self.go.network_ready, self.goroutine(name, ms))

    def run(self) -> Bench:
        self.sim.run()
        return self

    def order(self) -> list[str]:
        return sorted(self.began, key=lambda name: self.began[name])


def wake(bench: Bench, *others: str) -> Callable[[], None]:
    """What wakes others, which compute for a millisecond each, in this order."""

    def run() -> None:
        for other in others:
            bench.go.ready(bench.goroutine(other, 1))

    return run


def test_goroutines_queue_first_come_first_served():
    bench = Bench()
    for k, name in enumerate("abcd"):
        bench.ready(0.1 * k, name, 2)
    bench.run()
    assert bench.began == {"a": 0, "b": 2, "c": 4, "d": 6}


def test_as_many_run_at_once_as_there_are_processors():
    bench = Bench(procs=2)
    for k, name in enumerate("abc"):
        bench.ready(0.1 * k, name, 2)
    bench.run()
    assert bench.began == {"a": 0, "b": 0.1, "c": 2}


def test_the_goroutine_woken_last_by_the_one_that_runs_comes_next():
    bench = Bench()
    bench.ready(0, "waker", 5, then=wake(bench, "x", "y", "z"))
    bench.run()
    # Each takes the place runnext and pushes the one before it to the end of the queue.
    assert bench.order() == ["waker", "z", "x", "y"]


def test_a_processors_own_queue_comes_before_the_global_one():
    bench = Bench()
    bench.ready(0, "waker", 5, then=wake(bench, "x", "y"))
    bench.ready(1, "global", 1)
    bench.run()
    assert bench.order() == ["waker", "y", "x", "global"]


def test_round_robin_has_one_queue_and_no_runnext():
    bench = Bench(fair=False)
    bench.ready(0, "waker", 5, then=wake(bench, "x", "y"))
    bench.ready(1, "queued", 1)
    bench.run()
    assert bench.order() == ["waker", "queued", "x", "y"]


def test_an_idle_processor_takes_over_what_a_busy_one_has_next():
    bench = Bench(procs=2)
    bench.ready(0, "waker", 5, first=wake(bench, "woken"))
    bench.run()
    assert bench.began == {"waker": 0, "woken": 0}


def test_an_idle_processor_takes_over_half_of_a_busy_ones_queue():
    bench = Bench(procs=2)
    bench.ready(0, "other", 3)
    bench.ready(0.1, "waker", 2, then=wake(bench, *"abcdef"))
    bench.run()
    # Seven milliseconds of work after 2.1 ms on one processor, 3 ms on the other: both busy to the end.
    assert max(bench.ended.values()) <= (3 + 2 + 6) / 2 + 1


def test_a_long_burst_is_preempted_and_goes_to_the_end():
    bench = Bench()
    bench.ready(0, "long", 25)
    bench.ready(1, "short", 2)
    bench.ready(2, "shorter", 1)
    bench.run()
    # sysmon looks every 10 ms, and preempts who has run for a slice of 10 ms since it first saw it.
    assert 10 <= bench.began["short"] <= 20
    assert bench.began["shorter"] == bench.began["short"] + 2
    assert bench.ended["long"] == 28


def test_two_long_bursts_take_turns():
    bench = Bench()
    bench.ready(0, "a", 60)
    bench.ready(1, "b", 60)
    bench.run()
    assert 10 <= bench.began["b"] <= 20
    assert sorted(bench.ended.values())[1] == 120
    assert 120 - min(bench.ended.values()) <= 20


def test_nobody_is_preempted_for_nothing():
    bench = Bench()
    bench.ready(0, "long", 55)
    bench.ready(54, "short", 1)
    bench.run()
    assert bench.ended == {"long": 55, "short": 56}


def test_what_a_long_burst_has_woken_waits_for_its_slice_and_no_longer():
    bench = Bench()
    bench.ready(0, "long", 80, first=wake(bench, "woken"))
    bench.run()
    assert bench.began["woken"] <= 20


def test_a_pair_that_wakes_each_other_does_not_starve_the_queue():
    bench = Bench()

    def again(k: int) -> Callable[[], Burst | None]:
        return lambda: bench.go.ready(bench.goroutine(f"pair{k}", 1, again(k + 1))) if k < 60 else None

    bench.ready(0, "pair0", 1, then=again(1))
    bench.ready(0.5, "queued", 1)
    bench.run()
    # Whoever comes by runnext inherits the time slice, so that the slice ends for both together.
    assert bench.began["queued"] <= 21


def test_the_network_is_seen_at_once_while_a_processor_is_idle():
    bench = Bench(procs=2)
    bench.ready(0, "busy", 30)
    bench.network(3, "answer", 1)
    bench.run()
    assert bench.began["answer"] == 3


def test_an_answer_behind_busy_processors_waits_for_sysmon():
    bench = Bench()
    bench.ready(1, "busy", 60)
    bench.network(3, "answer", 1)
    bench.run()
    # Seen at 10 ms at the earliest, and given a processor when the busy one is preempted.
    assert 10 <= bench.began["answer"] <= 20


def test_a_local_wakeup_overtakes_an_answer_that_nobody_has_seen():
    bench = Bench()
    bench.ready(1, "busy", 60)
    bench.network(2, "answer", 1)
    bench.ready(4, "timer", 1)
    bench.run()
    assert bench.order() == ["busy", "timer", "answer"]


def test_round_robin_sees_the_network_at_once():
    bench = Bench(fair=False)
    bench.ready(1, "busy", 60)
    bench.network(2, "answer", 1)
    bench.ready(4, "timer", 1)
    bench.run()
    assert bench.order() == ["busy", "answer", "timer"]


def test_a_processor_that_runs_out_of_work_visits_the_poller():
    bench = Bench()
    bench.ready(0, "busy", 6)
    bench.network(2, "answer", 1)
    bench.run()
    assert bench.began["answer"] == 6


def test_what_arrived_meanwhile_comes_in_a_batch():
    bench = Bench()
    bench.ready(0.5, "busy", 60)
    for k in range(5):
        bench.network(1 + k, f"answer{k}", 0.1)
    bench.run()
    # Silence at first, then everything at once, in the order of its arrival.
    assert bench.order() == ["busy", *(f"answer{k}" for k in range(5))]
    began = [bench.began[f"answer{k}"] for k in range(5)]
    assert 10 <= began[0] <= 21
    assert began == pytest.approx([began[0] + 0.1 * k for k in range(5)])


def test_the_poller_is_visited_again_and_again():
    bench = Bench()
    bench.ready(0.5, "busy", 150)
    for k in range(1, 6):
        bench.network(25 * k + 1, f"answer{k}", 0.1)
    bench.run()
    for k in range(1, 6):
        # Seen within 10 ms, and given a processor within two slices.
        assert 0 < bench.began[f"answer{k}"] - (25 * k + 1) <= 30


def test_while_keys_are_made_on_every_processor_answers_wait_and_come_in_batches():
    bench = Bench(procs=2)
    for k in range(4):
        bench.ready(0, f"key{k}", 90)
    for k in range(60):
        bench.network(1 + 5 * k, f"answer{k}", 0.1)
    bench.run()
    waits = [bench.began[f"answer{k}"] - (1 + 5 * k) for k in range(60) if 1 + 5 * k < 170]
    # Model.md section 6: silent for 30 to 70 ms, then several at once.
    assert sum(waits) / len(waits) > 5
    assert max(waits) > 12
    instants = sorted(round(bench.began[f"answer{k}"]) for k in range(33))
    assert len(set(instants)) < 25


def test_a_goroutine_that_has_nothing_to_compute_parks_and_the_next_one_runs():
    bench = Bench()
    parked: list[int] = []

    def park() -> None:
        parked.append(bench.sim.now)

    bench.sim.call_in(0, bench.go.ready, park)
    bench.ready(0.1, "a", 1)
    bench.sim.call_in(MS // 2, bench.go.ready, park)
    bench.ready(0.6, "b", 1)
    bench.run()
    assert parked == [0, round(1.1 * MS)]
    assert bench.began == {"a": 0.1, "b": 1.1}


def test_a_timer_wakes_its_goroutine_when_it_is_due():
    bench = Bench()
    bench.go.wake_in(7 * MS, bench.goroutine("sleeper", 1))
    bench.run()
    assert bench.began == {"sleeper": 7}


def test_a_killed_process_runs_nothing_any_more():
    bench = Bench()
    bench.ready(0, "busy", 30)
    bench.ready(1, "queued", 1)
    bench.network(2, "answer", 1)
    bench.go.wake_in(8 * MS, bench.goroutine("sleeper", 1))
    bench.sim.call_in(5 * MS, bench.go.stop)
    bench.ready(6, "late", 1)
    bench.network(7, "later", 1)
    bench.run()
    assert bench.began == {"busy": 0}
    assert bench.ended == {}


def test_a_killed_process_leaves_the_cores_to_others():
    bench = Bench(procs=1, cores=1)
    bench.ready(0, "busy", 1000)
    bench.sim.call_in(5 * MS, bench.go.stop)
    ended: list[int] = []

    def done(thread: str) -> None:
        if bench.machine.finished(thread) is not False:
            ended.append(bench.sim.now)

    bench.sim.call_in(6 * MS, bench.machine.run, 10 * MS, done, "another process")
    bench.run()
    assert ended == [16 * MS]


class Hog:
    """Another process that computes without an end."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._again()

    def _again(self) -> None:
        self._bench.machine.run(100 * MS, Hog._ended, self)

    def _ended(self) -> None:
        if self._bench.machine.finished(self):
            self._again()


@pytest.mark.parametrize(("hogs", "cores"), [(0, 2), (1, 2), (4, 2)])
def test_sysmon_waits_for_a_core_like_everybody(hogs: int, cores: int):
    """Where none is left for it, it looks more seldom, and who computes keeps the processor for longer."""
    bench = Bench(procs=1, cores=cores)
    for _ in range(hogs):
        Hog(bench)
    looks: list[int] = []
    look = bench.go.sysmon._look
    bench.go.sysmon._look = lambda: (looks.append(bench.sim.now), look())[1]
    bench.ready(0, "a", 2000)
    bench.ready(0, "b", 2000)
    bench.sim.run(until=1000 * MS)
    gaps = [(after - before) / MS for before, after in itertools.pairwise(looks)]
    assert min(gaps) >= 10
    # A look begins 10 ms after the last one has ended. Who sleeps is owed a core soon: within two ticks.
    assert max(gaps) <= 10 + 2 * 4 + 1
    assert (sum(gaps) / len(gaps) > 11) == (hogs + 1 >= cores)


def test_the_process_has_no_more_than_its_share_of_a_contended_machine():
    bench = Bench(procs=2, cores=1, poll=100 * MS)  # sysmon would want the core as well
    for name in "ab":
        bench.ready(0, name, 20)
    bench.run()
    # Both have a processor at once, and take turns on the core at ticks of 4 ms: one after the first, then two each,
    # for as long as who runs has not had more. So one has had 4, 12 and 20 ms at 4, 20 and 36 ms.
    assert bench.began == {"a": 0, "b": 0}
    assert sorted(bench.ended.values()) == [36, 40]


def test_by_default_there_is_a_processor_for_each_core():
    sim = Simulation(Streams(1, 0))
    go = GoServer(sim, Machine(sim, 3), GoScheduler())
    ended: list[int] = []
    for _ in range(4):
        go.ready(lambda: BurstThen(5 * MS, lambda: ended.append(sim.now)))
    sim.run()
    assert ended == [5 * MS, 5 * MS, 5 * MS, 10 * MS]


wakeups = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 300), st.booleans()), min_size=1, max_size=20)


@given(wakeups, st.integers(1, 3), st.booleans(), st.integers(0, 1000))
def test_every_goroutine_runs_once_and_no_core_time_is_lost(
    plan: list[tuple[int, int, bool]], procs: int, fair: bool, seed: int
):
    bench = Bench(procs=procs, seed=seed, fair=fair)
    for k, (at, tenths, network) in enumerate(plan):
        (bench.network if network else bench.ready)(at, str(k), tenths / 10)
    bench.run()
    assert len(bench.ended) == len(plan)
    for k, (at, tenths, _) in enumerate(plan):
        assert at <= bench.began[str(k)]
        assert bench.began[str(k)] + tenths / 10 <= bench.ended[str(k)] + 1e-9
    # As busy as can be until all is done: when the last has come, no more than what all have to do, shared by
    # the processors, and the longest of them alone at the end.
    total = sum(tenths for _, tenths, _ in plan) / 10
    last = max(at for at, _, _ in plan)
    assert max(bench.ended.values()) <= last + total / procs + max(tenths for _, tenths, _ in plan) / 10 + 1e-6
    # And no faster than the processors are.
    for start in {at for at, _, _ in plan}:
        later = [(k, tenths / 10) for k, (at, tenths, _) in enumerate(plan) if at >= start]
        finished = max(bench.ended[str(k)] for k, _ in later)
        assert finished - start >= sum(demand for _, demand in later) / procs - 1e-6


def test_preempted_work_is_counted_once():
    bench = Bench()
    bench.ready(0, "a", 60)
    bench.ready(1, "b", 60)
    bench.run()
    assert bench.machine.busy_ns == 120 * MS


def test_a_process_computes_at_once_only_where_it_would_alone():
    bench = Bench(cores=1)
    go, sim, ms = bench.go, bench.sim, MS
    assert not go.passes(ms)  # no thread of it has run yet
    bench.ready(0, "first", 1)
    bench.run()
    assert go.passes(2 * ms)
    assert sim.now == 3 * ms
    assert bench.machine.busy_ns == 3 * ms
    assert not go.passes(20 * ms)  # sysmon would look
    sim.call_in(ms, bool)
    assert not go.passes(ms)  # at that time something else happens
    bench.machine.run(5 * ms, bool, "another")
    assert not go.passes(ms // 2)  # there is one core
    assert sim.now == 3 * ms


def test_two_processes_compute_one_after_the_other_as_if_both_did_alone():
    for waits in (0, 1):
        once, twice = Bench(2), Bench(2)
        times = []
        for bench in (once, twice):
            other = GoServer(bench.sim, bench.machine, GoScheduler())
            for go in (bench.go, other):
                go.ready(lambda: None)
            if bench is once:
                assert bench.go.passes_with(MS, waits, other, 2 * MS)
            else:
                assert bench.go.passes(MS)
                assert not waits or bench.sim.passes(bench.sim.now + waits)
                assert other.passes(2 * MS)
            times.append((bench.sim.now, bench.machine.busy_ns, bench.sim.next_tie()))
        assert times[0] == times[1]
