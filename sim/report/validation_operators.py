"""What ``requeue validate`` says of recordings of an operator, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from sim.report.numbers import write
from sim.report.text import table
from sim.report.validation_cells import (
    DETAILED,
    Part,
    conflicts_off,
    details,
    grid,
    named,
    off,
    pair,
    predicted,
    share,
    summaries,
    with_interval,
)
from sim.units import counted

_LABELS = {
    "conflicts": "conflicts",
    "status_writes": "status writes",
    "reconciles": "reconciles",
    "requests": "requests",
    "time_to_ready.p50": "time to Ready, p50",
    "time_to_all.p50": "time to all conditions, p50",
    "edit_to_seen.p50": "edit to seen by all, p50",
    "lost": "lost updates",
    "lost.never_repaired": "of them conditions never repaired",
    "lost_repaired_after.p50": "repaired after, p50",
    "unchanged": "status writes that changed nothing",
    "unfinished": "unfinished at the end",
}
_TIMED = ("time_to", "edit_to", "lost_repaired")


def _kind(key: str) -> str:
    return "seconds" if key.startswith(_TIMED) else "count"


def verdict(part: Part) -> list[str]:
    """Return in a few sentences how far off the predictions of an operator are."""
    lines = [_verdict(part["summary"], "Operators: ")]
    if part["predictions"] is not None and part["predictions"]["cases"] < part["summary"]["cases"]:
        lines.append(_verdict(part["predictions"], "Without the cases that the profile was measured on: "))
    return lines


def _verdict(summary: Part, head: str) -> str:
    said = []
    enough = summary["cases_with_enough_conflicts"]
    if enough:
        said.append(conflicts_off(summary, f"{counted(enough, 'case')} with 30 or more"))
    else:
        said.append(f"{counted(summary['cases'], 'case')}, none with 30 recorded conflicts or more")
    if summary["coverage"] is not None:
        said.append(f"{share(summary['coverage'])} of conflicts by controller inside their 95% interval")
    never = summary["cases_that_cannot_conflict"]
    if never:
        free = never - summary["of_them_predicted_with_conflicts"]
        said.append(f"{free} of {counted(never, 'case')} with patterns that cannot conflict predicted without one")
    said.append(f"lost updates as recorded in {summary['lost_as_recorded']} of {counted(summary['cases'], 'case')}")
    for key, label in (
        ("time_to_ready.p50", "median time to Ready"),
        ("status_writes", "status writes"),
        ("reconciles", "reconciles"),
    ):
        if summary[f"median_abs_rel_error_{key}"] is not None:
            worst = share(summary[f"max_abs_rel_error_{key}"])
            said.append(f"{label} off by {share(summary[f'median_abs_rel_error_{key}'])} ({worst} at worst)")
    if summary["rank_agreement_conflicts"] is not None:
        said.append(f"order of the cases by conflicts: tau {summary['rank_agreement_conflicts']:.2f}")
    text = "; ".join(said)
    return f"{head}{text}."


HEADS = (
    "runs",
    "conflicts",
    "predicted",
    "off",
    "status writes off",
    "reconciles off",
    "Ready p50",
    "predicted",
    "off",
    "lost updates",
    "predicted",
)


def row(run: Part, said: Callable[..., str] = with_interval) -> list[str]:
    """Return the cells of a case under ``HEADS``; ``said`` writes what is predicted."""
    figures = run["figures"]
    conflicts, ready, lost = figures["conflicts"], figures["time_to_ready.p50"], figures["lost"]
    return [
        str(run["repetitions"]),
        write(conflicts["recorded"]),
        said(conflicts),
        off(conflicts),
        off(figures["status_writes"]),
        off(figures["reconciles"]),
        write(ready["recorded"], "seconds"),
        said(ready, "seconds"),
        off(ready),
        write(lost["recorded"]),
        said(lost),
    ]


def tables(part: Part, used: Collection[str], *, terminal: bool) -> list[Any]:
    """The tables for a terminal or a pipe."""
    title = "Operators: recorded, predicted, ! outside the 95% prediction interval; off in status writes and reconciles"
    heads = ("case", "conflicts", "predicted", "off", "writes", "passes", "Ready", "predicted", "off", "lost", "pred.")
    made = table(title, *heads, terminal=terminal)
    for run in part["runs"]:
        made.add_row(named(run, used), *row(run, predicted)[1:])
    every = part["runs"] if len(part["runs"]) <= DETAILED else []
    return [made, *(details(run, _figures(run), terminal) for run in every)]


def _figures(run: Part) -> Iterable[tuple[str, Part, str]]:
    for key, each in run["figures"].items():
        yield _LABELS[key], each, _kind(key)
    for name, label in (
        ("conflicts_by_controller", "conflicts"),
        ("status_writes_by_controller", "status writes"),
        ("reconciles_by_controller", "reconciles"),
        ("lost_by_kind", "lost"),
        ("requests_by_kind", "requests"),
    ):
        for key, each in run[name].items():
            yield f"{label}, {key}", each, "count"


# Markdown.


def markdown(part: Part, used: Collection[str]) -> list[tuple[str, list[str]]]:
    """Return the sections of the generated document, titles and lines."""
    runs: Sequence[Part] = part["runs"]
    main = [
        "*Off* of status writes and reconciles is the relative error of their totals. (c): the profile was measured on "
        "this case; all others are predictions.",
        "",
        *grid(("case", *HEADS), [[named(run, used), *row(run)] for run in runs]),
    ]
    controllers = list(dict.fromkeys(key for run in runs for key in run["conflicts_by_controller"]))
    split = [
        [run["name"], *(pair(run["conflicts_by_controller"].get(key)) for key in controllers)]
        for run in runs
        if run["may_conflict"]
    ]
    return [
        ("Recordings of an operator", main),
        ("Operators: summary", summaries(part, _SUMMARY, "rank_agreement_patterns")),
        ("Operators: conflicts by controller", grid(("case", *controllers), split)),
        ("Operators: other figures", grid(("case", *_OTHERS.values()), [_others(run) for run in runs])),
    ]


_OTHERS = {
    "status_writes": "status writes",
    "reconciles": "reconciles",
    "requests": "requests",
    "time_to_all.p50": "all conditions p50",
    "edit_to_seen.p50": "edit to all seen p50",
    "lost.never_repaired": "conditions never repaired",
    "lost_repaired_after.p50": "repaired after p50",
}


def _others(run: Part) -> list[str]:
    return [run["name"], *(pair(run["figures"].get(key), _kind(key)) for key in _OTHERS)]


_SUMMARY = (
    ("cases", "cases", "count"),
    ("cases_with_enough_conflicts", "of them with patterns that can conflict and 30 recorded conflicts", "count"),
    ("median_abs_rel_error_conflicts", "conflicts: median absolute relative error", "share"),
    ("max_abs_rel_error_conflicts", "conflicts: largest", "share"),
    ("coverage", "conflicts by controller inside their interval", "share"),
    ("cases_that_cannot_conflict", "cases with patterns that cannot conflict", "count"),
    ("of_them_predicted_with_conflicts", "of them predicted with conflicts", "count"),
    ("lost_as_recorded", "cases with lost updates as recorded", "count"),
    ("median_abs_rel_error_status_writes", "status writes: median error", "share"),
    ("max_abs_rel_error_status_writes", "status writes: largest", "share"),
    ("median_abs_rel_error_reconciles", "reconciles: median error", "share"),
    ("max_abs_rel_error_reconciles", "reconciles: largest", "share"),
    ("median_abs_rel_error_requests", "requests: median error", "share"),
    ("median_abs_rel_error_time_to_ready.p50", "median time to Ready: median error", "share"),
    ("max_abs_rel_error_time_to_ready.p50", "median time to Ready: largest", "share"),
    ("rank_agreement_conflicts", "order of cases by conflicts an object: Kendall's tau-b", "count"),
)
