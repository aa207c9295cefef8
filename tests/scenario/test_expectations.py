import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.expectations import OPERATORS, Condition, check, parse_condition
from sim.scenario.metrics import ALIASES, METRICS


@pytest.mark.parametrize(
    ("text", "metric", "condition"),
    [
        ("< 2", "conflicts_total", ("<", 2.0)),
        ("<=2", "conflicts_total", ("<=", 2.0)),
        (" >  0 ", "gave_up", (">", 0.0)),
        (">= .5", "ready_share", (">=", 0.5)),
        ("== 1", "ready_share", ("==", 1.0)),
        ("!= 1e3", "requests_total", ("!=", 1000.0)),
        ("< 30s", "time_to_ready_p95", ("<", 30.0)),
        ("< 1m30s", "time_to_ready_p50", ("<", 90.0)),
        ("< 250ms", "time_to_ready_p99", ("<", 0.25)),
        ("< 30", "time_to_ready_p99", ("<", 30.0)),
        ("> -1", "stranded", (">", -1.0)),
        ("< 2s", "time", ("<", 2000.0)),
        ("< 30s", "time_to_ready.p95", ("<", 30.0)),
    ],
)
def test_a_condition_is_an_operator_and_a_number(text, metric, condition):
    assert parse_condition(text, metric) == Condition(*condition)


@pytest.mark.parametrize(
    ("text", "metric", "said"),
    [
        ("< 2", "conflict_rat", "unknown metric 'conflict_rat'; did you mean conflicts.rate?; allowed: conflicts."),
        ("< 2", "p95", "did you mean time_to_ready.p95?"),
        ("< 2", "throughputs", "did you mean throughput?"),
        ("< 2", "time", "'< 2' does not say of what; time is a time: write it such as \"< 250ms\""),
        ("2", "gave_up", "'2' is not a condition; write an operator (<, <=, >, >=, ==, !=) and a number, such as"),
        ("= 2", "gave_up", "'= 2' is not a condition"),
        ("=> 2", "gave_up", "is not a condition"),
        ("<> 2", "gave_up", "compares with no number"),
        ("<", "gave_up", "is not a condition"),
        ("", "gave_up", "is not a condition"),
        ("< few", "gave_up", "'< few' compares with no number; write a number, such as \"< 2\""),
        ("< soon", "time_to_ready_p50", 'write a number of seconds or a duration, such as "< 30s"'),
        ("< 30s", "gave_up", "gave_up is no time, so '< 30s' cannot hold"),
        ("> 95", "ready_share", "ready_share is a share from 0 to 1, so '> 95' decides nothing"),
        ("< nan", "gave_up", "compares with no number"),
        ("< 1e999", "gave_up", "compares with no finite number"),
        ("< " + "9" * 200, "gave_up", "is not a condition"),
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text, metric, said):
    with pytest.raises(ValueError, match=r"metric|condition|compares|time|share") as error:
        parse_condition(text, metric)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("condition", "value", "met"),
    [
        ("< 2", 1.9, True),
        ("< 2", 2.0, False),
        ("<= 2", 2.0, True),
        ("> 2", 2.0, False),
        (">= 2", 2.0, True),
        ("== 2", 2.0, True),
        ("!= 2", 2.0, False),
        ("== 0", 0.0, True),
        ("!= 0", 0.1, True),
        # What rounding leaves in the last digits is equal, and neither less nor more.
        ("== 0.3", 0.1 + 0.2, True),
        ("<= 0.3", 0.1 + 0.2, True),
        ("> 0.3", 0.1 + 0.2, False),
        ("== 1000", 1000.001, False),
    ],
)
def test_conditions_compare(condition, value, met):
    (result,) = check({"conflicts_per_certificate": condition}, {"conflicts.per_certificate": value})
    assert (result.met, result.value) == (met, value)
    assert (result.reason == "") is met


def test_results_come_in_the_order_of_the_expectations_and_say_why_not():
    expectations = {"time_to_ready_p95": "< 30s", "ready_share": "== 1", "stranded": "== 0", "gave_up": "< 1"}
    values = {"time_to_ready.p95": 31.5, "ready_share": 1.0, "stranded": None}
    results = check(expectations, values)
    assert [(r.metric, r.condition, r.value, r.met) for r in results] == [
        ("time_to_ready_p95", "< 30s", 31.5, False),
        ("ready_share", "== 1", 1.0, True),
        ("stranded", "== 0", None, False),
        ("gave_up", "< 1", None, False),
    ]
    assert results[0].reason == "time_to_ready_p95 is 31.5s, expected < 30s"
    assert results[2].reason == "stranded has no value: nothing was observed that it is made of"


def test_a_value_that_is_no_number_is_no_evidence():
    (result,) = check({"conflict_rate": "!= 0.5"}, {"conflicts.rate": math.nan})
    assert not result.met
    assert result.value is None


@given(st.sampled_from(sorted(METRICS)), st.floats(0, 1), st.floats(0, 1))
def test_of_less_equal_and_more_exactly_one_holds(metric, value, limit):
    scaled = {"milliseconds": f"{round(limit * 1e6)}ns"}.get(METRICS[metric].unit, repr(limit))
    value, limit = (round(each, 6) for each in (value, limit)) if "ns" in scaled else (value, limit)
    met = {op: check({metric: f"{op} {scaled}"}, {metric: value})[0].met for op in OPERATORS}
    assert met["<"] + met["=="] + met[">"] == 1
    assert met["<="] == (met["<"] or met["=="])
    assert met[">="] == (met[">"] or met["=="])
    assert met["!="] != met["=="]


def test_an_alias_is_no_other_metrics_name_and_every_unit_is_known():
    assert not set(ALIASES) & set(METRICS)
    assert len(ALIASES) == sum(len(metric.aliases) for metric in METRICS.values())
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.unit in {"count", "ratio", "share", "seconds", "milliseconds"}
        assert metric.definition
        assert metric.over or metric.aggregate != "ratio of sums"
