from __future__ import annotations

from typing import get_args

import pytest

from sim.experiment.alternatives import PATTERNS, alternatives
from sim.scenario.actions import Pattern
from sim.scenario.reading.loader import load


def shipped(name: str):
    from sim.scenario.reading.catalogue import resolve_scenario

    return load(resolve_scenario(f"operators/{name}"), ())


def named(name: str, **options: str):
    return {each.name: each for each in alternatives(shipped(name), **options)}


def test_every_pattern_has_its_words():
    assert set(PATTERNS) == set(get_args(Pattern))


@pytest.mark.parametrize(
    "name", ["kubebuilder-scaffold", "three-controllers-one-status", "children-with-generated-names", "heartbeat"]
)
def test_every_alternative_is_a_valid_scenario_and_a_different_one(name: str):
    scenario = shipped(name)
    for each in alternatives(scenario):
        changed = load(scenario.to_yaml(), tuple(f"{key}={value}" for key, value in each.settings.items()))
        assert changed.resolved() != scenario.resolved(), each.name


def test_the_second_read_of_a_scaffold_may_go():
    found = named("kubebuilder-scaffold")["widget: no second read"]
    (value,) = found.settings.values()
    assert "read" not in value


def test_children_may_have_fixed_names():
    assert "cluster: fixed names" in named("children-with-generated-names")


def test_the_go_is_that_of_the_release():
    apply = "widget-operator: apply"
    newer = named("three-controllers-one-status")[apply]
    assert "r.Status().Apply(ctx, own" in newer.go
    scenario = shipped("three-controllers-one-status")
    older = load(scenario.to_yaml(), ("operators.0.runtime=controller-runtime-0.20",))
    go = {each.name: each.go for each in alternatives(older)}
    assert "r.Status().Patch(ctx, own, client.Apply, client.ForceOwnership" in go[apply]


def test_patches_without_a_lock_or_a_test_are_unguarded():
    unguarded = [each for each in alternatives(shipped("three-controllers-one-status")) if not each.guarded]
    assert {each.name.partition(": ")[2] for each in unguarded} == {"merge-patch", "json-patch"}


def test_one_operator_alone():
    found = alternatives(shipped("claim-composite-resource"), operator="provider")
    assert {each.whose for each in found} == {"provider", "resources"}
