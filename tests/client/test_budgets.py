"""Each retry budget against the numbers that its authors give."""

from __future__ import annotations

import pytest

from sim.client.budgets import AwsBudget, EnvoyBudget, FinagleBudget, GrpcBudget, RetryBudget, SreBudget, budget_of
from sim.client.policy import GAVE_UP, OVER_BUDGET, Policy, Shared
from sim.kernel.streams import Streams
from sim.scenario.retry import Retry
from sim.units import MS, SECOND


def made(kind: str, **given: object) -> RetryBudget:
    retry = Retry.model_validate({"budget": {"kind": kind, **given}})
    found = budget_of(retry.budget, Streams(1, 0).uniform("a", "b"))
    assert found is not None
    return found


def retries_of(budget: RetryBudget, requests: int, every: int, start: int = 0, seconds: int = 10) -> int:
    """Requests evenly spaced, each of which fails and would like ``every`` retries; how many it got."""
    got = 0
    for n in range(requests):
        now = start + n * seconds * SECOND // requests
        budget.started(now, 0)
        budget.ended(now, 0, ok=False)
        for _ in range(every):
            paid = budget.withdraw(now)
            if paid:
                got += 1
                budget.started(now, paid)
                budget.ended(now, paid, ok=False)
    return got


def share_at(kind: str, failing: float, **given: object) -> float:
    """Share of wanted retries that were allowed in the second half of a long run."""
    budget, luck = made(kind, **given), Streams(2, 0).uniform("luck", "luck")
    attempts = getattr(budget, "attempts", None) or 1_000
    allowed = wanted = 0
    for request in range(40_000):
        paid = 0
        now = request * 10 * MS
        for attempt in range(1, attempts + 1):
            budget.started(now, paid)
            ok = luck() >= failing
            budget.ended(now, paid, ok)
            if ok or attempt == attempts:
                break
            paid = budget.withdraw(now)
            if request >= 20_000:
                wanted += 1
                allowed += paid > 0
            if not paid:
                break
    return allowed / wanted


def test_finagle_lets_a_fifth_of_the_requests_retry_and_ten_a_second_more():
    # 1,000 requests in 10 s deposit 200 retries; the reserve of 10 s is 100 more.
    assert retries_of(made("finagle"), 1000, 3) == 300
    assert retries_of(made("linkerd", min_retries_per_second=0), 1000, 3) == 200
    assert retries_of(made("tower", share=0), 1000, 3) == 100


def test_finagles_deposits_expire_after_ttl():
    budget = FinagleBudget(10 * SECOND, 0, 0.2)
    for _ in range(10):
        budget.started(0, 0)
    assert [budget.withdraw(10 * SECOND - 1) for _ in range(3)] == [1, 1, 0]
    for _ in range(10):
        budget.started(20 * SECOND, 0)
    assert budget.withdraw(30 * SECOND) == 0


def test_finagles_retries_deposit_nothing():
    budget = FinagleBudget(10 * SECOND, 0, 0.2)
    for _ in range(10):
        budget.started(0, 1)
    assert not budget.withdraw(0)


def test_grpc_stops_at_half_of_its_tokens():
    budget = GrpcBudget(10, 0.1)
    allowed = []
    for _ in range(6):
        budget.ended(0, 0, ok=False)
        allowed.append(bool(budget.withdraw(0)))
    assert allowed == [True] * 4 + [False] * 2  # 9, 8, 7, 6 tokens are more than 5
    for _ in range(11):
        budget.ended(0, 0, ok=True)
    assert budget.withdraw(0)


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_grpc_throttles_above_ratio_over_one_plus_ratio(ratio: float):
    critical = ratio / (1 + ratio)
    assert share_at("grpc", critical * 0.8, token_ratio=ratio, max_tokens=100) > 0.95
    assert share_at("grpc", critical * 1.25, token_ratio=ratio, max_tokens=100) < 0.9


def test_envoy_counts_retries_under_way():
    budget = EnvoyBudget(0.2, 3)
    assert [bool(budget.withdraw(0)) for _ in range(4)] == [True, True, True, False]
    for _ in range(20):
        budget.started(0, 0)
    assert budget.withdraw(0)  # 20% of 20 is 4
    assert not budget.withdraw(0)
    budget.ended(0, 1, ok=True)
    assert budget.withdraw(0) == 1
    budget.abandoned(1)
    assert budget.retries == 3


def test_aws_pays_five_for_a_retry_ten_after_a_timeout_and_is_refunded():
    budget = AwsBudget(3, 500, 5, 10)
    assert budget.withdraw(0) == 5
    assert budget.quota == 495
    budget.ended(0, 5, ok=True)
    assert budget.quota == 500
    assert budget.withdraw(0, timeout=True) == 10
    budget.ended(0, 0, ok=True)
    assert budget.quota == 491
    assert sum(budget.withdraw(0) > 0 for _ in range(200)) == 98


def test_aws_drains_above_a_failure_share_of_3207():
    assert share_at("aws-sdk", 0.31) > 0.995
    assert share_at("aws-sdk", 0.345) < 0.95


def test_aws_has_three_attempts_and_its_own_waits():
    retry = Retry.model_validate({"budget": {"kind": "aws-sdk"}})
    policy = Policy(retry, lambda: 0.5, budget_of(retry.budget, lambda: 0.5))
    assert [policy.again(n, 0, 0) for n in range(3)] == [SECOND // 2, SECOND, GAVE_UP]
    many = Retry.model_validate({"budget": {"kind": "aws-sdk", "attempts": 9, "quota": 10_000}})
    policy = Policy(many, lambda: 0.5, budget_of(many.budget, lambda: 0.5))
    assert policy.again(7, 0, 0) == 10 * SECOND  # half of min(2^7, 20) s


def test_google_sre_retries_less_than_a_tenth():
    budget = SreBudget(3, 0.1, 2.0, 120 * SECOND, lambda: 0.99)
    got = retries_of(budget, 1000, 2, seconds=100)
    # Retries are requests too: r < .1 (1000 + r).
    assert got == pytest.approx(111, abs=1)


def test_google_sre_refuses_what_the_server_would_not_accept():
    draw = Streams(5, 0).uniform("a", "b")
    budget = SreBudget(3, 0.1, 2.0, 120 * SECOND, draw)
    for n in range(200):  # a quarter is accepted
        budget.started(n, 0)
        budget.ended(n, 0, ok=n % 4 == 0, timeout=n % 4 != 0)
    chance = (200 - 2 * 50) / 201
    refused = 0
    for _ in range(2000):
        before = budget.requests, budget.accepts
        refused += not budget.admit(200)
        budget._made and budget.requests > before[0] and budget._made.pop()
        budget.requests, budget.accepts = before
    assert refused / 2000 == pytest.approx(chance, abs=4 * (chance * (1 - chance) / 2000) ** 0.5)
    assert budget.admit(200 + 121 * SECOND)  # forgotten


def test_google_sre_counts_a_conflict_as_accepted():
    budget = SreBudget(3, 0.1, 2.0, 120 * SECOND, lambda: 0.0)
    for n in range(100):
        budget.started(n, 0)
        budget.ended(n, 0, ok=False)
    assert budget.admit(100)


def test_a_refused_retry_is_told_from_an_exhausted_one():
    retry = Retry.model_validate({"budget": {"kind": "finagle", "min_retries_per_second": 0}, "limit": 1})
    policy = Policy(retry, lambda: 0.5, budget_of(retry.budget, lambda: 0.5))
    assert policy.again(0, 0, 0) == OVER_BUDGET
    assert policy.again(1, 0, 0) == GAVE_UP


def test_a_budget_of_scope_all_is_one():
    shared = Shared()
    retry = Retry.model_validate({"budget": {"kind": "grpc", "scope": "all"}})
    assert shared.budget(retry, lambda: 0.5) is shared.budget(retry, lambda: 0.5)
    own = Retry.model_validate({"budget": {"kind": "grpc"}})
    assert shared.budget(own, lambda: 0.5) is not shared.budget(own, lambda: 0.5)
