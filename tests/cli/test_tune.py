from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import yaml

from sim.scenario.reading.loader import load
from tests.cli.command import inside, requeue
from tests.cli.interrupted import journal_lines, stop_after

TUNE = ("tune", "small.yaml", "--trials", "6", "--replications", "4", "--fresh", "6")


@pytest.mark.slow
def test_tuning_from_the_question_to_the_fragment(project: Path):
    done = inside(*TUNE, "--out", "out", at=project)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in ("Recommended", "What it improves", "fresh replications that no trial saw", "Worth tuning", "mu*"):
        assert words in done.stdout
    names = {entry.name for entry in (project / "out").iterdir()}
    assert names >= {"tune.json", "recommended.yaml", "trials.csv", "trials.parquet", "tune.png", "journal.jsonl"}
    document = json.loads((project / "out" / "tune.json").read_text())
    assert len(document["trials"]) == 6
    assert document["trials"][0]["current"]
    fragment = yaml.safe_load(document["recommended"]["fragment"])
    assert set(fragment) == {"retry", "client"}
    pasted = load(yaml.safe_dump(yaml.safe_load((project / "small.yaml").read_text()) | fragment))
    assert pasted.client.qps == pytest.approx(float(document["recommended"]["settings"]["client.qps"]))


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_killed_and_interrupted_it_comes_to_the_same_answer(tmp_path: Path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
        (folder / "small.yaml").write_text("name: small\nworkload: {certificates: 4}\n")
    words = [*TUNE, "--json"]
    whole = inside(*words, at=undisturbed)
    assert whole.returncode == 0, whole.stderr
    total = len(journal_lines(undisturbed))
    assert stop_after(words, disturbed, 6, signal.SIGKILL).stdout == ""
    stopped = stop_after(words, disturbed, 20, signal.SIGINT)
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr
    assert "start the same command again: requeue tune small.yaml" in stopped.stderr
    ended = requeue(*words, at=disturbed, env=os.environ | {"PYTHONHASHSEED": "2"})
    assert ended.stdout == whole.stdout
    lines = journal_lines(disturbed)
    assert len(lines) == total  # nothing lost, nothing twice
    assert sorted(lines) == sorted(journal_lines(undisturbed))


def test_where_none_of_the_usual_settings_has_an_effect_keys_are_asked_for(project: Path):
    done = inside("tune", "contention/retry-storm", "--trials", "2", at=project)
    assert (done.returncode, "name keys and values with --space" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--objective", "time_to_redy.p99"), "did you mean time_to_ready.p99"),
        (("--objective", "gave_up", "--objective", "gave_up"), "given twice"),
        (("--constraint", "gave_up"), "no constraint"),
        (("--space", "client.qsp=20..100"), "did you mean qps"),
        (("--space", "seed=1..9"), "seed cannot be varied"),
        (("--space", "replications=2,3"), "replications cannot be varied"),
        (("--space", "client.qps"), "names no values"),
        (("--space", "client.qps=20"), "two different values"),
        (("--space", "client.qps=100..20"), "less than the high end"),
        (("--trials", "1"), "greater than or equal to 2"),
    ],
)
def test_bad_input_is_one_message(project: Path, words: tuple[str, ...], says: str):
    done = inside("tune", "small.yaml", *words, at=project)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(project.rglob("*.jsonl"))
