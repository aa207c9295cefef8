from __future__ import annotations

import json

import pytest

from sim.analysis.reasons import reasons
from sim.experiment.result import Result
from sim.experiment.run import run
from sim.report.attribution import attribution_report, sentence
from sim.scenario.model import Scenario


def simulated(strategy: str, *writers: dict[str, str]) -> Result:
    plain = {"name": "small", "strategy": strategy, "workload": {"certificates": 12}, "writers": list(writers)}
    return run(Scenario.model_validate(plain), replications=2, jobs=1)


@pytest.fixture(scope="module")
def contended() -> Result:
    gitops = {"name": "gitops", "action": "apply", "rate": "3/s", "target": "readyCondition"}
    user = {"name": "user", "action": "update", "rate": "1/s", "target": "annotation", "wait": "300ms"}
    return simulated("update", gitops, user)


def test_sums_are_those_of_the_frames(contended: Result):
    made = contended.attribution
    found = reasons(contended, rows=True)
    assert found["conflicts"] == len(made) == len(found["rows"])
    assert sum(sum(row.values()) for row in found["blame"].values()) == len(made)
    assert sum(found["retried_by"].values()) == len(made)
    assert found["wasted"]["requests"] == made["wasted_requests"].sum() >= len(made)
    assert sum(each["share"] for each in found["staleness"].values()) == pytest.approx(1)
    assert sum(each["outdated"] for each in found["staleness"].values()) == len(made)
    for name, row in found["by_controller"].items():
        mine = made[made["controller"] == name]
        assert row["conflicts"] == len(mine)
        assert row["age_s"] == pytest.approx(mine["age"].mean().total_seconds())
    json.dumps(found, allow_nan=False)


def test_an_apply_that_others_own_is_no_conflict_but_told(contended: Result):
    made = contended.field_conflicts
    assert len(made) > 0
    assert set(made["controller"]) == {"gitops"}
    assert set(made["owners"]) == {"cert-manager-certificates-readiness"}
    assert set(made["contested_fields"]) == {"status.conditions[Ready]"}
    assert "gitops" not in reasons(contended)["blame"]
    counted = sum(each.metrics["field_conflicts"] or 0 for each in contended.measured)
    assert reasons(contended)["field_conflicts"] == {"gitops": counted}
    # Numbers of 409s run through both kinds, Certificate by Certificate.
    both = {
        (row["replication"], row["certificate"], row["conflict"])
        for frame in (made, contended.attribution)
        for row in frame.to_dict("records")
    }
    assert len(both) == len(made) + len(contended.attribution)
    for replication, certificate, number in both:
        assert number == 1 or (replication, certificate, number - 1) in both


def test_what_blind_writes_overwrite_is_told_with_its_victim():
    result = simulated("merge-patch-unconditional")
    made = result.overwritten
    assert len(made) > 0
    assert (made["victim"].astype(str) != made["controller"].astype(str)).all()
    assert (made["victim_version"] > made["read_version"]).all()
    assert (made["victim_version"] < made["written_version"]).all()
    found = reasons(result)
    assert found["conflicts"] == 0
    assert found["overwritten"]["total"] == len(made)
    assert sum(sum(row.values()) for row in found["overwritten"]["by"].values()) == len(made)
    text = attribution_report({"": found}, folder="results/latest", command="requeue run x", terminal=False)
    assert text.startswith("No write was refused as stale.")
    assert "overwrote unseen" in text


def test_the_report_says_what_the_numbers_say(contended: Result):
    found = reasons(contended)
    text = attribution_report({"": found}, folder="results/latest", command="requeue run x", terminal=False)
    assert text.startswith(f"{found['conflicts']} conflicts. {found['true_conflicts']} of them over the same fields")
    assert "gitops: " in text
    assert "requeue explain results/latest" in text
    assert max(map(len, text.splitlines()[1:])) <= 120
    two = attribution_report({"a": found, "b": found}, folder="f", command="c", terminal=False)
    assert two.count(sentence(found)) == 2
