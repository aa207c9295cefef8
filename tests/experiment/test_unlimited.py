"""What limits tries, wherever it is said."""

from __future__ import annotations

import pytest

from sim.analysis.metrics import measure
from sim.experiment.replicate import replicate
from sim.experiment.unlimited import budgets_now, limited, limits_now, unlimited
from sim.scenario.reading.loader import load

OPERATORS = """
name: x
kinds: {Task: {}}
workload: {kind: Task, objects: 12, arrival: at-once}
operators:
- name: op
  controllers:
  - {name: aa, for: Task, workers: 5, steps: [{when: "!('A' in holds)", do: [{status: {conditions: {A: {}}}}]}]}
  - {name: bb, for: Task, workers: 5, steps: [{when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}]}
until: {at_most: 30s}
"""
CLIENTS = """
name: x
clients: 4
contention:
  think: {mean: 20ms}
  message: {kind: exponential, mean: 5ms}
  others:
  - {name: slow, clients: 3, think: {mean: 40ms}, retry: {limit: 0}}
until: {at_most: 2s}
"""
CERTIFICATES = "{name: x, workload: {certificates: 8}}"
NOTHING = "{kind: finagle, share: 0, min_retries_per_second: 0}"
ONE, OTHER = (f"operators.0.controllers.{n}.retry" for n in range(2))


@pytest.mark.parametrize(
    ("text", "settings", "now", "budgets"),
    [
        (CERTIFICATES, ["retry.limit=2"], {"retry.limit": 2}, []),
        (
            CERTIFICATES,
            ["controllers.trigger.retry={limit: 0}"],
            {"retry.limit": None, "controllers.trigger.retry.limit": 0},
            [],
        ),
        (CERTIFICATES, [f"retry.budget={NOTHING}"], {"retry.limit": None}, ["retry.budget"]),
        (CERTIFICATES, ["retry.budget={kind: workqueue}"], {"retry.limit": None}, []),
        (OPERATORS, [], {f"{ONE}.limit": None, f"{OTHER}.limit": None}, []),
        (OPERATORS, [f"{ONE}={{limit: 0}}"], {f"{ONE}.limit": 0, f"{OTHER}.limit": None}, []),
        (
            OPERATORS,
            [f"{OTHER}={{budget: {NOTHING}}}"],
            {f"{ONE}.limit": None, f"{OTHER}.limit": None},
            [f"{OTHER}.budget"],
        ),
        (CLIENTS, [], {"retry.limit": None, "contention.others.0.retry.limit": 0}, []),
        (
            CLIENTS,
            ["contention.retry={limit: 1}"],
            {"contention.retry.limit": 1, "contention.others.0.retry.limit": 0},
            [],
        ),
    ],
)
def test_whoever_retries_has_its_limit_lifted_and_its_key_named(
    text: str, settings: list[str], now: dict[str, int | None], budgets: list[str]
):
    scenario = load(text, settings)
    assert limits_now(scenario) == now
    assert budgets_now(scenario) == budgets
    free = unlimited(scenario)
    assert set(limits_now(free).values()) == {None}
    assert budgets_now(free) == []
    assert set(limits_now(limited(scenario, 3)).values()) == {3}


def test_an_operators_own_limiter_stays_as_it_is_but_for_the_limit():
    scenario = load(OPERATORS)
    assert replicate(unlimited(scenario), 0).digest == replicate(scenario, 0).digest


@pytest.mark.parametrize("own", ["limit: 0", f"budget: {NOTHING}"])
def test_nothing_is_given_up_without_a_limit(own: str):
    scenario = load(OPERATORS, [f"{ONE}={{{own}}}", f"{OTHER}={{{own}}}"])
    lost, free = (measure(replicate(each, 0), verbosity=2)["gave_up"] for each in (scenario, unlimited(scenario)))
    assert lost
    assert not free
