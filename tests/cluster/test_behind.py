"""The work behind decisions: half as it comes, half a cycle of the garbage collector at a time."""

from __future__ import annotations

import pytest

from sim.cluster.serving import CHUNK, CYCLE, GARBAGE, Behind
from sim.kernel.bursts import BurstThen
from sim.kernel.go import GoProcess
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.profile import GoScheduler
from sim.units import MS

WORK = 10 * MS
"""What each write leaves behind in these tests."""
FULL = round(CYCLE / (WORK * GARBAGE))
"""The writes whose garbage makes a cycle."""


class Bench:
    def __init__(self, cores: int) -> None:
        self.sim = Simulation(Streams(1, 0))
        self.machine = Machine(self.sim, cores)
        self.process = GoProcess(self.sim, self.machine, GoScheduler())
        self.behind = Behind(self.process)

    def computed(self) -> int:
        """Let everything that is due be computed; returns the core time given so far."""
        self.sim.run()
        return self.machine.busy_ns


def test_half_is_done_as_it_comes_and_the_other_half_a_cycle_at_a_time():
    bench = Bench(2)
    at_once = WORK - round(WORK * GARBAGE)
    for writes in range(1, FULL):
        bench.behind.owe(WORK)
        assert bench.computed() == writes * at_once
    bench.behind.owe(WORK)
    assert bench.computed() == FULL * at_once + CYCLE
    for _ in range(FULL):
        bench.behind.owe(WORK)
    assert bench.computed() == 2 * FULL * WORK  # nothing is lost, and nothing done twice


def test_it_takes_one_processor_and_others_have_their_turn_after_each_chunk():
    """With one processor a goroutine that comes during a cycle waits for the chunk under way."""
    bench = Bench(1)
    bench.behind.owe(2 * CYCLE)
    came, ended = 10 * MS + CHUNK // 4, []
    bench.sim.at(came, bench.process.ready, lambda: BurstThen(CHUNK // 2, lambda: ended.append(bench.sim.now)))
    bench.sim.run()
    assert ended == [11 * MS + CHUNK // 2]
    assert bench.machine.busy_ns == 2 * CYCLE + CHUNK // 2


@pytest.mark.parametrize("asked", [1, MS, 50 * MS, CYCLE])
def test_who_allocates_helps_with_what_is_beyond_a_cycle(asked: int):
    bench = Bench(1)
    bench.behind.owe(2 * CYCLE)  # all of it is due: half at once, and the other half is a cycle
    beyond = bench.behind.owed - CYCLE
    assert 0 < beyond < CYCLE  # but for the chunk that has begun
    share = bench.behind.assist(asked)
    assert share == min(asked, beyond)
    assert bench.computed() == 2 * CYCLE - share
