from __future__ import annotations

import re
from pathlib import Path

import pytest

import sim
from sim.report.forms import markdown
from sim.report.terminal import run_report, verdict
from sim.scenario.model import Scenario
from tests.recorded_rows import MS, certificate, conflict, random_replication, replication, request

COMMAND = "requeue run made-up --seed 1 --replications 6"


def report(result: sim.Result, terminal: bool = False) -> str:
    return run_report(result.summary, folder=Path("results/x"), command=COMMAND, terminal=terminal)


def simulated(monkeypatch: pytest.MonkeyPatch, scenario: Scenario, **rows) -> sim.Result:
    monkeypatch.setattr("sim.experiment.replicate.replicate", lambda _, index: replication(index, **rows))
    return sim.run(scenario)


def test_the_verdict_comes_first_in_words(made_up: Scenario):
    first = report(sim.run(made_up)).splitlines()[0]
    assert re.fullmatch(
        r"12 of 12 Certificates became Ready in every replication\. "
        r"0\.\d\d \[[\d., ]+\] conflicts per Certificate, \d\d% of conditional writes refused; "
        r"nothing was lost\.",
        first,
    )


def test_the_verdict_begins_with_certificates_that_expired(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    objects = [certificate(), certificate(certificate="c0001", expired_s=7200)]
    result = simulated(monkeypatch, made_up, objects=objects, requests=[request()])
    words = "1 of 2 Certificates expired, the longest for 2 h; 2 of 2 Certificates became Ready in every replication. "
    assert verdict(result.summary).startswith(words)
    assert "nothing else was lost" in verdict(result.summary)
    assert words in markdown(result, COMMAND)
    assert words in report(result)


def test_the_report_has_figures_place_and_command(made_up: Scenario):
    text = report(sim.run(made_up))
    for words in ("certificates-trigger", "time to Ready, p95", "requests", "results/x", COMMAND, "seed 1"):
        assert words in text
    assert "recorded" not in text


def test_a_pipe_gets_no_escape_sequences_and_no_boxes_a_terminal_does(made_up: Scenario):
    result = sim.run(made_up)
    piped = report(result)
    assert piped.isascii()
    assert "\x1b" not in piped
    assert "\x1b[1m" in report(result, terminal=True)


def test_names_that_look_like_markup_are_left_alone(made_up: Scenario):
    scenario = made_up.model_copy(update={"name": "[bold]x[/]"})
    assert "[bold]x[/]: update" in report(sim.run(scenario))


def test_writers_may_have_any_name_of_one_line():
    writers = [{"name": name, "rate": 5.0} for name in ("git ops", "sp ü", "a.b c/d")]
    issuer = {"type": "external", "reports_pending": True}
    workload = {"certificates": 40, "arrival": "at-once"}
    scenario = {"name": "x", "workload": workload, "issuer": issuer, "writers": writers}
    text = report(sim.run(Scenario.model_validate(scenario)))
    assert re.search(r"^git ops +\d", text, re.MULTILINE)
    assert "conflicts on CertificateRequests" in text


def test_recorded_figures_stand_beside_the_simulated(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    def run(conflicts: int) -> dict:
        return {
            "conflicts": conflicts,
            "conflicts_by_controller": {"certificates-trigger": conflicts},
            "status_writes_by_controller": {"certificates-trigger": 50, "certificates-issuing": 50},
            "requests_by_controllers": 1234,
            "time_to_ready_s": {"p50": 31.013, "p95": 45.6, "max": 46.2},
        }

    monkeypatch.setattr("sim.scenario.reading.recorded.load_recorded", lambda _: {"repetitions": [run(90), run(117)]})
    text = report(sim.run(made_up.model_copy(update={"recording": "burst-50-update"})))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert re.search(r"103\.5\s+90, 117$", lines["certificates-trigger"])
    assert re.search(r" 0\s+0, 0$", lines["certificates-readiness"])
    assert re.search(r"103\.5\s+90, 117$", lines["all"])
    assert re.search(r"31\.0 s\s+31\.0 s, 31\.0 s$", lines["time to Ready, p50"])
    assert re.search(r"-\s+-$", lines["time to Ready, p99"])
    assert re.search(r"100\s+100, 100$", lines["successful status writes"])


def test_other_writers_are_not_set_against_a_recording(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    figures = {
        "conflicts": 1,
        "conflicts_by_controller": {"certificates-trigger": 1},
        "status_writes_by_controller": {},
        "requests_by_controllers": 9,
        "time_to_ready_s": {},
    }
    monkeypatch.setattr("sim.scenario.reading.recorded.load_recorded", lambda _: {"repetitions": [figures]})
    scenario = made_up.model_copy(update={"recording": "gitops"})
    requests = [conflict(), request(), conflict(actor="gitops", subresource="")]
    text = report(simulated(monkeypatch, scenario, requests=requests, objects=[certificate()]))
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    assert lines["certificates-trigger"][-2:] == ["1", "1"]
    assert lines["gitops"][-2:] == ["-", "-"]
    assert lines["all of cert-manager"][3:] == ["1", "[1,", "1]", "50%", "2", "1", "1"]
    assert lines["all"][1:] == ["2", "[2,", "2]", "67%", "3", "-", "-"]


def test_expectations_say_whether_they_are_met(made_up: Scenario):
    expect = {"conflicts_per_certificate": "< 2", "ready_share": "< 0.5"}
    text = report(sim.run(made_up.model_copy(update={"expect": expect})))
    assert re.search(r"^met\s+conflicts_per_certificate < 2", text, re.M)
    assert re.search(r"^NOT MET\s+ready_share < 0.5", text, re.M)


def test_violations_are_loud(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    result = simulated(monkeypatch, made_up, violations=["a revision went back"])
    text = report(result)
    assert text.startswith("6 INVARIANTS VIOLATED")
    assert "replication 3: a revision went back" in text
    assert "nothing was lost" not in text


def test_what_was_lost_is_said(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    blind = {"conditional": False, "verb": "apply"}
    result = simulated(
        monkeypatch,
        made_up,
        objects=[certificate(), certificate(ready=False, ready_ns=-1)],
        requests=[
            request(**blind, read_version=1, base_version=1, written_version=2),
            request(**blind, read_version=1, base_version=2, written_version=3, actor="certificates-issuing"),
        ],
    )
    said = verdict(result.summary)
    assert said == (
        "1 of 2 Certificates is Ready at the end. "
        "No conditional write was attempted, so none was refused; "
        "1 write overwrote unseen what another had written, 1 Certificate was not finished at the end "
        "(means per replication)."
    )


def test_one_replication_has_no_intervals(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    once = made_up.model_copy(update={"replications": 1})
    objects = [certificate(ready_ns=2000 * MS)]
    text = report(simulated(monkeypatch, once, objects=objects, requests=[request(), conflict()]))
    assert text.startswith(
        "1 of 1 Certificate became Ready. 1 conflict per Certificate, 50% of conditional writes refused; "
    )
    assert "[" not in text


def test_a_run_of_nothing_has_a_report(made_up: Scenario, monkeypatch: pytest.MonkeyPatch):
    assert "0 of 0 Certificates" in report(simulated(monkeypatch, made_up))


def test_the_fixture_is_no_constant(made_up: Scenario):
    assert random_replication(made_up, 0).digest != random_replication(made_up, 1).digest


FOUGHT_OVER = """
name: fought-over
replications: 2
kinds: {App: {}}
workload: {kind: App, objects: 1}
operators:
- name: o
  controllers:
  - name: app
    for: App
    owns: [Deployment]
    steps:
    - {when: size(owned.Deployment) == 0, do: [{create: {kind: Deployment, spec: {replicas: 2}}}]}
    - {when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}
writers:
- {name: hpa, kind: Deployment, rate: 20/s, action: update, wait: 50ms, set: {spec.replicas: 7}, lasts: 3s}
- {name: user, kind: Deployment, rate: 20/s, action: update, wait: 50ms, set: {spec.replicas: 8}, lasts: 3s}
- {name: argocd, kind: Deployment, rate: 5/s, action: apply, set: {spec.replicas: 4}, lasts: 3s}
- {name: broken, kind: Deployment, rate: 5/s, action: patch, set: {spec.replicas: many}, lasts: 3s}
until: {settled_for: 1s, at_least: 3s, at_most: 10s}
"""


def test_what_happens_to_the_objects_that_controllers_make_is_said():
    result = sim.run(sim.load(FOUGHT_OVER))
    text, rows = report(result), result.requests
    at = rows[rows["resource"] == "deployments"]
    many = result.replications.shape[0]

    def mean(chosen: object) -> float:
        return len(at[chosen]) / many

    stale = mean(at["reason"] == "Conflict")
    assert stale > 1
    assert result.metrics["conflicts.elsewhere"].mean == stale
    assert f", {stale:g} conflicts on deployments; " in verdict(result.summary)
    assert re.search(r"^conflicts on deployments +[\d.]+$", text, re.M)
    assert result.metrics["conflicts.total"].mean == 0
    stored = mean((at["actor"] == "hpa") & (at["verb"] == "update") & (at["code"] == 200))
    assert result.summary["written"]["by_controller"]["hpa"]["mean"] == stored
    assert re.search(r"hpa wrote [1-9]", text)
    assert mean(at["reason"] == "FieldConflict") > 1
    assert re.search(r"^answered 409: argocd apply deployments +[1-9]", text, re.M)
    assert re.search(r"^answered 4\d\d: broken patch deployments +\d", text, re.M)


def test_a_time_that_was_expected_has_its_unit(made_up: Scenario):
    text = report(sim.run(made_up.model_copy(update={"expect": {"time_to_ready.p95": "< 30m"}})))
    assert re.search(r"^met +time_to_ready\.p95 < 30m  \([\dm.]+s\)$", text, re.M)
