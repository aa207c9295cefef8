"""Retry policies in cert-manager's own controllers, on a burst in which they contend."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.experiment.replicate import replicate
from sim.scenario.reading.loader import load

BURST = "name: burst\nworkload: {certificates: 25}\n"


def figures(*overrides: str) -> dict[str, float | None]:
    replication = replicate(load(BURST, overrides), 0)
    assert not replication.violations
    return {**measure(replication, 2), "digest": replication.digest}  # type: ignore[dict-item]


@pytest.fixture(scope="module")
def plain():
    return figures()


@pytest.mark.parametrize("policy", ["in-place", "apply-on-conflict", "read-your-writes", "resend"])
def test_every_policy_makes_all_certificates_ready(policy: str, plain):
    found = figures(f"retry.policy={policy}")
    assert found["ready"] == 25
    assert found["gave_up"] == 0
    assert found["digest"] != plain["digest"]


def test_retries_in_place_leave_no_ghosts(plain):
    assert plain["ghost_reconciles"] > 0
    for policy in ("in-place", "apply-on-conflict"):
        found = figures(f"retry.policy={policy}")
        assert found["ghost_reconciles"] == 0
        assert found["retries"] >= found["conflicts"]


def test_resending_a_stale_request_only_adds_conflicts(plain):
    assert figures("retry.policy=resend")["conflicts"] > 1.3 * plain["conflicts"]


def test_a_policy_of_one_controller_is_its_own():
    found = replicate(load(BURST, ["controllers.readiness.retry.policy=in-place"]), 0)
    gets = {row[1] for row in found.requests if row[2] == "get"}
    assert gets == {"certificates-readiness"}


def test_what_a_budget_refuses_is_counted(plain):
    found = figures("retry.budget={kind: finagle, min_retries_per_second: 0}")
    assert found["budget_refusals"] == found["gave_up"] > 0
    assert found["retries"] < plain["retries"]


def test_what_is_given_is_the_default():
    same = ["retry.policy=requeue", "retry.factor=2", "retry.jitter=none", "retry.backoff=expo"]
    assert figures(*same)["digest"] == figures()["digest"]
