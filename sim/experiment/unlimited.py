"""A scenario with another limit on tries, for all controllers alike."""

from __future__ import annotations

from typing import Any

from sim.scenario.model import Scenario

FRESH = 50_000
"""The first of the replications that an answer is checked on: not those that it was found on."""


def unlimited(scenario: Scenario) -> Scenario:
    """Return the scenario without a limit on tries."""
    return limited(scenario, None)


def limited(scenario: Scenario, limit: int | None) -> Scenario:
    """Return the scenario with this limit on retries, also where a controller has a ``retry`` of its own."""
    resolved: dict[str, Any] = scenario.resolved()
    resolved["retry"]["limit"] = limit
    for options in resolved["controllers"].values():
        if isinstance(options, dict) and options.get("retry"):
            options["retry"]["limit"] = limit
    return type(scenario).model_validate(resolved)
