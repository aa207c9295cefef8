"""An ACME issuer: Orders, Challenges and the server that they talk to."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sim.scenario.acme import LIMITS
from sim.scenario.errors import ScenarioError
from sim.scenario.reading.loader import load
from sim.units import HOUR, SECOND
from tests.families.certmanager.runs import ECDSA, Run

SLOW = {"at_most": 1200 * SECOND}


def issued(challenge: str = "http01", **scenario: Any) -> Run:
    server = scenario.pop("server", {})
    issuer = {"type": "acme", "challenge": challenge, "server": server, **scenario.pop("issuer", {})}
    return Run(issuer=issuer, until=SLOW, **scenario).run()


def writes_of(run: Run, resource: str) -> Counter[tuple[str, str, str, int]]:
    return Counter(
        (row["actor"], row["verb"], row["subresource"], row["code"]) for row in run.writes(resource=resource)
    )


def ready(run: Run, name: str = "c0000") -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in run.status(name)["conditions"])


@pytest.mark.parametrize(("challenge", "least", "most"), [("http01", 10, 20), ("dns01", 60, 70)])
def test_a_check_holds_the_worker_for_ten_seconds_or_for_a_minute(challenge, least, most):
    run = issued(challenge)
    assert ready(run)
    assert least < run.cluster.listener.lives["c0000"].ready_ns / SECOND < most


def test_an_undisturbed_order_is_written_four_times_and_its_challenge_is_gone():
    run = issued("dns01")
    orders = writes_of(run, "orders")
    assert orders["orders", "update", "status", 200] == 4
    assert orders["certificaterequests-issuer-acme", "create", "", 201] == 1
    challenges = writes_of(run, "challenges")
    assert challenges["orders", "create", "", 201] == 1
    assert challenges["challenges", "update", "", 200] == 2  # the finalizer, there and away
    assert run.stored("Challenge") == []
    assert [order.status["state"] for order in run.stored("Order")] == ["valid"]


def test_http01_makes_a_pod_a_service_and_an_ingress_and_takes_them_away():
    run = issued()
    made = Counter((row["resource"], row["verb"]) for row in run.writes(actor="challenges"))
    assert made["pods", "create"] == made["services", "create"] == 1
    assert made["ingresses", "create"] in {1, 2}  # the second look may come before the cache shows the first
    assert not any(run.stored(kind) for kind in ("Pod", "Service", "Ingress"))


def test_under_apply_a_challenge_is_applied_and_its_finalizer_with_its_version():
    run = issued("dns01", strategy="apply")
    assert ready(run)
    assert {row["verb"] for row in run.writes(resource="challenges", actor="challenges")} == {"apply"}


@pytest.mark.parametrize("challenge", ["http01", "dns01"])
def test_1_21_lets_go_of_a_finished_challenge(challenge):
    run = issued(challenge, preset="cert-manager-1.21")
    assert ready(run)
    assert run.stored("Challenge") == []
    finalizers = run.writes(resource="challenges", actor="challenges", subresource="")
    assert {row["verb"] for row in finalizers} == {"apply"}


def test_a_refused_order_fails_the_certificate_for_an_hour():
    run = Run(issuer={"type": "acme", "server": {"refuse_first": 1}}, until={"at_most": 2 * HOUR}).run()
    assert ready(run)
    assert run.cluster.listener.lives["c0000"].ready_ns > HOUR
    assert [row["code"] for row in run.writes(resource="orders", verb="create")] == [201, 201]


def test_a_validation_that_fails_leaves_the_challenge_with_its_finalizer():
    run = Run(issuer={"type": "acme", "server": {"validation_fails": 1.0}}, until={"at_most": 60 * SECOND}).run()
    assert [order.status["state"] for order in run.stored("Order")] == ["invalid"]
    assert [challenge.finalizers for challenge in run.stored("Challenge")] == [("finalizer.acme.cert-manager.io",)]
    assert not ready(run)


def test_what_is_seen_late_is_looked_for_every_ten_seconds():
    run = issued(issuer={"propagation": 25 * SECOND})
    assert 35 < run.cluster.listener.lives["c0000"].ready_ns / SECOND < 50


def test_bad_nonces_are_sent_again_inside_the_pass():
    run = issued("dns01", server={"bad_nonces": 0.5})
    assert ready(run)


def test_without_a_location_the_finalize_fails_once():
    run = issued("dns01", server={"location_on_finalize": False})
    assert ready(run)
    assert run.reconciles(controller="orders", outcome="error")


def test_a_valid_authorization_is_used_again():
    again = {"server": {"reuse": 720 * HOUR}}
    run = Run(
        certificate={**ECDSA, "duration": HOUR, "renew_before": HOUR - 120 * SECOND},
        issuer={"type": "acme", **again},
        until={"at_least": 200 * SECOND, "at_most": 400 * SECOND},
    ).run()
    assert len(run.stored("Order")) > 1
    assert len(run.writes(resource="challenges", verb="create")) == 1


def test_no_more_challenges_are_under_way_than_allowed():
    run = issued("dns01", workload={"certificates": 4}, controllers={"max_concurrent_challenges": 1})
    times = sorted(life.ready_ns / SECOND for life in run.cluster.listener.lives.values())
    assert times[-1] > 4 * 60


def test_limits_are_token_buckets():
    limits = {"certificates_per_domain": {"count": 2, "per": 2 * HOUR}}
    run = Run(
        workload={"certificates": 3},
        issuer={"type": "acme", "server": {"limits": limits}},
        until={"at_most": 60 * SECOND},
    ).run()
    assert sorted(order.status["state"] for order in run.stored("Order")) == ["errored", "valid", "valid"]
    published = LIMITS["letsencrypt-2025-06-12"]
    assert (published.orders.count, published.certificates_per_domain.count, published.duplicates.count) == (300, 50, 5)


@pytest.mark.parametrize(
    "text",
    [
        "issuer: {type: ca, challenge: dns01}",
        "issuer: {server: {refuse_first: 1}}",
        "issuer: {type: acme, latency: {p50: 1s, p90: 2s}}",
        "issuer: {type: acme, server: {limits: letsencrypt}}",
        "issuer: {type: acme}\nkinds: {Order: {}}",
    ],
)
def test_what_does_not_go_with_the_issuer_is_said(text):
    with pytest.raises(ScenarioError):
        load(f"name: wrong\n{text}\n")
