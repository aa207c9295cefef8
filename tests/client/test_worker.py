from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.client.effects import Compute, Failure, Reconcile, Send, Sleep
from sim.client.worker import Workers
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.families.certmanager.scheduler import ScheduledWorkQueue
from sim.scenario.retry import Retry
from sim.units import MS, SECOND
from tests.client.toy import Toy, annotate, service

FAST = {"server": {"times": service(MS), "cpu_share": 1e-6}}


class Controller:
    """A controller that does what the test's plan says, one step of it for each reconcile."""

    name = "toy-controller"
    parsing = 0

    def __init__(self, toy: Toy, plan: list[Callable[[Object], Reconcile | None]], deadline: int | None = None) -> None:
        self.toy = toy
        self.plan = deque(plan)
        self.deadline = deadline
        self.started: list[tuple[str, int]] = []
        self.failures: list[tuple[str, str]] = []

    def reconcile(self, obj: Object) -> Reconcile | None:
        self.started.append((obj.name, self.toy.sim.now))
        return self.plan.popleft()(obj) if self.plan else None

    def about(self, obj: Object) -> str:
        return obj.name

    def failed(self, key: str, result: Response | Failure) -> None:
        self.failures.append((key, result.message))


def succeed(_: Object) -> None:
    return None


def fail(_: Object) -> Reconcile:
    yield Compute(0)
    return Failure("out of luck")


def write_stale(obj: Object) -> Reconcile:
    """Patch with a resourceVersion that is no longer current."""
    response = yield Send(annotate(obj.name, "mine", obj.resource_version + 100), obj.name, obj)
    return response if response.code >= 400 else None


def hold(ns: int) -> Callable[[Object], Reconcile]:
    def reconcile(_: Object) -> Reconcile:
        yield Sleep(ns)
        return None

    return reconcile


def bench(
    plan: list[Callable[[Object], Reconcile | None]],
    *,
    workers: int = 1,
    retry: Retry | None = None,
    deadline: int | None = None,
    scenario: dict[str, Any] | None = None,
    keys: tuple[str, ...] = ("c0000",),
) -> tuple[Toy, Controller, Workers]:
    toy = Toy({"cpu": {"cores": None}, **(scenario or {})}, FAST)
    objects = {key: toy.certificate(key) for key in keys}
    controller = Controller(toy, plan, deadline)
    pool = Workers(toy.process, controller, workers, retry or Retry(), objects.get, lambda: 0)
    return toy, controller, pool


def outcomes(toy: Toy) -> list[tuple[str, str, float]]:
    return [(row["cause"], row["outcome"], row["started_ns"] / SECOND) for row in toy.reconciles()]


def test_a_failed_key_comes_back_after_its_backoff():
    toy, controller, pool = bench([fail, fail, fail, succeed])
    pool.add("c0000")
    toy.sim.run()
    assert outcomes(toy) == [
        ("watch", "error", 0), ("backoff", "error", 1), ("backoff", "error", 3), ("backoff", "ok", 7),
    ]  # fmt: skip
    assert controller.failures == [("c0000", "out of luck")] * 3


def test_success_resets_the_backoff():
    toy, _, pool = bench([fail, fail, succeed, fail, succeed])
    pool.add("c0000")
    toy.sim.call_in(10 * SECOND, pool.add, "c0000")
    toy.sim.run()
    assert [when for _, _, when in outcomes(toy)] == [0, 1, 3, 10, 11]


def test_nothing_cancels_a_waiting_retry():
    # The watch event brings the retry that succeeds; the back-off's own comes later, as a ghost.
    toy, _, pool = bench([write_stale, succeed])
    pool.add("c0000")
    toy.sim.call_in(SECOND // 2, pool.add, "c0000")
    toy.sim.run()
    conflict, retry, ghost = outcomes(toy)
    assert (conflict[:2], retry, ghost[:2]) == (
        ("watch", "conflict"),
        ("watch", "ok", 0.5),
        ("backoff", "ok"),
    )
    # The wait begins when the answer is there.
    assert ghost[2] == pytest.approx(1 + toy.reconciles()[0]["ended_ns"] / SECOND)
    assert [row["requests"] for row in toy.reconciles()] == [1, 0, 0]


def test_of_two_waiting_retries_the_earlier_stays():
    toy, _, pool = bench([fail, fail, succeed])
    pool.add("c0000")  # fails: due at 1 s
    toy.sim.call_in(SECOND // 2, pool.add, "c0000")  # fails again: would be due at 2.5 s
    toy.sim.run()
    assert outcomes(toy) == [("watch", "error", 0), ("watch", "error", 0.5), ("backoff", "ok", 1)]


def test_a_later_retry_is_brought_forward():
    toy, _, pool = bench([fail, fail, fail, succeed, fail, succeed, fail, succeed])
    for at in (0, 3.5, 4, 6.5):
        toy.sim.call_in(round(at * SECOND), pool.add, "c0000")
    toy.sim.run()
    # It fails at 0 (due 1), 1 (due 3) and 3 (due 7); success at 3.5 resets the counter, so that the failure
    # at 4 is due at 5: one retry, and none at 7, although something waits then as well.
    assert [when for _, _, when in outcomes(toy)] == [0, 1, 3, 3.5, 4, 5, 6.5, 7.5]


def test_what_is_scheduled_later_replaces_what_was_scheduled():
    toy, _, pool = bench([])
    scheduled = ScheduledWorkQueue(pool)
    scheduled.add("c0000", 5 * SECOND)
    scheduled.add("c0000", 9 * SECOND)
    toy.sim.call_in(20 * SECOND, scheduled.add, "c0000", SECOND)
    toy.sim.run()
    assert outcomes(toy) == [("schedule", "ok", 9), ("schedule", "ok", 21)]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_after_the_last_retry_allowed_the_key_is_dropped(limit: int):
    toy, _, pool = bench([fail] * 10, retry=Retry(limit=limit))
    pool.add("c0000")
    toy.sim.run()
    assert [outcome for _, outcome, _ in outcomes(toy)] == ["error"] * limit + ["gave-up"]
    # Until something wakes it: then the count begins anew.
    pool.add("c0000")
    toy.sim.run()
    assert [outcome for _, outcome, _ in outcomes(toy)] == (["error"] * limit + ["gave-up"]) * 2


def test_a_key_added_while_it_is_processed_runs_again_right_after():
    toy, _, pool = bench([hold(SECOND), succeed], workers=5)
    for at in (0, 0.1, 0.2):
        toy.sim.call_in(round(at * SECOND), pool.add, "c0000")
    toy.sim.run()
    assert outcomes(toy) == [("watch", "ok", 0), ("watch", "ok", 1)]


def test_there_are_no_more_passes_at_once_than_workers():
    keys = tuple("abcdefg")
    toy, _, pool = bench([hold(SECOND)] * 7, workers=3, keys=keys)
    for key in keys:
        pool.add(key)
    toy.sim.run()
    assert [row["started_ns"] // SECOND for row in toy.reconciles()] == [0, 0, 0, 1, 1, 1, 2]


def test_a_key_whose_object_is_gone_is_done():
    toy, controller, pool = bench([])
    pool.add("gone")
    toy.sim.run()
    assert controller.started == []
    assert [(row["key"], row["outcome"], row["read_version"]) for row in toy.reconciles()] == [("gone", "ok", 0)]


def test_a_token_that_comes_after_the_deadline_fails_the_pass():
    throttled = {"client": {"qps": 0.05, "burst": 1, "throttle": True}}

    def two_writes(obj: Object) -> Reconcile:
        for value in "ab":
            response = yield Send(annotate(obj.name, value), obj.name, obj)
            if response.code >= 400:
                return response
        return None

    toy, controller, pool = bench([two_writes], deadline=10 * SECOND, scenario=throttled, retry=Retry(limit=0))
    pool.add("c0000")
    toy.sim.run()
    # The second token comes after 20 s: refused at once, nothing sent, none taken.
    assert [row["outcome"] for row in toy.reconciles()] == ["gave-up"]
    assert len(toy.requests()) == 1
    assert toy.reconciles()[0]["ended_ns"] < SECOND
    assert "rate limiter" in controller.failures[0][1]
    assert toy.throttle is not None
    assert toy.throttle.bucket.level(20 * SECOND + 10 * MS) == 1


def test_a_killed_process_forgets_its_retries_and_waits():
    toy, controller, pool = bench([fail, hold(SECOND)])
    pool.add("c0000")
    ScheduledWorkQueue(pool).add("c0000", 5 * SECOND)
    toy.sim.call_in(SECOND // 2, pool.add, "c0000")
    toy.sim.call_in(6 * SECOND // 10, toy.process.stop)
    toy.sim.run()
    assert [when for _, when in controller.started] == [0, SECOND // 2]


plans = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=25)


@given(
    plans,
    st.lists(st.sampled_from([succeed, fail, write_stale, hold(3 * SECOND)]), max_size=40),
    st.integers(1, 4),
)
def test_no_key_is_ever_processed_twice_at_once_and_none_is_lost(
    adds: list[tuple[int, str]], steps: list[Callable[[Object], Reconcile | None]], workers: int
):
    toy, controller, pool = bench(steps, workers=workers, keys=tuple("abc"))
    for at, key in adds:
        toy.sim.call_in(at * SECOND // 2, pool.add, key)
    toy.sim.run()
    rows = toy.reconciles()
    # A pass that finds nothing to do is over at once, and the time that it takes is owed.
    owed = toy.process.profile.controllers.idle_cpu
    for key in "abc":
        passes = sorted((row["started_ns"], row["ended_ns"]) for row in rows if row["key"] == key)
        assert all(ended <= started + owed for (_, ended), (started, _) in itertools.pairwise(passes))
        # Whatever was added is looked at afterwards.
        for at, added in adds:
            assert added != key or any(started >= at * SECOND // 2 for started, _ in passes)
        # Whatever failed was tried again, so that the last pass is a good one.
        last = [row["outcome"] for row in rows if row["key"] == key][-1:]
        assert last in ([], ["ok"])
    assert len(controller.started) == len(rows)
    # Each pass but the first of each wave was asked for by something.
    assert all(row["cause"] in {"watch", "backoff"} and row["queued_ns"] <= row["started_ns"] for row in rows)
