from __future__ import annotations

import csv
import json
import signal
from pathlib import Path

import pytest

from sim.analysis.intervals import mean_interval
from tests.cli.command import inside, requeue
from tests.cli.interrupted import journal_lines, stop_after

SWEEP = ("sweep", "small.yaml", "--vary", "client.qps=20,50", "--vary", "retry.base=10ms..1s/log/3")


def test_a_sweep_says_the_best_first_and_leaves_its_files(project: Path):
    done = inside(*SWEEP, "--out", "out", at=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "conflicts per Certificate" in done.stdout.splitlines()[0]
    assert "undecided" in done.stdout
    assert "Reproduce it:  requeue sweep small.yaml --vary client.qps=20,50" in done.stdout
    names = {entry.name for entry in (project / "out").iterdir()}
    assert names == {
        "sweep.json", "cells.csv", "cells.parquet", "replications.csv", "replications.parquet", "sweep.png",
        "scenario.yaml", "manifest.json", "journal.jsonl",
    }  # fmt: skip
    again = inside(*SWEEP, "--out", "out", "--replications", "2", at=project)
    assert again.returncode == 0, again.stderr
    assert {entry.name for entry in (project / "out").iterdir()} == names


def test_cells_are_runs_with_set_and_differences_are_paired(project: Path):
    found = json.loads(inside(*SWEEP, "--json", "--out", "out", at=project).stdout)
    assert [cell["rank"] for cell in found["cells"]] == [1, 1, 3, 3, 3, 3]  # 20 and 1s is the current configuration
    verdicts = [cell["difference_from_best"]["verdict"] for cell in found["cells"][1:3]]
    assert verdicts == ["undecided", "higher"]
    assert [cell["cell"] for cell in found["cells"] if cell["current"]] == ["qps=20, base=1s"]
    means = [cell["metrics"]["conflicts.per_certificate"]["mean"] for cell in found["cells"]]
    assert means == sorted(means)
    cell = next(cell for cell in found["cells"] if cell["cell"] == "qps=50, base=100ms")
    words = ("--set", "client.qps=50", "--set", "retry.base=100ms", "--json")
    alone = json.loads(inside("run", "small.yaml", *words, at=project).stdout)
    assert cell["digest"] == alone["digest"]
    assert cell["metrics"]["conflicts.per_certificate"] == alone["conflicts"]["per_certificate"]
    with (project / "out" / "replications.csv").open() as file:
        rows = list(csv.DictReader(file))
    series = {
        name: [float(row["requests.total"]) for row in rows if row["cell"] == name]
        for name in (cell["cell"], found["baseline"])
    }
    differences = [a - b for a, b in zip(series[cell["cell"]], series[found["baseline"]], strict=True)]
    group = cell["difference"]["requests.total"]
    assert (group["mean"], group["low"], group["high"]) == pytest.approx(mean_interval(differences)[:3])
    assert group["verdict"] in {"lower", "higher", "undecided"}


@pytest.mark.usefixtures("two_cores")
def test_the_table_is_the_same_whatever_the_executor(project: Path):
    found = {
        inside(*SWEEP, "--json", "--executor", name, at=project).stdout
        for name in ("in-process", "threads", "processes")
    }
    assert len(found) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_killed_and_interrupted_it_comes_to_the_same_table(tmp_path: Path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "small.yaml").write_text("name: small\nreplications: 8\nworkload: {certificates: 4}\n")
    words = [*SWEEP, "--executor", "processes", "--json"]
    whole = inside(*words, at=undisturbed)
    killed = stop_after(words, disturbed, 5, signal.SIGKILL)
    assert killed.stdout == ""
    first = journal_lines(disturbed)
    assert len(first) >= 5
    stopped = stop_after(words, disturbed, 5, signal.SIGINT)
    assert stopped.returncode == 130
    assert stopped.stdout == ""
    assert "Traceback" not in stopped.stderr
    assert "start the same command again: requeue sweep small.yaml" in stopped.stderr
    second = journal_lines(disturbed)
    assert second[: len(first)] == first
    assert len(second) >= len(first) + 5
    ended = requeue(*words, at=disturbed)
    assert f"going on from {len(second)} replications" in ended.stderr
    assert ended.stdout == whole.stdout
    lines = journal_lines(disturbed)
    assert lines[: len(second)] == second
    assert len(lines) == 6 * 8  # nothing twice
    assert sorted(lines) == sorted(journal_lines(undisturbed))
    assert not (disturbed / "results" / ".unfinished").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--vary", "client.qps=20"), "two cells or more"),
        (("--vary", "client.qps=20,20"), "listed twice"),
        (
            ("--vary", "seed=1,2"),
            "seed cannot be varied, all are run on the same random numbers: choose these with --seed",
        ),
        (("--vary", "replications=2,3"), "replications cannot be varied, all have the same replications: choose"),
        (("--vary", "client.qps=20,-5"), "client.qps"),
        (("--vary", "client.qsp=20,30"), "did you mean qps"),
        (("--vary", "retry.base=1s..10ms/log/3"), "less than the high end"),
        (("--vary", "client.qps=20,50", "--metric", "conflict"), "did you mean"),
        (("--vary", "client.qps=20,50", "--executor", "ray"), "is no executor"),
        (("--vary", "client.qps=1..900/lin/900", "--vary", "client.burst=1..900/lin/900"), "too many"),
    ],
)
def test_bad_input_is_one_message(project: Path, words: tuple[str, ...], says: str):
    done = inside("sweep", "small.yaml", *words, at=project)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(project.rglob("*.jsonl"))


def test_an_impossible_combination_is_left_out_and_said(project: Path):
    done = inside("sweep", "small.yaml", "--vary", "retry.base=1s,40s", "--vary", "retry.max=30s,1m", at=project)
    assert done.returncode == 0, done.stderr
    assert "Left out:      base=40s, max=30s" in done.stdout
