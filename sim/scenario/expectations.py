"""What a scenario says must come out: conditions on named metrics, such as ``conflicts_total: "== 0"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from sim.scenario.names import did_you_mean
from sim.units import SECOND, format_duration, parse_duration, quoted


class Metric(NamedTuple):
    """What a metric counts. ``unit`` seconds: a condition may be a duration; share: a number from 0 to 1."""

    unit: Literal["count", "share", "per Certificate", "seconds"]
    description: str


METRICS: Mapping[str, Metric] = {
    "conflicts_total": Metric("count", "writes to Certificates refused as stale (409 Conflict), of all writers"),
    "conflicts_per_certificate": Metric("per Certificate", "conflicts_total by the number of Certificates"),
    "conflict_rate": Metric("share", "share refused of the writes to Certificates that carried a resourceVersion"),
    "ready_share": Metric("share", "share of the Certificates that are Ready at the end"),
    "time_to_ready_p50": Metric("seconds", "from the creation to the first Ready=True, median"),
    "time_to_ready_p95": Metric("seconds", "the same, 95th percentile"),
    "time_to_ready_p99": Metric("seconds", "the same, 99th percentile"),
    "requests_total": Metric("count", "all requests, those for events and of other writers included"),
    "status_writes": Metric("count", "successful status writes to Certificates"),
    "ghost_reconciles": Metric("count", "reconciles by the backoff after a conflict that found nothing to do"),
    "log_lines": Metric("count", "lines of all kinds that the process logs at the scenario's verbosity"),
    "stranded": Metric("count", "Certificates not Ready, still Issuing or with a next key at the end"),
    "gave_up": Metric("count", "reconciles that failed with no retry left, so that the key was dropped"),
    "retries": Metric("count", "tries after a refusal or an error"),
    "budget_refusals": Metric("count", "retries that a retry budget did not allow"),
    "time": Metric("seconds", "contention: until the last answer (loop once), or mean time of a job that committed"),
    "work": Metric("count", "contention: writes sent"),
    "commits": Metric("count", "contention: jobs that committed"),
    "throughput": Metric("count", "contention: jobs that committed, per second"),
    "tries_per_job": Metric("count", "contention: tries of a job that ended"),
    "timeouts": Metric("count", "contention: tries whose answer was not waited for"),
    "stale_again": Metric("count", "contention: writes that sent a version again which had just been refused"),
    "starved": Metric("count", "contention: clients, of loops that are not open, that committed nothing"),
}
"""The metrics that a condition may name."""

OF_CONTENTION = frozenset(
    {"time", "work", "commits", "throughput", "tries_per_job", "timeouts", "stale_again", "starved"}
)
"""Those that only a contention of plain clients has."""
OF_CERTIFICATES = frozenset(
    {
        "ready_share",
        "time_to_ready_p50",
        "time_to_ready_p95",
        "time_to_ready_p99",
        "status_writes",
        "ghost_reconciles",
        "log_lines",
        "stranded",
    }
)
"""Those that only cert-manager's controllers have."""

OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
CONDITION_PATTERN = r"^\s*(<=|>=|==|!=|<|>)\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?([a-zµμ0-9.]*)\s*$"
"""The regular expression that a written condition matches, in the dialect of JSON Schema."""

_CONDITION = re.compile(r"(<=|>=|==|!=|<|>)\s*(\S.*)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_HELP = "write an operator (<, <=, >, >=, ==, !=) and a number"


class Condition(NamedTuple):
    """An operator and the number to compare with; seconds for metrics that are times."""

    operator: str
    number: float


class Result(NamedTuple):
    """Whether one expectation is met; ``reason`` says why not, ``""`` where it is met."""

    metric: str
    condition: str
    value: float | None
    met: bool
    reason: str


def parse_condition(text: str, metric: str) -> Condition:
    """Return the condition that ``text`` puts on ``metric``; ``"< 30s"`` becomes ``("<", 30.0)``.

    Raises ``ValueError`` for an unknown metric, a missing or unknown operator, what is neither number nor
    duration, a duration for a metric that is no time, and a share outside 0 to 1 (never met, or always).
    """
    if metric not in METRICS:
        raise ValueError(unknown_metric(metric))
    unit = METRICS[metric].unit
    example = {"seconds": '"< 30s"', "share": '">= 0.95"'}.get(unit, '"< 2"')
    match = _CONDITION.fullmatch(text.strip()) if len(text) <= 100 else None
    if not match:
        raise ValueError(f"{quoted(text)} is not a condition; {_HELP}, such as {example}")
    operator, written = match[1], match[2].strip()
    if _NUMBER.fullmatch(written):
        number = float(written)
    else:
        try:
            number = parse_duration(written) / SECOND
        except ValueError:
            what = "a number of seconds or a duration" if unit == "seconds" else "a number"
            raise ValueError(f"{quoted(text)} compares with no number; write {what}, such as {example}") from None
        if unit != "seconds":
            raise ValueError(f"{metric} is no time, so {quoted(text)} cannot hold; write a number, such as {example}")
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} compares with no finite number; {_HELP}, such as {example}")
    if unit == "share" and not 0 <= number <= 1:
        raise ValueError(f"{metric} is a share from 0 to 1, so {quoted(text)} decides nothing; write {example}")
    return Condition(operator, number)


def unknown_metric(metric: str) -> str:
    """Return the sentence about a metric that does not exist."""
    return f"unknown metric{did_you_mean(metric, METRICS)}; allowed: {', '.join(METRICS)}"


def check(expectations: Mapping[str, str], values: Mapping[str, float | None]) -> list[Result]:
    """Compare each expectation with the metric's value, in the expectations' order.

    A metric without a value (absent, None or NaN) is not met: nothing observed is no evidence. Equality
    allows for rounding in the last digits (relative 1e-9). Raises ``ValueError`` as ``parse_condition`` does.
    """
    return [_check(metric, text, values.get(metric)) for metric, text in expectations.items()]


def _check(metric: str, text: str, value: float | None) -> Result:
    condition = parse_condition(text, metric)
    if value is None or math.isnan(value):
        return Result(metric, text, None, False, f"{metric} has no value: nothing was observed that it is made of")
    if holds(value, condition):
        return Result(metric, text, value, True, "")
    return Result(metric, text, value, False, f"{metric} is {_written(value, metric)}, expected {text.strip()}")


def holds(value: float, condition: Condition) -> bool:
    """Say whether a value meets a condition; equality allows for rounding in the last digits."""
    same = math.isclose(value, condition.number, rel_tol=1e-9, abs_tol=1e-12)
    match condition.operator:
        case "==":
            return same
        case "!=":
            return not same
        case "<":
            return value < condition.number and not same
        case "<=":
            return value < condition.number or same
        case ">":
            return value > condition.number and not same
        case _:
            return value > condition.number or same


def _written(value: float, metric: str) -> str:
    if METRICS[metric].unit == "seconds" and math.isfinite(value):
        return format_duration(round(value * 1000) * (SECOND // 1000))
    return f"{value:.6g}"
