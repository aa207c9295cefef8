"""The client that reads its own writes, and what lists of a stale cache make twice."""

from __future__ import annotations

from sim.analysis.metrics import measure
from sim.experiment.replicate import replicate
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load


def figures(name: str, *settings: str):
    scenario = load(resolve_scenario(f"operators/{name}"), settings)
    return measure(replicate(scenario, 0), 2)


OWN = "operators.0.client.read_your_writes=true"


def test_a_read_behind_ones_own_write_waits_for_it():
    assert figures("kubebuilder-scaffold")["conflicts"] > 0
    assert figures("kubebuilder-scaffold", OWN)["conflicts"] == 0


def test_a_list_waits_too():
    plain, own = figures("duplicates-from-a-stale-cache"), figures("duplicates-from-a-stale-cache", OWN)
    assert plain["duplicates"] > 0
    assert own["duplicates"] == 0
    assert own["requests"] == plain["requests"] - plain["duplicates"]


def test_two_that_have_read_before_either_writes_still_conflict():
    unlimited = "operators.0.client.unlimited=true"
    without = "operators.0.client={unlimited: true}"
    plain = figures("three-controllers-one-status", without)["conflicts"]
    own = figures("three-controllers-one-status", without, OWN, unlimited)["conflicts"]
    assert 0 < own < plain


def test_fixed_names_make_nothing_twice():
    found = figures("children-with-fixed-names")
    assert found["duplicates"] == 0
    assert found["already_exists"] > 0
