"""The JSON Schema for editors, and the reference for readers: both written from the model."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.report.reference import reference
from sim.scenario.metrics import ALIASES, METRICS
from sim.scenario.model import Scenario
from sim.scenario.reading.schema import json_schema
from sim.scenario.shapes import parts_of
from sim.units import parse_duration
from tests.scenario.strategies import scenarios

jsonschema = pytest.importorskip("jsonschema")
PROJECT = Path(__file__).resolve().parents[2]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(json_schema())


@given(scenarios)
def test_every_scenario_that_the_model_accepts_fits(scenario):
    assert [error.message for error in VALIDATOR.iter_errors(scenario.resolved())] == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "x", "stratgy": "apply"},
        {"name": "x", "strategy": "ssa"},
        {"name": "x", "retry": {"base": 30}},
        {"name": "x", "retry": {"base": "30"}},
        {"name": "x", "retry": {"base": "30sec"}},
        {"name": "x", "workload": {"certificates": -1}},
        {"name": "x", "workload": {"arrival": {"rate": "5/d"}}},
        {"name": "x", "workload": {"arrival": "soon"}},
        {"name": "x", "expect": {"happiness": "< 2"}},
        {"name": "x", "expect": {"conflicts_total": "2"}},
        {"name": "x", "writers": [{"start": "later"}]},
    ],
)
def test_what_an_editor_can_see_to_be_wrong_does_not_fit(data):
    assert list(VALIDATOR.iter_errors(data))


@pytest.mark.parametrize(
    "data", [{"name": "x", "writers": [{"wait": 0, "rate": 5}]}, {"name": "x", "retry": {"max": "1h30m"}}]
)
def test_other_ways_of_writing_fit_too(data):
    assert not list(VALIDATOR.iter_errors(data))


@given(st.from_regex(r"[0-9]{0,3}(\.[0-9]{1,2})?(ns|us|ms|s|m|h|d|sec|)([0-9]s)?", fullmatch=True))
def test_schema_and_model_agree_on_what_a_duration_is(text):
    fits = not list(VALIDATOR.iter_errors({"name": "x", "until": {"settled_for": text}}))
    try:
        parse_duration(text)
    except ValueError:
        assert not fits
    else:
        assert fits


def test_defaults_are_written_as_a_user_would():
    schema = json_schema()
    retry = schema["$defs"]["Retry"]["properties"]
    assert retry["base"]["default"] == "1s"
    assert "Default 1s: cert-manager's" in retry["base"]["description"]
    assert schema["$defs"]["ClientOptions"]["properties"]["read_after_wait"]["description"].count("Default false:") == 1
    assert schema["properties"]["expect"]["propertyNames"]["enum"] == [*METRICS, *ALIASES]


def test_the_reference_is_up_to_date():
    """Write it anew with: python -m sim.report.reference > docs/scenarios.md."""
    assert (PROJECT / "docs" / "scenarios.md").read_text("utf-8") == reference() + "\n"


def test_the_reference_has_every_key_and_metric():
    text = reference()
    for part in parts_of(Scenario):
        for key in part.model_fields:
            assert f"{key}`" in text or f"## `{key}`" in text, key
    for metric in METRICS:
        assert f"| `{metric}` |" in text
