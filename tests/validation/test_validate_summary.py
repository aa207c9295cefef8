"""The rules by which a validation is summed up, case by case."""

from __future__ import annotations

import pytest

from sim.client.standard import STANDARD
from sim.experiment.executor import InProcess
from sim.scenario.profile import Profile
from sim.validation.ablation import ABLATIONS, ablate, changed
from sim.validation.asked import scenario_from
from sim.validation.cases import Case, Run
from sim.validation.figures import Observation, at_zero
from sim.validation.validate import CaseResult, as_dict, calibrated_on, summarise, validate
from tests.validation.test_validate_asked import ASKED


def observation(readiness: float, trigger: float = 0.0, p50: float = 10.0, **figures: float) -> Observation:
    by_controller = {**at_zero(), "certificates-readiness": readiness, "certificates-trigger": trigger}
    made = {f"conflicts.{name}": count for name, count in by_controller.items()}
    basics = {
        "conflicts": readiness + trigger,
        "requests": 1000.0,
        "requests.certificates-trigger create events 201": 50.0,
        "time_to_ready.p50": p50,
        "time_to_ready.p95": 2 * p50,
        "unfinished": 0.0,
    }
    return Observation({**made, **basics, **figures}, [p50])


def case(name, recorded, simulated, **asked) -> CaseResult:
    runs = tuple(Run(f"{name}/r{n}", None, {}, {}, None, None, {}) for n in range(len(recorded)))
    found = scenario_from(name, {**ASKED, **asked})
    return CaseResult(Case(name, runs, found), recorded, simulated)


def update(name, recorded, predicted, **options) -> CaseResult:
    """A case whose predicted conflicts are ``predicted`` and 2 more or less."""
    simulated = [observation(predicted + by, **options.pop("simulated", {})) for by in (-2, 2)]
    return case(name, [observation(recorded)], simulated, **options)


def test_errors_cover_updates_with_enough_conflicts_alone():
    cases = [
        update("exact", 100, 100),
        update("over", 100, 110),
        update("under", 200, 150),
        update("few", 29, 290),
        case("apply", [observation(0)], [observation(0), observation(0)], server_side_apply=True),
    ]
    found = summarise(cases)
    assert found["cases"] == 5
    assert found["cases_with_enough_conflicts"] == 3
    assert found["median_abs_rel_error_conflicts"] == pytest.approx(0.1)
    assert found["max_abs_rel_error_conflicts"] == pytest.approx(0.25)
    assert (found["apply_cases"], found["apply_cases_with_conflicts"]) == (1, 0)


def test_a_predicted_conflict_under_apply_is_counted_against_it():
    wrong = case("apply", [observation(0)], [observation(0), observation(1)], server_side_apply=True)
    found = summarise([wrong])
    assert found["apply_cases_with_conflicts"] == 1
    assert found["median_abs_rel_error_conflicts"] is None
    assert found["coverage"] is None


def test_coverage_counts_conflicts_by_controller_of_updates():
    # Readiness 100 against 99 and 101: inside. Trigger 5 against 0 and 0: outside. The two others: 0 and 0.
    one = case("one", [observation(100, trigger=5)], [observation(99), observation(101)])
    apply = case("apply", [observation(7)], [observation(0), observation(0)], server_side_apply=True)
    assert summarise([one, apply])["coverage"] == pytest.approx(3 / 4)


def test_the_width_is_over_the_recorded_mean():
    one = case("one", [observation(100)], [observation(90), observation(110)])
    half = 12.7062 * 200**0.5 * 1.5**0.5  # t(1, .975), s, sqrt(1/1 + 1/2)
    expected = (100 + half) / 100 if half > 100 else 2 * half / 100
    assert summarise([one])["median_interval_width"] == pytest.approx(expected, rel=1e-4)


def test_repetitions_are_one_case_set_against_their_mean():
    one = case("one", [observation(90), observation(110)], [observation(99), observation(101)])
    found = as_dict(one)
    assert found["repetitions"] == 2
    assert found["conflicts"]["recorded"] == 100
    assert found["spread"]["conflicts"]["recorded"] == pytest.approx(200**0.5)
    alone = case("one", [observation(100)], [observation(99), observation(101)])
    assert as_dict(alone)["conflicts"]["low"] < found["conflicts"]["low"]


def test_times_are_judged_in_updates_and_ranked_in_all():
    cases = [
        case(f"c{n}", [observation(50, p50=p50)], [observation(50, p50=predicted)] * 2)
        for n, (p50, predicted) in enumerate([(10, 11), (20, 20), (30, 15)])
    ]
    cases.append(case("apply", [observation(0, p50=40)], [observation(0, p50=400)] * 2, server_side_apply=True))
    found = summarise(cases)
    assert found["median_abs_rel_error_time_to_ready"] == pytest.approx(0.1)
    assert found["median_abs_rel_error_time_to_ready_apply"] == pytest.approx(9)
    # Of 6 pairs one is the wrong way round: 20, 30 predicted as 20, 15.
    assert found["rank_agreement_time_to_ready"] == pytest.approx(4 / 6)


def test_conflicts_are_ranked_by_certificate():
    many = update("many", 100, 100, certificates=100)
    few = update("few", 90, 90, certificates=10)
    wrong = update("wrong", 50, 400, certificates=50)
    assert summarise([many, few])["rank_agreement_conflicts"] == pytest.approx(1)
    # A Certificate: 1, 9, 1 recorded and 1, 9, 8 predicted: a tie on one side.
    assert summarise([many, few, wrong])["rank_agreement_conflicts"] == pytest.approx(2 / 6**0.5)


def test_nothing_to_judge_is_none_and_not_zero():
    found = summarise([])
    assert found["cases"] == 0
    assert found["median_abs_rel_error_conflicts"] is None
    assert found["rank_agreement_conflicts"] is None


def test_what_one_side_does_not_list_did_not_happen():
    recorded = observation(1, **{"requests.certificates-key-manager delete secrets 404": 3.0})
    one = case("one", [recorded], [observation(1), observation(1)])
    kinds = as_dict(one)["requests_by_kind"]
    assert kinds["certificates-key-manager delete secrets 404"] == {
        "recorded": 3, "predicted": 0, "low": 0, "high": 0, "inside": False,
    }  # fmt: skip
    bare = Observation({"conflicts": 1.0}, [])
    without = case("bare", [bare], [observation(1), observation(1)])
    assert as_dict(without)["requests_by_kind"]["certificates-trigger create events 201"]["recorded"] is None


def test_unfinished_is_a_share_of_certificates_and_of_runs():
    left = [observation(50, unfinished=count) for count in (0, 5)]
    found = as_dict(case("one", left, [observation(50, unfinished=1), observation(50)]))["unfinished"]
    assert found == {
        "recorded_share": 0.05, "recorded_runs": 0.5, "predicted_share": 0.01, "predicted_runs": 0.5,
    }  # fmt: skip


def test_json_has_the_keys_that_were_agreed():
    found = as_dict(update("one", 100, 100))
    four = {"recorded", "predicted", "low", "high"}
    assert {"name", "repetitions", "conflicts", "by_controller", "requests"} <= found.keys()
    for key in ("conflicts", "requests", "time_to_ready_p50", "time_to_ready_p95"):
        assert found[key].keys() == four
    assert found["by_controller"].keys() >= {"certificates-trigger", "certificates-issuing"}
    assert all(each.keys() == four for each in found["by_controller"].values())
    assert summarise([]).keys() >= {
        "cases", "median_abs_rel_error_conflicts", "max_abs_rel_error_conflicts", "coverage",
        "median_interval_width", "median_abs_rel_error_time_to_ready", "rank_agreement_conflicts",
        "rank_agreement_time_to_ready",
    }  # fmt: skip


def test_a_profile_says_what_it_was_measured_on():
    assert calibrated_on({"observed": {"recordings": ["a/r1", "a/r2", "b/r1"]}}) == {"a", "b"}
    assert calibrated_on({}) == set()
    assert calibrated_on({"observed": None}) == set()


def test_each_ablation_changes_what_is_simulated():
    one = update("one", 100, 100)
    for ablation in ABLATIONS[1:]:
        scenario = changed(one.case, ablation).asked.scenario
        assert (scenario != one.case.asked.scenario) == bool(ablation.scenario)
        assert ablation.changes
        assert ablation.scenario or ablation.profile or ablation.parts != STANDARD


def test_ablations_are_judged_as_the_model_is(tmp_path):
    found = scenario_from("tiny", {**ASKED, "certificates": 3})
    tiny = Case("tiny", (), found)
    simulated = validate([tiny], Profile(), executor=InProcess(), replications=3)[0].simulated
    result = CaseResult(tiny, [observation(40)], simulated)
    few = CaseResult(tiny._replace(name="few"), [observation(29)], simulated)
    outcomes = ablate([result, few], Profile(), executor=InProcess(), replications=2)
    assert [outcome.name for outcome in outcomes] == [ablation.name for ablation in ABLATIONS]
    of_two = sum(run.figures["conflicts"] for run in simulated[:2]) / 2
    assert outcomes[0].conflicts == {"tiny": of_two}  # judged over the cases with enough conflicts
    assert outcomes[0].bias == pytest.approx(of_two / 40 - 1)
    assert outcomes[0].as_dict()["without"] == "everything"
