from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import sim
from sim.cli.app import app

runner = CliRunner()

BUSY = """
name: busy
replications: 2
seed: 3
workload: {certificates: 12}
writers: [{name: gitops, action: update, rate: 2/s, target: annotation}]
"""


def requeue(*words: str, at: Path) -> Result:
    """Run a command in this process, which has everything imported already."""
    with contextlib.chdir(at):
        return runner.invoke(app, words)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run and a comparison in it."""
    at = tmp_path_factory.mktemp("project")
    (at / "busy.yaml").write_text(BUSY)
    assert requeue("run", "busy.yaml", at=at).exit_code == 0
    words = ("--vary", "strategy=update,apply", "--replications", "1", "--out", "compared")
    assert requeue("compare", "busy.yaml", *words, at=at).exit_code == 0
    return at


def test_it_tells_the_story_of_the_certificate_with_most_conflicts(project: Path):
    done = requeue("explain", "results/latest", at=project)
    assert done.exit_code == 0, done.stderr
    result = sim.open_results(project / "results/latest").only(1)
    most = result.attribution["certificate"].value_counts()
    name = re.match(r"(c\d{4}) in busy, replication 1", done.stdout)
    assert name
    assert most[name[1]] == most.max()
    mine = result.attribution[result.attribution["certificate"] == name[1]]
    told = re.findall(r"LOSES #(\d+)", done.stdout)
    assert told == [str(number) for number in range(1, len(mine) + 1)]
    for version in mine["read_version"]:
        assert f"reads {version}" in re.sub(r"\s+", " ", done.stdout)
    assert "optimistic" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-2])) <= 80  # the last two are commands to copy
    assert done.stdout.isascii()
    assert "requeue run busy.yaml --seed 3 --replications 2" in done.stdout


def test_one_conflict_in_detail_has_the_parts_of_its_age(project: Path):
    result = sim.open_results(project / "results/latest").only(2)
    row = result.attribution.sort_values("age").iloc[-1]
    number = str(row["conflict"])
    words = ("--certificate", row["certificate"], "--conflict", number, "--replication", "2")
    done = requeue("explain", "results/latest", *words, at=project)
    assert done.exit_code == 0, done.stderr
    assert f"LOSES #{number}" in done.stdout
    assert "The copy was" in done.stdout
    for label in ("news on its way", "workqueue", "own work", "client's token", "network and in the server"):
        assert label in done.stdout
    assert "Wasted: " in done.stdout
    assert row["winner"].removeprefix("certificates-") in done.stdout
    plain = json.loads(requeue("explain", "results/latest", *words, "--json", at=project).stdout)
    (found,) = plain["conflicts"]
    assert found["controller"] == row["controller"]
    assert found["winner"] == row["winner"]
    assert found["age_s"] == row["age"].value / 1e9
    parts = ("watch_lag_s", "workqueue_s", "own_work_s", "token_s", "in_flight_s")
    assert sum(found[part] for part in parts) == pytest.approx(found["age_s"], abs=1e-9)
    times = [event["time_s"] for event in plain["events"]]
    assert times == sorted(times)


def test_wrong_names_and_numbers_say_what_there_is(project: Path):
    for words, message in (
        (["results/latest", "--certificate", "c99"], "--object c99: there is none of that name. Near it: c00"),
        (["results/latest", "--conflict", "0"], "409"),
        (["results/latest", "--conflict", "400"], "has 409s 1 to"),
        (["results/latest", "--replication", "9"], "replication 9: this run has replications 1 to 2"),
        (["results/lates"], "In results there is"),
        (["results/latest", "--variant", "apply"], "holds one run"),
        (["compared", "--variant", "aply"], "the comparison has update, apply"),
        ([str(project / "busy.yaml")], "no results folder"),
    ):
        done = requeue("explain", *words, at=project)
        assert done.exit_code == 2, words
        assert message in done.stderr
        assert isinstance(done.exception, SystemExit)
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_without_a_409_it_says_so_kindly(project: Path):
    for words in (["compared", "--variant", "apply"], ["compared/apply", "--conflict", "1"]):
        done = requeue("explain", *words, at=project)
        assert done.exit_code == 0, done.stderr
        if "gitops" not in done.stdout:  # its own updates may be refused in any variant
            assert "No write was refused" in done.stdout
            assert "--object c0000" in done.stdout
    none = requeue("run", "busy.yaml", "--set", "writers=[]", "--set", "strategy=apply", "--out", "none", at=project)
    assert none.exit_code == 0
    for words in ([], ["--conflict", "3"], ["--certificate", "c0001"], ["--certificate", "c0001", "--conflict", "3"]):
        done = requeue("explain", "none", *words, at=project)
        assert done.exit_code == 0, done.stderr
        assert re.search("no write was refused", done.stdout, re.IGNORECASE)
    assert json.loads(requeue("explain", "none", "--json", at=project).stdout)["conflicts"] == []


def test_trace_and_metrics_work_from_a_folder(project: Path):
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    done = requeue("trace", "results/latest", "-o", "x.pftrace", "--replication", "2", at=project)
    assert done.exit_code == 0, done.stderr
    trace = Trace()
    trace.ParseFromString((project / "x.pftrace").read_bytes())
    assert f"{len(trace.packet):,} packets" in done.stdout
    done = requeue("metrics", "compared", "--variant", "apply", at=project)
    families = {family.name: family for family in text_string_to_metric_families(done.stdout)}
    assert {sample.labels["verb"] for sample in families["apiserver_request"].samples} >= {"APPLY"}
    wanted = requeue("run", "busy.yaml", "--out", "again", "--openmetrics", "m.txt", at=project)
    assert wanted.exit_code == 0, wanted.stderr
    assert (project / "m.txt").read_text() == requeue("metrics", "again", at=project).stdout
    for words in (
        ["trace", "results/latest", "-o", "nowhere/x"],
        ["metrics", "results/latest", "--every", "5"],
        ["metrics", "results/latest", "--format", "xml"],
        ["run", "busy.yaml", "--openmetrics", "nowhere/x"],
    ):
        bad = requeue(*words, at=project)
        assert bad.exit_code == 2, words
        assert bad.stderr.startswith("requeue: ")
        assert isinstance(bad.exception, SystemExit)


def test_diff_tells_where_two_runs_part(project: Path):
    same = requeue("diff", "compared/update", "compared/update", at=project)
    assert same.exit_code == 0
    assert same.stdout.startswith("Both runs did the same")
    done = requeue("diff", "compared/update", "compared/apply", at=project)
    assert done.exit_code == 1, done.stderr
    assert "strategy: update in A, apply in B" in done.stdout
    assert "First divergence, in replication 1" in done.stdout
    assert re.search(r"in A certificates-\S+ sends update certificates/status", done.stdout)
    assert re.search(r"in B certificates-\S+ sends apply certificates/status", done.stdout)
    plain = json.loads(requeue("diff", "compared/update", "compared/apply", "--json", at=project).stdout)
    assert plain["same"] is False
    assert plain["divergence"]["a"][0]["time_s"] == plain["divergence"]["b"][0]["time_s"]
    assert plain["intervals"] == "paired"
    for words in (["compared", "compared/apply"], ["compared/update", "nothing"]):
        bad = requeue("diff", *words, at=project)
        assert bad.exit_code == 2
        assert bad.stderr.startswith("requeue: ")


REPLICAS = """
name: replicas
replications: 1
kinds: {Widget: {}}
workload: {kind: Widget, objects: 6, arrival: at-once}
operators:
- name: op
  replicas: 2
  controllers:
  - name: w
    for: Widget
    steps:
    - when: "!('Ready' in holds)"
      do: [{work: {kind: exponential, mean: 30ms}}, {status: {conditions: {Ready: {}}}}]
"""


def test_replicas_without_a_leader_are_not_told_as_one(tmp_path: Path):
    (tmp_path / "replicas.yaml").write_text(REPLICAS)
    assert requeue("run", "replicas.yaml", "--out", "out", at=tmp_path).exit_code == 0
    rows = sim.open_results(tmp_path / "out").attribution
    assert len(rows)
    assert (rows["retried_at"] >= rows["decided_at"]).all()
    found = requeue("explain", "out", at=tmp_path)
    words = " ".join(found.stdout.split())
    assert "the retry began -" not in words
    assert "A watch event put it into the queue again" in words
    assert "an earlier write of the same pass, or another replica of it, was first." in words
