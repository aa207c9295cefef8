"""The search on a made-up system whose best configuration is known, so that it takes milliseconds."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
import yaml

from sim.analysis.measured import Measured
from sim.experiment.goals import constraint
from sim.experiment.recommend import FRESH, expected, fragment, tune
from sim.experiment.screening import screen, verdicts
from sim.experiment.space import Dimension, changed, current, default_space, dimensions, same
from sim.experiment.tune import Question, Tried, chosen, front, search
from sim.report.tune import figure, verdict
from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load
from sim.units import SECOND

SCENARIO = Scenario.model_validate({"name": "made-up", "certificate": {}, "workload": {"certificates": 10}})


class Toy:
    """Time to Ready falls with qps, requests grow with it; 2 s is the best first wait; the longest does nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float, int]] = []
        self.expected = 0

    def name(self, scenarios: Mapping[str, Scenario]) -> None:
        """What trials are called is shown to nobody here."""

    def replications(self, scenario: Scenario, indices: Iterable[int]) -> list[Measured]:
        return self.evaluate((scenario, index) for index in indices)

    def evaluate(self, wanted: Iterable[tuple[Scenario, int]]) -> list[Measured]:
        return [self._one(scenario, index) for scenario, index in wanted]

    def _one(self, scenario: Scenario, index: int) -> Measured:
        qps, base = scenario.client.qps, scenario.retry.base / SECOND
        self.asked.append((qps, base, index))
        luck = np.random.default_rng(index).normal()  # of the replication, shared by all configurations
        own = np.random.default_rng([index, int(qps * 1000), int(base * 1000)]).normal()
        metrics = {
            "time_to_ready_p99": 1000 / qps + 8 * np.log(base / 2) ** 2 + luck + 0.1 * own,
            "requests": 100 + qps + luck + 0.1 * own,
            "gave_up": 1 if qps > 80 else 0,
            "certificates": 10,
            "ended_s": 60.0,
            "settled": 1,
        }
        return Measured(index, 1, f"{index}", metrics, array("d"))


SPACE = ["client.qps=10..100/log", "retry.base=100ms..10s/log", "retry.max=30s..5m"]


def question(objectives: list[str], trials: int = 40, constraints: tuple[str, ...] = ("gave_up == 0",)) -> Question:
    conditions = [constraint(each) for each in constraints]
    return Question(SCENARIO, dimensions(SPACE, SCENARIO), objectives, conditions, trials, 9)


def test_one_objective_finds_the_best_that_is_allowed():
    tried = search(question(["time_to_ready.p99"]), Toy())
    best = chosen(tried, ["time_to_ready.p99"])
    assert 60 < float(best.settings["client.qps"]) <= 80  # faster would give up
    assert all(one.state == "infeasible" for one in tried if float(one.settings["client.qps"]) > 80)
    assert tried[0].settings == {"client.qps": "20", "retry.base": "1s", "retry.max": "30s"}
    assert {one.state for one in tried} >= {"complete", "raced out", "infeasible"}


def test_trials_are_raced_on_shared_replications():
    toy = Toy()
    tried = search(question(["time_to_ready.p99"]), toy)
    assert {len(one.measured) for one in tried if one.state == "complete"} == {9}
    assert {len(one.measured) for one in tried if one.state == "raced out"} <= {3, 6}
    for one in tried:
        assert [each.index for each in one.measured] == list(range(len(one.measured)))
    assert sum(len(one.measured) for one in tried) < 0.8 * 40 * 9


def test_the_front_has_what_nothing_beats_and_the_choice_is_on_it():
    objectives = ["time_to_ready.p99", "requests.total"]
    tried = search(question(objectives), Toy())
    found = front(tried, objectives)
    assert len(found) > 3
    means = {
        one.number: tuple(
            np.mean([each.metrics[key] for each in one.measured]) for key in ("time_to_ready_p99", "requests")
        )
        for one in tried
        if one.state == "complete"
    }
    for one in found:
        mine = means[one.number]
        assert not any(a <= mine[0] and b <= mine[1] and (a, b) != mine for a, b in means.values())
    assert chosen(tried, objectives) in found


def test_the_same_question_is_searched_the_same_way_and_another_seed_another():
    first, again = Toy(), Toy()
    one = search(question(["time_to_ready.p99"], 15), first)
    two = search(question(["time_to_ready.p99"], 15), again)
    assert [each.settings for each in one] == [each.settings for each in two]
    assert first.asked == again.asked
    other = Question(
        SCENARIO.model_copy(update={"seed": 2}), dimensions(SPACE, SCENARIO), ["time_to_ready.p99"], [], 15, 9
    )
    assert [each.settings for each in search(other, Toy())] != [each.settings for each in one]


def test_the_answer_is_tried_on_replications_that_no_trial_saw_and_changes_only_what_matters():
    toy = Toy()
    asked = question(["time_to_ready.p99"])
    found = tune(asked, toy, 20)
    document = found.as_dict()
    assert [each.index for each in found.fresh[0]] == list(range(FRESH, FRESH + 20))
    assert max(index for _, _, index in toy.asked if index < FRESH) < 9
    assert document["not_worth_tuning"] == ["retry.max"]
    assert document["worth_tuning"] == ["client.qps", "retry.base"]
    assert document["recommended"]["settings"]["retry.max"] == "30s"
    assert set(document["recommended"]["changes"]) == {"client.qps", "retry.base"}
    difference = document["improvement"]["time_to_ready.p99"]["difference"]
    qps, base = found.recommended.scenario.client.qps, found.recommended.scenario.retry.base / SECOND
    true = 1000 / qps + 8 * np.log(base / 2) ** 2 - 1000 / 20 - 8 * np.log(1 / 2) ** 2
    assert difference["better"] is True
    assert difference["low"] - 0.05 < true < difference["high"] + 0.05
    assert difference["high"] - difference["low"] < 0.3  # paired: the shared luck is gone
    assert len(toy.asked) <= expected(asked, 20) + 9


def test_nothing_better_is_an_answer():
    flat = [Dimension("retry.max", choices=("30s", "60s"))]
    found = tune(Question(SCENARIO, flat, ["time_to_ready.p99"], [], 2, 6), Toy(), 5)
    assert found.changes() == {}
    assert found.as_dict()["improvement"]["time_to_ready.p99"]["difference"]["mean"] == 0


@pytest.mark.parametrize(
    ("objectives", "constraints", "unknown"),
    [
        (["time_to_renewed.p99", "requests.total"], ("gave_up == 0",), ["time_to_renewed.p99"]),
        (["requests.total"], ("stranded == 0",), ["stranded"]),
        (["time_to_renewed.p99"], ("stranded == 0",), ["time_to_renewed.p99", "stranded"]),
        (["requests.total"], ("gave_up < 0",), []),
    ],
)
def test_where_nothing_can_be_recommended_the_figures_without_a_value_are_the_reason(
    objectives: list[str], constraints: tuple[str, ...], unknown: list[str]
):
    document = tune(question(objectives, trials=4, constraints=constraints), Toy(), 5).as_dict()
    assert document["front"] == []
    assert document["without_value"] == unknown
    [said] = verdict(document)
    assert all(name in said for name in unknown)
    assert ("no value in any trial" in said) == bool(unknown)
    assert ("No trial holds" in said) == (not unknown)
    trials = figure(document).axes[0]
    written = " ".join(" ".join(each.get_text().split()) for each in trials.texts)
    assert bool(trials.collections) != ("no value in any trial" in written)


def test_screening_measures_the_effect_across_the_range():
    space = [Dimension("client.qps", range=dimensions(["client.qps=10..110"], SCENARIO)[0].range)]
    effects = screen(SCENARIO, space, ["requests.total"], {"requests.total": 120.0}, Toy())
    effect = effects["requests.total"]["client.qps"]
    assert effect.mu_star == pytest.approx(100, rel=0.01)  # one request more for each qps, over a range of 100
    assert effect.mu == pytest.approx(100, rel=0.01)
    assert effect.noise < 1
    assert verdicts(effects, ["client.qps"]) == {"client.qps": "worth tuning"}


def test_the_default_space_holds_what_the_scenario_has_and_every_corner_is_valid():
    for text in ("name: a", "name: a\nretry: {base: 1ms, max: 20ms}", "name: a\nclient: {qps: 5, burst: 1}",
                 "name: a\npreset: cert-manager-1.21\nretry: {base: 40s, max: 10m}"):  # fmt: skip
        scenario = load(text)
        space = default_space(scenario)
        now = current(scenario, [each.key for each in space])
        assert all(each.has(now[each.key]) for each in space)
        for corner in range(2 ** len(space)):
            changed(scenario, {each.key: each.at(corner >> bit & 1) for bit, each in enumerate(space)})
    assert [each.key for each in default_space(load("name: a\nclient: {throttle: false}"))] == [
        "retry.base",
        "retry.max",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name: a",
        "name: a\nretry: {base: 2s, max: 4s, limit: 7}\nclient: {qps: 30, read_after_wait: true}",
        "name: a\ncontrollers: {workers: 3, issuing: {workers: 2}}",
    ],
)
def test_the_fragment_stands_for_the_whole_sections(text: str):
    scenario = load(text)
    keys = ["retry.base", "client.qps", "controllers.workers", "strategy"]
    tuned = changed(
        scenario, {"retry.base": "1.5s", "client.qps": "33.5", "controllers.workers": "9", "strategy": "apply"}
    )
    pasted = yaml.safe_load(text) | yaml.safe_load(fragment(tuned, keys))
    assert load(yaml.safe_dump(pasted)) == tuned
    assert set(yaml.safe_load(fragment(scenario, []))) == {"retry", "client"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gave_up = 0", "no constraint"),
        ("gave_upp == 0", "did you mean gave_up"),
        ("gave_up == 3s", "is no time"),
        ("time_to_ready.p99 < soon", "a number of seconds or a duration"),
    ],
)
def test_constraints_that_cannot_be_read(text: str, says: str):
    with pytest.raises(ValueError, match=says):
        constraint(text)


def test_constraints():
    at = [Measured(0, 1, "", {"time_to_ready_p99": value, "gave_up": 0}, array("d")) for value in (29.0, 33.0)]
    assert constraint("time_to_ready.p99 < 30s").violation(at) == pytest.approx(1)
    assert constraint("time_to_ready.p99<=31").violation(at) == 0
    assert constraint("gave_up == 0").violation(at) == 0
    assert constraint("stranded == 0").violation(at) == float("inf")  # nothing observed is no evidence


def test_given_up_trials_are_compared_on_what_both_ran():
    from sim.experiment.tune import adjusted

    base = Tried(0, {}, SCENARIO, [Measured(i, 1, "", {"requests": 10.0 * i}, array("d")) for i in range(4)])
    some = Tried(1, {}, SCENARIO, [Measured(i, 1, "", {"requests": 10.0 * i + 3}, array("d")) for i in range(2)])
    assert adjusted(base, base, "requests.total") == 15
    assert adjusted(some, base, "requests.total") == 18


def test_round_figures_are_recommended_where_the_curve_is_flat():
    from sim.experiment.space import ROUND

    asked = question(["time_to_ready.p99"])
    tuned = tune(asked, Toy(), 5)
    recommended = tuned.recommended.settings
    assert tuned.changes()
    for each in asked.space:
        assert each.range is not None
        if each.key in tuned.changes():
            digits = float(f"{each.range.number(recommended[each.key]):e}".partition("e")[0])
            assert digits in ROUND or recommended[each.key] == tuned.tried[tuned.trial].settings[each.key]
    for key, (low, high) in tuned.flat.items():
        dimension = next(each for each in asked.space if each.key == key)
        assert dimension.range is not None
        value = dimension.range.number(recommended[key])
        assert dimension.range.number(low) <= value <= dimension.range.number(high)


OPERATED = """
name: x
kinds: {Task: {}}
workload: {kind: Task, objects: 2}
operators:
- name: op
  runtime: controller-runtime-0.19
  controllers: [{name: a, for: Task, steps: [{when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}]}]
"""


def test_what_a_runtime_decides_is_the_same_as_itself_and_as_no_number():
    scenario = load(OPERATED)
    qps = next(each for each in default_space(scenario) if each.key == "operators.0.client.qps")
    now = current(scenario, [qps.key])[qps.key]
    assert now == "null"
    assert same(qps, now, now)
    assert not same(qps, "20/s", now)
    assert same(qps, "20/s", "20")


def test_the_fragment_of_operators_has_what_differs_from_the_defaults():
    tuned = changed(load(OPERATED), {"operators.0.controllers.0.workers": "4"})
    text = fragment(tuned, ["operators.0.controllers.0.workers"])
    assert "null" not in text
    assert load(yaml.safe_dump(yaml.safe_load(OPERATED) | yaml.safe_load(text))) == tuned
