from __future__ import annotations

import re
from pathlib import Path

import pytest

import sim
from sim.scenario.model import Scenario
from tests.cli.command import inside, requeue


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, a comparison, and something else."""
    place = tmp_path_factory.mktemp("runs")
    scenario = Scenario.model_validate({"name": "small", "replications": 2, "workload": {"certificates": 5}})
    sim.run(scenario, out=place / "one")
    sim.run(scenario.model_copy(update={"strategy": "apply"}), out=place / "two")
    sim.compare(scenario, {"strategy": ["update", "apply"]}, out=place / "both")
    (place / "else").mkdir()
    return place


def test_a_run_becomes_a_page_and_says_where(runs: Path):
    done = requeue("report", "one", at=runs)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("report.html: ")
    text = (runs / "report.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "sim.run" in text or "requeue run" in text


def test_a_page_may_go_to_standard_output(runs: Path):
    done = inside("report", "one", "-o", "-", at=runs)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.rstrip().endswith("</html>")
    assert inside("metrics", "one", "-o", "-", at=runs).stdout == inside("metrics", "one", at=runs).stdout
    assert inside("report", "one", "-o", "-", "--open", at=runs).returncode == 2
    assert not (runs / "-").exists()


def test_a_moment_after_the_end_is_said(runs: Path):
    done = inside("top", "one", "--at", "5000s", at=runs)
    assert done.returncode == 0
    assert re.search(r"--at 5000s: nothing happens after [\d.]+ m?s, and that moment is shown", done.stderr)
    assert inside("top", "one", "--at", "1s", at=runs).stderr == ""


def test_several_runs_and_a_comparison_become_one_page(runs: Path):
    done = inside("report", "one", "two", "-o", "several.html", at=runs)
    assert done.returncode == 0, done.stderr
    text = (runs / "several.html").read_text("utf-8")
    assert "<h1>one against two</h1>" in text  # the scenarios have one name, so the folders tell them apart
    assert 'id="figure-differences"' in text
    done = inside("report", "both", "-o", "both.html", "--replication", "2", at=runs)
    assert done.returncode == 0, done.stderr
    text = (runs / "both.html").read_text("utf-8")
    assert "<h1>update against apply</h1>" in text
    assert "Slowest Certificates, replication 2" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["else"], "else is no results folder"),
        (["one", "both"], "both holds a comparison: give it alone"),
        (["one", "one"], "a folder is given twice"),
        (["one", "--replication", "9"], "has replications 1 to 2, and no 9"),
        (["one", "-o", "no/such/folder.html"], "its folder does not exist"),
        (["one", "-o", "else"], "this is a folder"),
    ],
)
def test_bad_input_is_one_message(runs: Path, words: list[str], message: str):
    done = inside("report", *words, at=runs)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
