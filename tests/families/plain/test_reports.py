"""What every command says of plain clients: in their words, with figures for all that they may lose."""

from __future__ import annotations

import re

import pytest

import sim
from sim.analysis.metrics import overwritten
from sim.experiment.replicate import replicate
from sim.report.html.page import page
from sim.report.openmetrics import metrics_text
from sim.scenario.reading.loader import load
from tests.cli.command import inside

CLOBBER = """
name: targo
contention:
  name: cli
  clients: 1
  think: {mean: 500ms}
  others:
    - {name: ui, clients: 2, think: {mean: 100ms}, idle: {kind: exponential, mean: 200ms}}
retry: {base: 10ms}
replications: 2
until: {at_most: 30s}
"""


@pytest.mark.parametrize("strategy", ["merge-patch-unconditional", "apply"])
def test_blind_writes_overwrite_about_as_often_as_conditional_ones_are_refused(strategy: str):
    safe = sim.run(load(CLOBBER), jobs=1)
    blind = sim.run(load(CLOBBER, [f"strategy={strategy}"]), jobs=1)
    assert safe.summary["overwritten"]["total"]["mean"] == 0
    assert safe.summary["conflicts"]["total"]["mean"] > 40
    assert 0.5 < blind.summary["overwritten"]["total"]["mean"] / safe.summary["conflicts"]["total"]["mean"] < 3


def test_the_count_is_that_of_a_loop_over_all_pairs_of_writes():
    replication = replicate(load(CLOBBER, ["strategy=apply", "contention.fields=3", "contention.objects=2"]), 0)
    run = replication.contended
    assert run is not None
    names = ("client", "object", "field", "version", "base", "written")
    rows = [row for row in zip(*(run.column(name).tolist() for name in names), strict=True) if row[5] > 0]
    expected = 0
    for client, obj, field, version, base, written in rows:
        between = [row for row in rows if row[1:3] == (obj, field) and version < row[5] < written and row[0] != client]
        expected += bool(version and version < base and between)
    assert sum(overwritten(replication.requests).values()) == expected > 0


def test_clients_that_write_fields_of_their_own_overwrite_nothing():
    scenario = load(CLOBBER, ["strategy=merge-patch-unconditional", "contention.fields=90", "contention.touches=own"])
    apart = scenario.model_copy(
        update={"contention": scenario.contention.model_copy(update={"others": [], "clients": 80})}
    )
    assert sim.run(apart, jobs=1, replications=1).summary["overwritten"]["total"]["mean"] == 0


def test_the_warm_up_is_not_counted():
    late = ["strategy=apply", "contention.warm_up=29s"]
    few = sim.run(load(CLOBBER, late), jobs=1, replications=1).summary["overwritten"]["total"]["mean"]
    assert few < 20


@pytest.mark.parametrize("settings", [[], ["strategy=apply"], ["client.throttle=true"], ["writers=[{}]"]])
def test_the_metrics_of_real_clusters_are_those_of_any_client(settings: list[str]):
    text = "\n".join(metrics_text(sim.run(load(CLOBBER, settings), jobs=1).only(1)))
    assert "certmanager" not in text
    assert re.search(r'apiserver_request_total\{code="200",.*resource="configmaps".*verb="GET"', text)
    assert re.search(r'rest_client_requests_total\{code="200",.*\} [1-9]', text)
    assert ("rest_client_rate_limiter_duration_seconds_count" in text) == ("client.throttle=true" in settings)


def test_the_report_and_the_cell_speak_of_clients():
    result = sim.run(load(CLOBBER), jobs=1)
    for html in (page(result), result._repr_html_()):
        words = re.sub(r"<(style|svg|pre).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL)
        assert "commits a second" in words
        assert "jobs that committed" in words
        assert not re.search("Certificate|Ready|cert-manager", words)


@pytest.mark.parametrize(("fields", "share"), [(1, 1.0), (4, 0.3)])
def test_conflicts_are_true_ones_where_both_write_the_same_field(fields: int, share: float):
    text = CLOBBER.replace("until: {at_most: 30s}", "until: {at_most: 60s}")
    found = sim.run(load(text, [f"contention.fields={fields}"]), jobs=1).attribution
    assert len(found) > 50
    assert found["true_conflict"].mean() == pytest.approx(share, abs=0.15 if fields > 1 else 0)
    assert {name for each in found["winner_fields"] for name in each.split(", ")} == {
        f"data.field-{n}" for n in range(fields)
    }


def test_explain_says_what_tells_of_plain_clients(tmp_path):
    sim.run(load(CLOBBER), jobs=1, out=tmp_path / "run")
    done = inside("explain", "run", at=tmp_path)
    assert done.returncode == 2
    assert "requeue attribution says who lost to whom" in " ".join(done.stderr.split())
