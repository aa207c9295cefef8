"""What goes wrong without a 409, by controller: lost updates, duplicates, loops; and that every command tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
from sim.analysis.hazards import hazards
from sim.cli.app import app
from sim.experiment.result import Result
from sim.recording.columns import CAUSES, LOSSES
from sim.report.openmetrics import metrics_text
from sim.report.sentences import loops
from tests.families.operators.test_described import run

FOLDER = Path("scenarios/operators")
KINDS = {
    "merge-patch-drops-conditions": "Service",
    "two-managers-one-list": "Gateway",
    "children-with-generated-names": "Cluster",
    "three-controllers-one-status": "Widget",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Results of some scenarios, small."""
    found = {}
    for name in KINDS:
        scenario = sim.load(FOLDER / f"{name}.yaml", ["replications=1", "workload.objects=8", "until.at_most=30s"])
        found[name] = tmp_path_factory.mktemp("hazards") / name
        sim.run(scenario, out=found[name])
    return found


def test_results_keep_who_took_what_from_whom_and_when_it_was_repaired(folders: dict[str, Path]):
    result = sim.open_results(folders["merge-patch-drops-conditions"])
    rows = result.losses
    assert len(rows) == result.metrics["lost_updates"].mean > 0
    assert set(rows["by"]) <= {"network", "firewall", "user"}
    assert (rows["by"].astype(str) != rows["of"].astype(str)).all()
    never = rows["repaired_at"].isna()
    assert never.sum() == result.metrics["lost_updates.never_repaired"].mean
    assert ((rows["repaired_by"] == "") == never).all()
    assert (rows.loc[~never, "repaired_at"] >= rows.loc[~never, "lost_at"]).all()
    taken = rows[rows["of"] != "lab"].merge(
        result.requests, left_on=["replication", "of_request"], right_on=["replication", "request"]
    )
    assert (taken["actor"].astype(str) == taken["of"].astype(str)).all()


@pytest.mark.parametrize(
    ("writers", "lost"),
    [
        ({"user": ("patch", "spec.replicas", "${value}")}, set()),  # what it was created with, and then its own
        ({"user": ("patch", "spec.more", "${value}")}, set()),  # nobody else writes it
        ({"user": ("patch", "spec.replicas", 5), "gitops": ("patch", "spec.replicas", 3)}, {"user", "gitops"}),
        ({"user": ("patch", "spec.replicas", 5), "gitops": ("update", "spec.replicas", 3)}, {"user"}),
        ({"user": ("patch", "status.count", 7)}, {"user"}),  # the controller's
    ],
)
def test_a_blind_patch_loses_what_was_changed_since_the_creation(
    writers: dict[str, tuple[str, str, Any]], lost: set[str]
):
    steps = [{"when": "!('Ready' in holds)", "do": [{"status": {"conditions": {"Ready": {}}, "set": {"count": 1}}}]}]
    edits = [
        {"name": name, "action": action, "rate": "2/s", "start": "1s", "lasts": "20s", "set": {field: value}}
        for name, (action, field, value) in writers.items()
    ]
    rows = run(steps, writers=edits, until={"at_least": "25s", "at_most": "30s"}).losses
    assert {row[LOSSES.index("by")] for row in rows} == lost
    assert not rows or "lab" not in {row[LOSSES.index("of")] for row in rows}


def test_hot_loops_are_told_by_controller(folders: dict[str, Path]):
    summary = sim.open_results(folders["two-managers-one-list"]).summary
    assert loops(summary)[-1].endswith("on what others wrote: they undo each other.")
    assert summary["hazards"]["lost_updates"].keys() == {"routes", "tls"}
    beat = {"name": "one", "for": "Widget", "steps": [{"do": [{"work": {"mean": "400ms"}}, {"status": BEAT}]}]}
    found = hazards(run([], controller=beat, until={"settled_for": "8s", "at_most": "20s", "at_least": "10s"}))
    assert found["late_writes.one"] == found["late_writes_on_own.one"]
    assert found["late_writes"] > 1
    assert found["late_writes_timed"] == 0


def test_a_timer_that_wakes_is_told_from_a_write_that_wakes_its_writer():
    result = sim.run(sim.load("operators/heartbeat", ["replications=1"]))
    hazards = result.summary["hazards"]
    assert hazards["late_writes_timed"]["heartbeat"]["mean"] > 0.9 * hazards["late_writes"]["heartbeat"]["mean"]
    [said] = loops(result.summary)
    assert said.endswith("times that it has set itself (requeue_after, a schedule): its timer wakes it.")
    assert set(result.reconciles["cause"]) == {"watch", "requeue"} <= set(CAUSES)
    result = sim.run(sim.load("operators/a-write-that-wakes-its-writer", ["replications=1"]))
    assert "late_writes_timed" not in result.summary["hazards"]
    assert loops(result.summary)[0].endswith("on versions that it wrote itself: it wakes itself.")


BEAT = {"set": {"seen": "${now_micro}"}, "conditions": {"Ready": {}}}


@pytest.mark.parametrize(("made_by", "twice"), [({"generate_name": "${name}-"}, 1), ({"name": "${name}-0"}, 0)])
def test_what_a_stale_cache_lets_create_again_is_a_duplicate(made_by: dict[str, Any], twice: int):
    """The status write before it wakes the controller again at once, and the cache has no child yet."""
    create = {"kind": "ConfigMap", "exists": "ignore", **made_by}
    steps = [{"when": "size(owned.ConfigMap) < 1", "do": [{"status": {"set": {"phase": "a"}}}, {"create": create}]}]
    found = [run(steps, controller={"writes": "merge-patch"}, seed=seed) for seed in range(1, 8)]
    assert (max(len(each.duplicates) for each in found) > 0) == bool(twice)


def test_several_children_that_are_wanted_are_no_duplicates():
    create = {"create": {"kind": "ConfigMap", "generate_name": "${name}-"}}
    steps = [{"when": "size(owned.ConfigMap) < 2", "do": [{"work": {"mean": "50ms"}}, create]}]
    assert run(steps).duplicates == []
    assert run([{"when": "size(owned.ConfigMap) < 2", "do": [create, create]}]).duplicates == []


@pytest.mark.parametrize("name", KINDS)
def test_every_command_speaks_of_the_kind_and_of_no_certificate(name: str, folders: dict[str, Path], tmp_path: Path):
    main, folder = CliRunner(), folders[name]
    page, trace = tmp_path / "page.html", tmp_path / "trace"
    said = []
    for words in (["explain"], ["attribution"], ["report", "-o", str(page)], ["trace", "-o", str(trace)], ["metrics"]):
        done = main.invoke(app, [words[0], str(folder), *words[1:]])
        assert done.exit_code == 0, done.output
        said.append(done.output)
    said.append(page.read_text())
    assert not [text for text in said if "Certificate" in text or "certmanager_" in text]
    assert all(KINDS[name] in text for text in (said[0], said[1], said[-1]))


def test_explain_tells_a_loss_with_its_repair_and_a_duplicate(folders: dict[str, Path]):
    main = CliRunner()
    told = main.invoke(app, ["explain", str(folders["merge-patch-drops-conditions"])]).output
    assert "TAKES AWAY" in told
    assert "no 409, no" in told
    assert "What goes wrong, by controller" in told
    told = main.invoke(app, ["explain", str(folders["merge-patch-drops-conditions"]), "--json"]).output
    assert {"by", "of", "field", "lost_s"} <= json.loads(told)["losses"][0].keys()


def test_metrics_count_what_was_lost(folders: dict[str, Path]):
    result: Result = sim.open_results(folders["merge-patch-drops-conditions"]).only(1)
    lines = [line for line in metrics_text(result) if line.startswith("requeue_lost_updates_total{")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) == len(result.losses)
    assert any(line.startswith("controller_runtime_reconcile_total{") for line in metrics_text(result))


def test_pictures_of_losses_and_writes(folders: dict[str, Path]):
    result = sim.open_results(folders["merge-patch-drops-conditions"])
    assert sim.plot.lost_updates(result).get_ylabel() == "values lost and not written again"
    assert len(sim.plot.writes_over_time(result).get_legend().get_texts()) == 3


REJECTED = """
name: refused-for-ever
kinds: {Widget: {openapi: {type: object, properties: {spec: {type: object, properties: {size: {type: integer,
  maximum: 3}}}, status: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {phase: {type: string,
  enum: [Pending, Running]}}}}}}}
workload: {kind: Widget, objects: 2, spec: {size: 3}}
until: {at_most: 10s}
replications: 2
operators:
- name: widget-operator
  controllers:
  - name: keeper
    for: Widget
    steps: [{when: "!('Ready' in holds)", do: [ACTION, {status: {conditions: {Ready: {}}}}]}]
"""


@pytest.mark.parametrize(
    ("action", "what", "words"),
    [
        (
            "{create: {kind: Deployment, spec: {replicas: self.spec.size}}}",
            "keeper create deployments 422",
            'spec.replicas in body must be of type integer: "string"',
        ),
        ("{status: {set: {phase: Runing}}}", "keeper update widgets/status 422", 'Unsupported value: "Runing"'),
        ("{write: {spec: {size: 4}, by: merge-patch}}", "keeper patch widgets 422", "spec.size in body should be less"),
    ],
)
def test_a_write_that_is_refused_for_what_it_says_is_told_in_the_servers_words(
    action: str, what: str, words: str, tmp_path: Path
):
    """Without them nobody finds out what is wrong: the passes fail again and again, and nothing is Ready."""
    (tmp_path / "one.yaml").write_text(REJECTED.replace("ACTION", action))
    result = sim.run(sim.load(tmp_path / "one.yaml"), out=tmp_path / "out")
    assert words in result.summary["rejected"][what]
    assert sim.open_results(tmp_path / "out").summary == result.summary
    told = f"Rejected: {what.rpartition(' ')[0]} is answered 422, "
    main, page = CliRunner(), tmp_path / "page.html"
    for words_of in (["run", str(tmp_path / "one.yaml"), "--out", str(tmp_path / "again")], ["explain"], ["report"]):
        more = {"explain": [str(tmp_path / "out")], "report": [str(tmp_path / "out"), "-o", str(page)]}
        done = main.invoke(app, [*words_of, *more.get(words_of[0], [])])
        assert done.exit_code == 0, done.output
        assert told in (page.read_text() if words_of[0] == "report" else " ".join(done.output.split()))


def test_advice_on_what_is_never_done_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(REJECTED.replace("ACTION", "{write: {spec: {size: 4}}}"))
    done = CliRunner().invoke(app, ["advise", "one.yaml", "--replications", "3"])
    assert "Whatever is tried, no object is ever done" in done.output
