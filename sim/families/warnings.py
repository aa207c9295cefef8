"""What is allowed and hardly meant: said before a run and in its summary."""

from __future__ import annotations

from collections.abc import Container

from sim.families.operators.sense import hardly_meant
from sim.families.without_effect import groups, ignored, sentences
from sim.scenario.contention import Clients
from sim.scenario.metrics import OPERATORS
from sim.scenario.model import Scenario
from sim.scenario.reading.recorded import unknown
from sim.scenario.retry import SHAPES, Retry
from sim.units import MS, format_duration

_NO_STATUS = frozenset({"request_manager", "revision_manager", "approver", "issuer"})
"""Controllers that write no Certificate's status."""
CONDITIONAL = frozenset({"update", "merge-patch"})
_WATCH_LAG = round(0.8 * MS)
"""Median lag of a controllers' cache (sim/scenario/profile.py); a measured profile may say otherwise."""


def warnings_of(scenario: Scenario, but: Container[str] = ()) -> list[str]:
    """Return a sentence for each key that is set and has no effect, and for each retry that can't succeed.

    Of the keys in ``but`` it was said already.
    """
    found = sentences({key: reason for key, reason in ignored(scenario).items() if key not in but})
    if scenario.contention is not None:
        for path, group in groups(scenario.contention):
            retry, where = group.retry or scenario.retry, f"{path}.retry" if group.retry else "retry"
            if retry.policy == "read-your-writes" and group.read != "cache":
                found.append(f"{where}: read-your-writes is as requeue where {path}.read is not cache")
            if (group.strategy or scenario.strategy) in CONDITIONAL:
                found += _stale(retry, where, _lag(group))
        return list(dict.fromkeys(found))
    if scenario.recording is not None and (said := unknown(scenario.recording)) is not None:
        found.append(f"recording: {said}")
    found += hardly_meant(scenario)
    if scenario.family == OPERATORS:
        return list(dict.fromkeys(found))
    if scenario.issuer.type == "external" and not (scenario.issuer.reports_pending or scenario.issuer.operator):
        found.append(
            "issuer: an external issuer writes each CertificateRequest once, after its approval, so that its writes "
            "conflict with nobody's here; with reports_pending it writes while the approver does"
        )
    for name, options in scenario.controllers.each():
        if name in _NO_STATUS:
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
