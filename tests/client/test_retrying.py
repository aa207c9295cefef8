"""Policies in place, around a controller's own reconcile: what is sent, when, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest

from sim.client.effects import Reconcile, Send
from sim.client.policy import GAVE_UP, OVER_BUDGET, Shared, TriesInPlace, policy_of
from sim.client.worker import Workers
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.scenario.retry import Retry
from sim.units import MS, SECOND
from tests.client.test_worker import FAST
from tests.client.toy import Toy, annotate

OTHERS = 3 * MS
"""How often another writer changes the object; a write takes 1 ms, so a retry after 10 ms meets a newer version."""


class Writer:
    """A controller that writes an annotation of its object once, from the copy it is given."""

    name = "toy-controller"
    deadline = None
    parsing = 0

    def __init__(self) -> None:
        self.done = False
        self.results: list[int] = []

    def reconcile(self, obj: Object) -> Reconcile | None:
        return None if self.done else self.write(obj)

    def write(self, obj: Object) -> Reconcile:
        def remake(copy: Object, strategy: str | None) -> Write:
            if strategy == "apply":
                body = {"metadata": {"annotations": {"note": "mine"}}}
                return Write("apply", "Certificate", copy.name, body, "me", force=True)
            return annotate(copy.name, "mine", copy.resource_version, "me")

        answer = yield Send(remake(obj, None), obj.name, obj, remake)
        self.results.append(answer.code)
        self.done = answer.code < 400
        return None if self.done else answer

    def about(self, obj: Object) -> str:
        return obj.name

    def failed(self, key: str, result: Any) -> None:
        pass


def bench(others: int = 0, cached: bool = True, **retry: Any) -> tuple[Toy, Writer, Workers]:
    """``others`` writes of another, one each ``OTHERS``; the cache keeps the first version, or is always fresh."""
    toy = Toy({"cpu": {"cores": None}}, FAST)
    first = toy.certificate()
    for n in range(others):
        toy.sim.call_in(n * OTHERS, toy.api.handle, annotate("c0000", f"other {n}"), 0)
    controller = Writer()
    read = (lambda _: first) if cached else (lambda key: toy.api.store.get("Certificate", key))
    pool = Workers(toy.process, controller, 1, Retry.model_validate(retry), read, lambda: 0)
    toy.sim.call_in(1, pool.add, "c0000")
    return toy, controller, pool


def verbs(toy: Toy) -> list[tuple[str, int]]:
    return [(row["verb"], row["code"]) for row in toy.requests()]


def test_in_place_reads_live_and_sends_again():
    toy, controller, _ = bench(1, policy="in-place")
    toy.sim.run()
    assert verbs(toy) == [("patch", 409), ("get", 200), ("patch", 200)]
    assert controller.results == [200]
    (row,) = toy.reconciles()
    assert (row["outcome"], row["retries"], row["failures"], row["requests"]) == ("ok", 1, 0, 3)
    first, read, second = toy.requests()
    waited = read["asked_ns"] - first["answered_ns"]
    assert 10 * MS <= waited <= 11.5 * MS  # 10 ms and up to a tenth, and the answer's core time
    assert second["read_version"] == second["base_version"]


def test_in_place_ends_after_its_steps_and_the_queue_goes_on():
    toy, controller, _ = bench(20, policy="in-place", in_place={"steps": 3, "delay": "1ms", "jitter": 0})
    # Every read is followed by another's write before one's own arrives.
    handle = toy.api.read
    toy.api.read = lambda *asked: _then(handle(*asked), toy)  # type: ignore[method-assign]
    toy.sim.run(until=int(0.9 * SECOND))
    assert [code for verb, code in verbs(toy) if verb == "patch"] == [409, 409, 409]
    assert controller.results == [409]
    assert toy.reconciles()[0]["outcome"] == "conflict"
    assert toy.reconciles()[0]["retries"] == 2


def _then(answer: Response, toy: Toy) -> Response:
    toy.sim.call_in(1, toy.api.handle, annotate("c0000", f"at {toy.sim.now}"), 0)
    return answer


def test_apply_on_conflict_applies_at_once():
    toy, controller, _ = bench(1, policy="apply-on-conflict")
    toy.sim.run()
    assert verbs(toy) == [("patch", 409), ("apply", 200)]
    assert controller.results == [200]
    stored = toy.api.store.get("Certificate", "c0000")
    assert stored is not None
    assert stored.annotations["note"] == "mine"


def test_resend_sends_the_same_stale_request_and_never_succeeds():
    toy, controller, _ = bench(1, policy="resend", in_place={"steps": 4}, limit=0)
    toy.sim.run()
    assert verbs(toy) == [("patch", 409)] * 4
    assert len({row["read_version"] for row in toy.requests()}) == 1
    assert toy.reconciles()[0]["outcome"] == "gave-up"
    assert not controller.done


def test_read_your_writes_leaves_a_key_alone_until_the_cache_has_its_last_write():
    toy, controller, pool = bench(policy="read-your-writes")
    toy.sim.call_in(100 * MS, setattr, controller, "done", False)
    toy.sim.call_in(200 * MS, pool.add, "c0000")  # the cache still has the first version
    toy.sim.call_in(300 * MS, setattr, pool, "read", lambda key: toy.api.store.get("Certificate", key))
    toy.sim.call_in(400 * MS, pool.add, "c0000")
    toy.sim.run()
    assert [row["requests"] for row in toy.reconciles()] == [1, 0, 1]
    assert {row["code"] for row in toy.requests()} == {200}
    # Without it the second pass would have been refused.
    toy, controller, pool = bench()
    toy.sim.call_in(100 * MS, setattr, controller, "done", False)
    toy.sim.call_in(200 * MS, pool.add, "c0000")
    toy.sim.run(until=SECOND)
    assert [row["code"] for row in toy.requests()] == [200, 409]


def test_a_budget_around_tries_in_place_leaves_the_rest_to_the_queue():
    budget = {"kind": "finagle", "min_retries_per_second": 0}
    toy, _, _ = bench(1, policy="in-place", budget=budget)
    toy.sim.run(until=SECOND // 2)
    assert verbs(toy) == [("patch", 409)]
    (row,) = toy.reconciles()
    assert (row["outcome"], row["refusals"], row["retries"]) == ("conflict", 1, 0)


def test_a_budget_around_requeues_drops_the_key():
    budget = {"kind": "finagle", "min_retries_per_second": 0}
    toy, _, pool = bench(1, budget=budget)
    toy.sim.run()
    (row,) = toy.reconciles()
    assert (row["outcome"], row["refusals"]) == ("over-budget", 1)
    assert not pool.limiter.failing


def test_a_retry_that_finds_nothing_to_do_returns_what_it_paid_for():
    toy, controller, pool = bench(1, budget={"kind": "envoy"})
    toy.sim.call_in(SECOND // 2, setattr, controller, "done", True)
    toy.sim.run()
    assert [row["outcome"] for row in toy.reconciles()] == ["conflict", "ok"]
    assert pool.retrying is not None
    budget = pool.retrying._policy.budget
    assert (budget.active, budget.retries) == (0, 0)


@pytest.mark.parametrize("kind", ["grpc", "envoy", "aws-sdk", "google-sre", "finagle"])
def test_no_budget_stands_in_the_way_of_a_rare_conflict(kind: str):
    toy, controller, _ = bench(1, policy="in-place", budget={"kind": kind, **_generous(kind)})
    toy.sim.run()
    assert controller.results == [200]


def _generous(kind: str) -> dict[str, Any]:
    return {"share": 2.0} if kind == "google-sre" else {}


def test_tries_in_place_are_decided_once_and_draw_only_for_a_try_that_follows():
    drawn = []

    def tries(**retry: Any) -> TriesInPlace:
        described = Retry.model_validate(retry)
        return TriesInPlace(policy_of(described, lambda: drawn.append(1) or 0.0, Shared()))

    assert tries().another(0) == GAVE_UP
    assert not drawn
    resend = tries(policy="resend", in_place={"steps": 3, "delay": 10, "factor": 2.0})
    assert not drawn
    assert [resend.another(0) for _ in range(3)] == [10, 20, GAVE_UP]
    assert len(drawn) == 2
    apply = tries(policy="apply-on-conflict")
    assert [apply.another(0), apply.another(0)] == [0, GAVE_UP]
    poor = tries(policy="in-place", budget={"kind": "finagle", "min_retries_per_second": 0.0})
    assert poor.another(0) == OVER_BUDGET
