"""CSV, Markdown and JUnit's XML of results."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.command import inside

SMALL = """
name: small
replications: 3
workload: {certificates: 3, arrival: at-once}
issuer: {type: selfsigned}
expect: {conflicts.per_certificate: "< 0.1", stranded: "== 0"}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "small.yaml").write_text(SMALL)
    done = inside("run", "small.yaml", "--junit", "junit.xml", "--out", "run", at=folder)
    assert done.returncode == 1, done.stderr
    return folder


def test_expectations_are_a_test_suite(project: Path):
    (suite,) = ElementTree.parse(project / "junit.xml").getroot()
    assert suite.attrib | {} == {"name": "small", "tests": "3", "failures": "1", "errors": "0"}
    failed = {case.get("name"): case.find("failure") is not None for case in suite}
    assert failed == {
        "conflicts.per_certificate < 0.1": True, "stranded == 0": False, "no invariant is violated": False,
    }  # fmt: skip


def test_a_run_as_markdown(project: Path):
    text = inside("report", "run", "--markdown", at=project).stdout
    assert text.startswith("### small\n\n**3 of 3 Certificates became Ready in every replication.")
    assert "| `conflicts.per_certificate < 0.1` | **not met**:" in text
    assert "| certificates-trigger | " in text
    assert "$ requeue run small.yaml --seed 1 --replications 3\n```\n" in text
    assert not (project / "report.html").exists()


def test_a_comparison_as_markdown(project: Path):
    inside("compare", "small.yaml", "--vary", "controllers.workers=1,5", "--out", "both", at=project)
    text = inside("report", "both", "--markdown", at=project).stdout
    assert "| per replication | workers=1 | workers=5 |" in text
    assert "- workers=5 " in text


def numbers(value: object) -> list[float]:
    """Every number in what ``--json`` prints."""
    if isinstance(value, dict):
        return [each for part in value.values() for each in numbers(part)]
    if isinstance(value, list):
        return [each for part in value for each in numbers(part)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_every_number_of_the_json_is_in_the_csv(project: Path):
    document = json.loads(inside("report", "run", "--json", at=project).stdout)
    rows = list(csv.DictReader(io.StringIO(inside("report", "run", "--csv", at=project).stdout)))
    assert list(rows[0]) == ["name", "value", "low", "high"]
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows)
    found = document["metrics"]["conflicts.per_certificate"]
    row = by_name["metrics.conflicts.per_certificate"]
    assert [float(row[key]) for key in ("value", "low", "high")] == [found[key] for key in ("mean", "low", "high")]
    assert by_name["expectations.0.metric"]["value"] == "conflicts.per_certificate"
    cells = [cell for row in rows for key, cell in row.items() if key != "name" and _number(cell)]
    assert sorted(map(float, cells)) == sorted(numbers(document))


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_trace_in_figures(project: Path):
    rows = list(csv.DictReader(io.StringIO(inside("trace", "run", "--csv", at=project).stdout)))
    document = json.loads(inside("trace", "run", "--json", at=project).stdout)
    assert [{key: str(value) for key, value in each.items()} for each in document["writers"]] == rows
    assert not list(project.glob("*.pftrace"))
    without = inside("trace", "run", at=project)
    assert without.returncode == 2
    assert "-o FILE says where the trace is to be written" in without.stderr
    both = inside("trace", "run", "--csv", "-o", "with.pftrace", at=project)
    assert list(csv.DictReader(io.StringIO(both.stdout))) == rows
    assert (project / "with.pftrace").stat().st_size > 1000


def test_a_scenario_comes_from_standard_input(project: Path):
    from tests.cli.command import requeue

    done = requeue("run", "-", "--out", "piped", at=project, input=SMALL)
    assert done.returncode == 1, done.stderr
    assert "Reproduce it:  requeue run piped/scenario.yaml --seed 1 --replications 3" in done.stdout
    again = inside("run", "piped/scenario.yaml", "--seed", "1", "--replications", "3", "--json", at=project)
    manifest = json.loads((project / "piped" / "summary.json").read_text())
    assert json.loads(again.stdout)["digest"] == manifest["digest"]
    empty = requeue("run", "-", at=project, input="")
    assert empty.returncode == 2
    assert "standard input is empty" in empty.stderr


def test_scenarios_have_one_line_each(project: Path):
    lines = inside("scenarios", at=project).stdout.splitlines()
    assert sum(line.startswith("claims/") for line in lines) == 9
    assert "strategy" in inside("scenarios", "--long", at=project).stdout
