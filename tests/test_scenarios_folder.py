"""The scenarios that ship: each loads, says what it is, and asks for what it claims to show."""

import re
from pathlib import Path

import pytest
import yaml

from sim.scenario.model import Scenario
from sim.scenario.reading.loader import load
from sim.scenario.reading.recorded import load_recorded
from sim.scenario.reading.schema import json_schema

FOLDER = Path(__file__).resolve().parents[1] / "scenarios"
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "profiles")
CLAIMS = sorted((FOLDER / "claims").glob("*.yaml"))


def identity(path):
    return path.relative_to(FOLDER).with_suffix("").as_posix()


@pytest.mark.parametrize("path", FILES, ids=identity)
def test_each_loads_under_its_own_name_with_a_description(path):
    scenario = load(path)
    assert scenario.name == path.stem
    assert scenario.description
    assert len(scenario.description.splitlines()[0]) <= 160
    assert scenario.recording is None or load_recorded(scenario.recording)


@pytest.mark.parametrize("path", FILES, ids=identity)
def test_each_fits_the_schema(path):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), json_schema())


@pytest.mark.parametrize("path", FILES, ids=identity)
def test_each_means_the_same_to_any_yaml_reader(path):
    assert Scenario.model_validate(yaml.safe_load(path.read_text("utf-8"))) == load(path)


def test_the_tutorial_teaches_every_block():
    written = yaml.safe_load((FOLDER / "tutorial.yaml").read_text("utf-8"))
    others = {"recording", "contention", "clients", "kinds", "operators", "faults", "properties", "perturbations"}
    assert set(Scenario.model_fields) - set(written) == others
    comments = [line for line in (FOLDER / "tutorial.yaml").read_text("utf-8").splitlines() if line.startswith("#")]
    assert len(comments) > 15


@pytest.mark.parametrize("path", CLAIMS, ids=identity)
def test_each_claim_is_explained_and_held_by_expectations(path):
    assert re.match(r"# Claim [a-h]: |# Beside claims ", path.read_text("utf-8"))
    assert not re.match(r"Claim|Beside", load(path).description)
    assert load(path).expect


def test_every_claim_of_the_article_has_a_scenario():
    letters = {found[1] for path in CLAIMS if (found := re.match(r"# Claim ([a-h]):", path.read_text("utf-8")))}
    assert letters >= set("abcdefgh")


def test_the_claims_change_what_they_are_about():
    def of(name):
        return load(FOLDER / "claims" / f"{name}.yaml")

    assert of("server-side-apply").strategy == "apply"
    assert of("log-level").log.conflict_level == "debug"
    assert of("newer-release").preset == "cert-manager-1.21"
    small, large = of("retry-budget-too-small"), of("retry-budget-large-enough")
    assert (small.retry.limit, large.retry.limit) == (0, 50)
    alike = {"name": "", "description": "", "retry": small.retry, "expect": {}}
    assert small.model_copy(update=alike) == large.model_copy(update=alike)
