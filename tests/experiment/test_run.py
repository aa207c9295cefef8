from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import sim
from sim.experiment.executor import InProcess, Joblib
from sim.experiment.run import execute
from sim.recording.results import GivenFolder, ResultsError
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario

SMALL = {"name": "small", "replications": 3, "workload": {"certificates": 4}}


def test_a_run_has_its_frames_and_summary(made_up: Scenario):
    result = sim.run(made_up)
    assert len(result.requests) == 6 * 12 * 2
    assert len(result.reconciles) == 6 * 12 * 2
    assert len(result.certificates) == 6 * 12
    assert list(result.replications["replication"]) == [1, 2, 3, 4, 5, 6]
    assert len(result.conflicts) / 6 == pytest.approx(result.summary["conflicts"]["total"]["mean"])
    counts = result.conflicts.groupby("controller", observed=True).size() / 6
    for name, group in result.summary["conflicts"]["by_controller"].items():
        assert group["mean"] == pytest.approx(counts.get(name, 0))


def test_the_summary_agrees_with_the_tables(made_up: Scenario):
    result = sim.run(made_up)
    attempted = result.requests["conditional"] & (result.requests["resource"] == "certificates")
    assert result.summary["conflicts"]["rate"]["mean"] == pytest.approx(len(result.conflicts) / attempted.sum())
    certificates = result.certificates
    seconds = certificates["time_to_ready"].dt.total_seconds()
    each = seconds.groupby(certificates["replication"]).quantile(0.95)
    assert result.summary["time_to_ready"]["p95"] == pytest.approx(each.mean())
    assert result.summary["time_to_ready_pooled"]["p95"]["mean"] == pytest.approx(seconds.quantile(0.95))


def test_seed_and_replications_can_be_given(made_up: Scenario):
    result = sim.run(made_up, seed=5, replications=2)
    assert (result.summary["seed"], result.summary["replications"]) == (5, 2)
    assert result.digest != sim.run(made_up, replications=2).digest


@pytest.mark.parametrize("given", [{"seed": -1}, {"replications": 0}, {"replications": 1.5}])
def test_what_no_run_can_have_is_a_scenario_error(made_up: Scenario, given: dict[str, Any]):
    [(key, value)] = given.items()
    for function in (sim.run, partial(sim.compare, vary={"strategy": ["update", "apply"]}), sim.budget):
        with pytest.raises(
            ScenarioError, match=rf"^{key}={value}: {key}: found {value}; write a whole number, at least"
        ):
            function(made_up, **given)


def test_a_name_a_file_or_a_text_stands_for_its_scenario(made_up: Scenario, tmp_path: Path):
    (tmp_path / "made-up.yaml").write_text(made_up.to_yaml())
    digest = sim.run(made_up, replications=1).digest
    for given in (made_up.to_yaml(), str(tmp_path / "made-up.yaml"), tmp_path / "made-up.yaml"):
        assert sim.run(given, replications=1).digest == digest
    compared = sim.compare("contention/aws-backoff", {"strategy": ["update", "apply"]}, replications=1)
    assert compared.baseline == "update"
    for function in (sim.run, sim.budget, sim.explore, partial(sim.sweep, vary={})):
        with pytest.raises(ScenarioError, match="did you mean tutorial"):
            function("tutorail")


def test_a_figure_that_is_not_there_is_answered_with_those_that_are(made_up: Scenario):
    metrics = sim.run(made_up, replications=1).metrics
    assert metrics["conflict_rate"] == metrics["conflicts.rate"]
    assert metrics.get("nope") is None
    for name in ("nope", "throughput"):  # the second is one of plain clients
        with pytest.raises(KeyError, match=f"no figure is called '{name}' here; there are conflicts.per_certificate, "):
            metrics[name]
    with pytest.raises(KeyError, match=r"did you mean time_to_ready\.p99"):
        metrics["time_to_redy.p99"]


def test_progress_is_told(made_up: Scenario):
    told: list[tuple[int, int]] = []
    sim.run(made_up, progress=lambda at: told.append((at.done, at.total)))
    assert told == [(number, 6) for number in range(1, 7)]


def test_a_folder_gives_back_what_was_run(made_up: Scenario, tmp_path: Path):
    written = sim.run(made_up, out=tmp_path / "out")
    memory = sim.run(made_up)
    read = sim.open_results(tmp_path / "out")
    for result in (written, read):
        assert result.digest == memory.digest
        assert result.scenario == made_up
        assert json.dumps(result.summary) == json.dumps(memory.summary)
        for name in ("requests", "reconciles", "certificates", "conflicts", "replications"):
            pd.testing.assert_frame_equal(getattr(result, name), getattr(memory, name))
    times = [[list(each.times_to_ready) for each in result.measured] for result in (read, memory)]
    assert times[0] == times[1]


def test_the_folder_has_what_its_readme_says(made_up: Scenario, tmp_path: Path):
    out = tmp_path / "out"
    sim.run(made_up, out=out)
    readme = Path("results/README.md").read_text("utf-8")
    for entry in out.iterdir():
        assert f"`{entry.name}`" in readme
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == 1
    assert manifest["replications"] == 6
    expected = "kind format files requeue python packages scenario scenario_file seed replications digest command"
    assert set(manifest) == set(expected.split())
    assert Scenario.model_validate(yaml.safe_load((out / "scenario.yaml").read_text())) == made_up
    assert sim.load(out / "scenario.yaml") == made_up


def test_two_runs_leave_the_same_files(made_up: Scenario, tmp_path: Path):
    for name in ("a", "b"):
        sim.run(made_up, out=tmp_path / name)
    for file in ("manifest.json", "summary.json", "scenario.yaml"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_failed_run_leaves_no_folder(made_up: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(scenario: Scenario, index: int):
        raise RuntimeError("broken")

    monkeypatch.setattr("sim.experiment.replicate.replicate", broken)
    with pytest.raises(RuntimeError, match="broken"):
        sim.run(made_up, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_expectations_and_violations_decide_whether_all_is_well(made_up: Scenario, monkeypatch):
    from tests.recorded_rows import random_replication

    def expecting(condition: str) -> Scenario:
        return made_up.model_copy(update={"expect": {"conflicts_per_certificate": condition}})

    assert sim.run(expecting("< 2")).ok
    missed = sim.run(expecting("> 2"))
    assert not missed.ok
    assert missed.summary["expectations"][0]["metric"] == "conflicts_per_certificate"

    def unsound(scenario: Scenario, index: int):
        made = random_replication(scenario, index)
        made.violations.append("a revision went back")
        return made

    monkeypatch.setattr("sim.experiment.replicate.replicate", unsound)
    assert not sim.run(made_up).ok


def test_what_is_no_results_folder_is_refused(tmp_path: Path):
    with pytest.raises(ResultsError, match="no results folder"):
        sim.open_results(tmp_path)


@pytest.mark.parametrize("strategy", ["update", "apply"])
def test_the_simulator_gives_the_same_whatever_the_executor(tmp_path: Path, strategy: str):
    scenario = Scenario.model_validate(SMALL | {"strategy": strategy})
    here = execute(scenario, executor=InProcess(), log=True)
    there = execute(scenario, executor=Joblib("loky", 2), log=True, folder=GivenFolder(tmp_path / "out"))
    assert here.digest == there.digest
    assert here.summary == there.summary
    assert here.log == there.log
    pd.testing.assert_frame_equal(here.requests, there.requests)
    # Of a folder only what lost and won is read, so names that did neither are no categories there.
    pd.testing.assert_frame_equal(here.conflicts, there.conflicts, check_categorical=False)


def test_replication_i_does_not_depend_on_how_many_there_are():
    few = sim.run(Scenario.model_validate(SMALL), replications=2)
    more = sim.run(Scenario.model_validate(SMALL), replications=3)
    assert [each.digest for each in few.measured] == [each.digest for each in more.measured][:2]


def test_the_log_has_a_line_for_each_conflict_of_replication_1():
    result = execute(Scenario.model_validate(SMALL | {"workload": {"certificates": 20}}), log=True)
    logged = sum("optimistic locking" in line for line in result.log or [])
    assert logged == (result.conflicts["replication"] == 1).sum() > 0


def test_the_log_hides_conflicts_at_debug_level():
    scenario = Scenario.model_validate(SMALL | {"log": {"conflict_level": "debug"}})
    result = execute(scenario, log=True)
    assert not any("optimistic locking" in line for line in result.log or [])
    assert result.summary["conflicts"]["total"]["mean"] > 0
