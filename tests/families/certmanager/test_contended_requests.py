"""CertificateRequests that several parties work on, described approvers and issuers among them; hot loops."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.analysis.attribution import elsewhere
from sim.families.without_effect import differing, reason_without_effect
from sim.report.sentences import loops
from sim.report.terminal import verdict
from sim.scenario.errors import ScenarioError
from sim.scenario.reading.loader import load
from sim.units import HOUR, MINUTE, SECOND
from tests.families.certmanager.runs import ECDSA, Run

OFF = {"approver": {"enabled": False}}
UNDECIDED = "!('Approved' in holds) && !('Denied' in holds)"
ISSUED = {"certificate": "a text"}


def operator(name: str, when: str, *do: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An operator of one controller with one step, which works on CertificateRequests."""
    return {"name": name, "controllers": [{"name": f"{name}-1", "for": "CertificateRequest", **more, "steps": [
        {"when": when, "do": list(do)}]}]}  # fmt: skip


def condition(type_: str, **more: Any) -> dict[str, Any]:
    return {"status": {"conditions": {type_: {"observed": False, **more}}}}


SIGNER = operator(
    "signer",
    "'Approved' in holds && !has(self.status.certificate)",
    {"status": {"set": ISSUED, "conditions": {"Ready": {"reason": "Issued", "observed": False}}}},
)
BY_SIGNER = {"type": "external", "operator": "signer"}


def test_any_text_is_a_certificate_for_the_request():
    run = Run(issuer=BY_SIGNER, operators=[SIGNER]).run()
    assert run.status()["revision"] == 1
    signed = (run.secret().data or {})["tls.crt"]
    assert (signed.serial, signed.key) == ("a text", (run.secret().data or {})["tls.key"])
    assert signed.not_after - signed.not_before == 90 * 24 * 3600
    assert run.writes(actor="signer-1")[0]["certificate"] == "c0000"


@pytest.mark.parametrize(("operators", "ready"), [([], False), ([operator("policy", UNDECIDED,
    condition("Approved"))], True)])  # fmt: skip
def test_a_controller_can_be_left_out_and_its_work_done_by_an_operator(operators: list[Any], ready: bool):
    run = Run(controllers=OFF, operators=operators, until={"at_most": 20 * SECOND}).run()
    assert not run.requests(actor="certificaterequests-approver")
    assert ("revision" in run.status()) is ready


def test_an_issuer_that_writes_twice_loses_to_its_own_write_before():
    scenario = sim.load("operators/issuer-that-signs-twice", ["replications=8"])
    found = elsewhere(sim.run(scenario, jobs=1))
    assert set(found["controller"]) == {"privateca"}
    assert set(found["winner"]) == {"privateca"}


@pytest.mark.parametrize(
    ("writes", "lost"), [("merge-patch", True), ("json-patch", True), ("apply", False), ("update", False)]
)
def test_who_patches_a_list_of_conditions_takes_others_away(writes: str, lost: bool):
    overrides = ["replications=1", f"operators.0.controllers.0.writes={writes}"]
    summary = sim.run(sim.load("operators/approver-by-merge-patch", overrides), jobs=1).summary
    assert summary["ready"]["mean"] == 20
    assert bool(summary["metrics"]["lost_updates"]["mean"]) is lost
    assert ("updates were lost" in verdict(summary)) is lost


# Denied


DENIES = operator("policy", UNDECIDED, condition("Denied", reason="not-allowed", message="no policy allows it"))
A_WHILE = {"at_least": 2 * MINUTE, "at_most": 2 * MINUTE}


def test_every_issuer_says_so_of_a_denied_request_and_they_lose_to_each_other():
    run = Run(issuer={"type": "ca"}, controllers=OFF, operators=[DENIES], until=A_WHILE).run()
    issuers = [row for row in run.writes(resource="certificaterequests") if "issuer" in row["actor"]]
    assert {row["actor"] for row in issuers} == {
        f"certificaterequests-issuer-{each}" for each in ("acme", "ca", "selfsigned", "vault", "venafi")
    }
    assert sum(row["written_version"] > 0 for row in issuers) == 1
    assert any(row["code"] == 409 for row in issuers)
    status = run.status()
    assert status["failedIssuanceAttempts"] == 1
    issuing = next(each for each in status["conditions"] if each["type"] == "Issuing")
    assert (issuing["status"], issuing["reason"]) == ("False", "not-allowed")


def test_a_request_denied_before_fails_the_next_attempt_at_once():
    """After an hour nobody denies any more, but the old request is still Denied: two hours more."""
    result = sim.run(sim.load("operators/denied-for-an-hour", ["replications=1", "workload.certificates=4"]), jobs=1)
    times = result.certificates["time_to_ready"].dt.total_seconds()
    assert ((times > 3 * 3600 - 2) & (times < 3 * 3600 + 60)).all()  # a failure is told by its second, rounded down


BOTH = operator(
    "policy",
    UNDECIDED,
    {"status": {"conditions": {"Denied": {"observed": False}, "Ready": {"status": "False", "reason": "Denied",
        "observed": False}}}},
)  # fmt: skip


@pytest.mark.parametrize(("preset", "issuing"), [("1.11", "True"), ("1.12.9", "False"), ("1.21", "False")])
def test_before_1_12_a_denial_that_an_issuer_has_answered_leaves_the_certificate_issuing(preset: str, issuing: str):
    issuer = {"type": "external", "operator": "signer"}
    run = Run(
        preset=f"cert-manager-{preset}", issuer=issuer, controllers=OFF, operators=[BOTH, SIGNER], until=A_WHILE
    ).run()
    assert next(each["status"] for each in run.status()["conditions"] if each["type"] == "Issuing") == issuing


def test_releases_that_differ_in_denials_alone_are_equal_where_nobody_denies():
    def scenario(release: str, operators: list[Any]) -> Any:
        return Run(preset=f"cert-manager-{release}", operators=operators).scenario

    assert "by the source" in (reason_without_effect(scenario("1.11", []), scenario("1.12.9", [])) or "")
    assert reason_without_effect(scenario("1.11", [DENIES]), scenario("1.12.9", [DENIES])) is None


def test_what_differs_is_only_what_the_scenario_can_meet():
    def fields(**more: Any) -> set[str]:
        one, other = (Run(preset=f"cert-manager-{each}", **more).scenario for each in ("1.12.9", "1.13"))
        return set(differing(one, other))

    assert not fields() & {"trigger_checks_duplicates", "acme_check_skips_last_sleep"}
    assert "trigger_checks_duplicates" in fields(certificate={**ECDSA, "secret_name": "one"})
    acme = {"type": "acme", "challenge": "http01"}
    assert "acme_check_skips_last_sleep" in fields(issuer=acme)
    assert "acme_check_skips_last_sleep" not in fields(issuer=acme | {"challenge": "dns01"})


# Retries


@pytest.mark.parametrize("policy", ["requeue", "in-place", "apply-on-conflict"])
def test_the_approver_retries_as_it_is_told(policy: str):
    pending = operator("issuer", "!('Ready' in conditions)", condition("Ready", status="False", reason="Pending"))
    run = Run(
        workload={"certificates": 12, "arrival": "at-once"},
        operators=[pending],
        controllers={"approver": {"retry": {"policy": policy}}},
        profile={"watch": {"lag": {"p50": 5_000_000, "p90": 6_000_000}}},
        until={"at_most": 60 * SECOND},
    ).run()  # fmt: skip
    refused = run.requests(actor="certificaterequests-approver", code=409)
    assert refused
    inside = sum(row["retries"] for row in run.reconciles(controller="certificaterequests-approver"))
    assert bool(inside) is (policy != "requeue")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("issuer: {type: external, operator: nobody}", "no operator 'nobody'"),
        ("issuer: {type: ca, operator: policy}", "is for issuer.type external"),
        ("issuer: {type: external, operator: x, rate_limit: 1/s}", "operator x signs"),
    ],
)
def test_what_cannot_be_signed_by_is_said(text: str, message: str):
    with pytest.raises(ScenarioError, match=message):
        load(f"name: x\n{text}\n")


def test_an_operator_that_signs_nothing_is_said():
    with pytest.raises(ValueError, match="nobody signs"):
        Run(issuer={"type": "external", "operator": "policy"}, operators=[DENIES])


# Hot loops, and events that lead to them


FIGHT = """
name: fight
workload:
  certificates: 2
  deeds: [{at: 10s, edit: Certificate/c0001, set: {spec.issuerRef: {name: other, kind: Issuer}}}]
certificate: {secret_name: shared-tls, private_key: {algorithm: ECDSA}}
until: {at_least: 60s, at_most: 60s}
replications: 1
expect: {late_writes: "== 0"}
"""


@pytest.mark.parametrize(("preset", "hot"), [("1.12.9", True), ("1.13", False), ("1.21", False)])
def test_two_certificates_of_two_issuers_and_one_secret_fight_until_1_13(preset: str, hot: bool):
    summary = sim.run(sim.load(FIGHT, [f"preset=cert-manager-{preset}", "seed=2"]), jobs=1).summary
    assert bool(loops(summary)) is hot
    assert summary["expectations"][0]["met"] is not hot
    if hot:
        assert "they undo each other" in loops(summary)[-1]


@pytest.mark.parametrize(("preset", "hot"), [("1.12.9", True), ("1.21", False)])
def test_a_ca_that_has_expired_makes_a_hot_loop_until_issuing_looks_at_the_expiry(preset: str, hot: bool):
    run = Run(
        preset=f"cert-manager-{preset}",
        issuer={"type": "external", "ca_expires": 30 * SECOND, "latency": {"p50": SECOND // 10, "p90": SECOND // 5}},
        until={"at_least": 3 * MINUTE, "at_most": 3 * MINUTE},
    ).run()
    created = len(run.writes(resource="certificaterequests", verb="create", code=201))
    assert (created > 30) is hot
    if not hot:
        assert run.status()["failedIssuanceAttempts"] == 1


def test_what_is_only_busy_at_the_end_is_no_hot_loop():
    summary = sim.run(sim.load("recorded/burst-150-update", ["replications=1", "until.at_most=20s"]), jobs=1).summary
    assert summary["ready"]["mean"] != 150
    assert summary["metrics"]["late_writes"]["mean"] == 0


def test_an_issuer_that_is_not_ready_for_a_while_signs_what_waited():
    faults = [{"at": 0, "stop": "issuer", "lasts": 2 * MINUTE}]
    run = Run(faults=faults, until={"at_most": HOUR}, certificate=ECDSA).run()
    assert run.status()["revision"] == 1
    signed = run.writes(actor="certificaterequests-issuer-selfsigned", resource="certificaterequests")
    assert signed[0]["decided_ns"] < 10 * SECOND  # Ready=False, Pending
    assert signed[-1]["decided_ns"] > 2 * MINUTE


def test_an_edit_names_an_object_and_fields():
    for deed in ("{at: 1s, edit: c0000, set: {spec.x: 1}}", "{at: 1s, edit: Secret/x}", "{at: 1s, set: {spec.x: 1}}"):
        with pytest.raises(ScenarioError, match="edit"):
            load(f"name: x\nworkload: {{certificates: 1, deeds: [{deed}]}}\n")
