"""A scenario with another limit on tries, for everybody who retries alike."""

from __future__ import annotations

from typing import Any

from sim.families.without_effect import retries, without_effect
from sim.scenario.model import Scenario
from sim.scenario.retry import Retry

FRESH = 50_000
"""The first of the replications that an answer is checked on: not those that it was found on."""


def unlimited(scenario: Scenario) -> Scenario:
    """Return the scenario without a limit on tries."""
    return limited(scenario, None)


def limited(scenario: Scenario, limit: int | None) -> Scenario:
    """Return the scenario with this limit on retries wherever somebody has a ``retry``, and no budget that refuses."""
    resolved: dict[str, Any] = scenario.resolved()
    for path, retry in scenario.retries().items():
        part: Any = resolved
        for step in path[:-1]:
            part = part[step]
        changes = {"limit": limit, "budget": None} if refuses(retry) else {"limit": limit}
        part[path[-1]] = retry.model_copy(update=changes).model_dump(mode="json")
    return type(scenario).model_validate(resolved)


def limits_now(scenario: Scenario) -> dict[str, int | None]:
    """Return the keys that limit tries in this scenario, dotted, with their values: those that have an effect in it."""
    return {f"{path}.limit": retry.limit for path, retry in _of_use(scenario).items()}


def budgets_now(scenario: Scenario) -> list[str]:
    """Return the keys of the budgets that refuse retries in this scenario, whatever the limit."""
    return [f"{path}.budget" for path, retry in _of_use(scenario).items() if refuses(retry)]


def _of_use(scenario: Scenario) -> dict[str, Retry]:
    """Every retry that has an effect in this scenario, by its dotted key."""
    useless = without_effect(scenario)
    return {path: retry for path, retry in retries(scenario).items() if path not in useless}


def refuses(retry: Retry) -> bool:
    """Whether its budget refuses retries: client-go's shared bucket only delays them."""
    return retry.budget is not None and retry.budget.family != "workqueue"
