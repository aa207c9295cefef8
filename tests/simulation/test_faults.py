"""Faults in whole runs: what was recorded of real ones, what must hold whatever happens, and what costs nothing."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from sim.experiment.replicate import replicate, world_of
from sim.recording.columns import LOGS, OBJECTS, REQUESTS
from sim.recording.replication import Replication
from sim.scenario.faults import KINDS
from sim.scenario.reading.loader import load
from sim.units import SECOND

_R = {name: index for index, name in enumerate(REQUESTS)}
_L = {name: index for index, name in enumerate(LOGS)}
_O = {name: index for index, name in enumerate(OBJECTS)}


def run(faults: str = "", certificates: int = 30, index: int = 0, more: str = "") -> Replication:
    text = f"name: x\nprofile: faults-2-cores\nworkload: {{certificates: {certificates}}}\n{more}"
    if faults:
        text += "faults:\n" + "".join(f"  - {fault}\n" for fault in faults.split("\n"))
    return replicate(load(text), index)


def answered(run: Replication, since: float, until: float) -> list[tuple[Any, ...]]:
    return [row for row in run.requests if since * SECOND <= row[_R["decided_ns"]] < until * SECOND]


def codes(run: Replication) -> Counter[int]:
    return Counter(row[_R["code"]] for row in run.requests)


def logged(run: Replication, text: str, since: float = 0, until: float = 1e6) -> int:
    return sum(text in row[_L["message"]] and since * SECOND <= row[_L["time_ns"]] < until * SECOND for row in run.logs)


def settled(run: Replication) -> bool:
    return all(row[_O["ending"]] == "settled" for row in run.objects)


EVERY_KIND = {
    "kill api-server": "{at: 5s, kill: api-server, lasts: 3s}",
    "kill api-server often": "{every: {mean: 8s}, until: 60s, kill: api-server, lasts: 1s}",
    "kill etcd": "{every: {mean: 5s}, until: 60s, kill: etcd}",
    "kill etcd for a while": "{at: 5s, kill: etcd, lasts: 3s}",
    "kill controllers": "{every: {mean: 5s}, until: 60s, kill: controllers, lasts: 1s}",
    "kill at a point": "{after: {controller: key-manager, write: 2, kind: Certificate}, kill: controllers}",
    "stop api-server": "{at: 5s, stop: api-server, lasts: 4s}",
    "stop api-server for long": "{at: 5s, stop: api-server, lasts: 60s}",
    "stop etcd": "{at: 5s, stop: etcd, lasts: 4s}",
    "stop etcd for long": "{at: 5s, stop: etcd, lasts: 50s}",
    "stop controllers": "{at: 5s, stop: controllers, lasts: 5s}",
    "stop issuer": "{at: 1s, stop: issuer, lasts: 20s}",
    "cut": "{every: {mean: 3s}, until: 60s, cut: controllers}",
    "cut for a while": "{at: 5s, cut: controllers, lasts: 10s}",
    "cut, gone": "{at: 5s, cut: controllers, gone: true}",
    "cut, silent": "{at: 5s, cut: controllers, lasts: 10s, silent: true}",
    "cut, silent for long": "{at: 5s, cut: controllers, lasts: 80s, silent: true}",
    "delay requests": "{at: 1s, delay: requests, by: 1s, share: 0.3}",
    "delay etcd": "{at: 1s, delay: etcd, by: 300ms, lasts: 20s}",
    "delay watch": "{at: 1s, delay: watch, by: 2s, of: {kind: Secret}, lasts: 10s}",
    "delay webhook": "{at: 1s, delay: webhook, by: 20s, lasts: 20s}",
    "delay issuer": "{at: 1s, delay: issuer, by: 3s, lasts: 20s}",
    "drop requests": "{at: 1s, drop: requests, share: 0.1, lasts: 20s}",
    "drop answers": "{at: 1s, drop: answers, share: 0.1, lasts: 20s}",
    "drop watch": "{at: 1s, drop: watch, share: 0.02, of: {kind: Certificate}, lasts: 10s}",
    "refuse requests": "{at: 1s, refuse: requests, share: 0.3, lasts: 20s}",
    "refuse webhook": "{at: 1s, refuse: webhook, lasts: 20s}",
    "refuse issuer": "{at: 1s, refuse: issuer, times: 2}",
    "skew": "{at: 1s, skew: controllers, by: 1h, behind: true, lasts: 10s}",
    "steal cores": "{at: 0s, steal: cores, cores: 2, lasts: 10s}",
    "the past": "{at: 3s, stop: watch-cache, lasts: 10s}\n{at: 6s, kill: controllers, to_other: true}",
    "moved": "{at: 3s, stop: watch-cache, lasts: 10s}\n{at: 6s, cut: controllers, to_other: true}",
}


def test_every_kind_is_tried_here() -> None:
    tried = {kind for text in EVERY_KIND.values() for kind in KINDS if f" {kind}: " in text}
    assert tried == set(KINDS)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_fault_keeps_the_invariants_and_the_same_seed_gives_the_same_run(name: str) -> None:
    first, second = (run(EVERY_KIND[name], 8, more="until: {at_most: 2m}\n") for _ in range(2))
    assert first.violations == []
    assert first.digest == second.digest


@pytest.mark.parametrize("index", range(3))
def test_a_killed_api_server_is_back_as_recorded(index: int) -> None:
    """3.8 to 4.3 s without an answer; 20 errors a second; 8 to 14 unknown paths in the first 6 to 28 ms."""
    found = run("{at: 8s, kill: api-server, lasts: 3s}", 50, index)
    assert not answered(found, 8.1, 11.7)
    first = min(row[_R["decided_ns"]] for row in found.requests if row[_R["decided_ns"]] > 8.1 * SECOND)
    assert 11.75 <= first / SECOND <= 12.4
    errors = logged(found, "connection refused", 9, 11)
    assert 30 <= errors <= 44
    unknown = [row for row in found.requests if row[_R["code"]] == 503]
    assert 1 <= len(unknown) <= 25
    assert {row[_R["resource"]] for row in unknown} <= {"certificates", "certificaterequests"}
    assert (max(row[_R["decided_ns"]] for row in unknown) - first) / SECOND < 0.03
    assert settled(found)


@pytest.mark.parametrize("at", range(200, 216, 2))
def test_who_has_no_connection_is_answered_whatever_its_request_had_come_to(at: int) -> None:
    """In the server, with etcd, or decided and not answered yet: who creates one after the other goes on."""
    found = run(f"{{at: {at}ms, kill: api-server, lasts: 1s}}", 30, more="until: {at_most: 1m}\n")
    created = [row for row in found.requests if (row[_R["verb"]], row[_R["resource"]]) == ("create", "certificates")]
    assert len(created) == 30
    assert found.violations == []


def test_a_refused_request_has_used_its_token() -> None:
    """No burst afterwards: 20 a second, as before."""
    found = run("{at: 8s, kill: api-server, lasts: 3s}", 50)
    assert len(answered(found, 13, 23)) <= 205


def test_etcd_that_stands_still_is_a_pause_and_nothing_more() -> None:
    """Recorded: no error; 80 held back, 100 answers in the second after."""
    found = run("{at: 8s, stop: etcd, lasts: 4s}", 50)
    assert not answered(found, 8.05, 12)
    assert 60 <= len(answered(found, 12, 13)) <= 110
    assert logged(found, "error processing") == logged(run("", 50), "error processing")
    assert codes(found)[504] == 0
    assert settled(found)


def test_without_its_etcd_a_server_fails_writes_at_once_and_ends_watches() -> None:
    found = run("{at: 8s, kill: etcd, lasts: 3s}", 50)
    refused = [row for row in found.requests if row[_R["code"]] == 500]
    assert 40 <= len(refused) <= 70
    assert all(7.9 * SECOND < row[_R["decided_ns"]] < 11.1 * SECOND for row in refused)
    assert settled(found)


def test_a_request_that_etcd_holds_for_34_s_is_answered_504_and_stored() -> None:
    found = run("{at: 8s, stop: etcd, lasts: 50s}", 20)
    assert logged(found, "request did not complete within requested timeout", 42, 44) > 0
    assert answered(found, 58, 58.1)


def test_connections_that_are_cut_are_back_at_once() -> None:
    found = run("{at: 8s, cut: controllers}\n{at: 14s, cut: controllers}", 50)
    for since in (8, 14):
        assert len(answered(found, since, since + 1)) >= 15
        assert logged(found, "Unexpected EOF during watch stream event decoding", since, since + 0.1) == 3
    assert settled(found)


def test_a_killed_process_is_gone_and_some_of_its_requests_are_stored() -> None:
    found = run("{at: 2s, kill: controllers}", 100, more="client: {qps: 500, burst: 1000}\n")
    cancelled = [row for row in found.requests if row[_R["code"]] == 504]
    assert all(row[_R["reason"]] == "Timeout" and not row[_R["written_version"]] for row in cancelled)
    assert not [row for row in found.requests if 2.1 * SECOND < row[_R["sent_ns"]] < 2.2 * SECOND]


@pytest.mark.parametrize("index", range(3))
def test_another_replica_takes_the_lease_after_it_has_seen_it_unchanged_for_its_duration(index: int) -> None:
    """Recorded: 14.8 and 19.0 s after the kill, then 41 and 55 answers in a second."""
    election = "{lease_duration: 15s, renew_deadline: 10s, retry_period: 2s}"
    found = run(
        "{at: 10s, kill: leader, lasts: 1h}", 50, index, f"controllers: {{replicas: 2, leader_election: {election}}}\n"
    )
    own = [row[_R["decided_ns"]] for row in found.requests if row[_R["actor"]].startswith("certificate")]
    back = min(at for at in own if at > 10.2 * SECOND) / SECOND
    assert 22 < back < 30.5
    assert 30 <= sum(back <= at / SECOND < back + 1 for at in own) <= 62
    assert logged(found, "successfully acquired lease") == 1
    assert settled(found)


def test_a_throttled_leader_renews_late() -> None:
    """Recorded: every 4.2 to 5.3 s in the burst, every 2 s when idle."""
    election = "{lease_duration: 15s, renew_deadline: 10s, retry_period: 2s}"
    gaps: list[float] = []
    for index in range(3):
        found = run("", 50, index, f"controllers: {{replicas: 2, leader_election: {election}}}\n")
        renewed = [
            row[_R["decided_ns"]] / SECOND
            for row in found.requests
            if row[_R["resource"]] == "leases" and row[_R["verb"]] == "update"
        ]
        gaps += [later - at for at, later in pairwise(renewed) if 5 < at < 25]
    assert len(gaps) > 9
    assert 4.2 < median(gaps) < 5.3
    assert min(gaps) > 3.8
    assert max(gaps) < 10  # else the lease would be lost


def test_an_old_leader_writes_beside_the_new_one() -> None:
    election = "{lease_duration: 15s, renew_deadline: 10s, retry_period: 2s}"
    found = run(
        "{at: 5s, stop: leader, lasts: 25s}", 50, more=f"controllers: {{replicas: 2, leader_election: {election}}}\n"
    )
    assert found.violations == []
    assert logged(found, "failed to renew lease") + logged(found, "successfully acquired lease") >= 1


def test_who_was_not_answered_may_have_written_all_the_same() -> None:
    found = run("{at: 0s, drop: answers, of: {controller: certificates-trigger, kind: Certificate}, times: 3}", 10)
    assert logged(found, "unexpected EOF") == 3
    assert settled(found)


def test_an_event_sender_that_is_not_heard_sends_nothing_for_a_while() -> None:
    found = run("{at: 8s, kill: api-server, lasts: 3s}", 50)
    assert logged(found, "Unable to write event") > 0
    assert logged(found, "retry limit exceeded") == 0


def test_what_the_server_says_later_to_is_sent_again_by_the_client() -> None:
    found = run(
        "{at: 0s, refuse: requests, of: {kind: Certificate, subresource: status}, times: 5, retry_after: 2s}", 10
    )
    assert codes(found)[429] == 5
    assert logged(found, "error processing") == 0


def test_a_point_is_reached_before_the_answer() -> None:
    found = run("{after: {controller: key-manager, kind: Secret}, kill: controllers, lasts: 5s}", 5)
    first = min(
        row[_R["decided_ns"]]
        for row in found.requests
        if row[_R["actor"]] == "certificates-key-manager" and row[_R["resource"]] == "secrets"
    )
    own = [row for row in found.requests if row[_R["actor"]].startswith("certificate")]
    assert not [row for row in own if first < row[_R["sent_ns"]] < first + 5 * SECOND]
    assert settled(found)


def test_without_faults_a_process_is_built_of_the_plain_parts() -> None:
    world = world_of(load("name: x\nworkload: {certificates: 1}\n"), 0)
    manager = next(iter(world.processes()))
    assert manager.process.link is None
    assert manager.process.send == world.server.receive
    assert not world.server.faulty


def test_a_process_that_starts_while_the_server_is_down_waits_for_it() -> None:
    found = run("{at: 4s, kill: api-server, lasts: 5s}\n{at: 5s, kill: controllers}", 20)
    own = [row for row in found.requests if row[_R["actor"]].startswith("certificate")]
    assert not [row for row in own if 5 * SECOND < row[_R["asked_ns"]] < 9.7 * SECOND]
    assert settled(found)


def test_a_replica_of_an_operator_takes_the_lease() -> None:
    """controller-runtime's defaults: 15, 10 and 2 s."""
    operator = (
        "{name: op, replicas: 2, leader_election: {}, controllers: [{name: one, for: Widget, "
        "steps: [{when: \"!('Ready' in holds)\", do: [{status: {conditions: {Ready: {}}}}]}]}]}"
    )
    text = (
        "name: x\nkinds: {Widget: {}}\nuntil: {at_most: 2m}\n"
        "workload: {kind: Widget, objects: 40, arrival: {rate: 1/s}}\n"
        f"operators:\n  - {operator}\nfaults:\n  - {{at: 5s, kill: leader, lasts: 1h}}\n"
    )
    found = replicate(load(text), 0)
    own = sorted(row[_R["decided_ns"]] / SECOND for row in found.requests if row[_R["actor"]] == "one")
    gap = max(later - at for at, later in pairwise(own))
    assert 12 < gap < 21
    assert logged(found, "successfully acquired lease kube-system/op") == 1
    assert settled(found)


def test_a_pass_waits_for_a_token_or_for_an_answer_but_never_for_both_at_once():
    """Sent again inside a request it asks for a token again, so that its times do not overlap the first try's."""
    found = run("{at: 8s, kill: api-server, lasts: 3s}", certificates=50)
    spans: dict[int, list[tuple[int, int]]] = {}
    for row in found.requests:
        if row[_R["reconcile"]] >= 0:
            spans.setdefault(row[_R["reconcile"]], []).append((row[_R["asked_ns"]], row[_R["answered_ns"]]))
    assert codes(found)[503]
    for times in spans.values():
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(sorted(times)))


def test_an_issuer_without_its_secret_is_looked_at_again_after_its_back_off() -> None:
    """Failures at 0, 5 and 15 s wait 5, 10 and 20 s: a Secret that is there after 20 s is found at 35 s."""
    found = run("{at: 0s, stop: issuer, lasts: 20s}", 5, more="issuer: {type: ca}\n")
    ready = [row[_O["ready_ns"]] / SECOND for row in found.objects]
    assert all(35 < at < 45 for at in ready)
    assert settled(found)


def test_a_hung_worker_holds_its_item_and_not_the_others() -> None:
    of = "{controller: certificates-trigger, kind: Certificate}"
    found = run(f"{{at: 0s, delay: requests, by: 30s, of: {of}, times: 1}}", 5)
    ready = sorted(row[_O["ready_ns"]] / SECOND for row in found.objects)
    assert ready[3] < 10
    assert ready[4] > 30
