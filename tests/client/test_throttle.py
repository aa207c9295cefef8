from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.client.throttle import Recent, TokenBucket
from sim.units import SECOND


@pytest.mark.parametrize(
    ("rate", "burst", "n"), [(20, 50, 51), (20, 50, 500), (4, 1, 30), (250, 300, 1000), (0.5, 3, 20)]
)
def test_mean_wait_of_simultaneous_calls(rate: float, burst: int, n: int):
    bucket = TokenBucket(rate, burst)
    waits = [bucket.reserve(0) for _ in range(n)]
    assert waits == sorted(waits)
    assert np.mean(waits) / SECOND == pytest.approx((n - burst) * (n - burst + 1) / (2 * rate * n))


def test_the_bucket_starts_full_and_saves_no_more_than_its_burst():
    bucket = TokenBucket(20, 50)
    assert [bucket.reserve(3600 * SECOND) for _ in range(50)] == [0] * 50
    assert [bucket.reserve(3600 * SECOND) for _ in range(3)] == [SECOND // 20, SECOND // 10, 3 * SECOND // 20]
    # Two hours later it is full again, and not fuller.
    assert [bucket.reserve(7200 * SECOND) for _ in range(50)] == [0] * 50
    assert bucket.reserve(7200 * SECOND) == SECOND // 20


@pytest.mark.parametrize("burst", [1, 5])
def test_waits_of_poisson_arrivals_are_the_workload_of_md1(burst: int):
    rate, load = 20.0, 0.9
    slot = SECOND / rate
    arrivals = np.cumsum(np.random.default_rng(4).exponential(slot / load, 20_000)).astype(int)
    bucket = TokenBucket(rate, burst)
    waits = [bucket.reserve(int(at)) for at in arrivals]
    workload, last = 0.0, 0
    for at, wait in zip(arrivals, waits, strict=True):
        workload = max(workload - (at - last), 0)
        assert wait == pytest.approx(max(0, workload - (burst - 1) * slot), abs=1)
        workload += slot
        last = at
    if burst == 1:
        # Pollaczek-Khinchine; batch means of 1,000, which are nearly independent.
        expected = load * slot / (2 * (1 - load))
        means = np.array(waits).reshape(20, -1).mean(axis=1)
        low, high = stats.t.interval(0.999, 19, means.mean(), stats.sem(means))
        assert low < expected < high


class Limiter:
    """golang.org/x/time/rate by its own description: tokens grow with time, reservations take them."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self.tokens, self.last = float(burst), 0

    def level(self, now: int) -> float:
        return min(self.burst, self.tokens + (now - self.last) / SECOND * self.rate)

    def wait(self, now: int) -> float:
        return max(1 - self.level(now), 0) / self.rate * SECOND

    def take(self, now: int) -> None:
        self.tokens, self.last = self.level(now) - 1, now


calls = st.lists(
    st.tuples(st.sampled_from([0, 0, 1]) | st.integers(0, 2 * SECOND), st.none() | st.integers(0, 3 * SECOND)),
    min_size=1,
    max_size=60,
)


@given(st.sampled_from([0.1, 1, 3, 20, 999.5]), st.integers(1, 20), calls)
def test_reservations_are_those_of_x_time_rate(rate: float, burst: int, plan: list[tuple[int, int | None]]):
    bucket, limiter = TokenBucket(rate, burst), Limiter(rate, burst)
    now = 0
    for gap, longest in plan:
        now += gap
        expected = limiter.wait(now)
        if longest is not None and abs(expected - longest) < 100:
            continue  # the deadline is the token's own instant, and rounding decides
        wait = bucket.reserve(now, longest)
        if longest is not None and expected > longest:
            assert wait is None
        else:
            assert wait == pytest.approx(expected, abs=100)
            limiter.take(now)
        assert bucket.level(now) == pytest.approx(limiter.level(now), abs=1e-4)


@given(st.integers(1, 5), calls)
def test_a_refused_call_takes_no_token(burst: int, plan: list[tuple[int, int | None]]):
    asked, unasked = TokenBucket(2, burst), TokenBucket(2, burst)
    now = 0
    for gap, longest in plan:
        now += gap
        before = asked.level(now)
        wait = asked.reserve(now, longest)
        if wait is None:
            assert asked.level(now) == before
        else:
            assert asked.level(now) == pytest.approx(before - 1, abs=1e-6)
            assert longest is None or wait <= longest
            assert unasked.reserve(now) == wait  # as if the refused ones had never called


@given(calls)
def test_whoever_asks_first_gets_the_first_token(plan: list[tuple[int, int | None]]):
    bucket = TokenBucket(7, 3)
    now, due = 0, []
    for gap, longest in plan:
        now += gap
        wait = bucket.reserve(now, longest)
        if wait is not None:
            due.append(now + wait)
    assert due == sorted(due)
    # In no stretch of time more than the burst and what has grown meanwhile.
    for i, first in enumerate(due):
        for j in range(i, len(due)):
            assert j - i + 1 <= 3 + math.floor((due[j] - first + 10) * 7 / SECOND) + 1e-9


def test_past_its_deadline_a_call_is_refused():
    bucket = TokenBucket(20, 50)
    assert bucket.reserve(SECOND, -1) is None
    assert bucket.level(SECOND) == 50


def test_of_what_is_noted_the_longest_unused_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sim.client.throttle.REMEMBERED", 2)
    recent = Recent()

    def look(key: str) -> int | None:
        value = recent.pop(key, None)
        if value is not None:
            recent.note(key, value)
        return value

    recent.note("a", 1)
    recent.note("b", 2)
    assert look("a") == 1
    recent.note("c", 3)
    assert [look(key) for key in "abc"] == [1, None, 3]
    recent.pop("a")
    recent.note("a", 4)
    recent.note("d", 5)
    assert [look(key) for key in "acd"] == [4, None, 5]
