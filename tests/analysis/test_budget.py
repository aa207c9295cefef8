from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.analysis.budget import budget, none_lost, share
from sim.analysis.measured import Measured
from sim.analysis.waste import ghost_passes, tries, wasted_by_request, wasted_cpu
from sim.recording.columns import RECONCILES, REFUSALS, REQUESTS
from sim.scenario.metrics import CERT_MANAGER


def request(reconcile: int, code: int = 200, **other) -> tuple[object, ...]:
    row = {
        "resource": "certificates", "conditional": True, "actor": "a", "object": "x", "reconcile": reconcile,
        "code": code, "reason": "Conflict" if code == 409 else "",
    }  # fmt: skip
    return tuple((row | other).get(column, 0) for column in REQUESTS)


def reconcile(number: int, outcome: str, key: str = "x", **other) -> tuple[object, ...]:
    row = {"reconcile": number, "controller": "a", "key": key, "outcome": outcome, "started_ns": number}
    return tuple((row | other).get(column, 0) for column in RECONCILES)


def test_tries_are_counted_up_to_the_pass_that_ends_well():
    requests = [request(1, 409), request(2, 409), request(3), request(4), request(6, 409)]
    passes = [reconcile(1, "conflict"), reconcile(2, "conflict"), reconcile(3, "ok"), reconcile(4, "ok"),
              reconcile(5, "ok"), reconcile(6, "conflict")]  # fmt: skip
    assert tries(requests, passes) == {"tries.3": 1, "tries.1": 1, "tries_unfinished": 1}


def test_several_tries_in_one_pass_failures_without_a_request_and_giving_up():
    requests = [request(1, 409), request(1, 409), request(1), request(3, 409), request(5, 409), request(6, 409)]
    passes = [
        reconcile(1, "ok"),  # three tries in place
        reconcile(2, "error", key="y"), reconcile(3, "conflict", key="y"), reconcile(4, "ok", key="y"),  # others did it
        reconcile(5, "conflict", key="z"), reconcile(6, "gave-up", key="z"),
        reconcile(7, "error", key="never wrote"), reconcile(8, "ok", key="never wrote"),
    ]  # fmt: skip
    assert tries(requests, passes) == {"tries.3": 1, "tries.2": 1, "tries_gave_up": 1, "tries_unfinished": 0}


def test_writers_without_a_workqueue():
    requests = [request(-1, 409), request(-1, actor="b"), request(-1), request(-1, 409)]
    assert tries(requests, []) == {"tries.1": 1, "tries.2": 1, "tries_unfinished": 1}
    assert tries([request(1, conditional=False), request(2, resource="secrets")], []) == {"tries_unfinished": 0}


def refusal(number: int, cpu: int) -> tuple[object, ...]:
    return tuple({"request": number, "server_cpu_ns": cpu}.get(column, 0) for column in REFUSALS)


def test_core_time_for_nothing_is_what_was_recorded():
    assert wasted_cpu([request(1)], [reconcile(1, "ok", cpu_ns=5)], [], 0) == 0
    passes = [reconcile(1, "conflict", cpu_ns=700), reconcile(2, "ok", cause="backoff", cpu_ns=30)]  # and its ghost
    assert list(ghost_passes(passes)) == [("a", 30)]
    served = [refusal(8, 5), refusal(9, 1000)]
    assert wasted_cpu([request(1, 409, request=8)], passes, served, 30) == pytest.approx(735e-9)


def test_a_refused_pass_is_wasted_once_and_one_that_got_through_is_not():
    conflicts = np.array([[20, 1], [21, 1], [22, 2], [23, -1], [24, 4], [25, 4]]).T
    refused = np.array([[3, 50], [1, 100], [4, 5]]).T  # the second pass ended well
    server = np.array([[20, 1], [22, 2], [23, 3]]).T
    assert wasted_by_request(conflicts, refused, server).tolist() == [51, 50, 2, 3, 2, 2]  # half of 5: to the even


def some(*histograms: dict[int, int]) -> list[Measured]:
    return [
        Measured(index, 1, "", {f"tries.{count}": number for count, number in each.items()}, array("d"))
        for index, each in enumerate(histograms)
    ]


def test_the_share_given_up_is_read_off():
    found = budget(some({1: 70, 2: 20}, {1: 5, 4: 5}), CERT_MANAGER)
    assert found.writes == 100
    assert [(each.tries, each.lost) for each in found.allowed] == [(1, 25), (2, 5), (3, 5), (4, 0)]
    assert found.enough == 4
    document = found.as_dict()
    assert document["budget"]["retries"] == 3
    assert document["budget"]["writes_lost_at_most"] == pytest.approx(1 - 0.05 ** (1 / 100))
    assert document["budget"]["runs_with_a_loss_at_most"] == pytest.approx(1 - 0.05**0.5)
    assert document["amplification"] is None  # zero attempts have no rate
    nothing = budget(some({}, {}), CERT_MANAGER)
    assert nothing.enough is None
    assert nothing.as_dict()["budget"] is None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),  # Clopper and Pearson, as R's binom.test prints them
    [(0, 10, 0, 0.3084971), (1, 10, 0.002528579, 0.4450161), (5, 10, 0.1870860, 0.8129140), (10, 10, 0.6915029, 1)],
)
def test_exact_intervals(count: int, of: int, low: float, high: float):
    found = share(count, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_the_rule_of_three():
    assert none_lost(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert share(0, 0).mean is None


@given(st.integers(1, 400), st.data())
def test_the_interval_holds_the_share_and_is_mirrored(of: int, data: st.DataObject):
    count = data.draw(st.integers(0, of))
    found, other = share(count, of), share(of - count, of)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.low == pytest.approx(1 - other.high, abs=1e-9)
