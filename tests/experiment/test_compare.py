from __future__ import annotations

import json
from pathlib import Path

import pytest

import sim
from sim.analysis.intervals import mean_interval
from sim.experiment.variants import parse_vary, variants
from sim.recording.results import ResultsError
from sim.scenario.errors import ScenarioError
from sim.scenario.model import Scenario
from sim.scenario.reading.overrides import written

BOTH = {"strategy": ["update", "apply"]}


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("strategy=update,apply", "strategy", ["update", "apply"]),
        ("client.qps = 20 , 50", "client.qps", ["20", "50"]),
        (
            "retry={base: 1s, max: 30s},{base: 5s, max: 1m}",
            "retry",
            ["{base: 1s, max: 30s}", "{base: 5s, max: 1m}"],
        ),
        ("a=[1,[2,3]],[4]", "a", ["[1,[2,3]]", "[4]"]),
        ("a='x,y',z", "a", ["'x,y'", "z"]),
        ("a=b=c,d", "a", ["b=c", "d"]),
        ("a=only", "a", ["only"]),
    ],
)
def test_vary_is_split_at_commas_outside_brackets(text: str, key: str, values: list[str]):
    assert parse_vary(text) == (key, values)


@pytest.mark.parametrize("text", ["strategy", "=a,b", "strategy=", "a=1,,2", "a=1,", "a=[1,2", "a=1],2", "a='x,y"])
def test_vary_that_cannot_be_read_is_refused(text: str):
    with pytest.raises(ValueError, match=r"names no values|empty value|without its partner"):
        parse_vary(text)


def test_every_combination_is_a_variant_the_first_values_first(made_up: Scenario):
    found = variants(made_up, {"strategy": ["update", "apply"], "controllers.workers": ["5", "1"]})
    assert [each.name for each in found] == [
        "update, workers=5",
        "update, workers=1",
        "apply, workers=5",
        "apply, workers=1",
    ]
    assert [(each.scenario.strategy, each.scenario.controllers.workers) for each in found] == [
        ("update", 5), ("update", 1), ("apply", 5), ("apply", 1),
    ]  # fmt: skip
    assert {each.scenario.seed for each in found} == {made_up.seed}


def test_what_is_no_comparison_is_refused(made_up: Scenario):
    for vary in ({}, {"strategy": ["update"]}):
        with pytest.raises(ValueError, match="two variants"):
            variants(made_up, vary)
    with pytest.raises(ValueError, match="listed twice"):
        variants(made_up, {"strategy": ["update", "update"]})
    with pytest.raises(ValueError, match="more than 100"):
        variants(made_up, {"client.qps": [str(number) for number in range(1, 102)]})
    with pytest.raises(ScenarioError, match="stratgy"):
        variants(made_up, {"stratgy": ["update", "apply"]})
    with pytest.raises(ValueError, match="unknown metric"):
        sim.compare(made_up, BOTH, metric="happiness")


@pytest.mark.parametrize(
    ("value", "text"), [("250ms", "250ms"), (20, "20"), (None, "null"), (True, "true"), ([1, 2], "[1, 2]")]
)
def test_python_values_are_written_as_set_takes_them(value: object, text: str):
    assert written(value) == text


def test_differences_are_those_of_the_paired_replications(made_up: Scenario):
    comparison = sim.compare(made_up, BOTH)
    update = comparison["update"].conflicts.groupby("replication").size().reindex(range(1, 7), fill_value=0)
    expected = mean_interval([-count / 12 for count in update])
    assert comparison.baseline == "update"
    assert comparison.ranked == ["apply", "update"]
    assert comparison.differences["apply"]["conflicts_per_certificate"] == pytest.approx(expected)
    assert comparison.estimates["apply"]["rate"].mean is None
    # The times to Ready are drawn from the same numbers: no difference at all.
    assert comparison.differences["apply"]["time_to_ready_p50"][:3] == (0, 0, 0)


def test_the_plain_data_says_it_all(made_up: Scenario):
    comparison = sim.compare(made_up, BOTH)
    data = json.loads(json.dumps(comparison.as_dict(), allow_nan=False))
    assert (data["baseline"], data["replications"], data["seed"]) == ("update", 6, 1)
    first, second = data["variants"]
    assert (first["variant"], first["rank"]) == ("apply", 1)
    assert first["difference"]["conflicts.per_certificate"]["verdict"] == "lower"
    nothing = {"mean": None, "low": None, "high": None, "verdict": "none attempted"}
    assert first["difference"]["conflicts.rate"] == nothing
    assert second["difference"] is None
    assert second["conflicts"]["rate"]["mean"] > 0
    assert second["conflicts"]["by_controller"]["certificates-trigger"]["rate"] > 0


def test_one_replication_decides_nothing(made_up: Scenario):
    comparison = sim.compare(made_up, BOTH, replications=1)
    verdicts = {each["verdict"] for each in comparison.as_dict()["variants"][0]["difference"].values()}
    assert "undecided" in verdicts
    assert not verdicts & {"lower", "higher", "the same"}


def test_a_folder_holds_a_run_per_variant_and_reads_back(made_up: Scenario, tmp_path: Path):
    out = tmp_path / "out"
    comparison = sim.compare(made_up, BOTH, out=out)
    assert sorted(entry.name for entry in out.iterdir()) == ["apply", "comparison.json", "update"]
    assert sim.open_results(out / "apply").digest == comparison["apply"].digest
    read = sim.open_comparison(out)
    assert read.as_dict() == comparison.as_dict()
    assert len(read["update"].requests) == len(comparison["update"].requests)
    with pytest.raises(ResultsError, match="holds a comparison"):
        sim.open_results(out)
    with pytest.raises(ResultsError, match="no comparison"):
        sim.open_comparison(out / "apply")
    sim.compare(made_up, {"strategy": ["update", "merge-patch"]}, out=out)
    assert sorted(entry.name for entry in out.iterdir()) == ["comparison.json", "merge-patch", "update"]


def test_variants_that_differ_only_in_punctuation_keep_folders_of_their_own(made_up: Scenario, tmp_path: Path):
    vary = {"retry": ["{base: 1s, max: 30s}", "{base: 1s; max: 30s}".replace(";", ",  ")]}
    comparison = sim.compare(made_up, vary, out=tmp_path / "out")
    assert len([entry for entry in (tmp_path / "out").iterdir() if entry.is_dir()]) == 2
    assert len(comparison.results) == 2


def test_a_frame_has_a_row_per_variant_and_metric(made_up: Scenario):
    comparison = sim.compare(made_up, BOTH)
    frame = comparison.frame.set_index(["variant", "metric"])
    assert frame.loc[("apply", "conflicts.total"), "verdict"] == "lower"
    assert frame.loc[("update", "conflicts.total"), "mean"] > 0


def test_a_variant_is_the_run_with_that_setting():
    scenario = Scenario.model_validate({"name": "small", "replications": 2, "workload": {"certificates": 3}})
    comparison = sim.compare(scenario, BOTH)
    alone = sim.run(sim.load("name: small", ["strategy=apply", "replications=2", "workload.certificates=3"]))
    assert comparison["apply"].digest == alone.digest
    assert comparison["update"].digest == sim.run(scenario).digest


def test_settings_of_a_scenario_may_be_given_by_key():
    by_key = sim.load(
        "tutorial", {"client.qps": 50, "strategy": "apply", "retry": {"limit": 3}, "issuer.operator": None}
    )
    assert by_key == sim.load(
        "tutorial", ["client.qps=50", "strategy=apply", "retry={limit: 3}", "issuer.operator=null"]
    )
    assert sim.load("tutorial", "client.qps=50") == sim.load("tutorial", ["client.qps=50"])
    with pytest.raises(ScenarioError, match=r"--set client.qpss=50: client.qpss: unknown key"):
        sim.load("tutorial", {"client.qpss": 50})


def test_a_comparison_is_gone_through_like_a_mapping_and_set_side_by_side_again(made_up: Scenario):
    compared = sim.compare(made_up, BOTH, replications=2)
    assert list(compared) == ["update", "apply"] == [name for name, _ in compared.items()]
    assert len(compared) == 2
    assert dict(compared.items()) == compared.results
    again = sim.side_by_side(compared)
    assert again.differences == compared.differences


@pytest.mark.parametrize(
    ("given", "says"), [([1], "no list"), ({"a": 1}, "no mapping to int"), (None, "no NoneType"), ({"a": [2]}, "list")]
)
def test_what_cannot_be_drawn_is_named(given: object, says: str):
    with pytest.raises(
        TypeError, match=f"a result, a comparison or a mapping of names to results is drawn, and .*{says}"
    ):
        sim.plot.time_to_ready(given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a comparison is drawn"):
        sim.plot.differences(given)  # type: ignore[arg-type]
