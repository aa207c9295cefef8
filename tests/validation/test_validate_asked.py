"""What was asked becomes the scenario that asks for the same; nothing is dropped in silence."""

from __future__ import annotations

import contextlib

import pytest

from sim.scenario.errors import ScenarioError
from sim.units import MS, SECOND
from sim.validation.asked import AskedError, scenario_from

ASKED = {
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


def asked(**changes):
    return {**ASKED, **changes}


def test_everything_that_can_be_asked_is_in_the_scenario():
    found = scenario_from(
        "everything",
        asked(
            cert_manager="1.21.1",
            server_side_apply=True,
            kube_api_qps=250,
            kube_api_burst=260,
            concurrent_workers=20,
            certificates=7,
            arrival={"rate_per_s": 0.5},
            issuer="ca",
            private_key={"algorithm": "ECDSA", "size": 384, "rotationPolicy": "Always"},
            duration="1h",
            renew_before="59m",
            requeue_backoff={"base": "20s", "max": "120s"},
            network_one_way_ms=5,
            controller_restarts_at_s=[5, 9],
            other_writers=[
                {
                    "name": "gitops-0",
                    "rate_per_s": 5,
                    "does": "reads, waits, updates an annotation",
                    "wait_s": 0.05,
                },
                {"name": "gitops-1", "rate_per_s": 1, "does": "merge-patches spec.dnsNames"},
            ],
            observed_for_at_least_s=30,
        ),
    )
    assert found.notes == ()
    scenario = found.scenario
    assert (scenario.preset, scenario.strategy) == ("cert-manager-1.21", "apply")
    assert (scenario.client.qps, scenario.client.burst) == (250, 260)
    assert scenario.controllers.workers == 20
    assert scenario.controllers.restarts == [5 * SECOND, 9 * SECOND]
    assert scenario.workload.certificates == 7
    assert scenario.workload.arrival.rate == 0.5
    assert scenario.issuer.type == "ca"
    key = scenario.certificate.private_key
    assert (key.algorithm, key.size, key.rotation_policy) == ("ECDSA", 384, "Always")
    assert scenario.certificate.duration == 3600 * SECOND
    assert scenario.certificate.renew_before == 59 * 60 * SECOND
    assert (scenario.retry.base, scenario.retry.max) == (20 * SECOND, 120 * SECOND)
    assert scenario.server.network_one_way == 5 * MS
    first, second = scenario.writers
    assert (first.action, first.target, first.rate, first.wait) == ("update", "annotation", 5, 50 * MS)
    assert (second.action, second.target, second.wait) == ("patch", "dnsNames", 0)
    assert scenario.until.at_least == 30 * SECOND
    assert scenario.until.settled_for == 6 * SECOND


@pytest.mark.parametrize(
    ("case", "writers", "at_most"),
    [
        ("burst-50-update", [], 400),
        ("burst-150-update", [], 500),
        ("burst-150-ssa", [], 500),
        ("fast-w20-80-update", [], 60),
        ("burst-130-qps250-w20-ssa", [], 75),
        ("burst-110-qps100-w20-update", [], 75),
        ("edits", [{"name": "g", "rate_per_s": 1, "does": "merge-patches spec.dnsNames"}], 240),
        (
            "patches",
            [{"name": "g", "rate_per_s": 1, "does": "merge-patches an annotation, no resourceVersion"}],
            400,
        ),
    ],
)
def test_the_rule_that_ended_the_recordings_ends_the_simulation(case, writers, at_most):
    scenario = scenario_from(case, asked(other_writers=writers)).scenario
    assert scenario.until.at_most == at_most * SECOND


def test_runs_stopped_before_they_came_to_rest_stop_the_simulation_too():
    stopped = scenario_from("x", ASKED, lengths_s=[66.2, 80.0])
    assert stopped.scenario.until.at_most == 60 * SECOND
    assert "60s" in stopped.notes[0]
    by_the_rule = scenario_from("x", ASKED, lengths_s=[406.4])
    assert by_the_rule.scenario.until.at_most == 400 * SECOND
    assert by_the_rule.notes == ()


def test_unknown_keys_are_noted_and_the_rest_is_simulated():
    found = scenario_from(
        "x",
        asked(
            gateway="yes",
            private_key={"algorithm": "RSA", "size": 2048, "encoding": "PKCS8"},
            other_writers=[
                {
                    "name": "g",
                    "rate_per_s": 1,
                    "does": "merge-patches an annotation, no resourceVersion",
                    "when": 3,
                }
            ],
        ),
    )
    assert len(found.notes) == 3
    assert "asked.gateway is unknown and not simulated: 'yes'" in found.notes
    assert any("asked.private_key.encoding" in note for note in found.notes)
    assert any("asked.other_writers[0].when" in note for note in found.notes)


def test_what_is_not_said_is_assumed_and_noted():
    found = scenario_from("x", {"cert_manager": "1.12.9", "certificates": 3})
    assert len(found.notes) == 7
    assert any("asked.kube_api_qps is not said; assumed: 20" in note for note in found.notes)
    assert found.scenario.client.qps == 20
    assert found.scenario.certificate.private_key.size == 2048


def test_another_patch_release_is_simulated_as_the_modelled_one():
    found = scenario_from("x", asked(cert_manager="v1.12.3"))
    assert found.scenario.preset == "cert-manager-1.12.9"
    assert found.notes == ("cert-manager v1.12.3 is simulated as 1.12.9",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cert_manager": "1.7.0"}, "cert-manager 1.7.0 is not modelled"),
        ({"certificates": "fifty"}, "asked.certificates is 'fifty', wanted int"),
        ({"certificates": True}, "asked.certificates is True, wanted int"),
        ({"certificates": 0}, "x: what was asked is no scenario: workload.certificates: found 0"),
        ({"certificates": None}, "asked.certificates is missing"),
        ({"arrival": "all at once"}, "x: asked.arrival is 'all at once', wanted 'one after the other' or an object"),
        ({"arrival": {}}, "asked.arrival.rate_per_s is None, wanted a number above 0"),
        ({"arrival": {"rate_per_s": "x"}}, "asked.arrival.rate_per_s is 'x', wanted a number above 0"),
        ({"issuer": "vault"}, "x: what was asked is no scenario"),
        ({"private_key": {"algorithm": "DSA"}}, "certificate.private_key.algorithm: found 'DSA'"),
        ({"other_writers": ["g"]}, "wanted a list of objects"),
        ({"other_writers": [{"name": "g", "rate_per_s": 1, "does": "sings"}]}, "[0].does is 'sings', wanted 'merge-"),
        ({"other_writers": [{"name": "g", "does": "sings"}]}, "other_writers[0].rate_per_s is None"),
        ({"other_writers": [{"rate_per_s": 1}]}, "other_writers[0].name is None, wanted a name"),
        ({"controller_restarts_at_s": ["soon"]}, "can't be simulated"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_one_line(changes, said):
    with pytest.raises(AskedError) as caught:
        scenario_from("x", asked(**changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_change_what_was_not_asked():
    assert scenario_from("x", ASKED, settings=["cpu.cores=8"]).scenario.cpu.cores == 8
    with pytest.raises(ScenarioError, match="cpu"):
        scenario_from("x", ASKED, settings=["cpu.core=8"])


def test_an_observation_longer_than_the_rule_allows_ends_by_the_rule():
    found = scenario_from("x", asked(observed_for_at_least_s=900))
    assert found.scenario.until.at_least == found.scenario.until.at_most == 400 * SECOND
    assert len(found.notes) == 1


WEIRD = ({}, {"a": 1}, [], [1], [{}], "x", -1, 0, 1e30, True, None)


@pytest.mark.parametrize("key", sorted({*ASKED, "other_writers", "network_one_way_ms", "duration", "faults", "acme"}))
def test_a_value_of_any_shape_is_taken_or_refused_in_one_line(key):
    for value in WEIRD:
        for changes in ({key: value}, {key: {"rate_per_s": value, "does": value, "algorithm": value}}):
            with contextlib.suppress(AskedError, ScenarioError):
                scenario_from("x", asked(**changes))
