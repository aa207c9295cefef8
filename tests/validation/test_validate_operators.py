"""Recordings of an operator made with controller-runtime: read, asked again, predicted."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli.app import app
from sim.scenario.errors import ScenarioError
from sim.scenario.reading.profile_file import load_profile, resolve_profile
from sim.units import SECOND
from sim.validation.asked import AskedError
from sim.validation.cases import find_cases
from sim.validation.operators.asked import scenario_from
from sim.validation.operators.observed import observe_run, told
from sim.validation.operators.predicted import predict
from sim.validation.operators.versions import Stored, outcome_of
from sim.validation.predicted import PredictedRun

RECORDINGS = Path(__file__).parent.parent / "data" / "recordings" / "operators"
CASES = sorted(path.name for path in RECORDINGS.iterdir())


def asked(case="0.17-burst-60-update", **changes):
    known = json.loads((RECORDINGS / case / "r1" / "run.json").read_text())["asked"]
    return {**known, **changes}


def run_of(case):
    (found,) = find_cases([RECORDINGS / case])
    return found.runs[0]


@pytest.mark.parametrize("case", CASES)
def test_the_audit_log_says_what_run_json_says(case):
    run = run_of(case)
    found = observe_run(run)
    assert found.notes == []
    assert len(found.times) == 60
    assert {**found.figures, **told(run, "abc"[: run.asked["controllers"]])} == found.figures


def test_a_number_of_controllers_that_is_null_is_one_that_is_not_said(tmp_path):
    case = "burst-60-merge-patch"
    shutil.copytree(RECORDINGS / case, tmp_path / case)
    file = tmp_path / case / "r1" / "run.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "asked": {**data["asked"], "controllers": None}}))
    (found,) = find_cases([tmp_path])
    assert "asked.controllers is not said; assumed: 3" in found.asked.notes
    assert observe_run(found.runs[0]).figures == observe_run(run_of(case)).figures


def test_without_run_jsons_figures_those_of_the_log_are_taken(tmp_path):
    shutil.copytree(RECORDINGS / "burst-60-merge-patch", tmp_path / "burst-60-merge-patch")
    file = tmp_path / "burst-60-merge-patch" / "r1" / "run.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "recorded": {}}))
    (case,) = find_cases([tmp_path])
    figures = observe_run(case.runs[0]).figures
    assert figures["conflicts"] == 0
    assert figures["status_writes"] == 194
    assert figures["lost"] == figures["lost.condition dropped"] == 16
    assert figures["lost_repaired_after.p50"] == pytest.approx(0.101, abs=0.01)


def test_what_run_json_and_the_log_say_differently_is_noted(tmp_path):
    shutil.copytree(RECORDINGS / "burst-60-merge-patch", tmp_path / "burst-60-merge-patch")
    file = tmp_path / "burst-60-merge-patch" / "r1" / "run.json"
    data = json.loads(file.read_text())
    data["recorded"]["lost_updates"]["total"] = 17
    file.write_text(json.dumps(data))
    (case,) = find_cases([tmp_path])
    (note,) = observe_run(case.runs[0]).notes
    assert "lost is 17 in run.json and 16 in the audit log" in note


def version(number, actor, **status):
    conditions = [
        {"type": type_, "status": "True", "observedGeneration": age}
        for type_, age in status.pop("conditions", {}).items()
    ]
    return Stored(number * SECOND, actor, "w", number, 2, {"conditions": conditions, **status})


def test_a_condition_taken_back_is_lost_until_it_is_as_new_again():
    versions = [
        version(1, "widget-a", conditions={"AReady": 1}),
        version(2, "widget-a", conditions={"AReady": 2}),
        version(3, "widget-b", conditions={"AReady": 1, "BReady": 2}),
        version(5, "widget-a", conditions={"AReady": 2, "BReady": 2}),
        version(6, "widget-a", conditions={"AReady": 2}),
    ]
    first, second = outcome_of(versions, {"w": 0}, "ab").lost
    assert (first.what, first.writer, first.owner, first.repaired_after_s) == (
        "condition taken back: AReady", "widget-b", "widget-a", 2,
    )  # fmt: skip
    assert (second.what, second.repaired_after_s) == ("condition dropped: BReady", None)


@pytest.mark.parametrize("wrong", [None, "x", [], {}, True, 1e300, [None], [{}], [{"type": True}], {"a": []}])
def test_a_status_of_any_shape_is_followed(wrong: object):
    """What a log holds is not the project's: a part that is none tells nothing, and ends nothing."""
    whole = {"conditions": {"AReady": 2}, "seenA": {"generation": 2}, "counters": {"a": 2}, "observedGeneration": 2}
    sound = [version(1, "widget-a", **whole), version(3, "widget-a", **whole)]
    for key in whole:
        broken = version(2, "widget-a", **whole)
        broken.status[key] = wrong  # type: ignore[index]
        assert outcome_of([sound[0], broken, sound[1]], {"w": 0}, "ab").to_ready == []
    condition = {"type": "AReady", "status": wrong, "observedGeneration": wrong}
    broken = broken._replace(status={"conditions": [condition]})
    assert all(
        each.writer == "widget-b" for each in outcome_of([sound[0], broken._replace(actor="widget-b")], {}, "ab").lost
    )


def test_parts_that_others_write_can_be_lost_too():
    versions = [
        version(1, "widget-a", seenA={"generation": 2}, counters={"a": 2}, observedGeneration=2),
        version(2, "widget-b", seenA={"generation": 1}, counters={"a": 1}, observedGeneration=1),
    ]
    assert sorted(each.what for each in outcome_of(versions, {}, "ab").lost) == [
        "counter taken back", "observedGeneration taken back", "seen taken back",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patterns": {"a": "guess", "b": "update", "c": "update"}}, "patterns.a is 'guess', wanted update or"),
        ({"patterns": {"a": "update"}}, "a pattern for each of a, b, c"),
        ({"controller_runtime": "0.9.1"}, "controller_runtime is '0.9.1', wanted 0.17 or"),
        ({"queue": "lifo"}, "queue is 'lifo', wanted priority or fifo"),
        ({"flow": "wild"}, "flow is 'wild'"),
        ({"controllers": 9}, "a number from 1 to 5"),
        ({"arrival": "at night"}, "arrival is 'at night'"),
        ({"other_writers": [{"does": "deletes"}]}, "does is 'deletes'"),
        ({"work_ms": 5, "work_distribution": "pareto"}, "work_distribution is 'pareto'"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, words):
    with pytest.raises(AskedError) as error:
        scenario_from("case", asked(**changes))
    assert words in str(error.value)


def test_what_is_not_understood_or_not_said_is_noted():
    known = asked(moon="full")
    del known["queue"]
    assert scenario_from("case", known).notes == (
        "asked.moon is unknown and not simulated: 'full'",
        "asked.queue is not said; assumed: 'priority'",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"controllers": 5, "patterns": dict.fromkeys("abcde", "ssa")},
        {"work_ms": 5, "work_distribution": "exponential", "work_in_idle_reconciles": True, "cpu_ms": 1},
        {"heartbeat_s": 5},
        {"wait_requeue_s": 1, "generation_changed_predicate": True, "backoff_base_ms": 100},
        {"client_qps": -1, "read_your_writes_client": True, "controller_runtime": "0.25.2", "queue": "priority"},
        {"queue": "fifo", "controller_runtime": "0.25.2"},
        {"queue": "priority", "controller_runtime": "0.20.1"},
    ],
)
def test_other_shapes_can_be_asked_and_end(changes):
    scenario = scenario_from("case", asked(widgets=5, **changes)).scenario
    found = predict(PredictedRun(scenario, 0, load_profile(resolve_profile("recorded-2-cores"))))
    assert found.figures["unfinished"] == 0
    assert found.notes == []


def test_the_recorders_writers_are_asked_for_as_they_were_drawn():
    writer = {"does": "merge-patches spec.text, no resourceVersion", "rate_per_s": 3.0, "for_s": 10.0}
    scenario = scenario_from("case", asked(widgets=5, seed=1, other_writers=[writer])).scenario
    drawn, at, edits = random.Random(1000), 0.0, 0
    while (at := at + drawn.expovariate(3.0)) < 10:
        edits += 1
        drawn.randrange(5), drawn.randrange(1_000_000)
    for index in range(2):
        found = predict(PredictedRun(scenario, index, load_profile(resolve_profile("recorded-2-cores"))))
        assert found.figures["requests.lab-spec patch widgets 200"] == edits
        assert found.figures["unfinished"] == 0


def test_a_scaffold_that_reads_again_conflicts_and_one_that_keeps_does_not():
    profile = load_profile(resolve_profile("recorded-2-cores"))
    refetch = scenario_from("case", asked("scaffold-60-refetch")).scenario
    keep = scenario_from("case", asked("scaffold-60-refetch", flow="scaffold-keep")).scenario
    assert 10 <= predict(PredictedRun(refetch, 0, profile)).figures["conflicts"] <= 45  # recorded: 29 and 16
    assert predict(PredictedRun(keep, 0, profile)).figures["conflicts"] == 0  # recorded: 0


def test_validate_takes_both_kinds_of_recording(tmp_path):
    of_cert_manager = RECORDINGS.parent / "validate"
    paths = [str(RECORDINGS / "scaffold-60-refetch"), str(RECORDINGS / "burst-60-merge-patch")]
    made = CliRunner().invoke(app, ["validate", *paths, "--replications", "2", "--jobs", "1", "--json"])
    assert made.exit_code == 0, made.output
    document = json.loads(made.stdout)
    assert document["runs"] == []
    assert [run["name"] for run in document["operators"]["runs"]] == ["scaffold-60-refetch", "burst-60-merge-patch"]
    summary = document["operators"]["summary"]
    assert summary["cases_that_cannot_conflict"] == 1
    assert summary["of_them_predicted_with_conflicts"] == 0
    assert of_cert_manager.is_dir()
    made = CliRunner().invoke(
        app, ["validate", *paths, "--replications", "2", "--jobs", "1", "--out", str(tmp_path / "out")]
    )
    assert made.exit_code == 0, made.output
    assert "Operators: 2 cases, none with 30 recorded conflicts or more" in made.stdout
    written = (tmp_path / "out" / "validation.md").read_text()
    assert "## Recordings of an operator" in written
    assert "| burst-60-merge-patch | 1 | 0 | 0 [0, 0] |" in written


@pytest.mark.parametrize("case", CASES)
def test_a_value_of_any_shape_is_taken_or_refused_in_one_line(case):
    known = asked(case)
    writer = {"does": "reads, waits, updates an annotation", "rate_per_s": 1, "for_s": 1}
    for value in ({}, {"a": 1}, [], [1], [{}], "x", -1, 0, 1e30, True, None):
        for key in (*known, "work_distribution", "queue", "other_writers", "wait_requeue_s"):
            shapes = [value, {"rate_per_s": value, "a": value}, [{**writer, "does": value}]]
            shapes += [[{**writer, part: value}] for part in ("rate_per_s", "for_s", "wait_s", "name", "starts")]
            for changed in shapes:
                with contextlib.suppress(AskedError, ScenarioError):
                    scenario_from("x", {**known, key: changed})
