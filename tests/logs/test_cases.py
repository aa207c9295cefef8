"""Inputs as people have them, each with the right answer beside it in ``expected.md``; each ``command`` is run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.logs.story import BY_CERTIFICATE, CASES, check, requeue, told

LINES = [
    "01-log-json-escaped-export",
    "02-log-cloudwatch-tail",
    "03-log-cloudwatch-filter-json",
    "05-log-kibana-csv",
    "06-log-docker-json-file",
    "08-log-stern-json",
    "09-log-elastic-ndjson",
    "11-log-gke-jsonpayload",
    "12-log-utf16-powershell",
    "17-log-1.14-logger",
    "19-log-1.4-klogr-keys",
]
EVENTS = [
    "13-audit-utf16-powershell",
    "33-audit-eks-filter-log-events",
    "34-audit-eks-s3-export",
    "35-audit-eks-insights-csv",
    "37-audit-aks-storage",
    "41-audit-openshift-node-logs",
    "43-audit-jq-pretty",
    "45-audit-elastic-source",
]
WITHOUT_BODIES = ["39-audit-aks-resource-specific", "40-audit-gke"]
TOGETHER = ["28-audit-old-user-agent-1.5", "30-audit-no-user-agent"]


def run(case: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = CASES / case
    monkeypatch.chdir(folder)
    first, *words = shlex.split((folder / "command").read_text())
    assert first == "requeue"
    return requeue(*words)


def test_every_case_is_run() -> None:
    alone = {"15", "21", "22", "23", "25", "27", "32", "46", "47", "48"}
    named = {case[:2] for case in (*LINES, *EVENTS, *WITHOUT_BODIES, *TOGETHER)}
    assert {folder.name[:2] for folder in CASES.iterdir()} == named | alone


@pytest.mark.parametrize("case", LINES)
def test_lines(case, monkeypatch):
    found = told(run(case, monkeypatch))
    check(found)
    assert found["ignored"] == {}


@pytest.mark.parametrize("case", EVENTS)
def test_audit_events(case, monkeypatch):
    check(told(run(case, monkeypatch)), audit=True)


@pytest.mark.parametrize("case", WITHOUT_BODIES)
def test_audit_events_without_bodies(case, monkeypatch):
    check(told(run(case, monkeypatch)), audit=True, bodies=False)


@pytest.mark.parametrize("case", TOGETHER)
def test_controllers_under_one_name(case, monkeypatch):
    found = told(run(case, monkeypatch))
    assert found["subject"] == "cert-manager"
    assert found["conflicts"]["total"] == 7
    assert list(found["conflicts"]["by_controller"]) == ["controllers (not told apart)"]
    assert found["conflicts"]["by_certificate"] == BY_CERTIFICATE
    assert found["resolved"]["resolved"] == 7
    assert any("(user system:serviceaccount:cert-manager:cert-manager)" in note for note in found["notes"])


def test_a_byte_order_mark_before_the_first_line(monkeypatch):
    found = told(run("15-log-utf8-bom-first-line", monkeypatch))
    assert found["conflicts"]["total"] == 7
    assert found["ignored"] == {}


def test_certificates_of_the_same_name_in_three_namespaces(monkeypatch):
    found = told(run("21-log-namespaces-merged", monkeypatch))
    assert found["conflicts"]["by_certificate"] == {
        "capi-system/serving-cert": 1, "capd-system/serving-cert": 1, "capv-system/serving-cert": 1,
    }  # fmt: skip
    assert found["filtered"]
    assert "whether they were resolved can't be told" in found["verdict"]


def test_the_headline_names_the_other_resource(monkeypatch):
    done = run("22-log-headline-other-resource", monkeypatch)
    assert done.exit_code == 0
    assert done.stdout.startswith(
        "1 write was refused as stale (certificaterequests-issuer-selfsigned on certificaterequests "
        "monitoring/site-tls-c9hfk), none of cert-manager on a Certificate."
    )
    assert "No conflict" not in done.stdout


def test_new_year_in_another_time_zone(monkeypatch):
    found = told(run("23-log-new-year-offset", monkeypatch))
    assert found["conflicts"]["total"] == 7
    assert found["span_s"] == 3600
    assert found["conflicts"]["per_hour"] == pytest.approx(7)


def test_zap_s_seconds(monkeypatch):
    found = told(run("25-log-zap-seconds", monkeypatch))
    assert found["span_s"] == 48
    assert found["conflicts"]["by_controller"]["widget"]["count"] == 5
    assert found["conflicts"]["by_object"] == {"widgets team-a/w": 5}


def test_what_else_is_in_the_way(monkeypatch):
    said = run("27-log-says-why-not-read", monkeypatch).stdout.split("\n")[0]
    assert "1 Certificate waits an hour or more after a failed issuance (web/one-cert)" in said
    assert "1 Certificate is stuck on duplicate CertificateRequests (web/dup-cert)" in said
    assert "stuck on a CertificateRequest that already exists (web/adm-cert)" in said
    assert "client-side throttling, 3 waits, the longest 3.15 s" in said
    assert "1 conflict" in said


def test_refusals_alone(monkeypatch):
    said = run("32-audit-only-409-lines", monkeypatch).stdout
    assert said.startswith("7 conflicts")
    assert "holds refusals alone, not one write that succeeded" in said
    assert "still open" not in said


def test_another_operator(monkeypatch):
    said = run("46-audit-other-operator", monkeypatch).stdout
    assert said.startswith(
        "3 refusals with 409 Conflict of kustomize-controller on kustomizations app-1/app-1 in 5.01 s "
        "(50% of 6 writes); no write of cert-manager in this log."
    )


def test_every_file_of_a_folder_is_accounted_for(monkeypatch):
    done = run("47-folder-leaves-files-out", monkeypatch)
    assert done.exit_code == 0
    assert "7 conflicts" in done.stdout
    explained = requeue("log", "--explain", "input").stdout
    for name in ("audit-ocp.log", "controller.log", "eks.json"):
        assert f"read: input/{name}: " in explained
    assert "left out: input/metrics.txt: metrics" in explained
    assert "CloudWatch log events" in explained
    assert "seen before (same auditID) 21" in explained


def test_calibrate_says_what_it_read(monkeypatch, tmp_path):
    done = run("48-calibrate-unclear-failure", monkeypatch)
    assert done.exit_code == 2
    assert "21 writes and 0 log lines were read" in done.stderr
    assert "10 requests" not in done.stderr
    assert not Path("p.yaml").exists()


def test_calibrate_can_t_use_a_log_without_service_times(monkeypatch):
    monkeypatch.chdir(CASES / "40-audit-gke")
    done = requeue("calibrate", "input.json")
    assert done.exit_code == 2
    assert "one time alone, as GKE's: no service times" in done.stderr
