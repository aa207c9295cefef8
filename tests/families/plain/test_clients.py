"""What clients do, seen in what they leave behind: both ways, every policy, every table."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.analysis.contention import measure
from sim.experiment.replicate import played, replicate, world_of
from sim.families.plain.family import PlainFamily
from sim.families.plain.tries import TRY
from sim.families.warnings import warnings_of
from sim.recording import frames
from sim.recording.columns import RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.recording.tables import tables
from sim.scenario.model import Scenario
from sim.units import MS, SECOND

DELAY = {"kind": "normal", "mean": "10ms", "sd": "2ms"}
THINK = {"kind": "exponential", "mean": "20ms"}


def scenario(**keys: Any) -> Scenario:
    return Scenario.model_validate({"name": "test", "until": {"at_most": "5s"}, **keys})


def play(index: int = 0, *, direct: bool = True, **keys: Any) -> tuple[Replication, dict[str, Any]]:
    made = scenario(**keys)
    found = played(world_of(made, index, family=PlainFamily(direct=direct)), index)
    assert not found.violations
    return found, measure(found, made)


def requests(found: Replication) -> list[dict[str, Any]]:
    return [dict(zip(REQUESTS, row, strict=True)) for row in found.requests]


def passes(found: Replication) -> list[dict[str, Any]]:
    return [dict(zip(RECONCILES, row, strict=True)) for row in found.reconciles]


@pytest.mark.parametrize(
    "keys",
    [
        {"contention": {"loop": "once", "message": DELAY}},
        {"contention": {"loop": "once", "message": DELAY, "think": THINK, "objects": 3}},
        {"contention": {"loop": "once", "message": DELAY, "fields": 2}, "retry": {"limit": 2, "jitter": "equal"}},
        {"contention": {"loop": "once", "message": {"mean": "10ms"}, "start": THINK}, "retry": {"backoff": "decorr"}},
        {"contention": {"loop": "once", "message": DELAY}, "retry": {"backoff": "full", "limit": 0}},
        # Beside others, who take the long way anyhow.
        {
            "contention": {
                "loop": "once",
                "message": DELAY,
                "others": [{"name": "locked", "loop": "once", "control": "pessimistic", "message": DELAY}],
            },
            "writers": [{"name": "gitops", "rate": "50/s"}],
        },
    ],
)
def test_the_short_way_and_the_long_way_do_the_same(keys: dict[str, Any]):
    # To the end: a try that is under way then is a row of the long way only.
    short, _ = play(clients=8, until={"at_most": "1h"}, **keys)
    long, _ = play(clients=8, until={"at_most": "1h"}, direct=False, **keys)
    assert short.digest == long.digest
    assert list(short.requests) == list(long.requests)
    assert list(short.reconciles) == list(long.reconciles)


def test_the_same_seed_gives_the_same_digest_and_another_another():
    keys: dict[str, Any] = {"contention": {"think": THINK}, "clients": 4, "until": {"at_most": "500ms"}}
    digests = {replicate(scenario(**keys, seed=seed), index).digest for seed in (1, 2) for index in (0, 1)}
    assert len(digests) == 4
    assert replicate(scenario(**keys), 1).digest in digests


def test_one_more_client_leaves_the_others_luck_alone():
    alone, _ = play(clients=1, contention={"loop": "once", "message": DELAY})
    among, _ = play(clients=9, contention={"loop": "once", "message": DELAY})
    first = next(row for row in requests(among) if row["actor"] == "client-0")
    assert first["received_ns"] == requests(alone)[0]["received_ns"]


def test_the_tables_fit_each_other():
    found, figures = play(clients=6, contention={"loop": "once", "message": DELAY}, retry={"base": "5ms"})
    rows = requests(found)
    assert [row["request"] for row in rows] == list(range(len(rows)))
    assert [row["decided_ns"] for row in rows] == sorted(row["decided_ns"] for row in rows)
    writes = [row for row in rows if row["verb"] == "update"]
    assert len(writes) == figures["work"] == figures["attempts"]
    assert sum(row["code"] == 409 for row in writes) == figures["conflicts"] == figures["retries"]
    assert all(row["read_version"] == row["base_version"] for row in writes if row["code"] == 200)
    assert all(row["read_version"] < row["base_version"] for row in writes if row["code"] == 409)
    assert figures["requests"] == len(rows) == 2 * len(writes)
    tries = passes(found)
    assert [row["outcome"] for row in tries].count("ok") == 6
    assert {row["cause"] for row in tries if row["failures"] == 0} == {"job"}
    assert {row["reconcile"] for row in rows} == {row["reconcile"] for row in tries}
    kept = tables(found)
    for name, made in (("requests", rows), ("reconciles", tries)):
        assert kept[name].drop_columns(["replication"]).to_pylist() == made
        assert kept[name].schema == frames.schema(name)


def test_conflicts_name_the_winner():
    found, figures = play(clients=2, contention={"loop": "once", "message": DELAY}, retry={"backoff": "none"})
    conflicts = frames.conflicts(frames.frame(tables(found)["requests"]))
    assert len(conflicts) == figures["conflicts"] == 1
    assert set(conflicts.iloc[0][["controller", "winner"]]) == {"client-0", "client-1"}


POLICIES: list[dict[str, Any]] = [
    {"policy": "requeue"},
    {"policy": "in-place"},
    {"policy": "in-place", "in_place": {"preset": "DefaultBackoff"}},
    {"policy": "apply-on-conflict"},
    {"policy": "read-your-writes"},
    {"policy": "requeue", "budget": {"kind": "workqueue"}},
    *(
        {"policy": "requeue", "budget": {"kind": kind}}
        for kind in ("finagle", "grpc", "envoy", "aws-sdk", "google-sre")
    ),
    *({"policy": "in-place", "budget": {"kind": kind, "scope": "all"}} for kind in ("tower", "grpc", "istio")),
]


@pytest.mark.parametrize("retry", POLICIES, ids=lambda retry: "-".join(str(value) for value in retry.values()))
@pytest.mark.parametrize("read", ["live", "cache"])
def test_every_job_ends_under_every_policy(retry: dict[str, Any], read: str):
    retry = {"base": "10ms", "max": "200ms", **retry}
    contention = {"loop": "once", "message": DELAY, "think": THINK, "read": read}
    found, figures = play(clients=8, contention=contention, retry=retry, until={"at_most": "1h"})
    assert found.settled
    assert figures["commits"] + figures["gave_up"] == 8
    assert figures["gave_up"] == 0 or "budget" in retry
    if retry["policy"] == "in-place":
        assert any(row["retries"] for row in passes(found))
    if retry["policy"] == "apply-on-conflict":
        assert {row["verb"] for row in requests(found) if row["code"] == 200} >= {"apply"}


def test_a_client_that_gives_up_is_counted():
    contention = {"loop": "once", "think": {"mean": "5ms"}}
    _, figures = play(clients=5, contention=contention, retry={"limit": 0})
    assert (figures["commits"], figures["gave_up"], figures["starved"]) == (1, 4, 4)


def test_what_a_budget_refuses_is_counted():
    budget = {"kind": "finagle", "min_retries_per_second": 0}
    contention = {"loop": "once", "think": {"mean": "5ms"}}
    found, figures = play(clients=5, contention=contention, retry={"budget": budget})
    assert (figures["commits"], figures["gave_up"], figures["budget_refusals"]) == (1, 4, 4)
    assert [row["outcome"] for row in passes(found)].count("over-budget") == 4


def test_resend_never_succeeds_and_is_warned_of():
    keys: dict[str, Any] = {
        "contention": {"loop": "once", "think": {"mean": "5ms"}},
        "retry": {"policy": "resend", "limit": 0},
    }
    _, figures = play(clients=3, **keys)
    assert (figures["commits"], figures["stale_again"]) == (1, 2 * 4)
    (warning,) = warnings_of(scenario(**keys))
    assert "can't succeed" in warning
    assert not warnings_of(scenario(contention={"loop": "once"}, retry={"policy": "in-place"}))


def test_a_retry_faster_than_the_cache_is_warned_of_and_repeats_its_copy():
    keys: dict[str, Any] = {
        "contention": {"read": "cache", "lag": {"mean": "50ms"}, "loop": "once", "think": {"mean": "1ms"}}
    }
    quick = {"retry": {"backoff": "none"}}
    assert "the same stale copy" in warnings_of(scenario(**keys, **quick))[0]
    assert not warnings_of(scenario(**keys))
    assert play(clients=2, **keys, **quick)[1]["stale_again"] > 10
    assert play(clients=2, **keys)[1]["stale_again"] == 0


def test_cert_managers_controllers_are_warned_of_too():
    plain = Scenario.model_validate({"name": "x", "retry": {"policy": "resend"}})
    assert "can't succeed" in warnings_of(plain)[0]
    assert not warnings_of(Scenario.model_validate({"name": "x", "retry": {"policy": "resend"}, "strategy": "apply"}))
    assert not warnings_of(Scenario.model_validate({"name": "x"}))
    assert "same stale copy" in warnings_of(Scenario.model_validate({"name": "x", "retry": {"base": "10us"}}))[0]


def test_disjoint_fields_conflict_under_update_and_not_under_patch_or_apply():
    contention = {"loop": "once", "fields": 6, "touches": "own", "think": {"mean": "5ms"}}
    for strategy, conflicts in (("update", 15), ("apply", 0), ("merge-patch-unconditional", 0)):
        _, figures = play(clients=6, contention=contention, strategy=strategy, retry={"backoff": "none"})
        assert (figures["commits"], figures["conflicts"]) == (6, conflicts)


def test_disjoint_objects_never_conflict():
    contention = {"objects": 6, "touches": "own", "think": THINK}
    _, figures = play(clients=6, contention=contention)
    assert figures["conflicts"] == 0
    assert figures["commits"] > 500


def test_locks_leave_no_conflicts_and_one_job_at_a_time():
    _, figures = play(clients=5, contention={"control": "pessimistic", "think": {"mean": "10ms"}, "warm_up": "1s"})
    assert figures["conflicts"] == 0
    assert figures["throughput"] == pytest.approx(100, rel=0.01)
    assert figures["job_time_p99"] == pytest.approx(50)


def test_finite_resources_turn_the_ranking_round():
    def throughput(control: str, cores: int | None) -> float:
        contention = {"objects": 5, "think": THINK, "uses_cores": True, "control": control, "warm_up": "1s"}
        _, figures = play(clients=25, contention=contention, cpu={"cores": cores}, retry={"backoff": "none"})
        return float(figures["throughput"])

    assert throughput("optimistic", None) > 1.5 * throughput("pessimistic", None)
    assert throughput("pessimistic", 2) > 2 * throughput("optimistic", 2)


def test_an_answer_that_is_not_waited_for_may_still_commit():
    contention = {"loop": "once", "message": {"mean": "30ms"}, "timeout": "70ms", "service": {"mean": "20ms"}}
    found, figures = play(clients=1, contention=contention, retry={"limit": 1, "base": "1ms"})
    assert (figures["timeouts"], figures["gave_up"]) == (2, 1)
    assert {row["verb"] for row in requests(found)} == {"get"}
    contention["read"] = "none"
    found, figures = play(clients=1, contention=contention, strategy="apply", retry={"limit": 0})
    assert (figures["commits"], figures["gave_up"]) == (0, 1)


def test_the_client_throttle_holds_reads_and_writes():
    client = {"throttle": True, "qps": 10.0, "burst": 1}
    found, figures = play(clients=1, contention={"loop": "once"}, client=client)
    assert figures["time"] == pytest.approx(100)
    assert [row["sent_ns"] - row["asked_ns"] for row in requests(found)] == [0, 100 * MS]


def test_background_writers_are_recorded_and_never_refused():
    writers = [{"name": "gitops", "rate": "50/s"}]
    found, figures = play(clients=1, contention={"think": {"mean": "20ms"}}, writers=writers, retry={"backoff": "none"})
    theirs = [row for row in requests(found) if row["actor"] == "gitops"]
    assert {(row["verb"], row["code"], row["conditional"]) for row in theirs} == {("patch", 200, False)}
    assert 180 < len(theirs) < 320
    assert figures["conflicts"] > 50


def test_a_warm_up_is_left_out_of_the_figures_and_not_of_the_tables():
    whole, all_figures = play(clients=3, contention={"think": THINK})
    same, figures = play(clients=3, contention={"think": THINK, "warm_up": "2500ms"})
    assert whole.digest == same.digest
    assert figures["commits"] == pytest.approx(all_figures["commits"] / 2, rel=0.2)


def test_a_slow_writer_starves_beside_a_fast_one():
    others = [{"name": "fast", "clients": 1, "think": {"mean": "20ms"}}]
    contention = {"name": "slow", "clients": 1, "think": {"mean": "200ms"}, "others": others}
    _, figures = play(contention=contention, retry={"base": "10ms"})
    assert (figures["commits.slow"], figures["starved"]) == (0, 1)
    assert figures["commits.fast"] > 200


def test_the_columns_of_a_try_are_whole():
    found, _ = play(clients=2, contention={"loop": "once", "message": DELAY})
    assert found.contended is not None
    tries = found.contended.tries
    assert {len(tries[name]) for name in TRY} == {len(tries)}
    assert 0 < found.ended_ns < 2 * SECOND


STILL = {
    "jobs without a step that takes time": ("{loop: closed}", "contention.loop"),
    "by default": ("{objects: 2}", "contention"),
    "times that are always 0": ("{think: {kind: uniform, low: 0, high: 0}, service: {mean: 0}}", "contention"),
    "one group of several": ("{think: {mean: 1ms}, others: [{name: b, idle: {mean: 0}}]}", "contention.others.0.idle"),
    "blind writes": ("{read: none, strategy: apply}", "contention"),
    "a stale cache": ("{loop: once, read: cache, retry: {backoff: none}}", "contention.retry.backoff"),
    "a cache without a lag": (
        "{loop: once, read: cache, lag: {mean: 0}, retry: {backoff: none}}",
        "contention.retry.backoff",
    ),
    "a stale cache, with own writes": (
        "{loop: once, read: cache, retry: {backoff: none, policy: read-your-writes}}",
        "contention.retry.backoff",
    ),
    "somebody else's field": (
        "{loop: once, strategy: apply, force: false, retry: {backoff: none}}",
        "contention.retry.backoff",
    ),
}


@pytest.mark.parametrize("case", STILL)
def test_a_loop_in_which_no_step_takes_time_is_refused(case: str):
    text, key = STILL[case]
    with pytest.raises(sim.ScenarioError) as error:
        sim.load(f"name: x\ncontention: {text}\n")
    assert [problem.key for problem in error.value.problems] == [key]
    assert "takes no time and" in error.value.message


@pytest.mark.parametrize(
    "text",
    [
        "{think: {mean: 1ms}}",
        "{idle: {mean: 1ms}}",
        "{scan: {kind: uniform, low: 0s, high: 1ms}}",
        "{message: {kind: normal, sd: 1ms}}",
        "{service: {mean: 1ms}}",
        "{others: []}\nserver: {network_one_way: 1ms}",
        "{others: []}\nclient: {throttle: true}",
        "{loop: once}\nretry: {backoff: none}",
        "{loop: once, read: cache, retry: {backoff: none, limit: 3}}",
        "{loop: once, read: cache, retry: {backoff: none, policy: in-place}}",
        "{loop: once, read: cache, retry: {backoff: none, budget: {kind: grpc}}}",
        "{loop: once, read: cache, strategy: apply, retry: {backoff: none}}",
    ],
)
def test_a_loop_with_a_step_that_takes_time_comes_to_an_end(text: str):
    scenario = sim.load(f"name: x\nclients: 5\ncontention: {text}\nuntil: {{at_most: 2s}}\nreplications: 1\n")
    assert sim.run(scenario).summary["replications"] == 1
