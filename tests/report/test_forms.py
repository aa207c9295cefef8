"""Markdown and JUnit's XML of results."""

from __future__ import annotations

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
