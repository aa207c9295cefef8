"""What ``requeue validate`` says: how far off in words first, then case by case; for a terminal and as Markdown.

Both are made from the object that ``--json`` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report.numbers import NONE, write
from sim.report.text import render, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]

BEGIN = "<!-- generated: {command} -->"
END = "<!-- end of what is generated -->"
_MARK = BEGIN.split("{", maxsplit=1)[0]
DETAILED = 3
"""Up to so many cases are shown with all their figures."""


class SectionError(ValueError):
    """A document has no place for what is generated."""


def report(document: Document, *, terminal: bool) -> str:
    """Return the report for a terminal or a pipe."""
    from rich.markup import escape

    runs = document["runs"]
    parts: list[RenderableType] = [f"[bold]{escape(line)}[/]" for line in verdict(document)]
    parts += ["", _cases(runs, terminal)]
    if len(runs) <= DETAILED:
        for run in runs:
            parts += ["", _details(run, terminal)]
    if "ablations" in document:
        parts += ["", _ablations(document["ablations"], terminal)]
    parts += ["", "Validation ladder:", *(escape(line) for line in _ladder(document))]
    notes = [f"note: {run['name']}: {note}" for run in runs for note in run["notes"]]
    if notes:
        parts += ["", *(escape(note) for note in notes)]
    return render(parts, terminal)


def verdict(document: Document) -> list[str]:
    """Return in a few sentences how far off the predictions are."""
    lines = [_verdict(document["summary"], "")]
    used = [run["name"] for run in document["runs"] if run["name"] in document["calibrated_on"]]
    if used and document["predictions"] is not None:
        lines.append(
            _verdict(
                document["predictions"], f"Without {', '.join(used)}, which the profile was measured on: "
            )
        )
    elif used:
        lines.append("The profile was measured on these cases: this is no prediction.")
    applies = document["summary"]["apply_cases"]
    if applies:
        wrong = document["summary"]["apply_cases_with_conflicts"]
        lines.append(f"Under apply: {applies - wrong} of {applies} cases without a conflict, as recorded.")
    return lines


def _verdict(summary: Mapping[str, Any], head: str) -> str:
    counted = summary["cases_with_enough_conflicts"]
    if not counted:
        said = f"{_cases_of(summary['cases'])}, none an update with 30 recorded conflicts or more"
    else:
        said = (
            f"conflicts off by {_share(summary['median_abs_rel_error_conflicts'])} (median of "
            f"{_cases_of(counted)}; {_share(summary['max_abs_rel_error_conflicts'])} at worst)"
        )
    parts = [said]
    if summary["coverage"] is not None:
        parts.append(f"{_share(summary['coverage'])} of conflicts by controller inside their 95% interval")
    if summary["median_abs_rel_error_time_to_ready"] is not None:
        parts.append(f"median time to Ready off by {_share(summary['median_abs_rel_error_time_to_ready'])}")
    if summary["rank_agreement_conflicts"] is not None:
        parts.append(f"order of the cases by conflicts: tau {summary['rank_agreement_conflicts']:.2f}")
    text = "; ".join(parts)
    return f"{head}{text}." if head else f"{text[0].upper()}{text[1:]}."


def _cases_of(count: int) -> str:
    return f"{count} case{'s' if count != 1 else ''}"


def _share(value: float | None) -> str:
    return write(value, "share")


_HEADS = (
    "runs",
    "conflicts",
    "predicted",
    "off",
    "Ready p50",
    "predicted",
    "off",
    "requests off",
    "unfinished",
)


def _row(run: Mapping[str, Any]) -> list[str]:
    conflicts, ready, requests = run["conflicts"], run["time_to_ready_p50"], run["requests"]
    return [
        str(run["repetitions"]),
        write(conflicts["recorded"]),
        _interval(conflicts),
        _off(conflicts),
        write(ready["recorded"], "seconds"),
        _interval(ready, "seconds"),
        _off(ready),
        _off(requests),
        _unfinished(run["unfinished"]),
    ]


def _interval(each: Mapping[str, Any], kind: str = "count") -> str:
    """The predicted figure with its interval, marked where the recorded one is outside."""
    from sim.report.numbers import brackets

    if each["predicted"] is None:
        return NONE
    return write(each["predicted"], kind) + brackets(each, kind) + ("" if _inside(each) else " !")


def _inside(each: Mapping[str, Any]) -> bool:
    if each["recorded"] is None or each["low"] is None or each["high"] is None:
        return True
    slack = 1e-9 * max(abs(each["low"]), abs(each["high"]))
    return bool(each["low"] - slack <= each["recorded"] <= each["high"] + slack)


def _off(each: Mapping[str, Any]) -> str:
    if not each["recorded"] or each["predicted"] is None:
        return NONE
    return write(each["predicted"] / each["recorded"] - 1, "share", signed=True)


def _unfinished(shares: Mapping[str, Any]) -> str:
    if not shares["recorded_share"] and not shares["predicted_share"]:
        return ""
    return f"{_share(shares['recorded_share'])} / {_share(shares['predicted_share'])}"


def _cases(runs: Sequence[Mapping[str, Any]], terminal: bool) -> Table:
    title = "Recorded and predicted, [95% prediction interval], ! outside; unfinished recorded / predicted"
    made = table(title, "case", *_HEADS, terminal=terminal)
    for run in runs:
        made.add_row(run["name"], *_row(run))
    return made


def _details(run: Mapping[str, Any], terminal: bool) -> Table:
    made = table(f"{run['name']}, all figures", "", "recorded", "predicted", "off", terminal=terminal)
    for label, each, kind in _figures(run):
        made.add_row(label, write(each["recorded"], kind), _interval(each, kind), _off(each))
    distance = run["time_to_ready_wasserstein_s"]
    made.add_row("time to Ready, Wasserstein distance", "", write(distance, "seconds"), "")
    return made


def _figures(run: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any], str]]:
    yield "conflicts", run["conflicts"], "count"
    for family, label in (
        ("by_controller", "  {}"),
        ("by_phase", "  phase: {}"),
    ):
        for name, each in run[family].items():
            yield label.format(name), each, "count"
    yield "successful status writes", run["status_writes"], "count"
    for quantile in ("p50", "p95", "max"):
        yield f"time to Ready, {quantile}", run[f"time_to_ready_{quantile}"], "seconds"
    yield "requests of cert-manager", run["requests"], "count"
    for name, each in run["requests_by_kind"].items():
        yield f"  {name}", each, "count"
    for name, each in run["reconciles"].items():
        yield f"reconciles, {name}", each, "count"


def _ablations(outcomes: Sequence[Mapping[str, Any]], terminal: bool) -> Table:
    heads = ("error of conflicts", "worst", "coverage", "error of time", "rank (tau)")
    made = table("The errors without each mechanism", "without", *heads, terminal=terminal)
    for outcome in outcomes:
        made.add_row(outcome["without"], *_ablation(outcome))
    return made


def _ablation(outcome: Mapping[str, Any]) -> list[str]:
    return [
        _share(outcome["median_abs_rel_error_conflicts"]),
        _share(outcome["max_abs_rel_error_conflicts"]),
        _share(outcome["coverage"]),
        _share(outcome["median_abs_rel_error_time_to_ready"]),
        write(outcome["rank_agreement_conflicts"]),
    ]


def _ladder(document: Document) -> list[str]:
    return [f"  {n}. {rung['rung']}: {rung['figure']}" for n, rung in enumerate(document["ladder"], start=1)]


# Markdown


def markdown(document: Document) -> str:
    """Return the generated part of the document: errors, a table over the cases, then one for each case."""
    runs = document["runs"]
    used = set(document["calibrated_on"])
    lines = [*verdict(document), ""]
    lines += ["## The validation ladder", "", "| rung | figure |", "|---|---|"]
    lines += [f"| {rung['rung']} | {rung['figure']} |" for rung in document["ladder"]]
    lines += ["", "| closed form | expected | found | standard error |", "|---|---|---|---|"]
    for check in document["ladder"][0]["checks"]:
        lines.append(
            f"| {check['name']} | {check['expected']:.4g} | {check['found']:.4g} | {check['error']:.2g} |"
        )
    lines += ["", "## All recordings", ""]
    lines.append(
        f"Profile `{document['profile']}`, {document['replications']} simulated runs of each case. In brackets the "
        "95% prediction interval for the mean of the recorded runs, **!** where that lies outside. *Unfinished* is "
        "the share of Certificates left so at the end, recorded / predicted."
    )
    lines += ["", *_grid(("case", *_HEADS), [[_named(run, used), *_row(run)] for run in runs])]
    if used & {run["name"] for run in runs}:
        lines += ["", "(c): the profile was measured on this case; all others are predictions."]
    lines += ["", "## Summary", "", *_summaries(document)]
    lines += ["", "## Conflicts by controller and by phase", "", *_splits(runs)]
    lines += ["", "## Spread of single runs", "", *_spreads(runs)]
    lines += ["", "## Requests, passes and writes", "", *_others(runs)]
    if "ablations" in document:
        lines += ["", "## What each mechanism is worth", "", *_ablation_lines(document["ablations"])]
    notes = [f"- {run['name']}: {note}" for run in runs for note in run["notes"]]
    if notes:
        lines += ["", "## Notes", "", *notes]
    begin = BEGIN.format(command=document["command"])
    return "\n".join([begin, "", *lines, "", END]) + "\n"


def replaced(text: str, generated: str) -> str:
    """Return ``text`` with the generated part in the place of the one before; ``SectionError`` without one."""
    start = text.find(_MARK)
    end = text.find(END, start)
    if start < 0 or end < 0:
        raise SectionError(f"it has no part between '{_MARK}... -->' and '{END}'")
    return text[:start] + generated.rstrip("\n") + text[end + len(END) :]


def _named(run: Mapping[str, Any], used: set[str]) -> str:
    return f"{run['name']} (c)" if run["name"] in used else str(run["name"])


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


_SUMMARY = (
    ("cases", "cases", "count"),
    ("cases_with_enough_conflicts", "of them updates with at least 30 recorded conflicts", "count"),
    ("median_abs_rel_error_conflicts", "conflicts: median absolute relative error", "share"),
    ("max_abs_rel_error_conflicts", "conflicts: largest", "share"),
    ("coverage", "conflicts by controller inside their interval", "share"),
    ("median_interval_width", "median width of those intervals, over the recorded mean", "count"),
    ("median_interval_score", "median interval score, over the recorded mean", "count"),
    ("median_recorded_spread", "recorded spread of conflicts by controller, over the mean", "share"),
    ("median_predicted_spread", "predicted spread of the same", "share"),
    ("median_abs_rel_error_time_to_ready", "median time to Ready, updates: median error", "share"),
    ("median_abs_rel_error_time_to_ready_apply", "median time to Ready, applies: median error", "share"),
    ("median_abs_rel_error_requests", "requests: median error", "share"),
    ("max_abs_rel_error_requests", "requests: largest", "share"),
    ("median_abs_rel_error_status_writes_apply", "status writes under apply: median error", "share"),
    ("rank_agreement_conflicts", "order of cases by conflicts per Certificate: Kendall's tau-b", "count"),
    ("rank_agreement_time_to_ready", "order of cases by median time to Ready: Kendall's tau-b", "count"),
)


def _summaries(document: Document) -> list[str]:
    columns = [("all", document["summary"])]
    if document["predictions"] is not None:
        columns.append(("predictions only", document["predictions"]))
    heads = ("", *(name for name, _ in columns))
    return _grid(
        heads, [[label, *(write(s[key], kind) for _, s in columns)] for key, label, kind in _SUMMARY]
    )


def _splits(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    controllers = list(dict.fromkeys(name for run in runs for name in run["by_controller"]))
    phases = list(dict.fromkeys(name for run in runs for name in run["by_phase"]))
    updates = [run for run in runs if run["conflicts"]["recorded"]]
    rows = [
        [
            run["name"],
            *(_pair(run["by_controller"].get(name)) for name in controllers),
            *(_pair(run["by_phase"].get(name)) for name in phases),
        ]
        for run in updates
    ]
    heads = ("case", *(name.removeprefix("certificates-") for name in controllers), *phases)
    return ["Recorded, predicted [95% prediction interval].", "", *_grid(heads, rows)]


def _pair(each: Mapping[str, Any] | None) -> str:
    return NONE if each is None else f"{write(each['recorded'])}, {_interval(each)}"


def _spreads(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    names = (
        ("conflicts", "conflicts", "count"),
        ("requests", "requests", "count"),
        ("time_to_ready.p50", "Ready p50", "seconds"),
    )
    rows = [
        [
            run["name"],
            *(
                f"{write(run['spread'][key]['recorded'], kind)} / {write(run['spread'][key]['predicted'], kind)}"
                for key, _, kind in names
            ),
            write(run["time_to_ready_wasserstein_s"], "seconds"),
        ]
        for run in runs
    ]
    heads = ("case", *(label for _, label, _ in names), "Wasserstein distance of times to Ready")
    return ["Standard deviation of single runs, recorded / predicted.", "", *_grid(heads, rows)]


def _others(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for run in runs:
        kinds = [each for each in run["requests_by_kind"].values() if each["recorded"] is not None]
        passes = list(run["reconciles"].values())
        rows.append(
            [
                run["name"],
                _pair(run["requests"]),
                f"{sum(_inside(each) for each in kinds)} of {len(kinds)}",
                _pair(run["status_writes"]),
                _total_off(passes),
                f"{sum(_inside(each) for each in passes)} of {len(passes)}",
                _pair_s(run["time_to_ready_p95"]),
            ]
        )
    heads = (
        "case",
        "requests",
        "kinds inside",
        "status writes",
        "passes off",
        "controllers inside",
        "Ready p95",
    )
    return _grid(heads, rows)


def _pair_s(each: Mapping[str, Any]) -> str:
    return f"{write(each['recorded'], 'seconds')}, {_interval(each, 'seconds')}"


def _total_off(parts: Sequence[Mapping[str, Any]]) -> str:
    recorded = sum(each["recorded"] for each in parts)
    predicted = sum(each["predicted"] for each in parts)
    return write(predicted / recorded - 1, "share", signed=True) if recorded else NONE


def _ablation_lines(outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = ("without", "error of conflicts", "worst", "coverage", "error of time to Ready", "rank (tau)")
    return _grid(heads, [[outcome["without"], *_ablation(outcome)] for outcome in outcomes])
