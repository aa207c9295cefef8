"""A name has one number, whoever is asked: run, compare, sweep, expect, JSON, Python, budget, precision, the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.analysis import figures
from sim.analysis.sequential import Precision
from sim.experiment import goals
from sim.experiment.looks import Precisely
from sim.report.comparison import comparison_report
from sim.report.figures_reference import figures_reference
from sim.report.numbers import interval
from sim.report.terminal import run_report
from sim.scenario.metrics import ALIASES, METRICS, metrics_of
from sim.scenario.model import Scenario

CERTIFICATES = """
name: walk
replications: 3
workload: {certificates: 6}
client: {qps: 10, burst: 5}
writers: [{name: user, rate: 2/s, action: update, wait: 300ms, start: 0s}]
"""
CLIENTS = """
name: walk
replications: 3
contention: {clients: 4, think: {mean: 20ms}}
until: {at_most: 5s}
"""


@pytest.fixture(scope="module", params=[CERTIFICATES, CLIENTS], ids=["Certificates", "clients"])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return sim.load(request.param)


def test_every_command_gives_a_name_the_same_number(scenario: Scenario, tmp_path: Path):
    expect = dict.fromkeys(metrics_of(scenario.family), ">= 0")
    result = sim.run(scenario.model_copy(update={"expect": expect}), out=tmp_path / "run", jobs=1)
    wanted = {name: each.as_dict() for name, each in result.metrics.items()}
    assert set(wanted) == set(expect)
    document = json.loads(json.dumps(result.summary))
    assert document["metrics"] == wanted
    assert sim.open_results(tmp_path / "run").metrics == result.metrics
    assert {each["metric"]: each["value"] for each in document["expectations"]} == {
        name: group["mean"] for name, group in wanted.items()
    }
    vary = {"strategy": ["update", "apply"]}
    for metric in (name for name, about in metrics_of(scenario.family).items() if about.comparable):
        kept = Precisely(metric, Precision(0.05), {"walk": scenario}).kept({"walk": result.measured})
        assert figures.estimate(metric, kept["walk"]).as_dict() == wanted[metric]
        found = goals.constraint(f"{metric} >= 0", scenario.family)
        assert found.violation(result.measured) in {0.0, float("inf")}
    comparison = sim.compare(scenario, vary, jobs=1)
    swept = sim.sweep(scenario, vary, executor="in-process")
    for metric in figures.listed(metrics_of(scenario.family)):
        assert comparison.estimates[comparison.baseline][metric].as_dict() == wanted[metric], metric
        cell = next(each for each in swept.as_dict()["cells"] if each["current"])
        assert cell["metrics"][metric] == wanted[metric], metric


def test_reports_write_the_same_numbers(scenario: Scenario):
    result = sim.run(scenario, jobs=1)
    comparison = sim.compare(scenario, {"strategy": ["update", "apply"]}, jobs=1)
    ran = " ".join(run_report(result.summary, folder=None, command="x", terminal=False).split())
    compared = " ".join(comparison_report(comparison, command="x", terminal=False).split())
    for name in ("conflicts.rate", "time_to_ready.p95", "retries", "time", "work"):
        if name in metrics_of(scenario.family):
            text = interval(result.metrics[name].as_dict(), METRICS[name].unit)
            assert text in compared
            assert text in ran or name == "conflicts.rate"


def test_the_writes_of_others_are_in_what_is_of_all_and_not_in_what_is_of_the_controllers():
    found = sim.run(sim.load(CERTIFICATES), jobs=1).metrics
    assert found["requests.total"].mean > found["requests.by_controllers"].mean
    assert found["conflicts.total"].mean > found["conflicts.by_controllers.total"].mean > 0
    assert found["conflicts.per_certificate"].mean == pytest.approx(found["conflicts.total"].mean / 6)


def test_core_time_wasted_is_that_of_the_attribution_and_of_ghosts():
    result = sim.run(sim.load(CERTIFICATES, ["replications=1"]), jobs=1)
    passes = result.reconciles
    lost = result.attribution["wasted_cpu"].dt.total_seconds().sum()
    ghosts = result.metrics["ghost_reconciles"].mean
    idle = passes[(passes["cause"] == "backoff") & (passes["requests"] == 0)]["cpu"].dt.total_seconds()
    wasted = result.metrics["wasted_cpu"].mean
    assert wasted >= lost > 0
    assert wasted - lost <= idle.sum() + 1e-9
    assert ghosts > 0
    assert wasted - lost > 1e-9


def test_renewals_have_figures_of_their_own():
    text = """
name: renewing
replications: 1
workload: {certificates: 4}
certificate: {duration: 1h, renew_before: 30m}
until: {at_least: 40m, at_most: 1h}
"""
    result = sim.run(sim.load(text), jobs=1)
    found = result.metrics
    assert (found["issued"].mean, found["renewed"].mean) == (8, 4)
    assert (result.certificates["revision"] == 2).all()
    assert 0 < found["time_to_renewed.p50"].mean < 60
    assert found["conflicts.per_issuance"].mean == pytest.approx(found["conflicts.total"].mean / 8)
    said = run_report(result.summary, folder=None, command="x", terminal=False)
    assert "8 issuances, of them 4 renewals" in said
    assert "time to renewed, p95" in said


def test_older_spellings_are_accepted_everywhere(scenario: Scenario):
    result = sim.run(scenario, replications=2, jobs=1)
    for alias, name in ALIASES.items():
        if name not in metrics_of(scenario.family):
            continue
        unit = "ms" if METRICS[name].unit == "milliseconds" else ""
        assert result.metrics[alias] == result.metrics[name]
        assert goals.constraint(f"{alias} >= 1{unit}").metric == name
        assert Scenario.model_validate(scenario.resolved() | {"expect": {alias: f">= 1{unit}"}})
        assert sim.side_by_side({"a": result, "b": result}, metric=alias).metric == name


def test_what_cannot_be_paired_is_refused_and_what_the_family_has_not_as_well(scenario: Scenario):
    other = "time" if scenario.family == "cert-manager" else "stranded"
    with pytest.raises(ValueError, match="there is none here"):
        sim.sweep(scenario, {"strategy": ["update", "apply"]}, metric=other)
    with pytest.raises(ValueError, match=r"cannot be paired; choose time_to_ready\.p95"):
        sim.compare(scenario, {"strategy": ["update", "apply"]}, metric="time_to_ready_pooled.p95")


def test_the_reference_of_figures_is_up_to_date():
    """Write it anew with: python -m sim.report.figures_reference > docs/figures.md."""
    page = Path(__file__).parents[2] / "docs" / "figures.md"
    assert page.read_text("utf-8") == figures_reference()
    assert all(f"| `{name}` |" in figures_reference() for name in METRICS)
