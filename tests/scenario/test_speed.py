"""Replications start at any fraction of a second, and on a machine that is not equally fast each time."""

from __future__ import annotations

import math
import statistics

import pytest

from sim.kernel.clock import EPOCH
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.profile import Profile
from sim.scenario.speed import at_drawn_speed, scaled
from sim.units import MS, SECOND


def factor(profile: Profile, replication: int, seed: int = 1) -> float:
    made = at_drawn_speed(profile, Streams(seed, replication))
    return made.server.times.request_status.p50 / profile.server.times.request_status.p50


def test_without_a_spread_the_profile_is_taken_as_it_is():
    profile = Profile()
    assert at_drawn_speed(profile, Streams(1, 0)) is profile


def test_the_factor_is_lognormal_with_median_1():
    logs = [math.log(factor(Profile(speed_spread=0.1), replication)) for replication in range(400)]
    assert statistics.mean(logs) == pytest.approx(0, abs=3 * 0.1 / 20)
    assert statistics.stdev(logs) == pytest.approx(0.1, rel=0.12)


def test_the_factor_is_the_seed_s_and_the_replication_s():
    profile = Profile(speed_spread=0.1)
    assert factor(profile, 3) == factor(profile, 3)
    assert len({factor(profile, 3), factor(profile, 4), factor(profile, 3, seed=2)}) == 3


def test_times_are_scaled_and_nothing_else():
    before, after = Profile(), scaled(Profile(), 1.5)
    assert after.server.times.event.p90 == round(before.server.times.event.p90 * 1.5)
    assert after.server.answer.p50 == round(before.server.answer.p50 * 1.5)
    assert after.controllers.rsa2048.shift == 15 * MS
    assert after.controllers.rsa2048.scale == 60 * MS
    assert after.watch.decode_cpu == before.watch.decode_cpu * 1.5
    assert after.create_cpu == round(before.create_cpu * 1.5)
    for same in ("cpu_share", "etcd_share", "cold_factor", "cold_after"):
        assert getattr(after.server, same) == getattr(before.server, same)
    assert after.controllers.rsa2048.shape == before.controllers.rsa2048.shape
    assert after.controllers.rsa4096_factor == before.controllers.rsa4096_factor
    assert after.go == before.go


def test_replications_start_at_any_fraction_of_one_second():
    starts = [Simulation(Streams(1, replication)).epoch for replication in range(200)]
    assert {start // SECOND for start in starts} == {EPOCH}
    fractions = sorted(start % SECOND / SECOND for start in starts)
    uniform = max(abs(fraction - (n + 0.5) / 200) for n, fraction in enumerate(fractions))
    assert uniform < 1.63 / math.sqrt(200)  # Kolmogorov and Smirnov, 1%
    assert Simulation(Streams(1, 7)).epoch == starts[7]


def test_a_second_of_the_calendar_ends_where_the_fraction_is_used_up():
    simulation = Simulation(Streams(1, 0))
    left = SECOND - simulation.epoch % SECOND
    seen: list[int] = []
    for at in (0, left - 1, left):
        simulation.call_in(at, lambda: seen.append(simulation.unix_seconds))
    simulation.run(until=SECOND)
    assert seen == [EPOCH, EPOCH, EPOCH + 1]
