"""Recorded faults: what was asked becomes a scenario's faults, and how long after each a controller is back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim.units import SECOND
from sim.validation.asked import AskedError, scenario_from
from sim.validation.faults import Back, begun, close

ASKED: dict[str, Any] = {
    "cert_manager": "1.12.9",
    "server_side_apply": False,
    "kube_api_qps": 20,
    "kube_api_burst": 50,
    "concurrent_workers": 5,
    "certificates": 50,
    "arrival": "one after the other",
    "issuer": "selfsigned",
    "private_key": {"algorithm": "RSA", "size": 2048},
}


def faults(*given: Any) -> dict[str, Any]:
    return {**ASKED, "faults": list(given)}


@pytest.mark.parametrize(
    ("does", "lasts", "kind", "target", "found"),
    [
        ("kills kube-apiserver", 3, "kill", "api-server", 3 * SECOND),
        ("stops etcd", 4, "stop", "etcd", 4 * SECOND),
        ("kills etcd", 2.5, "kill", "etcd", 2.5 * SECOND),
        ("stops kube-apiserver", 4, "stop", "api-server", 4 * SECOND),
        ("cuts all of the controller's connections", None, "cut", "controllers", None),
        ("kills the controller", 0, "kill", "controllers", 0),
        ("kills the controller", None, "kill", "controllers", 3600 * SECOND),
        ("stops the controller", 5, "stop", "controllers", 5 * SECOND),
    ],
)
def test_what_was_done_becomes_a_fault(does: str, lasts: float | None, kind: str, target: str, found: int | None):
    asked = scenario_from("case", faults({"at_s": 8, "does": does, "for_s": lasts}))
    (fault,) = asked.scenario.faults
    assert (fault.verb, fault.target, fault.at, fault.lasts) == (kind, target, 8 * SECOND, found)
    assert not asked.notes


def test_replicas_and_their_lease():
    election = {"lease_s": 15, "renew_s": 10, "retry_s": 2}
    asked = faults({"at_s": 10, "does": "kills the leader", "for_s": None})
    scenario = scenario_from("case", {**asked, "controllers_running": 2, "leader_election": election}).scenario
    lease = scenario.controllers.leader_election
    assert scenario.controllers.replicas == 2
    assert [lease.lease_duration, lease.renew_deadline, lease.retry_period] == [15 * SECOND, 10 * SECOND, 2 * SECOND]
    assert scenario.faults[0].target == "leader"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (faults("kills"), r"asked.faults\[0\] is 'kills', wanted an object"),
        (faults({"at_s": 1, "does": "eats etcd"}), r"asked.faults\[0\].does is 'eats etcd', wanted kills, stops, cuts"),
        (faults({"does": "kills etcd"}), r"asked.faults\[0\].at_s is None, wanted seconds"),
        (faults({"at_s": -1, "does": "kills etcd"}), r"asked.faults\[0\].at_s is -1, wanted seconds"),
        (faults({"at_s": 1, "does": "stops etcd"}), r"asked.faults\[0\].for_s is None, wanted seconds"),
        ({**ASKED, "leader_election": {"lease_s": 0}}, "asked.leader_election.lease_s is 0, wanted a number above 0"),
        (faults({"at_s": 1, "does": "kills the leader"}), "'leader' cannot be what kill befalls here"),
    ],
)
def test_what_cannot_be_simulated_is_refused(asked: dict[str, Any], message: str):
    with pytest.raises(AskedError, match=message):
        scenario_from("case", asked)


def test_what_is_not_understood_of_a_fault_is_noted():
    asked = scenario_from("case", faults({"at_s": 1, "does": "kills etcd", "for_s": 1, "gently": True}))
    assert asked.notes == ("asked.faults[0].gently is unknown and not simulated: True",)


def test_a_fault_was_done_when_it_was_marked(tmp_path: Path):
    asked = faults({"at_s": 8, "does": "kills etcd", "for_s": 1}, {"at_s": 20, "does": "kills etcd", "for_s": 1})
    marks = [{"at_s": 8.05, "what": "kills etcd"}, {"at_s": 9.1, "what": "starts etcd"}]
    (tmp_path / "lab.json").write_text(json.dumps({"marks": marks}))
    assert begun(tmp_path, asked) == [8.05, 20.0]


def test_a_controller_is_back_when_its_first_write_after_the_fault_is_answered():
    back = Back([8 * SECOND, 14 * SECOND])
    for received, answered in ((7, 9), (10, 13), (9, 12), (15, 16)):
        back.write("certificates-trigger", received * SECOND, answered * SECOND)
    assert back.figures() == pytest.approx({"back.1.certificates-trigger": 4, "back.2.certificates-trigger": 2})


@pytest.mark.parametrize(
    ("recorded", "predicted", "near"), [(0.2, 1.1, True), (0.2, 1.3, False), (10, 11.9, True), (10, 12.1, False)]
)
def test_close_is_within_a_second_or_a_fifth(recorded: float, predicted: float, near: bool):
    assert close(recorded, predicted) is near
