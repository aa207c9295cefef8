from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sim.kernel.clock import EPOCH, unix_seconds
from sim.units import MS, SECOND
from tests.families.certmanager.runs import ECDSA, Run, brief, changed, condition, short

SEEDS = range(12)
TIMES = ["notBefore", "notAfter", "renewalTime"]


def alone(seed: int, strategy: str, **scenario: Any) -> Run:
    return Run(seed=seed, strategy=strategy, **scenario).run()


def effective(run: Run) -> list[tuple[str, str, str, list[str]]]:
    """Who changed what, in order: requests that were refused or stored nothing left out."""
    return [
        (short(row["actor"]), row["verb"], row["resource"], changed(row))
        for row in run.writes()
        if row["code"] < 300 and (row["written_version"] or row["verb"] == "delete")
    ]


def expected(write: str, request_write: str, signer: str) -> list[list[tuple[str, str, str, list[str]]]]:
    """One issuance as model.md section 3 tells it: rows follow each other, what stands in a row races."""
    status = "certificates"
    return [
        [("lab", "create", status, [])],
        [
            ("trigger", write, status, ["conditions[Issuing]"]),
            ("readiness", write, status, ["conditions[Ready]"]),
        ],
        [
            ("key-manager", "create", "secrets", []),
            ("key-manager", write, status, ["nextPrivateKeySecretName"]),
        ],
        [("request-manager", "create", "certificaterequests", [])],
        [("approver", request_write, "certificaterequests", [])],
        [(signer, "update" if signer == "external-issuer" else request_write, "certificaterequests", [])],
        [("issuing", "apply", "secrets", [])],
        [
            ("issuing", write, status, ["conditions[Issuing]", "revision"]),
            ("readiness", write, status, ["conditions[Ready]", *TIMES]),
            ("key-manager", "delete", "secrets", []),
            ("key-manager", write, status, ["nextPrivateKeySecretName"]),
        ],
    ]


# The verbs that Certificates and CertificateRequests are written with.
VERBS = {"update": ("update", "update"), "apply": ("apply", "apply"), "merge-patch": ("patch", "update")}


@pytest.mark.parametrize("strategy", list(VERBS))
@pytest.mark.parametrize("issuer", ["selfsigned", "ca", "external"])
def test_one_issuance_is_this_sequence_of_writes(strategy: str, issuer: str):
    signer = "external-issuer" if issuer == "external" else f"issuer-{issuer}"
    for seed in SEEDS:
        run = alone(seed, strategy, issuer={"type": issuer})
        found = effective(run)
        assert found[0][0] == "lab"
        # The whole list as a multiset, and places in it where one thing causes the other. readiness's first
        # write causes nothing; it may lose against all others until the end.
        rows = expected(*VERBS[strategy], signer)
        found_all = Counter(map(repr, found))
        if rows[1][1] not in found:  # it has lost until the Certificate was ready
            assert strategy != "apply"
            found_all[repr(rows[1][1])] += 1
        assert found_all == Counter(repr(each) for row in rows for each in row)
        trigger = found.index(rows[1][0])
        chain = [trigger, *(found.index(each) for row in rows[2:7] for each in row)]
        assert chain == sorted(chain)
        applied, issued, readied, deleted = (found.index(each) for each in (rows[6][0], *rows[7][:3]))
        assert applied < issued < deleted
        assert applied < readied
        assert [each[0] for each in found].count("key-manager") == 4
        assert deleted < len(found) - 1 - found[::-1].index(rows[7][3])


def test_under_update_whoever_is_second_is_refused_and_tries_again():
    refused: Counter[str] = Counter()
    for seed in SEEDS:
        run = alone(seed, "update")
        rows = run.writes(resource="certificates", subresource="status")
        conflicts = [row for row in rows if row["code"] == 409]
        assert {row["reason"] for row in conflicts} == {"Conflict"}
        assert {(row["verb"], row["conditional"]) for row in rows} == {("update", True)}
        # trigger and readiness race on the first event, and one of them loses.
        assert {short(row["actor"]) for row in rows[:2]} == {"trigger", "readiness"}
        assert [row["code"] for row in rows[:2]] == [200, 409]
        refused[short(rows[1]["actor"])] += 1
        # The retry comes from the winner's watch event, long before the back-off of a second.
        retry = next(row for row in rows[2:] if row["actor"] == rows[1]["actor"])
        assert retry["received_ns"] - rows[1]["answered_ns"] < 30 * MS
    assert set(refused) == {"trigger", "readiness"}


def test_six_successful_status_writes_under_update():
    firsts = 0
    for seed in SEEDS:
        run = alone(seed, "update")
        rows = run.writes(resource="certificates", subresource="status", code=200)
        writes = Counter(short(row["actor"]) for row in rows)
        first = writes["readiness"] - 1  # unless it loses until the Certificate is ready
        assert first in {0, 1}
        firsts += first
        assert writes == {"trigger": 1, "readiness": 1 + first, "key-manager": 2, "issuing": 1}
    assert firsts > len(SEEDS) / 2


def test_an_apply_is_never_refused_and_carries_no_resource_version():
    repeated = 0
    for seed in SEEDS:
        run = alone(seed, "apply")
        rows = run.writes(resource="certificates", subresource="status")
        assert {(row["verb"], row["code"], row["conditional"]) for row in rows} == {("apply", 200, False)}
        repeated += sum(not row["written_version"] for row in rows)
    assert repeated > 0  # a stale copy writes again, without effect


def test_eleven_of_the_requests_of_one_issuance_are_events():
    run = alone(1, "update")
    rows = run.requests(resource="events")
    assert Counter(short(row["actor"]) for row in rows) == {
        "trigger": 1, "key-manager": 1, "request-manager": 1, "approver": 1, "issuing": 1,
        "issuer-selfsigned": 2, "issuer-acme": 1, "issuer-ca": 1, "issuer-vault": 1, "issuer-venafi": 1,
    }  # fmt: skip
    assert Counter(run.reasons()) == {
        "Issuing": 2, "Generated": 1, "Requested": 1, "WaitingForApproval": 5, "cert-manager.io": 1,
        "CertificateIssued": 1,
    }  # fmt: skip
    assert {(row["verb"], row["code"], row["reconcile"]) for row in rows} == {("create", 201, -1)}


def test_an_external_issuers_requests_are_nothing_to_the_built_in_ones():
    run = alone(1, "update", issuer={"type": "external", "latency": {"p50": 3 * SECOND, "p90": 3 * SECOND + 1}})
    assert "WaitingForApproval" not in run.reasons()
    approved, signed = run.writes(resource="certificaterequests", verb="update")
    assert (short(approved["actor"]), signed["actor"]) == ("approver", "external-issuer")
    assert signed["sent_ns"] - approved["decided_ns"] == pytest.approx(3 * SECOND, abs=20 * MS)


def test_an_unconditional_patch_is_never_refused_and_puts_back_what_others_removed():
    again = failed = 0
    for seed in SEEDS:
        run = alone(seed, "merge-patch-unconditional")
        rows = run.writes(resource="certificates", subresource="status")
        assert {(row["verb"], row["code"], row["conditional"]) for row in rows} == {("patch", 200, False)}
        # The list of conditions is replaced as a whole: a stale one brings Issuing=True back, and with it a
        # second issuance, or another key under the request that is being signed.
        status = run.status()
        conditions = {each["type"]: each for each in status["conditions"]}
        if conditions["Ready"]["status"] == "False":
            assert conditions["Issuing"]["message"].endswith("CSR not signed by referenced private key")
            failed += 1
        else:
            again += status["revision"] > 1
    assert again > 0
    assert failed < len(SEEDS) / 4


@pytest.mark.parametrize("strategy", ["update", "merge-patch"])
def test_at_the_end_issuing_is_gone(strategy: str):
    run = alone(1, strategy)
    assert [each["type"] for each in run.status()["conditions"]] == ["Ready"]
    assert run.status()["revision"] == 1
    assert "nextPrivateKeySecretName" not in run.status()


def test_under_apply_issuing_stays_as_false():
    run = alone(1, "apply")
    assert {each["type"]: each["status"] for each in run.status()["conditions"]} == {
        "Ready": "True",
        "Issuing": "False",
    }
    issuing = condition(run.status(), "Issuing")
    assert issuing is not None
    assert issuing["reason"] == "Issued"
    assert run.status()["revision"] == 1
    assert "nextPrivateKeySecretName" not in run.status()


def test_each_controller_is_a_field_manager_of_its_own():
    prefix = "cert-manager-certificates-"
    applied = {(entry.manager, entry.operation) for entry in alone(1, "apply").certificate().managers}
    own = {(prefix + name, "Apply") for name in ("trigger", "readiness", "key-manager", "issuing")}
    assert applied == own | {("lab", "Update")}
    updated = {(entry.manager, entry.operation) for entry in alone(1, "update").certificate().managers}
    # trigger's condition is gone and so is key-manager's field: nothing is left that they own.
    assert updated == {(prefix + "readiness", "Update"), (prefix + "issuing", "Update"), ("lab", "Update")}


def test_the_target_secret_is_what_was_signed_and_the_temporary_one_is_gone():
    run = alone(1, "update")
    assert [secret.name for secret in run.stored("Secret")] == ["c0000-tls"]
    secret = run.secret()
    assert secret.owner == ""  # not owned by default
    assert secret.type == "kubernetes.io/tls"
    assert secret.data is not None
    assert secret.data["tls.crt"].key == secret.data["tls.key"]
    assert secret.annotations["cert-manager.io/certificate-name"] == "c0000"
    (request,) = run.stored("CertificateRequest")
    assert request.owner == run.certificate().uid
    assert request.annotations["cert-manager.io/certificate-revision"] == "1"
    assert request.spec is not None
    assert request.spec["request"].key == secret.data["tls.key"]
    assert request.status is not None
    assert {each["type"]: each["reason"] for each in request.status["conditions"]} == {
        "Approved": "cert-manager.io", "Ready": "Issued",
    }  # fmt: skip


@pytest.mark.parametrize(("renew_before", "renewed"), [(15 * SECOND, 75), (None, 60)])
def test_the_times_in_the_status_are_the_certificates(renew_before: int | None, renewed: int):
    # By default a third of the lifetime is left at renewalTime.
    run = Run(certificate={**ECDSA, "duration": 90 * SECOND, "renew_before": renew_before}).run()
    start, end, renewal = (unix_seconds(run.status()[name]) for name in TIMES)
    assert (end - start, renewal - start) == (90, renewed)
    assert 0 <= start - EPOCH <= 1


def test_request_manager_holds_its_worker_until_the_request_shows():
    run = alone(1, "update")
    (held,) = [row for row in run.reconciles(controller="certificates-request-manager") if row["requests"]]
    (create,) = run.writes(verb="create", resource="certificaterequests")
    # Polled every 100 ms, for the first time after 100 ms; the cache has it within milliseconds.
    assert 100 * MS <= held["ended_ns"] - create["answered_ns"] < 110 * MS


def test_a_settled_certificate_costs_nothing():
    run = alone(1, "update", until={"at_least": 3600 * SECOND, "at_most": 3600 * SECOND})
    assert max(row["sent_ns"] for row in run.requests()) < 5 * SECOND
    late = [row for row in run.reconciles() if row["started_ns"] > 10 * SECOND]
    assert late == []


def test_keys_cost_core_time():
    cheap, dear = (
        alone(1, "update"),
        Run(certificate={"private_key": {"algorithm": "RSA", "size": 4096}}).run(),
    )
    rest, large = cheap.cluster.machine.busy_ns, dear.cluster.machine.busy_ns
    assert large - rest > 9 * 10 * MS  # nine times at least the shift of RSA-2048's distribution
    (secret,) = list(dear.writes(verb="create", resource="secrets"))
    (first,) = [
        row for row in dear.reconciles(controller="certificates-key-manager") if row["reconcile"] == secret["reconcile"]
    ]
    assert secret["asked_ns"] - first["started_ns"] > 90 * MS
    (secret,) = cheap.writes(verb="create", resource="secrets")
    (first,) = cheap.reconciles(reconcile=secret["reconcile"])
    assert secret["asked_ns"] - first["started_ns"] < 5 * MS


def test_one_controller_alone_may_write_differently():
    run = Run(controllers={"readiness": {"strategy": "apply"}, "issuing": {"strategy": "merge-patch"}}).run()
    verbs = {(short(row["actor"]), row["verb"]) for row in run.writes(resource="certificates", subresource="status")}
    assert verbs == {
        ("trigger", "update"),
        ("key-manager", "update"),
        ("readiness", "apply"),
        ("issuing", "patch"),
    }


def test_answers_are_those_of_the_request():
    assert {brief(row) for row in alone(1, "update").writes()} >= {
        ("lab", "create", "certificates", 201),
        ("key-manager", "create", "secrets", 201),
        ("request-manager", "create", "certificaterequests", 201),
        ("approver", "update", "certificaterequests/status", 200),
        ("issuing", "apply", "secrets", 201),
        ("key-manager", "delete", "secrets", 200),
        ("trigger", "update", "certificates/status", 409),
    }


@pytest.mark.parametrize("actor", ["certificates-trigger", "certificates-readiness"])
def test_a_decision_is_logged_once_it_is_computed_and_before_it_is_sent(actor: str):
    run = alone(1, "update")
    first = run.writes(actor=actor)[0]
    line = next(line for line in run.lines() if line["controller"] == actor)
    encoding = run.cluster.profile.controllers.request_cpu
    assert first["read_ns"] < line["time_ns"] == first["asked_ns"] - encoding


def test_a_pass_that_is_killed_before_it_has_computed_logs_nothing():
    whole = alone(1, "update")
    decided = whole.writes(actor="certificates-trigger")[0]
    halfway = (decided["read_ns"] + decided["asked_ns"]) // 2
    for at, logged in ((halfway, False), (decided["asked_ns"], True)):
        run = Run(seed=1, strategy="update")
        run.sim.call_in(at + 1, next(iter(run.cluster.processes())).process.stop)
        run.run()
        assert any(line["controller"] == "certificates-trigger" for line in run.lines()) == logged
