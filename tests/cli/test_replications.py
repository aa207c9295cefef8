"""The commands whose number of replications is chosen by what they find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import inside


def test_a_precision_is_reached_and_the_run_is_the_one_of_so_many_replications(project: Path):
    words = ("run", "small.yaml", "--json", "--out", "out")
    found = json.loads(inside(*words, "--precision", "10%", "--metric", "requests.total", at=project).stdout)
    assert found["replications"] >= 20
    precision = found["precision"]
    assert precision["reached"]
    assert precision["achieved"] <= 0.1
    assert (precision["mean"], precision["metric"]) == (found["requests"]["total"], "requests.total")
    manifest = json.loads((project / "out" / "manifest.json").read_text())
    assert manifest["command"].endswith(f"--replications {found['replications']}")
    again = json.loads(inside(*words, "--replications", str(found["replications"]), at=project).stdout)
    assert again["digest"] == found["digest"]
    assert "precision" not in again


def test_a_precision_out_of_reach_is_said(project: Path):
    done = inside("run", "small.yaml", "--precision", "0.1%", "--replications", "22", at=project)
    assert done.returncode == 0, done.stderr
    assert "is NOT known to 0.1% after 22 replications" in done.stdout


def test_a_selection_says_which_is_best_and_with_which_probability(project: Path):
    words = (
        "sweep",
        "small.yaml",
        "--set",
        "workload.certificates=4",
        "--vary",
        "client.burst=1,200",
        "--metric",
        "time_to_ready.p95",
    )
    done = inside(*words, "--select", "--json", at=project)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["selection"]
    assert found["best"] == "burst=200"
    assert found["probability"] == 0.95
    assert set(found["dropped_after"]) == {"burst=1"}
    done = inside(*words, "--precision", "10%", at=project)
    assert "Precision: every cell is known to 10%" in done.stdout


def test_a_long_run_says_where_it_settled(project: Path):
    arrival = ("--set", "workload={certificates: 210, arrival: {rate: 2/s}}", "--set", "replications=1")
    done = inside("run", "small.yaml", *arrival, "--json", at=project)
    found = json.loads(done.stdout)["steady"]["time_to_ready"]
    assert found["observations"] == 210
    assert found["low"] < found["mean"] < found["high"]
    busy = ("--set", "workload={certificates: 210, arrival: {rate: 20/s}}", "--set", "replications=1")
    done = inside("run", "small.yaml", *busy, at=project)
    assert "WARNING: that cut is past half the run" in done.stdout  # more arrive than the client's limit lets through


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "--precision", "5"), "no precision"),
        (("run", "--precision", "5%", "--replications", "10"), "at least 20"),
        (("run", "--precision", "5%", "--metric", "conflict_rat"), "did you mean conflicts.rate"),
        (("sweep", "--vary", "client.qps=1,2", "--select", "--precision", "5%"), "choose one"),
        (("sweep", "--vary", "client.qps=1,2", "--select", "--zone", "0"), "no precision"),
        (("sweep", "--vary", "client.qps=20,30", "--select", "--metric", "gave_up"), "no zone"),
    ],
)
def test_bad_input_is_one_message(project: Path, words: tuple[str, ...], says: str):
    done = inside(words[0], "small.yaml", *words[1:], at=project)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
