"""What must be true of every recording, computed from its rows alone."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings

from sim.experiment.replicate import replicate, world_of
from sim.families.certmanager.releases import release_of
from sim.recording.replication import Replication
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MINUTE, SECOND
from tests.simulation.recorded import certificates, lines, reconciles, requests
from tests.strategies import small_scenarios

# By name of the controllers whose keys are Certificates, the scenario's options.
OPTIONS = {
    "certificates-trigger": "trigger",
    "certificates-readiness": "readiness",
    "certificates-key-manager": "key_manager",
    "certificates-request-manager": "request_manager",
    "certificates-issuing": "issuing",
    "certificates-revision-manager": "revision_manager",
}
WRITERS = {"trigger", "readiness", "key_manager", "issuing"}


def check_times(scenario: Scenario, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        order = [row[f"{name}_ns"] for name in ("asked", "sent", "received", "decided", "answered")]
        assert order == sorted(order)
        late = scenario.client.read_after_wait and row["conditional"] and row["sent_ns"] > row["asked_ns"]
        if late and OPTIONS.get(row["actor"]) in WRITERS:
            assert row["asked_ns"] <= row["read_ns"] <= row["sent_ns"]
        else:
            assert 0 <= row["read_ns"] <= row["sent_ns"]
            assert row["read_ns"] <= row["asked_ns"] or scenario.client.read_after_wait


def check_versions(rows: list[dict[str, Any]]) -> None:
    written = [
        row["written_version"] for row in sorted(rows, key=lambda row: row["decided_ns"]) if row["written_version"]
    ]
    assert len(written) == len(set(written))
    # One revision for the whole store: within an instant anything goes, otherwise it grows.
    last: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["written_version"]:
            key = (row["resource"], row["object"])
            assert row["base_version"] == last.get(key, 0)
            last[key] = row["written_version"]
        elif row["verb"] == "delete" and row["code"] == 200:
            last.pop((row["resource"], row["object"]))
        elif row["verb"] != "create" and row["resource"] != "issuers":
            assert row["base_version"] == last.get((row["resource"], row["object"]), 0)


def check_conflicts(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        stale = row["conditional"] and row["base_version"] != row["read_version"]
        if row["reason"] == "Conflict":
            assert (row["code"], stale) == (409, True)
        elif row["conditional"] and row["code"] < 300:
            assert not stale
        assert row["written_version"] == 0 or row["code"] < 300
        assert row["hidden_retries"] == 0 or not row["conditional"]


def check_reconciles(scenario: Scenario, passes: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    sent = Counter(row["reconcile"] for row in rows if row["reconcile"] >= 0)
    numbers = [each["reconcile"] for each in passes]
    assert len(numbers) == len(set(numbers))
    by_key: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    running: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in passes:
        assert each["queued_ns"] <= each["started_ns"] <= each["ended_ns"]
        assert each["requests"] == sent.get(each["reconcile"], 0)
        by_key[each["controller"], each["key"]].append(each)
        # A pass that finds nothing to do is recorded with core time that its worker makes up for later.
        if each["requests"]:
            running[each["controller"]] += [(each["started_ns"], 1), (each["ended_ns"], -1)]
    for key, mine in by_key.items():
        if not scenario.controllers.restarts:
            mine.sort(key=lambda each: each["started_ns"])
            for earlier, later in itertools.pairwise(mine):
                assert earlier["ended_ns"] <= later["started_ns"] or not earlier["requests"], key
    for controller, changes in running.items():
        options = getattr(scenario.controllers, OPTIONS.get(controller, ""), None)
        allowed = (options.workers if options is not None else None) or scenario.controllers.workers
        level = 0
        for _, change in sorted(changes):
            level += change
            assert level <= allowed or scenario.controllers.restarts


def check_strategies(scenario: Scenario, rows: list[dict[str, Any]]) -> None:
    verbs = {"update": ("update", True), "apply": ("apply", False)}
    verbs |= {"merge-patch": ("patch", True), "merge-patch-unconditional": ("patch", False)}
    for row in rows:
        label = OPTIONS.get(row["actor"])
        if label in WRITERS and row["resource"] == "certificates" and row["verb"] != "get":
            own = getattr(scenario.controllers, label).strategy or scenario.strategy
            assert (row["verb"], row["conditional"], row["subresource"]) == (*verbs[own], "status")


def check_tokens(scenario: Scenario, rows: list[dict[str, Any]]) -> None:
    """No more tokens than the bucket can have given in any stretch of time."""
    throttle = scenario.client.throttle
    throttled = release_of(scenario.preset).throttled if throttle is None else throttle
    mine = [row for row in rows if row["actor"].startswith(("certificates-", "certificaterequests-"))]
    if not throttled:
        assert all(row["sent_ns"] == row["asked_ns"] for row in mine)
        return
    if scenario.controllers.restarts:
        return
    # Requests may be sent later than their tokens came, for want of a processor, but not earlier: the first
    # burst at once, then one each 1/qps.
    sent = sorted(row["sent_ns"] for row in mine)
    for k, at in enumerate(sent):
        assert k + 1 <= scenario.client.burst + (at - sent[0] + 1000) * scenario.client.qps / SECOND + 1


def check_events(scenario: Scenario, rows: list[dict[str, Any]]) -> None:
    last: dict[str, int] = {}
    for row in sorted((row for row in rows if row["resource"] == "events"), key=lambda row: row["asked_ns"]):
        if not scenario.controllers.restarts:
            assert row["asked_ns"] >= last.get(row["actor"], 0)  # one at a time for each component
        last[row["actor"]] = row["answered_ns"]
        assert (row["verb"], row["code"]) in {("create", 201), ("patch", 200), ("patch", 404)}
        assert row["reconcile"] == -1


def check_certificates(found: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    for each in found:
        mine = [row for row in rows if row["certificate"] == each["certificate"]]
        create = next(row for row in mine if row["verb"] == "create" and row["resource"] == "certificates")
        assert each["created_ns"] == create["answered_ns"]
        made = [row for row in mine if row["resource"] == "certificaterequests" and row["verb"] == "create"]
        assert each["requests_created"] == sum(row["code"] == 201 for row in made)
        applied = [row for row in mine if row["resource"] == "secrets" and row["verb"] == "apply"]
        assert each["secret_applies"] == sum(row["code"] < 300 for row in applied)
        assert each["ready_ns"] == -1 or each["ready_ns"] > each["created_ns"]
        assert each["settled_ns"] == -1 or each["settled_ns"] >= each["ready_ns"] > 0
        assert each["ready"] <= (each["ready_ns"] >= 0)
        assert each["managed_fields_bytes"] > 0


def check_log(scenario: Scenario, recorded: Replication, rows: list[dict[str, Any]]) -> None:
    if scenario.controllers.restarts:
        return  # an answer to a killed process is logged by nobody
    # Of a CertificateRequest that was deleted and created again the uid is refused, which is another error.
    refused = [
        row
        for row in rows
        if row["reason"] == "Conflict"
        and row["resource"] == "certificates"
        and row["actor"].startswith("certificates-")
        and row["answered_ns"] < recorded.ended_ns
    ]
    found = [
        line
        for line in lines(recorded)
        if "optimistic locking" in line["message"] and line["controller"].startswith("certificates-")
    ]
    counted = Counter(row["actor"] for row in refused)
    for controller in counted | Counter(line["controller"] for line in found):
        # The last ones may not have been logged yet when the replication ended.
        assert 0 <= counted[controller] - sum(line["controller"] == controller for line in found) <= 1


@settings(max_examples=60, deadline=None)
@given(small_scenarios())
def test_every_recording_is_consistent(scenario: Scenario):
    recorded = replicate(scenario, 0)
    rows, passes = requests(recorded), reconciles(recorded)
    assert rows
    check_times(scenario, rows)
    check_versions(rows)
    check_conflicts(rows)
    check_reconciles(scenario, passes, rows)
    check_strategies(scenario, rows)
    check_tokens(scenario, rows)
    check_events(scenario, rows)
    check_certificates(certificates(recorded), rows)
    check_log(scenario, recorded, rows)


@settings(max_examples=40, deadline=None)
@given(small_scenarios(faults=False))
def test_without_faults_everything_becomes_ready_and_stays_so(scenario: Scenario):
    cluster = world_of(scenario, 0, Profile())
    cluster.run()
    store = cluster.api.store
    # Whether all have settled: not where tokens are too few, where there is always a renewal under way, or
    # where an unconditional patch may put back what others have removed.
    slow = scenario.client.qps < 10 and (scenario.client.throttle is not False)
    overwrites = "merge-patch-unconditional" in (
        scenario.strategy,
        scenario.controllers.readiness.strategy,
        scenario.controllers.issuing.strategy,
    )
    settles = not slow and not overwrites and scenario.certificate.renew_before is None
    for name, life in cluster.listener.lives.items():
        stored = store.get("Certificate", name)
        assert stored is not None
        status = stored.status or {}
        conditions = {each["type"]: each["status"] == "True" for each in status.get("conditions", ())}
        # The recorder's view of the end is the store's.
        assert life.ready == conditions.get("Ready", False)
        assert life.issuing == conditions.get("Issuing", False)
        assert life.next_key == ("nextPrivateKeySecretName" in status)
        assert life.revision == status.get("revision", 0)
        if settles:
            assert life.settled
            secret = store.get("Secret", f"{name}-tls")
            assert secret is not None
            assert secret.data is not None
            assert secret.data["tls.crt"].key == secret.data["tls.key"]
    if settles:
        assert cluster.settled
        assert {secret.name for secret in store.list("Secret")} == {f"{name}-tls" for name in cluster.listener.lives}


@pytest.mark.parametrize(
    ("until", "created", "ends"),
    [
        ({"settled_for": 6 * SECOND}, SECOND, (7, 9)),
        ({"settled_for": 6 * SECOND, "at_least": 30 * SECOND}, SECOND, (37, 38)),
        ({"settled_for": 0, "at_most": 3 * SECOND}, SECOND, (1, 4)),
    ],
)
def test_a_replication_ends_as_the_scenario_says(until: dict[str, int], created: int, ends: tuple[int, int]):
    scenario = Scenario.model_validate(
        {
            "name": "end",
            "workload": {"arrival": {"schedule": [created]}},
            "certificate": {"private_key": {"algorithm": "ECDSA"}},
            "until": until,
        }
    )
    recorded = replicate(scenario, 0)
    assert ends[0] * SECOND <= recorded.ended_ns <= ends[1] * SECOND
    assert recorded.settled


def test_a_replication_that_never_settles_ends_at_most_then():
    scenario = Scenario.model_validate(
        {
            "name": "end",
            "workload": {"certificates": 1},
            "issuer": {"type": "ca", "failure_rate": 1.0},
            "until": {"at_most": 2 * MINUTE, "settled_for": 6 * SECOND},
        }
    )
    recorded = replicate(scenario, 0)
    assert not recorded.settled
    assert recorded.ended_ns == pytest.approx(126 * SECOND, rel=0.01)


@pytest.mark.parametrize("action", ["patch", "update"])
def test_others_may_write_the_ready_condition(action: str):
    scenario = Scenario.model_validate(
        {
            "name": "edited",
            "workload": {"certificates": 2},
            "certificate": {"private_key": {"algorithm": "ECDSA"}},
            "issuer": {"type": "external", "latency": {"p50": 3 * SECOND, "p90": 3 * SECOND + 1}},
            "writers": [{"target": "readyCondition", "action": action, "rate": 5.0, "start": 0}],
            "until": {"at_most": 20 * SECOND, "at_least": 20 * SECOND},
        }
    )
    recorded = replicate(scenario, 0)
    edited = [row for row in requests(recorded) if row["actor"] == "gitops" and row["written_version"]]
    assert len(edited) > 10
    # readiness mends what they break.
    assert all(row["ready_ns"] > 0 for row in certificates(recorded))
