import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from sim.cli.scenarios import scenarios, schema
from sim.scenario.errors import ScenarioError
from sim.scenario.reading.catalogue import names, resolve_scenario, scenario_folders
from sim.scenario.reading.listing import ListedScenario, entries
from sim.scenario.reading.loader import load

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A current directory with a scenarios folder of its own."""
    mine = tmp_path / "scenarios" / "own"
    mine.mkdir(parents=True)
    (mine / "good.yaml").write_text("name: good\ndescription: |\n  first line\n  second\nstrategy: apply\n")
    (tmp_path / "scenarios" / "profiles").mkdir()
    (tmp_path / "scenarios" / "profiles" / "machine.yaml").write_text("server: {}\n")
    (mine / "bad.yaml").write_text("name: bad\nstratgy: apply\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def app():
    app = Typer()
    app.command("schema")(schema)
    app.command("scenarios")(scenarios)
    return app


def test_the_projects_scenarios_are_found_from_anywhere(elsewhere):
    assert scenario_folders() == [PROJECT / "scenarios", elsewhere / "scenarios"]
    assert resolve_scenario("tutorial") == PROJECT / "scenarios" / "tutorial.yaml"
    assert resolve_scenario("recorded/1.21-burst-50-ssa").name == "1.21-burst-50-ssa.yaml"


@pytest.mark.parametrize("name", ["own/good", "own/good.yaml", "scenarios/own/good.yaml"])
def test_a_scenario_is_named_by_path_or_by_name(elsewhere, name):
    assert resolve_scenario(name).resolve() == elsewhere / "scenarios" / "own" / "good.yaml"


def test_a_path_that_exists_wins(elsewhere):
    (elsewhere / "tutorial").write_text("name: mine\n")
    assert resolve_scenario("tutorial") == Path("tutorial")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tutorail", "tutorial"),
        ("burst-50-update", "recorded/burst-50-update"),
        ("recorded/burst-50-updat.yaml", "recorded/burst-50-update"),
        ("scenarios/own/goood.yaml", "own/good"),
    ],
)
def test_a_missing_scenario_has_a_nearest_name(elsewhere, name, near):
    with pytest.raises(ScenarioError) as caught:
        resolve_scenario(name)
    assert str(caught.value) == (
        f"{name}: no scenario has this name or path; did you mean {near}? (requeue scenarios lists all)"
    )


@pytest.mark.parametrize("name", ["qqqqqqqq", "\0", "x" * 5000, "../../etc/passwd-not-there"])
def test_a_name_like_no_other_is_refused_all_the_same(elsewhere, name):
    with pytest.raises(ScenarioError, match="no scenario has this name or path; requeue scenarios lists all"):
        resolve_scenario(name)


def test_a_directory_is_refused_where_it_is_read(elsewhere):
    with pytest.raises(ScenarioError, match="this is a directory"):
        load(resolve_scenario("scenarios"))


def test_the_list_is_grouped_and_a_bad_file_does_not_hide_the_others(elsewhere):
    found = entries()
    groups = list(dict.fromkeys(entry.group for entry in found))
    assert groups == ["tutorial", "claims", "contention", "operators", "faults", "recorded", "bugs", "own"]
    good = next(entry for entry in found if entry.name == "own/good")
    assert good == ListedScenario(
        "own/good", "own", "first line", 50, "apply", "scenarios/own/good.yaml", "50 Certificates"
    )
    bad = next(entry for entry in found if entry.name == "own/bad")
    assert "did you mean strategy?" in bad.error
    assert {entry.name for entry in found} == set(names())


def test_requeue_scenarios_lists_all(app, elsewhere, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["scenarios"])
    assert result.exit_code == 0
    for heading in ("Tutorial", "Claims", "Recorded", "own"):
        assert f"\n{heading}" in f"\n{result.output}"
    assert "first line" in result.output
    assert "cannot be used" in result.output


def test_requeue_scenarios_prints_json(app, elsewhere):
    result = CliRunner().invoke(app, ["scenarios", "--json"])
    listed = {entry["name"]: entry for entry in json.loads(result.output)}
    assert listed["own/good"] == {
        "name": "own/good",
        "group": "own",
        "description": "first line",
        "certificates": 50,
        "strategy": "apply",
        "file": "scenarios/own/good.yaml",
        "works_on": "50 Certificates",
        "error": "",
    }


def test_requeue_scenarios_without_a_folder_says_so(app, tmp_path, monkeypatch):
    monkeypatch.setattr("sim.scenario.reading.catalogue.scenario_folders", list)
    monkeypatch.setattr("sim.scenario.reading.listing.scenario_folders", list)
    assert "no scenarios folder" in CliRunner().invoke(app, ["scenarios"]).output


def test_requeue_schema_prints_a_json_schema(app):
    assert json.loads(CliRunner().invoke(app, ["schema"]).output)["title"] == "requeue scenario"


def test_a_scenario_is_loaded_by_its_name_from_anywhere(elsewhere):
    assert load("tutorial", ["workload.certificates=3"]).workload.certificates == 3
    assert load("recorded/burst-50-update") == load(PROJECT / "scenarios/recorded/burst-50-update.yaml")
    assert load("own/good").strategy == "apply"
    with pytest.raises(ScenarioError, match="did you mean tutorial"):
        load("tutorail")


def test_an_installed_package_has_its_scenarios_inside(elsewhere, monkeypatch):
    inside = elsewhere / "site-packages" / "sim" / "scenario" / "reading" / "catalogue.py"
    folder = elsewhere / "site-packages" / "sim" / "scenarios"
    folder.mkdir(parents=True)
    monkeypatch.setattr("sim.scenario.reading.catalogue.__file__", str(inside))
    assert scenario_folders() == [folder, elsewhere / "scenarios"]
