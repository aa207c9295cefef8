"""The scenarios of contention: what they expect comes out, and what is wrong with one is said at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sim.experiment.run import run
from sim.scenario.errors import ScenarioError
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load

NAMES = ["aws-backoff", "finite-resources", "retry-storm", "starvation"]
TEXT = "name: x\ncontention: {message: {mean: 1ms}}\n"


def scenario(name: str, *overrides: str):
    return load(Path(resolve_scenario(f"contention/{name}")), overrides)


@pytest.mark.parametrize("name", NAMES)
def test_each_meets_its_expectations_and_names_its_source(name: str):
    file = Path(resolve_scenario(f"contention/{name}"))
    assert file.read_text(encoding="utf-8").startswith("# Source: ")
    result = run(load(file), replications=2, jobs=1)
    assert result.ok, result.summary["expectations"]
    assert bool(result.scenario.expect) == (name != "aws-backoff")
    assert result.summary["warnings"] == []
    assert len(result.requests) > 0
    assert len(result.certificates) == 0


@pytest.mark.parametrize(
    "overrides",
    [
        ["contention.rate=100"],
        ["retry.budget.kind=finagle", "retry.budget.scope=all"],
        ["retry.budget.kind=aws-sdk", "retry.budget.scope=all"],
    ],
)
def test_the_storm_ends_with_less_load_or_a_budget(overrides: list[str]):
    found = run(scenario("retry-storm", *overrides), replications=1, jobs=1).summary
    assert found["timeouts"]["mean"] == 0
    assert found["throughput"]["mean"] > 99


def test_the_slow_writer_is_helped_by_apply_and_by_locks():
    assert run(scenario("starvation", "strategy=apply"), replications=1, jobs=1).summary["starved"]["mean"] == 0
    locks = ["contention.control=pessimistic", "contention.others.0.control=pessimistic"]
    assert run(scenario("starvation", *locks), replications=1, jobs=1).summary["starved"]["mean"] == 0
    assert run(scenario("starvation", "retry.backoff=full"), replications=1, jobs=1).summary["starved"]["mean"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_resolved_scenario_is_the_same_scenario(name: str):
    made = scenario(name, "clients=7") if name == "aws-backoff" else scenario(name)
    assert load(yaml.safe_dump(made.resolved())) == made


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("contention.loop=open", "an open loop needs the rate of its jobs"),
        ("contention.rate=5/s", "rate is for the open loop, and the loop is closed"),
        ("contention.think.kind=normal", "the kind normal needs sd"),
        ("contention.think.sd=1ms", "sd is not for the kind fixed"),
        ("contention.think={kind: uniform, low: 2ms, high: 1ms}", "high must be at least low, which is 2ms"),
        ("contention.think=5ms", "found '5ms'; write a mapping with the keys kind, mean"),
        ("contention.read=none", "the strategy update sends the version that was read"),
        ("contention.thnk.mean=1ms", "unknown key 'thnk'; did you mean think?"),
        ("contention.others.0.name=client", "two groups are called 'client'"),
        ("contention.uses_cores=true", "think is 0, so there is nothing to compute"),
        ("contention.warm_up=500s", "nothing is left after the warm-up; until.at_most is 400s"),
        ("contention.outages=[{at: 1s, lasts: 5s}, {at: 2s, lasts: 1s}]", "begins before the one before it has ended"),
        ("workload.certificates=5", "workload is about cert-manager, and contention stands in its place"),
        ("controllers.workers=2", "controllers is about cert-manager"),
        ("writers.0.action=update", "beside contention a writer has action patch"),
        ("expect={ready_share: '== 1'}", "ready_share is a figure of cert-manager's controllers"),
        ("clients=0", "found 0; write a whole number, at least 1"),
        (
            "retry.budget={kind: grpc, ttl: 1s}",
            "ttl is no parameter of the budget grpc; it has max_tokens",
        ),
        ("retry.in_place.steps=3", "in_place is for the policies in-place and resend"),
        ("retry.conflict_base=1h", "the longest wait 30s is shorter than the first, 1h"),
        ("retry={backoff: full, jitter: equal}", "contradict each other"),
        ("retry={bucket: {}, budget: {kind: workqueue}}", "are the same thing"),
    ],
)
def test_what_does_not_go_together_is_refused(override: str, message: str):
    with pytest.raises(ScenarioError) as refused:
        load(TEXT, [override])
    assert message in str(refused.value)
    assert str(refused.value).startswith("--set ")


def test_clients_without_contention_are_refused():
    with pytest.raises(ScenarioError, match="clients are those of contention, which is missing"):
        load("name: x", ["clients=3"])
    with pytest.raises(ScenarioError, match="time is a figure of contention"):
        load("name: x", ["expect={time: '< 1s'}"])
    with pytest.raises(ScenarioError, match="an open loop has as many as jobs need"):
        load(TEXT, ["contention.loop=open", "contention.rate=3/s", "clients=3"])
