from __future__ import annotations

import itertools
from typing import Any

import pytest

from sim.families.certmanager.manager import CertManager
from sim.units import HOUR, MINUTE, SECOND
from tests.families.certmanager.runs import Run, changed, condition, short

MINUTES: dict[str, Any] = {"at_most": 10 * MINUTE}


def failing(strategy: str = "update", until: dict[str, Any] | None = None, **scenario: Any) -> Run:
    scenario = {"issuer": {"type": "ca", "failure_rate": 1.0}, **scenario}
    return Run(strategy=strategy, until=until or MINUTES, **scenario).run()


ISSUERS = [
    {"type": "selfsigned", "failure_rate": 1.0},
    {"type": "ca", "failure_rate": 1.0},
    {"type": "external", "failure_rate": 1.0},
]


@pytest.mark.parametrize("preset", ["cert-manager-1.12.9", "cert-manager-1.21"])
@pytest.mark.parametrize("strategy", ["update", "apply"])
@pytest.mark.parametrize("issuer", ISSUERS, ids=lambda issuer: issuer["type"])
def test_a_failed_request_ends_the_issuance(issuer: dict[str, Any], strategy: str, preset: str):
    run = failing(strategy, issuer=issuer, preset=preset)
    status = run.status()
    issuing = condition(status, "Issuing")
    assert issuing is not None
    assert (issuing["status"], issuing["reason"]) == ("False", "Failed")
    assert "has failed to complete and will be retried" in issuing["message"]
    assert status["lastFailureTime"] == issuing["lastTransitionTime"]
    ready = condition(status, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("False", "DoesNotExist")
    assert "revision" not in status
    assert "nextPrivateKeySecretName" not in status
    assert run.stored("Secret") == []
    assert "Failed" in run.reasons()
    (request,) = run.stored("CertificateRequest")
    assert request.status is not None
    assert condition(request.status, "Ready") is not None
    assert request.status["failureTime"]


def test_update_counts_the_attempt_and_apply_leaves_it_out():
    assert failing("update").status()["failedIssuanceAttempts"] == 1
    assert "failedIssuanceAttempts" not in failing("apply").status()
    for strategy, more in (("update", ["failedIssuanceAttempts"]), ("apply", [])):
        run = failing(strategy)
        (failed,) = [row for row in run.writes(actor="certificates-issuing", code=200) if row["written_version"]]
        assert changed(failed) == ["conditions[Issuing]", "lastFailureTime", *more]


@pytest.mark.parametrize("strategy", ["update", "apply"])
def test_there_is_no_retry_within_the_hour(strategy: str):
    run = failing(strategy, until={"at_most": HOUR - 10 * SECOND})
    assert max(row["sent_ns"] for row in run.requests()) < MINUTE
    # trigger was woken by events, and by the back-offs of refused writes, but only to wait.
    assert any("Backing off" in line["message"] for line in run.lines())


def attempts(run: Run) -> list[float]:
    """When each issuance was triggered, in hours."""
    rows = [
        row
        for row in run.writes(actor="certificates-trigger", resource="certificates", code=200)
        if "conditions[Issuing]" in changed(row)
    ]
    return [row["decided_ns"] / HOUR for row in rows]


def test_under_update_the_wait_doubles():
    found = attempts(failing("update", until={"at_most": 16 * HOUR}))
    assert found == pytest.approx([0, 1, 3, 7, 15], abs=0.001)


def test_under_apply_the_wait_stays_an_hour():
    found = attempts(failing("apply", until={"at_most": 5 * HOUR + MINUTE}))
    assert found == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.001)


def test_the_wait_ends_at_32_hours():
    found = attempts(failing("update", until={"at_most": 130 * HOUR}))
    assert found == pytest.approx([0, 1, 3, 7, 15, 31, 63, 95, 127], abs=0.001)


def test_the_failed_request_is_replaced_at_the_retry():
    run = failing("update", until={"at_most": HOUR + MINUTE})
    requests = run.writes(resource="certificaterequests", actor="certificates-request-manager")
    assert [(row["verb"], row["code"]) for row in requests] == [
        ("create", 201),
        ("delete", 200),
        ("create", 201),
    ]
    assert requests[0]["object"] == requests[1]["object"] != requests[2]["object"]
    assert requests[1]["sent_ns"] > HOUR - SECOND  # counted from lastFailureTime, a whole second
    assert len(run.stored("CertificateRequest")) == 1
    assert run.status()["failedIssuanceAttempts"] == 2


def test_success_clears_what_a_failure_left():
    # Fails the first time and not the second, by luck of the seed.
    for seed in range(20):
        run = Run(
            seed=seed,
            issuer={"type": "ca", "failure_rate": 0.5},
            until={"at_most": HOUR + MINUTE, "at_least": 0},
        ).run()
        if len(attempts(run)) == 2 and run.status().get("revision") == 1:
            assert "lastFailureTime" not in run.status()
            assert "failedIssuanceAttempts" not in run.status()
            assert [each["type"] for each in run.status()["conditions"]] == ["Ready"]
            return
    pytest.fail("no seed fails once and then succeeds")


@pytest.mark.parametrize("strategy", ["update", "apply"])
def test_every_controller_sees_a_failure_before_it_is_saved(strategy: str):
    # issuing changes the cached object before it copies it (model.md section 5).
    run = Run(strategy=strategy, issuer={"type": "ca", "failure_rate": 1.0})
    cluster = run.cluster
    cert_manager = cluster.populations[0]
    cert_manager.start()
    manager = next(part for part in cert_manager.parts() if isinstance(part, CertManager))
    unsaved = False
    while cluster.sim.now < SECOND and not unsaved:
        cluster.sim.step()
        cached = manager.certificates.cache.get("c0000")
        stored = cluster.api.store.get("Certificate", "c0000")
        if cached is not None and stored is not None and "lastFailureTime" in (cached.status or {}):
            assert cached.status is not None
            unsaved = "lastFailureTime" not in (stored.status or {})
            assert cached.status["failedIssuanceAttempts"] == 1
            issuing = condition(cached.status, "Issuing")
            assert issuing is not None
            assert issuing["status"] == "True"
            assert cached.resource_version <= stored.resource_version
    assert unsaved


def test_a_refused_write_of_a_failure_is_written_again():
    # Two others keep writing, so that issuing's write of the failure is refused in some seeds.
    refused = 0
    for seed in range(8):
        # Beyond some 30 a second each, patches that lose to each other and are made anew use up the server.
        writers = [{"rate": 20.0, "start": 0, "name": name} for name in ("a", "b")]
        run = failing(seed=seed, writers=writers, until={"at_most": 5 * SECOND})
        rows = run.writes(actor="certificates-issuing", resource="certificates")
        refused += sum(row["code"] == 409 for row in rows)
        assert any(row["code"] == 200 for row in rows)
        issuing = condition(run.status(), "Issuing")
        assert issuing is not None
        assert issuing["status"] == "False"
        assert run.status()["failedIssuanceAttempts"] >= 1
    assert refused > 0


def test_an_external_issuer_with_a_rate_limit_serves_first_come_first_served():
    run = Run(
        workload={"certificates": 6, "arrival": "at-once"},
        issuer={"type": "external", "rate_limit": 0.5, "latency": {"p50": SECOND, "p90": SECOND + 1}},
        client={"throttle": False},
    ).run()
    approved = [row["object"] for row in run.writes(actor="certificaterequests-approver", code=200)]
    signed = run.writes(actor="external-issuer", code=200)
    assert sorted(approved) == sorted(row["object"] for row in signed)
    gaps = [b["sent_ns"] - a["sent_ns"] for a, b in itertools.pairwise(signed)]
    assert gaps == pytest.approx([2 * SECOND] * 5, rel=0.01)
    assert [short(row["actor"]) for row in signed] == ["external-issuer"] * 6
