from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import inside
from tests.cli.interrupted import journal_lines, stop_after

# Two controllers of one manager, woken by each edit of the spec.
EDITED = Path(__file__).parents[2] / "scenarios" / "operators" / "merge-patch-drops-conditions.yaml"
ADVISE = ("advise", "two.yaml", "--replications", "4")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "two.yaml").write_text(EDITED.read_text().replace("writes: merge-patch", "writes: update"))
    return tmp_path


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the scenario and the results in ``out``, and what was printed."""
    place = tmp_path_factory.mktemp("advised")
    (place / "two.yaml").write_text(EDITED.read_text().replace("writes: merge-patch", "writes: update"))
    done = inside(*ADVISE, "--out", "out", at=place)
    assert done.returncode == 0, done.stderr
    return place, done.stdout


def document(advised: tuple[Path, str]) -> Any:
    return json.loads((advised[0] / "out" / "advise.json").read_text())


def test_advice_is_a_verdict_with_go_and_leaves_its_files(advised: tuple[Path, str]):
    there, printed = advised
    assert "write by apply" in printed.splitlines()[0]
    assert "client.ForceOwnership" in printed
    assert "Reproduce it:  requeue advise two.yaml --seed 1 --replications 4" in printed
    names = {entry.name for entry in (there / "out").iterdir()}
    assert names == {
        "advise.json", "alternatives.csv", "alternatives.parquet", "advise.png", "scenario.yaml", "manifest.json",
        "journal.jsonl",
    }  # fmt: skip


def test_what_loses_is_never_recommended(advised: tuple[Path, str]):
    found = document(advised)
    ranked = {each["name"]: each for each in found["ranked"]}
    assert ranked["service-operator: merge-patch"]["loses"]["lost_updates"] > 0
    assert ranked["service-operator: merge-patch"]["difference"]["conflicts.total"]["verdict"] == "lower"
    assert not ranked["service-operator: merge-patch"]["guarded"]
    places = [(bool(each["loses"] or each["undone"] or each["loops"]), each["rank"]) for each in found["ranked"]]
    assert places == sorted(places)
    assert not ranked[found["recommended"]]["loses"]
    assert found["fresh"]["name"] == found["recommended"]


def test_an_alternative_is_the_run_with_its_settings(advised: tuple[Path, str]):
    there, found = advised[0], document(advised)
    each = next(one for one in found["ranked"] if one["name"] == "firewall: merge-patch")
    words = [word for key, value in each["settings"].items() for word in ("--set", f"{key}={value}")]
    alone = json.loads(inside("run", "two.yaml", *words, "--replications", "4", "--json", at=there).stdout)
    assert alone["digest"] == each["digest"]


def test_conflicts_on_other_objects_are_a_cost_where_there_are_any(tmp_path: Path, advised: tuple[Path, str]):
    words = ("operators/claim-composite-resource", "--replications", "3", "--operator", "provider", "--out", "out")
    done = inside("advise", *words, at=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fewer conflicts on other objects: -" in done.stdout
    found = json.loads((tmp_path / "out" / "advise.json").read_text())
    now = next(each for each in found["ranked"] if each["current"])
    assert now["metrics"]["conflicts.elsewhere"]["mean"] > now["metrics"]["conflicts.total"]["mean"] == 0
    assert "conflicts.elsewhere" in found["costs"]
    assert "conflicts.elsewhere" not in document(advised)["costs"]


def test_a_killed_advice_goes_on_and_comes_to_the_same(there: Path, advised: tuple[Path, str]):
    stopped = stop_after([*ADVISE, "--json", "--executor", "in-process", "--out", "killed"], there, 8, signal.SIGINT)
    assert "start the same command again" in stopped.stderr
    assert len(journal_lines(there)) >= 8
    again = inside(*ADVISE, "--json", "--executor", "in-process", "--out", "killed", at=there)
    assert "going on from" in again.stderr
    assert json.loads(again.stdout) == document(advised)


def test_rows_of_the_table_are_the_alternatives(advised: tuple[Path, str]):
    there, found = advised[0], document(advised)
    with (there / "out" / "alternatives.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [each["name"] for each in found["ranked"]]


def test_whoever_has_no_operator_of_that_name_is_told(there: Path):
    assert "did you mean service-operator?" in inside(*ADVISE, "--operator", "service-operater", at=there).stderr
    done = inside("advise", "tutorial", at=there)
    assert done.returncode == 2
    assert "describes no operator" in done.stderr
