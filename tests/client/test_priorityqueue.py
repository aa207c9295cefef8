"""The priority queue's rules: one entry a key, whose back-off an event takes away; order; priorities."""

from __future__ import annotations

import pytest

from sim.client.priorityqueue import PriorityQueue
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams


class Bench:
    def __init__(self) -> None:
        self.sim = Simulation(Streams(1, 0))
        self.queue = PriorityQueue()
        self.delays = self.queue.delaying(self.sim, self.add)

    def add(self, key: str, cause: str = "watch", priority: int = 0) -> bool:
        return self.queue.add(key, cause, self.sim.now, priority)

    def taken(self) -> list[tuple[str, str]]:
        found = []
        while self.queue.waiting:
            key, cause, _ = self.queue.take()
            found.append((key, cause))
            self.queue.done(key)
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_first_added_first_taken_and_twice_is_once(bench: Bench):
    for key in "abab":
        bench.add(key)
    assert bench.taken() == [("a", "watch"), ("b", "watch")]


def test_an_event_takes_the_place_of_the_backoff(bench: Bench):
    bench.delays.add_after("a", 1000)
    assert not bench.queue.waiting
    assert bench.add("a")
    assert bench.taken() == [("a", "watch")]
    bench.sim.run(until=2000)
    assert not bench.queue.waiting  # no ghost


def test_a_failure_of_a_key_that_is_ready_again_has_no_backoff(bench: Bench):
    bench.add("a")
    bench.queue.take()
    assert not bench.add("a")  # the event of the winner, during the pass
    bench.delays.add_after("a", 1000)
    assert bench.queue.done("a")
    assert bench.taken() == [("a", "watch")]
    assert bench.delays.waiting() == []


def test_of_two_waits_the_shorter_holds(bench: Bench):
    bench.delays.add_after("a", 1000)
    bench.delays.add_after("a", 500)
    bench.delays.add_after("a", 700)
    bench.sim.run(until=499)
    assert not bench.queue.waiting
    bench.sim.run(until=501)
    assert bench.taken() == [("a", "backoff")]
    bench.sim.run(until=2000)
    assert not bench.queue.waiting


def test_a_key_made_ready_by_an_event_keeps_its_place_and_one_ready_by_time_goes_to_the_tail(bench: Bench):
    bench.delays.add_after("early", 1000)
    bench.add("b")
    bench.add("early")
    assert [key for key, _ in bench.taken()] == ["early", "b"]
    bench.delays.add_after("timed", 10)
    bench.add("b")
    bench.sim.run(until=20)
    assert [key for key, _ in bench.taken()] == ["b", "timed"]


def test_a_key_added_while_it_is_processed_keeps_its_place_from_then(bench: Bench):
    bench.add("a")
    bench.queue.take()
    bench.add("a")
    bench.add("b")
    assert bench.queue.done("a")
    assert [key for key, _ in bench.taken()] == ["a", "b"]


def test_priorities_come_first_and_a_key_added_again_later_keeps_its_own(bench: Bench):
    bench.add("low", priority=-100)
    bench.add("normal")
    assert bench.queue.take()[0] == "normal"
    assert bench.queue.take()[0] == "low"
    bench.delays.add_after("low", 5)
    bench.queue.done("low")
    bench.queue.done("normal")
    bench.sim.run(until=6)
    bench.add("normal")
    assert [key for key, _ in bench.taken()] == ["normal", "low"]
    bench.add("a", priority=-100)
    bench.add("b", priority=-50)
    bench.add("a", priority=0)
    assert [key for key, _ in bench.taken()] == ["a", "b"]


def test_what_waits_and_what_is_ready_is_told(bench: Bench):
    bench.add("a")
    bench.delays.add_after("b", 10)
    assert bench.queue.added() == ["a"]
    assert bench.delays.waiting() == ["b"]
