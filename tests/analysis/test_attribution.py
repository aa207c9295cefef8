from __future__ import annotations

import pandas as pd
import pytest

from sim.analysis.ages import PARTS
from sim.analysis.attribution import Frames, attribution, blame, staleness
from sim.experiment.result import Result
from sim.experiment.run import run
from sim.families.certmanager.fields import FIELDS
from sim.recording.dictionary import COLUMNS
from sim.recording.frames import certificates, frame, joined, table
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from tests.recorded_rows import MS, certificate, conflict, reconcile, request

ISSUING, READY, KEY = (1 << FIELDS.index(f"status.{name}") for name in (
    "conditions[Issuing]", "conditions[Ready]", "nextPrivateKeySecretName",
))  # fmt: skip
TRIGGER, READINESS, KEYS = "certificates-trigger", "certificates-readiness", "certificates-key-manager"


def ms(number: float) -> pd.Timedelta:
    return pd.Timedelta(milliseconds=number)


def frames(**rows: list[tuple[object, ...]]) -> Frames:
    names = ("requests", "reconciles", "certificates", "refusals", "deliveries")
    made = [frame(joined(name, [table(name, rows.get(name, []), 1)])) for name in names]
    made[2] = certificates(made[2])
    return Frames(*made)


def two_actors() -> Frames:
    """A Certificate is created (version 5); trigger and readiness read that copy, and both wait for a token.

    ms    0  stored as version 5
    ms    2  in the cache; both keys are queued
    ms    3  readiness's pass begins, asks for a token at 4, has it at 9, is stored at 14 as version 6
    ms    7  trigger's pass begins, applies a Secret (asks 8, has a token at 9, answered 12), asks for the next
             token at 13, has it at 20, and is refused at 26: the copy went stale at 14, while it waited
    ms   30  trigger's next pass, which readiness's event had queued; its Secret again, its write stored at 44
    """
    about = {"object": "c0000", "certificate": "c0000"}
    secret = {"actor": TRIGGER, "verb": "apply", "resource": "secrets", "subresource": "", "conditional": False}
    secret |= {"read_version": 0, "base_version": 0, "fields": 0, "object": "c0000-tls"}

    def times(read: int, asked: int, sent: int, decided: int) -> dict[str, int]:
        names = ("read_ns", "asked_ns", "sent_ns", "received_ns", "decided_ns", "answered_ns")
        return dict(zip(names, (each * MS for each in (read, asked, sent, sent, decided, decided + 1)), strict=True))

    return frames(
        requests=[
            request(request=0, actor="lab", verb="create", written_version=5, reconcile=-1, **times(0, 0, 0, 0)),
            request(request=1, reconcile=2, written_version=4, **(about | secret), **times(7, 8, 9, 11)),
            request(request=2, actor=READINESS, reconcile=1, fields=READY, written_version=6, **times(3, 4, 9, 14)),
            conflict(request=3, reconcile=2, read_version=5, base_version=6, **times(7, 13, 20, 26)),
            request(request=4, reconcile=3, written_version=7, **(about | secret), **times(30, 31, 31, 33)),
            request(request=5, reconcile=3, read_version=6, base_version=6, written_version=8, **times(30, 35, 40, 44)),
        ],
        reconciles=[
            reconcile(reconcile=1, controller=READINESS, queued_ns=2 * MS, started_ns=3 * MS, ended_ns=16 * MS),
            reconcile(reconcile=2, queued_ns=2 * MS, started_ns=7 * MS, ended_ns=28 * MS, outcome="conflict"),
            reconcile(reconcile=3, queued_ns=17 * MS, started_ns=30 * MS, ended_ns=46 * MS, cause="watch"),
        ],
        certificates=[certificate(ready_ns=2000 * MS)],
        refusals=[(3, ISSUING, 0, "", 3 * MS)],
        deliveries=[("c0000", 5, 2 * MS), ("c0000", 6, 17 * MS)],
    )


def test_two_actors_by_hand():
    made = attribution(two_actors())
    assert list(made.columns) == list(COLUMNS["attribution"])
    assert len(made) == 1
    row = made.iloc[0]
    assert (row["conflict"], row["request"], row["controller"], row["winner"]) == (1, 3, TRIGGER, READINESS)
    assert (row["winner_request"], row["winner_version"], row["writes_between"]) == (2, 6, 1)
    assert row["wanted_fields"] == "status.conditions[Issuing]"
    assert row["winner_fields"] == "status.conditions[Ready]"
    assert row["overlap_fields"] == ""
    assert not row["true_conflict"]
    assert row["age"] == ms(26)
    assert row["idle"] == ms(0)
    parts = {"watch_lag": 2, "workqueue": 5, "own_work": 1 + 1, "token": 1 + 7, "in_flight": 3 + 6}
    assert {name: row[name] for name in parts} == {name: ms(value) for name, value in parts.items()}
    assert row["outdated_during"] == "token"
    assert (row["outdated_at"], row["stale_for"]) == (ms(14), ms(12))
    assert (row["retry"], row["retried_by"], row["retried_at"]) == (3, "watch", ms(30))
    assert row["recovered_at"] == ms(46)
    assert row["ready_delay"] == ms(20)
    assert row["wasted_requests"] == 2  # the refused write, and the Secret that was applied again
    assert row["wasted_cpu"] == ms(1 + 3)


def test_a_replica_is_tried_again_from_its_own_queue():
    hand = two_actors()
    other = [{"started_at": 8, "ended_at": 24}, {"started_at": 27, "ended_at": 29}, {"started_at": 28, "ended_at": 90}]
    template = hand.reconciles[hand.reconciles["reconcile"] == 3]
    made = [
        template.assign(reconcile=10 + n, replica=2, cause="schedule", **{at: ms(when) for at, when in times.items()})
        for n, times in enumerate(other)
    ]
    passes = pd.concat([hand.reconciles, *made], ignore_index=True).astype({"cause": "category"})
    row = attribution(hand._replace(reconciles=passes)).iloc[0]
    assert (row["retry"], row["retried_by"], row["retried_at"]) == (3, "watch", ms(30))
    assert (row["recovered_at"], row["ready_delay"], row["wasted_requests"]) == (ms(46), ms(20), 2)
    # Of replicas of which one leads it is the new leader that tries again, but no pass from before the refusal.
    row = attribution(hand._replace(reconciles=passes.assign(replica=1))).iloc[0]
    assert (row["retry"], row["retried_by"], row["retried_at"]) == (12, "schedule", ms(28))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("operators/three-controllers-one-status", ["operators.0.replicas=2"]),
        ("operators/three-controllers-one-status", ["operators.0.replicas=3", "workload.objects=5"]),
        ("contention/aws-backoff", []),
        ("faults/old-leader", []),
    ],
)
def test_nothing_is_tried_again_before_it_was_refused(name: str, settings: list[str]):
    found = run(load(resolve_scenario(name), settings), replications=1, jobs=1).attribution
    assert len(found) or "leader" in name
    tried = found[found["retried_by"] != "nothing"]
    assert (tried["retried_at"] >= tried["decided_at"]).all()
    assert not (found["recovered_at"] < found["decided_at"]).any()
    assert not (found["ready_delay"] < pd.Timedelta(0)).any()


def test_a_copy_that_lay_unused_ages_from_when_its_key_was_queued_or_it_was_outdated():
    hand = two_actors()
    later = hand.reconciles.copy()
    later.loc[later["reconcile"] == 2, "queued_at"] = ms(6)
    made = attribution(hand._replace(reconciles=later)).iloc[0]
    assert (made["idle"], made["watch_lag"], made["workqueue"], made["age"]) == (ms(4), ms(2), ms(1), ms(22))
    # The winner came at 4 ms, while the copy lay there: from then on the news was late.
    early = hand.requests.copy()
    early.loc[early["request"] == 2, "decided_at"] = ms(4)
    made = attribution(hand._replace(reconciles=later, requests=early)).iloc[0]
    assert (made["idle"], made["watch_lag"], made["workqueue"]) == (ms(2), ms(4), ms(1))
    assert made["outdated_during"] == "watch_lag"


def test_the_winner_is_the_first_write_after_the_copy_and_its_fields_are_those_of_all_between():
    rows = [
        request(request=0, actor=READINESS, written_version=6, fields=READY),
        request(request=1, actor=KEYS, written_version=9, fields=KEY),
        conflict(request=2, read_version=5, base_version=9),
        conflict(request=3, read_version=6, base_version=9),
        conflict(request=4, read_version=9, base_version=11),  # whoever wrote 11 was not recorded
        request(request=5, actor=KEYS, object="c0001", written_version=7, fields=KEY),
    ]
    refusals = [(2, KEY | ISSUING, 0, "", 0), (3, READY, 0, "", 0), (4, ISSUING, 0, "", 0)]
    made = attribution(frames(requests=rows, refusals=refusals, reconciles=[reconcile()]))
    assert list(made["winner"][:2]) == [READINESS, KEYS]
    assert pd.isna(made["winner"][2])
    assert list(made["writes_between"]) == [2, 1, 0]
    assert made["winner_fields"][0] == "status.conditions[Ready], status.nextPrivateKeySecretName"
    assert list(made["overlap_fields"]) == ["status.nextPrivateKeySecretName", "", ""]
    assert list(made["true_conflict"]) == [True, False, False]
    matrix = blame(made)
    assert matrix.loc[TRIGGER].to_dict() == {READINESS: 1, KEYS: 1, "unknown": 1}


def test_without_conflicts_all_frames_are_there_and_empty():
    made = attribution(frames(requests=[request()], reconciles=[reconcile()]))
    assert made.empty
    assert {name: str(made[name].dtype) for name in made} == {n: c.dtype for n, c in COLUMNS["attribution"].items()}
    assert blame(made).empty
    assert list(staleness(made)["outdated"]) == [0] * len(PARTS)
    assert staleness(made)["share"].isna().all()


SCENARIOS = {
    "burst": ("recorded/burst-50-update", "workload.certificates=30"),
    "restart": ("recorded/restart-50-update", "workload.certificates=20"),
    "gitops": ("recorded/gitops-update-50-update", "workload.certificates=20"),
    "renewal": ("recorded/renew-20-update", "workload.certificates=5"),
    "fast, 20 workers": ("recorded/fast-w20-80-update", "workload.certificates=30"),
    "reads after its wait": ("recorded/burst-50-update", "workload.certificates=30", "client.read_after_wait=true"),
    "1.21, merge patch": ("recorded/1.21-burst-50-update", "workload.certificates=20", "strategy=merge-patch"),
    "apply": ("recorded/burst-50-ssa", "workload.certificates=10"),
    "blind merge patch": (
        "recorded/burst-50-update",
        "workload.certificates=30",
        "strategy=merge-patch-unconditional",
    ),
}


@pytest.fixture(scope="module", params=SCENARIOS.values(), ids=SCENARIOS)
def result(request: pytest.FixtureRequest) -> Result:
    name, *settings = request.param
    return run(load(resolve_scenario(name), settings), replications=2, jobs=1)


def test_every_conflict_is_attributed_by_controller(result: Result):
    counted = {
        name: sum(each.metrics.get(f"conflicts.{name}", 0) or 0 for each in result.measured)
        for name in result.summary["conflicts"]["by_controller"]
    }
    attributed = result.attribution["controller"].value_counts()
    assert {name: int(attributed.get(name, 0)) for name in counted} == counted
    assert len(result.attribution) == sum(counted.values()) == len(result.conflicts)
    assert result.blame.sum(axis=1).to_dict() == {name: count for name, count in counted.items() if count}
    assert result.blame.to_numpy().sum() == len(result.attribution)


def test_the_winner_stored_a_version_between_the_copy_and_the_refusal(result: Result):
    made = result.attribution
    assert made["winner"].notna().all()
    assert (made["winner_version"] > made["read_version"]).all()
    assert (made["winner_version"] <= made["base_version"]).all()
    assert (made["outdated_at"] <= made["decided_at"]).all()
    wrote = made.merge(result.requests, left_on=["replication", "winner_request"], right_on=["replication", "request"])
    assert len(wrote) == len(made)
    assert (wrote["actor"].astype(str) == wrote["winner"].astype(str)).all()
    assert (wrote["object"].astype(str) == wrote["certificate_x"].astype(str)).all()
    assert (wrote["written_version"] == wrote["winner_version"]).all()


def test_the_parts_of_an_age_add_up_to_the_nanosecond(result: Result):
    made = result.attribution
    assert (made[list(PARTS)].sum(axis=1) == made["age"]).all()
    assert (made["age"] + made["idle"] == made["decided_at"] - made["written_at"]).all()
    assert (made[[*PARTS, "idle", "stale_for", "ready_delay"]] >= pd.Timedelta(0)).all().all()
    shares = result.staleness["share"]
    assert len(made) == 0 or shares.sum() == pytest.approx(1)
    assert result.staleness["outdated"].sum() == len(made)


def test_frames_are_as_documented(result: Result):
    for name, columns in COLUMNS.items():
        made = getattr(result, name)
        assert {column: str(made[column].dtype) for column in made} == {n: c.dtype for n, c in columns.items()}, name


def test_what_was_overwritten_agrees_with_the_count(result: Result):
    for replication, each in enumerate(result.measured, start=1):
        rows = result.overwritten[result.overwritten["replication"] == replication]
        assert len(rows) == each.metrics["overwritten"]
        assert (
            result.hidden_retries.query("replication == @replication")["hidden_retries"].sum()
            == (each.metrics["hidden_retries"])
        )
