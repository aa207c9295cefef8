from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from sim.analysis.metrics import measure
from sim.cluster.objects import Write
from sim.experiment.replicate import replicate
from sim.kernel.clock import unix_seconds
from sim.scenario.model import Scenario
from sim.units import HOUR, MINUTE, MS, SECOND
from tests.families.certmanager.runs import ECDSA, HOURLY, Run, changed, short

TWICE: dict[str, Any] = {"at_least": 2 * MINUTE + 30 * SECOND}
"""Long enough for two renewals."""


def renewed(policy: str | None = None, **scenario: Any) -> Run:
    key = {"private_key": {"algorithm": "ECDSA", "rotation_policy": policy}}
    return Run(certificate={**HOURLY, **key}, until=TWICE, **scenario).run()


@pytest.mark.parametrize("preset", ["cert-manager-1.12.9", "cert-manager-1.21"])
@pytest.mark.parametrize("strategy", ["update", "apply"])
def test_a_certificate_is_renewed_when_it_is_time(strategy: str, preset: str):
    run = renewed(strategy=strategy, preset=preset)
    assert run.status()["revision"] == 3
    issuing = [
        row
        for row in run.writes(actor="certificates-trigger", resource="certificates", code=200)
        if row["written_version"] and row["fields"]
    ]
    assert len(issuing) == 3
    for earlier, later in itertools.pairwise(issuing):
        # A minute after notBefore, which is the second in which the issuance before was signed.
        assert 58 * SECOND < later["decided_ns"] - earlier["decided_ns"] < 61 * SECOND
    assert {each["type"]: each["status"] for each in run.status()["conditions"]}["Ready"] == "True"


def test_what_wakes_trigger_is_its_own_schedule_at_renewal_time():
    run = Run(certificate={**ECDSA, **HOURLY}, until={"at_least": 70 * SECOND}).run()
    first = next(row for row in run.writes(actor="certificates-readiness", code=200) if row["fields"] > 2)
    renewal = next(row for row in run.reconciles(controller="certificates-trigger") if row["started_ns"] > 30 * SECOND)
    assert renewal["cause"] == "schedule"
    # The first renewalTime is one minute after the first notBefore, to the second.
    epoch = run.sim.epoch
    second = (epoch + first["decided_ns"]) // SECOND * SECOND - epoch
    assert 0 <= renewal["started_ns"] - (second + 60 * SECOND) < 50 * MS
    assert unix_seconds(run.status()["renewalTime"]) * SECOND - epoch > 100 * SECOND  # and has moved on


def test_by_default_a_renewal_reuses_the_stored_key_in_1_12():
    run = renewed()
    assert Counter(run.reasons())["Reused"] == 2
    assert Counter(run.reasons())["Generated"] == 1
    keys = {request.spec["request"].key for request in run.stored("CertificateRequest") if request.spec is not None}
    assert len(keys) == 1


def test_with_rotation_policy_always_every_issuance_has_a_new_key():
    run = renewed("Always")
    assert Counter(run.reasons())["Generated"] == 3
    assert "Reused" not in run.reasons()
    keys = {request.spec["request"].key for request in run.stored("CertificateRequest") if request.spec is not None}
    assert len(keys) == 3
    assert run.secret().data is not None
    assert run.secret().data["tls.key"] in keys


def test_1_21_rotates_by_default_and_reuses_when_asked():
    assert Counter(renewed(preset="cert-manager-1.21").reasons())["Generated"] == 3
    never = renewed("Never", preset="cert-manager-1.21")
    assert Counter(never.reasons())["Reused"] == 2


def test_reusing_a_key_costs_no_key_generation():
    def busy(policy: str) -> int:
        key = {"private_key": {"algorithm": "RSA", "size": 4096, "rotation_policy": policy}}
        return Run(certificate={**HOURLY, **key}, until=TWICE).run().cluster.machine.busy_ns

    assert busy("Always") - busy("Never") > 2 * 9 * 10 * MS


def test_renewals_repeat_their_events_as_patches():
    run = renewed()
    issued = list(run.requests(actor="certificates-issuing", resource="events"))
    assert [row["verb"] for row in issued] == ["create", "patch", "patch"]
    assert {row["code"] for row in run.requests(resource="events")} <= {200, 201}


def test_old_requests_are_kept_in_1_12_unless_a_limit_is_set():
    assert len(renewed().stored("CertificateRequest")) == 3
    limited = Run(certificate={**ECDSA, **HOURLY, "revision_history_limit": 2}, until=TWICE).run()
    left = [
        request.annotations["cert-manager.io/certificate-revision"] for request in limited.stored("CertificateRequest")
    ]
    assert sorted(left) == ["2", "3"]
    deletes = limited.writes(verb="delete", resource="certificaterequests")
    assert [short(row["actor"]) for row in deletes] == ["revision-manager"]


def test_1_21_keeps_one_request_by_default():
    run = renewed(preset="cert-manager-1.21")
    assert [request.name for request in run.stored("CertificateRequest")] == ["c0000-3"]
    deletes = run.writes(verb="delete", resource="certificaterequests", code=200)
    assert [(short(row["actor"]), row["object"]) for row in deletes] == [
        ("revision-manager", "c0000-1"), ("revision-manager", "c0000-2"),
    ]  # fmt: skip


def test_revision_manager_waits_until_the_certificate_is_ready():
    # The key takes long enough for readiness to have said that the Certificate is not Ready.
    slow = {"algorithm": "RSA", "size": 4096, "rotation_policy": "Always"}
    run = Run(
        certificate={"private_key": slow, "revision_history_limit": 1},
        issuer={"type": "external", "latency": {"p50": 3 * SECOND, "p90": 3 * SECOND + 1}},
        until={"at_least": 40 * SECOND},
    )
    run.send(20 * SECOND, Write("delete", "Secret", "c0000-tls", {}, "user"))
    run.run()
    # Two requests while it is issued again, and for three seconds it is not Ready.
    _, second = run.writes(verb="create", resource="certificaterequests")
    (delete,) = run.writes(actor="certificates-revision-manager")
    assert delete["sent_ns"] - second["decided_ns"] > 3 * SECOND
    assert len(run.stored("CertificateRequest")) == 1


@pytest.mark.parametrize("strategy", ["update", "apply"])
def test_a_changed_spec_is_issued_again(strategy: str):
    run = Run(strategy=strategy, until={"at_least": 40 * SECOND})
    names = ["c0000.example.test", "more.example.test"]
    run.send(20 * SECOND, Write("merge-patch", "Certificate", "c0000", {"spec": {"dnsNames": names}}, "user"))
    run.run()
    assert run.status()["revision"] == 2
    assert run.certificate().generation == 2
    assert run.secret().data is not None
    assert run.secret().data["tls.crt"].dns_names == tuple(names)
    assert {each["observedGeneration"] for each in run.status()["conditions"] if each["type"] == "Ready"} == {2}


def test_a_deleted_secret_is_issued_again():
    run = Run(until={"at_least": 40 * SECOND})
    run.send(20 * SECOND, Write("delete", "Secret", "c0000-tls", {}, "user"))
    run.run()
    assert run.status()["revision"] == 2
    assert run.secret().resource_version > 0
    # readiness said so meanwhile.
    times = [row for row in run.writes(actor="certificates-readiness", code=200) if row["decided_ns"] > 20 * SECOND]
    assert len(times) == 2


def test_a_secret_that_lost_its_label_is_applied_again_without_an_issuance():
    run = Run(until={"at_least": 40 * SECOND})
    body = {"metadata": {"labels": {"controller.cert-manager.io/fao": None}}}
    run.send(20 * SECOND, Write("merge-patch", "Secret", "c0000-tls", body, "user"))
    run.run()
    late = [(short(row["actor"]), row["verb"]) for row in run.writes() if row["sent_ns"] > 20 * SECOND]
    assert late == [("issuing", "apply")]
    assert run.secret().labels["controller.cert-manager.io/fao"] == "true"
    assert run.status()["revision"] == 1


@pytest.mark.parametrize(("preset", "seen"), [("cert-manager-1.12.9", False), ("cert-manager-1.21", True)])
def test_in_1_21_a_renewal_with_a_new_key_is_not_ready_until_its_revision_is_written(preset: str, seen: bool):
    # The Secret has the new key before status.revision names the new request (1.21's policy
    # SecretPublicKeyDiffersFromCurrentCertificateRequest). With one request kept there is nothing to compare.
    key = {"private_key": {"algorithm": "ECDSA", "rotation_policy": "Always"}, "revision_history_limit": 3}
    between = 0
    for seed in range(10):
        run = Run(seed=seed, preset=preset, certificate={**HOURLY, **key}, until={"at_least": 90 * SECOND}).run()
        writes = [row for row in run.writes(actor="certificates-readiness", code=200) if row["sent_ns"] > 30 * SECOND]
        between += any("conditions[Ready]" in changed(row) for row in writes)
        assert run.status()["revision"] == 2
        assert {each["type"]: each["status"] for each in run.status()["conditions"]}["Ready"] == "True"
    assert (between > 0) == seen


def test_a_margin_is_what_was_left_and_an_outage_that_is_long_enough_lets_certificates_expire():
    short = {"duration": 48 * HOUR, "renew_before": 2 * HOUR}
    outage = [{"at": 0, "stop": "issuer", "lasts": 10 * HOUR}]
    figures = {}
    for name, faults in (("well", []), ("outage", outage)):
        scenario = Scenario.model_validate(
            {
                "name": "renewals",
                "workload": {"existing": {"certificates": 2, "renewals": [HOUR, 20 * HOUR]}},
                "certificate": {**ECDSA, **short},
                "issuer": {"type": "external"},
                "faults": faults,
                "until": {"at_least": 30 * HOUR, "at_most": 30 * HOUR},
                "replications": 1,
            }
        )
        figures[name] = measure(replicate(scenario, 0), 2)
    assert (figures["well"]["expired"], figures["well"]["renewed"]) == (0, 2)
    assert 1.9 * 3600 < figures["well"]["margin_least"] < 2 * 3600
    assert figures["outage"]["expired"] == 1
    assert -7.2 * 3600 < figures["outage"]["margin_least"] < -6.8 * 3600
