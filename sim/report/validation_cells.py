"""How the figures of validated runs are written: shares, intervals, how far off they are; in tables and in Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report import numbers
from sim.report.numbers import NONE, write
from sim.report.text import table

if TYPE_CHECKING:
    from rich.table import Table

DETAILED = 3
"""Up to so many cases are shown with all their figures."""
Part = Mapping[str, Any]
"""A figure: recorded, predicted, low, high. Or a case, or a summary."""


def share(value: float | None) -> str:
    """Write a share in percent."""
    return write(value, "share")


def with_interval(each: Part, kind: str = "count") -> str:
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


def predicted(each: Part, kind: str = "count") -> str:
    """Write the predicted figure without its interval, marked where the recorded one is outside."""
    return write(each["predicted"], kind) + ("" if inside(each) else " !")


def pair(each: Part | None, kind: str = "count") -> str:
    """Write the recorded figure and the predicted one with its interval."""
    return NONE if each is None else f"{write(each['recorded'], kind)}, {with_interval(each, kind)}"


def named(run: Part, used: Collection[str]) -> str:
    """Return a case's name, marked where the profile was measured on it."""
    return f"{run['name']} (c)" if run["name"] in used else str(run["name"])


def unfinished(run: Part) -> bool:
    """Whether a case left Certificates unfinished, recorded or predicted."""
    return bool(run["unfinished"]["recorded_share"] or run["unfinished"]["predicted_share"])


def details(run: Part, figures: Iterable[tuple[str, Part, str]], terminal: bool) -> Table:
    """Return the table of all figures of a case: each with its label and kind."""
    made = table(f"{run['name']}, all figures", "", "recorded", "predicted", "off", terminal=terminal)
    for label, each, kind in figures:
        made.add_row(label, write(each["recorded"], kind), with_interval(each, kind), off(each))
    return made


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table as lines of Markdown."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def summaries(part: Part, shown: Iterable[tuple[str, str, str]], ranked: str = "") -> list[str]:
    """Return the figures over all cases as Markdown: keys with labels and kinds; ``ranked`` has one for each group."""
    columns = [("all", part["summary"])]
    if part["predictions"] is not None:
        columns.append(("predictions only", part["predictions"]))
    rows = [[label, *(write(summary[key], kind) for _, summary in columns)] for key, label, kind in shown]
    for group in part["summary"].get(ranked, ()):
        taus = [write(summary[ranked].get(group)) for _, summary in columns]
        rows.append([f"order of the patterns of {group}: tau-b", *taus])
    return grid(("", *(name for name, _ in columns)), rows)
