"""Known failures of scenarios/bugs: each names where it is from, has its fix beside it, and is found without a hint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim.experiment.executor import InProcess
from sim.experiment.explore import Exploration
from sim.scenario.reading.loader import load

FOLDER = Path(__file__).parents[2] / "scenarios" / "bugs"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.stem.endswith("-fixed"))
SOON = ("gardener-managedseedset-3713", "operator-sdk-2636", "rabbitmq-653", "spark-operator-115")
"""Failures that take a few runs: a stale list, a crash between two writes, the past, a missed state."""


def first_broken(name: str, runs: int) -> tuple[int, list[str]]:
    search = Exploration(load(FOLDER / f"{name}.yaml"), "guided", 1, InProcess())
    search.search(runs)
    return search.runs, sorted(search.broken)


def test_there_are_twenty():
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_each_says_where_it_is_from_and_differs_from_its_fix_by_what_is_fixed(name):
    text, fixed = ((FOLDER / f"{name}{end}.yaml").read_text("utf-8") for end in ("", "-fixed"))
    source = r"(issue|pull request)s? \d+|K8S[A-Z]+-\d+|recorded on"
    for each in (text, fixed):
        comment = " ".join(line for line in each.splitlines() if line.startswith("#"))
        assert re.search(source, comment.replace("# ", ""))
        assert len(each.splitlines()) <= 60
    one, other = load(FOLDER / f"{name}.yaml"), load(FOLDER / f"{name}-fixed.yaml")
    assert one.properties == other.properties
    assert one.workload == other.workload
    assert not one.perturbations
    assert not one.faults


@pytest.mark.parametrize("name", SOON)
def test_it_is_found_within_a_few_runs_and_not_in_its_fix(name):
    assert first_broken(name, 300)[1]  # docs/explore.md: 1 to 290, with this seed
    assert first_broken(f"{name}-fixed", 60) == (60, [])
