"""Waits and delays against the texts that define them."""

from __future__ import annotations

import pytest

from sim.client.policy import GAVE_UP, Policy
from sim.kernel.streams import Streams
from sim.scenario.retry import Retry
from sim.units import MS, SECOND

AWS = {"base": 5 * MS, "max": 2 * SECOND, "first_exponent": 1}


def policy(draw: float = 0.5, **retry: object) -> Policy:
    return Policy(Retry.model_validate(retry), lambda: draw)


def waits(made: Policy, count: int) -> list[float]:
    found, previous = [], 0
    for failures in range(count):
        previous = made.again(failures, previous, 0)
        found.append(previous / MS)
    return found


@pytest.mark.parametrize(
    ("backoff", "draw", "expected"),
    [
        ("none", 0.5, [0, 0, 0]),
        ("expo", 0.5, [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000]),
        ("equal", 0.5, [7.5, 15, 30]),
        ("equal", 0.0, [5, 10, 20]),
        ("full", 0.5, [5, 10, 20]),
        ("full", 0.0, [0, 0, 0]),
        # U(base, 3 s), s from base: 5 + .5 * 10, then 5 + .5 * 25, ...
        ("decorr", 0.5, [10, 17.5, 28.75]),
        ("decorr", 0.0, [5, 5, 5]),
    ],
)
def test_the_aws_strategies(backoff: str, draw: float, expected: list[float]):
    assert waits(policy(draw, backoff=backoff, **AWS), len(expected)) == expected


def test_decorrelated_waits_stay_below_the_cap():
    assert max(waits(policy(0.999, jitter="decorrelated", base=5 * MS, max=2 * SECOND), 40)) == 2000


def test_jitters_cover_their_range_evenly():
    draw = Streams(3, 0).uniform("a", "b")
    for jitter, low, high in (("full", 0, 800), ("equal", 400, 800)):
        made = Policy(Retry.model_validate({"base": "100ms", "jitter": jitter}), draw)
        found = [made.again(3, 0, 0) / MS for _ in range(4000)]
        assert low <= min(found) < low + 10
        assert high - 10 < max(found) <= high
        assert sum(found) / 4000 == pytest.approx((low + high) / 2, abs=4 * (high - low) / (12 * 4000) ** 0.5)


def test_conflicts_have_waits_of_their_own():
    made = policy(conflict_base="20ms", conflict_max="30ms")
    assert [made.again(n, 0, 0) / MS for n in range(3)] == [20, 30, 30]
    assert [made.again(n, 0, 0, conflict=False) / MS for n in range(3)] == [1000, 2000, 4000]


def test_a_factor_of_its_own():
    assert waits(policy(base="10ms", max="1s", factor=1.5), 4) == [10, 15, 22.5, 33.75]
    assert waits(policy(base="10ms", max="1s", factor=1), 5000)[-1] == 10


def test_a_limit_counts_retries():
    made = policy(limit=2)
    assert [made.again(n, 0, 0) == GAVE_UP for n in range(4)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("preset", "expected"), [("DefaultRetry", [10, 10, 10, 10]), ("DefaultBackoff", [10, 50, 250])]
)
def test_client_gos_presets(preset: str, expected: list[float]):
    given = {"policy": "in-place", "in_place": {"preset": preset}}
    assert [delay / MS for delay in policy(0.0, **given).delays()] == expected
    assert [delay / MS for delay in policy(1.0, **given).delays()] == pytest.approx([1.1 * each for each in expected])


def test_the_shared_bucket_delays_when_it_is_empty():
    # client-go's default controller limiter: the larger of the item's wait and the bucket's.
    made = Policy(
        Retry.model_validate({"base": "5ms", "max": "1000s", "bucket": {}}), lambda: 0.5, bucket=_bucket("bucket")
    )
    assert [made.again(0, 0, 0) / MS for _ in range(100)] == [5] * 100
    assert [made.again(0, 0, 0) / MS for _ in range(3)] == [100, 200, 300]
    assert made.again(10, 0, 0) / MS == 5 * 2**10  # 5.12 s is longer than .4 s
    assert _bucket("budget").reserve(0) == 0


def _bucket(kind: str):
    from sim.client.budgets import bucket_of

    given = {"bucket": {}} if kind == "bucket" else {"budget": {"kind": "workqueue"}}
    return bucket_of(Retry.model_validate(given))
