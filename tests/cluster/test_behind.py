"""The work behind decisions: some as it comes, the rest a cycle of the garbage collector at a time."""

from __future__ import annotations

import pytest

from sim.cluster.serving import CHUNK, CYCLE, GARBAGE, Behind
from sim.kernel.bursts import BurstThen
from sim.kernel.goserver import GoServer
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.profile import GoScheduler
from sim.units import MS

WORK = 10 * MS
"""What each write leaves behind in these tests."""
FULL = -(-CYCLE // round(WORK * GARBAGE))
"""The writes whose garbage makes a cycle."""
ALL_DUE = 3 * CYCLE
"""Work whose garbage alone makes a cycle: it is due at once, as a whole."""


class Bench:
    def __init__(self, cores: int) -> None:
        self.sim = Simulation(Streams(1, 0))
        self.machine = Machine(self.sim, cores)
        self.process = GoServer(self.sim, self.machine, GoScheduler())
        self.behind = Behind(self.process)

    def computed(self) -> int:
        """Let everything that is due be computed; returns the core time given so far."""
        self.sim.run()
        return self.machine.busy_ns


def test_some_is_done_as_it_comes_and_the_rest_a_cycle_at_a_time():
    bench = Bench(2)
    at_once = WORK - round(WORK * GARBAGE)
    for writes in range(1, FULL):
        bench.behind.owe(WORK)
        assert bench.computed() == writes * at_once
    bench.behind.owe(WORK)
    assert bench.computed() == FULL * WORK
    for _ in range(FULL):
        bench.behind.owe(WORK)
    assert bench.computed() == 2 * FULL * WORK  # nothing is lost, and nothing done twice


def test_it_takes_one_processor_and_others_have_their_turn_after_each_chunk():
    """With one processor a goroutine that comes during a cycle waits for the chunk under way."""
    bench = Bench(1)
    bench.behind.owe(ALL_DUE)
    came, ended = 10 * MS + CHUNK // 4, []
    bench.sim.at(came, bench.process.ready, lambda: BurstThen(CHUNK // 2, lambda: ended.append(bench.sim.now)))
    bench.sim.run()
    assert ended == [11 * MS + CHUNK // 2]
    assert bench.machine.busy_ns == ALL_DUE + CHUNK // 2


@pytest.mark.parametrize("asked", [1, MS, 50 * MS, CYCLE, 4 * CYCLE])
def test_who_allocates_helps_with_what_is_beyond_a_cycle(asked: int):
    bench = Bench(1)
    bench.behind.owe(ALL_DUE)
    beyond = bench.behind.owed - CYCLE
    assert 0 < beyond < ALL_DUE - CYCLE  # but for the chunk that has begun
    share = bench.behind.assist(asked)
    assert share == min(asked, beyond)
    assert bench.computed() == ALL_DUE - share
