"""The client that reads its own writes."""

from __future__ import annotations

from sim.analysis.metrics import measure
from sim.experiment.replicate import replicate
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load


def figures(name: str, *settings: str):
    scenario = load(resolve_scenario(f"operators/{name}"), settings)
    return measure(replicate(scenario, 0), 2)


OWN = "operators.0.client.read_your_writes=true"
NEWEST = ("operators.0.runtime=controller-runtime-0.25", OWN)


def test_a_read_behind_ones_own_write_waits_for_it():
    assert figures("kubebuilder-scaffold")["conflicts"] > 0
    assert figures("kubebuilder-scaffold", OWN)["conflicts"] == 0


def test_a_list_waits_too():
    plain, own = figures("children-with-generated-names"), figures("children-with-generated-names", *NEWEST)
    assert plain["duplicates"] > 0
    assert own["duplicates"] == 0


def test_two_that_have_read_before_either_writes_still_conflict():
    unlimited = "operators.0.client.unlimited=true"
    without = "operators.0.client={unlimited: true}"
    plain = figures("three-controllers-one-status", without)["conflicts"]
    own = figures("three-controllers-one-status", without, OWN, unlimited)["conflicts"]
    assert 0 < own < plain
