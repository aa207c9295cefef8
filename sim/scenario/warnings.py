"""What is allowed and hardly meant: said before a run and in its summary."""

from __future__ import annotations

from sim.scenario.contention import Clients
from sim.scenario.model import ControllerOptions, Scenario
from sim.scenario.retry import SHAPES, Retry
from sim.units import MS, format_duration

CONDITIONAL = frozenset({"update", "merge-patch"})
_WATCH_LAG = round(0.8 * MS)
"""Median lag of a controllers' cache (sim/scenario/profile.py); a measured profile may say otherwise."""


def warnings_of(scenario: Scenario) -> list[str]:
    """Return one sentence for each retry that sends the same stale request again, and so can't succeed."""
    if scenario.contention is not None:
        found = []
        for n, group in enumerate(scenario.contention.groups):
            path = "contention" if n == 0 else f"contention.others.{n - 1}"
            if (group.strategy or scenario.strategy) in CONDITIONAL:
                retry = group.retry or scenario.retry
                found += _stale(retry, f"{path}.retry" if group.retry else "retry", _lag(group))
        return list(dict.fromkeys(found))
    found = []
    for name, options in scenario.controllers:
        if not isinstance(options, ControllerOptions) or name in {"request_manager", "revision_manager"}:
            continue
        if (options.strategy or scenario.strategy) in CONDITIONAL:
            where = f"controllers.{name}.retry" if options.retry else "retry"
            found += _stale(options.retry or scenario.retry, where, _WATCH_LAG)
    return list(dict.fromkeys(found))


def _lag(group: Clients) -> float:
    return group.lag.expected if group.read == "cache" else 0


def _stale(retry: Retry, where: str, lag: float) -> list[str]:
    if retry.policy == "resend":
        around = "" if retry.budget is None else f", and the budget {retry.budget.kind} is spent on it"
        return [
            f"{where}: the policy resend sends the same request again; after a 409 it is stale and can't "
            f"succeed{around}. Use in-place, which reads again"
        ]
    first = _longest_first_wait(retry)
    if retry.policy in {"requeue", "read-your-writes"} and first < lag:
        return [
            f"{where}: the first retry comes {_within(first)} after a conflict, before the winner's write is in the "
            f"cache (about {format_duration(round(lag))}): it sends the same stale copy again and can't succeed. Raise "
            "base, or use in-place, which reads live"
        ]
    return []


def _longest_first_wait(retry: Retry) -> float:
    base = retry.conflict_base or retry.base
    longest = retry.max if retry.conflict_max is None else retry.conflict_max
    jitter = retry.jitter if retry.backoff is None else SHAPES[retry.backoff]
    if jitter is None:
        return 0
    if jitter == "decorrelated":
        return min(3 * base, longest)
    return min(base * retry.factor**retry.first_exponent, longest)


def _within(wait: float) -> str:
    return f"within {format_duration(round(wait))}" if wait else "at once"
