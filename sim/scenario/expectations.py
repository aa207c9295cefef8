"""What a scenario says must come out: conditions on named metrics, such as ``conflicts.total: "== 0"``.

The metrics are those of ``sim.scenario.metrics``, older spellings included.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from sim.scenario.metrics import find
from sim.units import SECOND, format_duration, parse_duration, quoted

OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
CONDITION_PATTERN = r"^\s*(<=|>=|==|!=|<|>)\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?([a-zµμ0-9.]*)\s*$"
"""The regular expression that a written condition matches, in the dialect of JSON Schema."""

_CONDITION = re.compile(r"(<=|>=|==|!=|<|>)\s*(\S.*)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_TIMES = {"seconds": SECOND, "milliseconds": SECOND // 1000}
"""The units that are times, in nanoseconds."""
_EXAMPLES = {"seconds": '"< 30s"', "milliseconds": '"< 250ms"', "share": '">= 0.95"'}
_HELP = "write an operator (<, <=, >, >=, ==, !=) and a number"


class Condition(NamedTuple):
    """An operator and the number to compare with, in the metric's unit."""

    operator: str
    number: float


class ExpectationResult(NamedTuple):
    """Whether one expectation is met; ``reason`` says why not, ``""`` where it is met."""

    metric: str
    condition: str
    value: float | None
    met: bool
    reason: str


def parse_condition(text: str, metric: str) -> Condition:
    """Return the condition that ``text`` puts on ``metric``; ``"< 30s"`` becomes ``("<", 30.0)``.

    Raises ``ValueError`` for an unknown metric, a missing or unknown operator, what is neither number nor
    duration, a duration for a metric that is no time, a plain number for one that is counted in milliseconds (it
    might mean seconds), and a share outside 0 to 1 (never met, or always).
    """
    unit = find(metric).unit
    example = _EXAMPLES.get(unit, '"< 2"')
    match = _CONDITION.fullmatch(text.strip()) if len(text) <= 100 else None
    if not match:
        raise ValueError(f"{quoted(text)} is not a condition; {_HELP}, such as {example}")
    operator, written = match[1], match[2].strip()
    if _NUMBER.fullmatch(written):
        number = float(written)
        if unit == "milliseconds" and number:
            raise ValueError(f"{quoted(text)} does not say of what; {metric} is a time: write it such as {example}")
    else:
        what = {"seconds": "a number of seconds or a duration", "milliseconds": "a duration"}.get(unit, "a number")
        try:
            number = parse_duration(written) / _TIMES.get(unit, SECOND)
        except ValueError:
            raise ValueError(f"{quoted(text)} compares with no number; write {what}, such as {example}") from None
        if unit not in _TIMES:
            raise ValueError(f"{metric} is no time, so {quoted(text)} cannot hold; write a number, such as {example}")
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} compares with no finite number; {_HELP}, such as {example}")
    if unit == "share" and not 0 <= number <= 1:
        raise ValueError(f"{metric} is a share from 0 to 1, so {quoted(text)} decides nothing; write {example}")
    return Condition(operator, number)


def check(expectations: Mapping[str, str], values: Mapping[str, float | None]) -> list[ExpectationResult]:
    """Compare each expectation with the metric's value, in the expectations' order.

    ``values`` are by name; an expectation may spell it as it was spelled before. A metric without a value (absent, None
    or NaN) is not met: nothing observed is no evidence. Equality allows for rounding in the last digits (relative
    1e-9). Raises ``ValueError`` as ``parse_condition`` does.
    """
    return [_check(metric, text, values.get(find(metric).name)) for metric, text in expectations.items()]


def _check(metric: str, text: str, value: float | None) -> ExpectationResult:
    condition = parse_condition(text, metric)
    if value is None or math.isnan(value):
        return ExpectationResult(
            metric, text, None, False, f"{metric} has no value: nothing was observed that it is made of"
        )
    if holds(value, condition):
        return ExpectationResult(metric, text, value, True, "")
    return ExpectationResult(
        metric, text, value, False, f"{metric} is {written(value, metric)}, expected {text.strip()}"
    )


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


def written(value: float, metric: str) -> str:
    """Return a metric's value as it stands beside its condition: a time with its unit, all else to six digits."""
    unit = find(metric).unit
    if unit in _TIMES and math.isfinite(value):
        return format_duration(round(value * _TIMES[unit] / (SECOND // 1000)) * (SECOND // 1000))
    return f"{value:.6g}"
