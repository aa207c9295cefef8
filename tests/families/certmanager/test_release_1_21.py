from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from sim.client.effects import Send
from sim.cluster.messages import Response
from sim.cluster.objects import Write
from sim.families.certmanager.key_manager import KeyManager
from sim.families.certmanager.pki import Key
from sim.units import MINUTE, MS, SECOND
from tests.families.certmanager.runs import ECDSA, Run, brief, condition, short

NEW, OLD = "cert-manager-1.21", "cert-manager-1.12.9"


def test_key_manager_looks_at_the_live_certificate_before_it_creates_the_secret():
    rows = [row for row in Run(preset=NEW).run().writes() if short(row["actor"]) == "key-manager"]
    assert [brief(row) for row in rows[:2]] == [
        ("key-manager", "get", "certificates", 200),
        ("key-manager", "create", "secrets", 201),
    ]
    assert rows[0]["reconcile"] == rows[1]["reconcile"]
    assert rows[0]["answered_ns"] <= rows[1]["asked_ns"]
    assert list(Run(preset=OLD).run().writes(verb="get")) == []


def test_the_request_is_named_after_its_revision_and_not_waited_for():
    run = Run(preset=NEW).run()
    (create,) = run.writes(verb="create", resource="certificaterequests")
    assert create["object"] == "c0000-1"
    (made,) = [row for row in run.reconciles() if row["reconcile"] == create["reconcile"]]
    assert made["ended_ns"] - create["answered_ns"] < 10 * MS
    old = Run(preset=OLD).run()
    (create,) = old.writes(verb="create", resource="certificaterequests")
    name, _, suffix = create["object"].rpartition("-")
    assert (name, len(suffix)) == ("c0000", 5)


def test_clients_are_not_throttled_unless_asked():
    crowd: dict[str, Any] = {
        "workload": {"certificates": 20, "arrival": "at-once"},
        "client": {"qps": 1.0, "burst": 1},
    }
    new = Run(preset=NEW, **crowd).run()
    assert all(row["sent_ns"] == row["asked_ns"] for row in new.requests())
    for preset, client in ((OLD, {}), (NEW, {"throttle": True})):
        short_run = {**crowd, "client": {**crowd["client"], **client}, "until": {"at_most": 5 * SECOND}}
        throttled = Run(preset=preset, **short_run).run()
        assert sum(row["sent_ns"] > row["asked_ns"] + SECOND // 2 for row in throttled.requests()) >= 3


def test_four_built_in_issuers_see_each_request():
    waiting = [Run(preset=NEW, seed=seed).run().reasons().count("WaitingForApproval") for seed in range(1, 6)]
    assert max(waiting) == 4  # each of them, where all see it before it is approved
    issuers = {row["controller"] for row in Run(preset=NEW).run().reconciles() if "-issuer-" in row["controller"]}
    assert {short(name) for name in issuers} == {
        "issuer-acme",
        "issuer-ca",
        "issuer-selfsigned",
        "issuer-vault",
    }


@pytest.mark.parametrize(("preset", "names"), [(OLD, True), (NEW, False)])
def test_the_conflict_line_names_controller_and_key_in_1_12_only(preset: str, names: bool):
    lines = [line["message"] for line in Run(preset=preset).run().lines() if "optimistic locking" in line["message"]]
    assert lines
    for line in lines:
        assert ("cert-manager/certificates-" in line, 'key="default/c0000"' in line) == (names, names)
        assert 'Operation cannot be fulfilled on certificates.cert-manager.io \\"c0000\\"' in line


def twins(preset: str, until: int) -> Run:
    """Two Certificates that name the same Secret: the second comes when the first is Ready."""
    run = Run(preset=preset, until={"at_least": until, "at_most": until})
    spec = {
        "secretName": "c0000-tls",
        "commonName": "twin",
        "dnsNames": ["twin.example.test"],
        "issuerRef": {"name": "selfsigned", "kind": "Issuer"},
        "privateKey": {"algorithm": "ECDSA"},
    }
    run.send(5 * SECOND, Write("create", "Certificate", "twin", {"spec": spec}, "user"))
    return run


def test_a_certificate_whose_secret_another_one_uses_is_not_issued():
    run = twins(NEW, 30 * SECOND).run()
    late = [brief(row) for row in run.writes(certificate="twin") if row["sent_ns"] > 5 * SECOND]
    assert late == [("readiness", "update", "certificates/status", 200)]
    assert condition(run.status("twin"), "Issuing") is None
    ready = condition(run.status("twin"), "Ready")
    assert ready is not None
    assert ready["status"] == "False"
    assert run.status("c0000")["revision"] == 1
    assert run.secret().data is not None
    assert run.secret().data["tls.crt"].common_name == "c0000"


def test_trigger_looks_again_after_three_minutes():
    run = twins(NEW, 4 * MINUTE).run()
    passes = list(run.reconciles(controller="certificates-trigger", key="twin"))
    assert [row["cause"] for row in passes][-1] == "schedule"
    # Each look starts the three minutes anew.
    assert passes[-1]["started_ns"] - passes[-2]["started_ns"] == pytest.approx(3 * MINUTE, abs=50 * MS)


def test_the_twin_is_issued_when_the_first_one_is_gone():
    run = twins(NEW, 5 * MINUTE)
    run.send(20 * SECOND, Write("delete", "Certificate", "c0000", {}, "user"))
    run.run()
    assert run.status("twin")["revision"] == 1
    (create,) = list(run.writes(verb="create", resource="certificaterequests", certificate="twin"))
    assert create["sent_ns"] > 3 * MINUTE


def test_in_1_12_the_twin_takes_the_secret_over():
    run = twins(OLD, 20 * SECOND).run()
    assert run.status("twin")["revision"] == 1
    assert run.secret().data is not None
    assert run.secret().data["tls.crt"].common_name == "twin"
    # The first one's request still matches its spec, so that nobody there issues again.
    assert run.status("c0000")["revision"] == 1


def test_the_certificate_that_the_secret_names_is_its_owner():
    # internal/controller/certificates/certificates.go, CertificateOwnsSecret, v1.21.1: the annotation
    # cert-manager.io/certificate-name counts before the age.
    run = Run(preset=NEW, workload={"arrival": {"schedule": [3 * SECOND]}}, until={"at_least": 30 * SECOND})
    spec = {
        "secretName": "older-tls",
        "dnsNames": ["older.example.test"],
        "issuerRef": {"name": "selfsigned", "kind": "Issuer"},
        "privateKey": {"algorithm": "ECDSA"},
    }
    run.send(0, Write("create", "Certificate", "older", {"spec": spec}, "user"))
    body = {"spec": {"secretName": "c0000-tls", "dnsNames": ["changed.example.test"]}}
    run.send(15 * SECOND, Write("merge-patch", "Certificate", "older", body, "user"))
    run.run()
    assert run.secret().annotations["cert-manager.io/certificate-name"] == "c0000"
    late = [row for row in run.writes(actor="certificates-issuing", resource="secrets") if row["sent_ns"] > 15 * SECOND]
    assert late == []


@pytest.mark.parametrize(("preset", "named_stays"), [(OLD, False), (NEW, True)])
def test_of_several_next_keys_the_named_one_stays_in_1_21_only(preset: str, named_stays: bool):
    external = {"type": "external", "latency": {"p50": 3 * SECOND, "p90": 3 * SECOND + 1}}
    run = Run(preset=preset, issuer=external)
    labels = {"cert-manager.io/next-private-key": "true"}

    def another() -> None:
        body = {"metadata": {"labels": labels}, "data": {"tls.key": "not looked at"}}
        run.send(0, Write("create", "Secret", "extra", body, "user", owner=run.certificate().uid))

    run.sim.call_in(SECOND, another)
    run.run()
    deletes = run.writes(verb="delete", resource="secrets")
    deleted = {row["object"] for row in deletes if row["sent_ns"] < 2 * SECOND}
    first = run.writes(verb="create", resource="secrets", actor="certificates-key-manager")[0]["object"]
    assert deleted == ({"extra"} if named_stays else {"extra", first})
    assert run.cluster.settled


@pytest.mark.parametrize(("preset", "revision"), [(OLD, 1), (NEW, 2)])
def test_a_secret_whose_key_was_replaced_is_issued_again_in_1_21_only(preset: str, revision: int):
    # A key pair that is sound in itself, but not the one that the current request asked for.
    run = Run(preset=preset, until={"at_least": 30 * SECOND})
    key = Key("another", "ECDSA", 256)

    def replace() -> None:
        signed = run.secret().data or {}
        data = {"tls.key": key, "tls.crt": signed["tls.crt"]._replace(key=key)}
        run.send(0, Write("merge-patch", "Secret", "c0000-tls", {"data": data}, "user"))

    run.sim.call_in(15 * SECOND, replace)
    run.run()
    assert run.status()["revision"] == revision


def test_an_external_issuer_tries_again_when_it_is_refused():
    external = {"type": "external", "latency": {"p50": 2 * SECOND, "p90": 2 * SECOND + 1}}
    run = Run(preset=NEW, issuer=external, until={"at_least": 10 * SECOND})
    for k in range(200):
        body = {"metadata": {"annotations": {"note": str(k)}}}
        run.send(2 * SECOND + 2 * k * MS, Write("merge-patch", "CertificateRequest", "c0000-1", body, "user"))
    run.run()
    *refused, signed = run.writes(actor="external-issuer")
    assert refused
    assert {row["reason"] for row in refused} == {"Conflict"}
    assert signed["code"] == 200
    for one, following in pairwise([*refused, signed]):
        waited = following["sent_ns"] - one["answered_ns"]
        assert SECOND <= waited < 2 * SECOND  # an answer of a busy server is on its way for a while
    assert run.status()["revision"] == 1


def test_an_expired_certificate_fails_the_issuance():
    short_lived = {**ECDSA, "duration": 2 * SECOND, "renew_before": SECOND}
    slow = {"type": "ca"}
    profile = {"server": {"times": {"request_status": {"p50": 5 * SECOND, "p90": 5 * SECOND + 1}}, "cpu_share": 1e-6}}
    new = Run(preset=NEW, certificate=short_lived, issuer=slow, profile=profile, until={"at_most": 30 * SECOND}).run()
    issuing = condition(new.status(), "Issuing")
    assert issuing is not None
    assert (issuing["status"], issuing["reason"]) == ("False", "InvalidCertificate")
    assert "expired" in issuing["message"]
    assert new.stored("Secret") == []
    old = Run(preset=OLD, certificate=short_lived, issuer=slow, profile=profile, until={"at_most": 30 * SECOND}).run()
    assert old.status()["revision"] >= 1


def test_a_deletion_that_is_refused_ends_the_cleaning_up():
    run = Run().run()
    (manager,) = run.cluster.processes()
    (key_manager,) = (each for each in manager.controllers if each.name == "certificates-key-manager")
    assert isinstance(key_manager, KeyManager)
    secret = run.secret()
    for code, goes_on in ((400, False), (404, False), (200, True)):
        steps = key_manager._delete(run.certificate(), [secret, secret])
        next(steps)
        answer = Response(code, "", None, False)
        if goes_on:
            assert isinstance(steps.send(answer), Send)
        else:
            with pytest.raises(StopIteration) as stop:
                steps.send(answer)
            assert stop.value.value is answer
