"""Faults as they are written, and what is said of those that cannot be."""

from __future__ import annotations

import pytest

from sim.scenario.errors import ScenarioError
from sim.scenario.reading.loader import load
from sim.units import SECOND

HEAD = "name: x\nfaults:\n"


def test_a_fault_has_a_time_a_kind_and_how_long() -> None:
    text = HEAD + (
        "  - {at: 8s, kill: api-server, lasts: 3s}\n"
        "  - {every: {mean: 60s}, until: 5m, cut: controllers}\n"
        "  - {after: {controller: key-manager, write: 2, kind: Certificate}, kill: controllers}\n"
    )
    first, second, third = load(text).faults
    assert (first.verb, first.target, first.at, first.lasts) == ("kill", "api-server", 8 * SECOND, 3 * SECOND)
    assert (second.verb, second.target, second.lasts) == ("cut", "controllers", None)
    assert third.after is not None
    assert (third.after.controller, third.after.write, third.after.kind) == ("key-manager", 2, "Certificate")


def test_what_is_resolved_loads_again() -> None:
    scenario = load(HEAD + "  - {at: 8s, delay: watch, by: 2s, of: {kind: Secret}}\n")
    assert load(scenario.to_yaml()) == scenario


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            "{kill: api-server}",
            "3:5: faults.0: a fault has exactly one key for a time (at, every, after); this one has none",
        ),
        (
            "{at: 1s, every: {mean: 1s}, kill: api-server}",
            "3:14: faults.0.every: a fault has exactly one key for a time (at, every, after); "
            "this one has at and every",
        ),
        (
            "{at: 1s}",
            "3:5: faults.0: a fault has exactly one key for a kind "
            "(kill, stop, cut, delay, drop, refuse, skew, steal); this one has none",
        ),
        ("{at: 1s, stop: etcd}", "3:14: faults.0.stop: stop needs lasts; write a duration, such as 2s"),
        ("{at: 1s, delay: etcd}", "3:14: faults.0.delay: delay needs by; write a duration, such as 2s"),
        (
            "{at: 1s, kill: etcd, by: 2s}",
            "3:26: faults.0.by: by says nothing of kill; keys for it: lasts, to_other",
        ),
        (
            "{at: 1s, kill: etdc}",
            "3:20: faults.0.kill: 'etdc' cannot be what kill befalls here; did you mean etcd?; "
            "allowed: api-server, etcd, controllers",
        ),
        (
            "{at: 1s, kill: leader}",
            "3:20: faults.0.kill: 'leader' cannot be what kill befalls here; allowed: api-server, etcd, controllers",
        ),
        (
            "{at: 1s, until: 5s, kill: etcd}",
            "3:14: faults.0.until: until is for every; how long a fault lasts says lasts",
        ),
        (
            "{at: 1s, refuse: requests, retry_after: 1500ms}",
            "3:45: faults.0.retry_after: found 1.5s; a Retry-After is in whole seconds",
        ),
        (
            "{at: 1s, delay: watch, by: 1s, of: {verb: create}}",
            "3:41: faults.0.of.verb: an event of a watch has no verb; write process, kind, object",
        ),
        (
            "{at: 1s, delay: watch, by: 1s, of: {process: me}}",
            "3:50: faults.0.of.process: no process is called 'me'; there are controllers",
        ),
        (
            "{at: 1s, delay: watch, by: 1s, of: {kind: Secrets}}",
            "3:47: faults.0.of.kind: no kind is called 'Secrets'; did you mean Secret?",
        ),
        (
            "{after: {controller: keymanager}, kill: etcd}",
            "3:26: faults.0.after.controller: no controller is called 'keymanager'; did you mean key-manager?",
        ),
        ("{at: 1h, kill: etcd}", "3:10: faults.0.at: the fault at 1h comes after the end; until.at_most is 400s"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(fault: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(HEAD + f"  - {fault}\n")
    assert str(caught.value).removeprefix("<text>:") == message


def test_faults_are_not_for_plain_clients() -> None:
    with pytest.raises(ScenarioError, match="faults is about cert-manager, and contention stands in its place"):
        load("name: x\ncontention: {}\nfaults:\n  - {at: 1s, kill: etcd}\n")


@pytest.mark.parametrize(
    "election",
    ["{lease_duration: 10s, renew_deadline: 10s}", "{renew_deadline: 18s, lease_duration: 30s}"],
)
def test_an_election_is_checked_as_client_go_does(election: str) -> None:
    with pytest.raises(ScenarioError, match="must be more than"):
        load(f"name: x\ncontrollers: {{replicas: 2, leader_election: {election}}}\n")
