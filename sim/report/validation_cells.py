"""How the figures of validated runs are written: shares, intervals, how far off they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report import numbers
from sim.report.numbers import NONE, write

Part = Mapping[str, Any]
"""A figure: recorded, predicted, low, high. Or a case, or a summary."""


def share(value: float | None) -> str:
    """Write a share in percent."""
    return write(value, "share")


def interval(each: Part, kind: str = "count") -> str:
    """Write the predicted figure with its interval, marked where the recorded one is outside."""
    if each["predicted"] is None:
        return NONE
    return numbers.interval({**each, "mean": each["predicted"]}, kind) + ("" if inside(each) else " !")


def inside(each: Part) -> bool:
    """Whether the recorded figure lies in the interval; True where one of them is missing."""
    if each["recorded"] is None or each["low"] is None or each["high"] is None:
        return True
    slack = 1e-9 * max(abs(each["low"]), abs(each["high"]))
    return bool(each["low"] - slack <= each["recorded"] <= each["high"] + slack)


def off(each: Part) -> str:
    """Write the relative error, with its sign."""
    if not each["recorded"] or each["predicted"] is None:
        return NONE
    error = each["predicted"] / each["recorded"] - 1
    return ("+" if error > 0 else "") + write(error, "share")


def conflicts_off(summary: Part, cases: str) -> str:
    """Return how far off conflicts are, and how far they would be by chance."""
    median, worst = (summary[f"{which}_abs_rel_error_conflicts"] for which in ("median", "max"))
    said = f"conflicts off by {share(median)} (median of {cases}; {share(worst)} at worst"
    by_chance = [summary[f"faultless_{which}_error_conflicts"] for which in ("median", "max")]
    if all(by_chance):
        median, worst = (numbers.interval(each, "share") for each in by_chance)
        said += f"; by chance alone, with so few runs of each, {median} and {worst}"
    return f"{said})"
