from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.kernel.streams import Streams
from sim.scenario.profile import Gamma
from sim.scenario.values import Latency
from sim.units import MS

LATENCY = Latency(p50=5 * MS, p90=10 * MS)
BASE = (1, 0, "certificates-trigger", "work")


def numbers(seed: int, replication: int, actor: str, purpose: str, n: int = 200) -> list[int]:
    draw = Streams(seed, replication).latency(actor, purpose, LATENCY)
    return [draw() for _ in range(n)]


def test_the_same_seed_and_replication_give_the_same_numbers():
    assert numbers(*BASE) == numbers(*BASE)


@pytest.mark.parametrize(
    "other",
    [
        (2, 0, "certificates-trigger", "work"),
        (1, 1, "certificates-trigger", "work"),
        (1, 0, "certificates-readiness", "work"),
        (1, 0, "certificates-trigger", "service/event"),
        (1, 0, "work", "certificates-trigger"),
        (2**62, 10_000, "", ""),
    ],
)
def test_another_seed_replication_actor_or_purpose_gives_independent_numbers(
    other: tuple[int, int, str, str],
):
    mine, theirs = np.log(numbers(*BASE, n=4000)), np.log(numbers(*other, n=4000))
    assert not set(mine[:50]) & set(theirs[:50])
    assert abs(np.corrcoef(mine, theirs)[0, 1]) < 5 / math.sqrt(4000)
    assert abs(np.corrcoef(mine[1:], theirs[:-1])[0, 1]) < 5 / math.sqrt(4000)


def test_what_one_actor_draws_does_not_shift_another():
    alone = numbers(*BASE)
    streams = Streams(*BASE[:2])
    mine, other = streams.latency(*BASE[2:], LATENCY), streams.uniform("certificates-issuing", "luck")
    disturbed = []
    for k in range(200):
        for _ in range(k % 3):
            other()
        disturbed.append(mine())
    assert disturbed == alone


def test_owners_draw_numbers_of_their_own_in_every_way_of_drawing():
    def fill(rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.random(count)

    of_all = Streams(1, 0)
    ways = {
        "uniform": lambda streams: streams.uniform("a", "b"),
        "sampler": lambda streams: streams.sampler("a", "c", fill),
        "generator": lambda streams: streams.generator("a", "d").random,
        "crowd": lambda streams: streams.crowd("a", "e", 3, fill)[1],
    }
    for way, made in ways.items():
        draws = [made(streams) for streams in (of_all, of_all.of("x"), of_all.of("y"), of_all.of("x").of("y"))]
        assert len({draw() for draw in draws}) == len(draws), way


@pytest.mark.parametrize("n", [1, 31, 33, 700, 6000])
def test_batches_change_nothing(n: int):
    def exponential(rng: np.random.Generator, size: int) -> np.ndarray:
        return rng.standard_exponential(size)

    def gamma(rng: np.random.Generator, size: int) -> np.ndarray:
        return rng.gamma(2.0, 3.0, size)

    for fill in (exponential, gamma):
        draw = Streams(7, 3).sampler("a", "b", fill)
        one_by_one = [draw() for _ in range(n)]
        assert one_by_one == fill(Streams(7, 3).generator("a", "b"), n).tolist()


@given(st.integers(MS // 100, 10_000 * MS), st.floats(1.05, 20), st.integers(0, 2**63 - 1))
def test_a_latency_has_its_median_and_90th_percentile(p50: int, factor: float, seed: int):
    latency = Latency(p50=p50, p90=round(p50 * factor) + 1)
    draw = Streams(seed, 0).latency("actor", "purpose", latency)
    n = 3000
    drawn = np.array([draw() for _ in range(n)])
    # Shares below a true quantile are binomial; 5.5 standard deviations, over hundreds of examples.
    assert abs((drawn <= latency.p50).mean() - 0.5) < 5.5 * math.sqrt(0.25 / n)
    assert abs((drawn <= latency.p90).mean() - 0.9) < 5.5 * math.sqrt(0.09 / n)
    assert drawn.min() >= 0


def test_a_latency_is_lognormal():
    draw = Streams(5, 0).latency("actor", "purpose", LATENCY)
    logs = np.log([draw() for _ in range(20_000)])
    sigma = math.log(2) / 1.2815515655446004
    normal = (logs - math.log(5 * MS)) / sigma
    assert abs(normal.mean()) < 5 / math.sqrt(20_000)
    assert abs(normal.var() - 1) < 5 * math.sqrt(2 / 20_000)
    assert abs((normal**3).mean()) < 5 * math.sqrt(15 / 20_000)


def test_gamma_times_are_shifted():
    times = Gamma(shift=10 * MS, shape=2, scale=40 * MS)
    draw = Streams(5, 0).gamma("actor", "purpose", times)
    drawn = np.array([draw() for _ in range(20_000)]) / MS
    assert drawn.min() >= 10
    assert abs(drawn.mean() - 90) < 5 * math.sqrt(2 * 40**2 / 20_000)
    assert abs(drawn.std() - math.sqrt(2) * 40) < 2


def test_exponential_and_uniform_numbers():
    streams = Streams(5, 0)
    waits, places = streams.exponential("a", "b", 3e6), streams.uniform("a", "c")
    drawn = np.array([waits() for _ in range(20_000)])
    assert abs(drawn.mean() - 3e6) < 5 * 3e6 / math.sqrt(20_000)
    assert abs((drawn > 3e6).mean() - math.exp(-1)) < 0.02
    uniform = np.array([places() for _ in range(20_000)])
    assert 0 <= uniform.min() <= uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 5 * math.sqrt(1 / 12 / 20_000)


def test_after_a_restart_a_stream_goes_on_where_it_was():
    expected = numbers(*BASE, n=120)
    streams = Streams(*BASE[:2])
    before = streams.latency(*BASE[2:], LATENCY)
    drawn = [before() for _ in range(50)]
    after = streams.latency(*BASE[2:], LATENCY)
    drawn += [after() for _ in range(70)]
    assert drawn == expected


def test_times_are_plain_integers():
    streams = Streams(1, 0)
    draws = (
        streams.latency("a", "b", LATENCY),
        streams.gamma("a", "c", Gamma(shape=2, scale=MS)),
        streams.exponential("a", "d", 1e6),
    )
    assert {type(draw()) for draw in draws} == {int}
