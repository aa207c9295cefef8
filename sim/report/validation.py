"""What ``requeue validate`` says: how far off in words first, then case by case.

Made from the object that ``--json`` prints; ``sim.report.validation_markdown`` writes the same as Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report import validation_operators
from sim.report.numbers import write
from sim.report.text import Rendered, bold, render, table
from sim.report.validation_cells import (
    DETAILED,
    Part,
    conflicts_off,
    details,
    off,
    predicted,
    share,
    unfinished,
    with_interval,
)
from sim.units import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]
HEADS = (
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
SIDES = ("recorded", "predicted")
"""Of whom it is said what was left unfinished."""
ABLATED = ("conflicts off", "error of conflicts", "worst", "coverage", "error of Ready p50", "rank (tau)")


def report(document: Document, *, terminal: bool) -> Rendered:
    """Return the report for a terminal or a pipe."""
    runs = document["runs"]
    parts: list[RenderableType] = [bold(line) for line in verdict(document)]
    if runs:
        parts += ["", _cases(runs, terminal)]
    if "operators" in document:
        parts += ["", *validation_operators.tables(document["operators"], document["calibrated_on"], terminal=terminal)]
    decided = document["decisions"]
    if decided["pairs"]:
        title = "Decisions: recorded and predicted differences"
        parts += ["", _filled(title, DECIDED, decision_rows(decided["pairs"]), terminal)]
        parts += decision_words(decided["summary"])
    if any(run["back"] for run in runs):
        title = "How long after a fault each controller is back"
        parts += ["", _filled(title, BACK, back_rows(runs), terminal), back_words(document["summary"])]
    left = _left(runs)
    if left:
        parts += ["", *left]
    if len(runs) <= DETAILED:
        for run in runs:
            parts += ["", _details(run, terminal)]
    if "ablations" in document:
        rows = [[outcome["without"], *ablated(outcome)] for outcome in document["ablations"]]
        parts += ["", _filled("The errors without each mechanism", ("without", *ABLATED), rows, terminal)]
    parts += ["", "Validation ladder:"]
    for number, rung in enumerate(document["ladder"], start=1):
        parts.append(f"  {number}. {rung['rung']}: {rung['figure']}")
    noted = [f"note: {note}" for note in notes(document)]
    if noted:
        parts += ["", *noted]
    return render(parts, terminal)


def notes(document: Document) -> list[str]:
    """Return what a reader must know of each case, after its name."""
    runs = [*document["runs"], *document.get("operators", {"runs": ()})["runs"]]
    return [f"{run['name']}: {note}" for run in runs for note in run["notes"]]


def _filled(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], terminal: bool) -> Table:
    made = table(title, *heads, terminal=terminal)
    for cells in rows:
        made.add_row(*cells)
    return made


BACK = ("case", "fault", "controller", "recorded", "predicted", "")


def back_rows(runs: Iterable[Part]) -> list[list[str]]:
    """Return the rows of the table of recoveries: seconds from a fault to a controller's first accepted write."""
    rows = []
    for run in runs:
        case, last = run["name"], ""
        for key, each in run["back"].items():
            fault, _, controller = key.partition(".")
            shown = fault if fault != last else ""
            rows.append(
                [
                    case,
                    shown,
                    controller,
                    write(each["recorded"], "seconds"),
                    with_interval(each, "seconds"),
                    "" if each["close"] else "off",
                ]
            )
            case, last = "", fault
    return rows


def back_words(summary: Part) -> str:
    """Say for how many controllers it is predicted well how long after a fault they are back."""
    return (
        f"From a fault to the answer of a controller's first accepted write after it: {summary['recoveries_close']} of "
        f"{summary['recoveries']} within a second or 20%."
    )


DECIDED = ("decision", "figure", "recorded", "predicted", "sign", "regret")
_SHORT = {"time_to_ready.p50": "Ready p50, s", "time_to_ready.p95": "Ready p95, s"}


def decision_rows(pairs: Iterable[Part]) -> list[list[str]]:
    """Return the rows of the table of decisions: each pair's figures, the second case against the first."""
    rows = []
    for pair in pairs:
        about = [pair["other"], f"against {pair['one']}", f"by {pair['setting']}"]
        for each in pair["figures"]:
            ends = f" [{each['low']:+.3g}, {each['high']:+.3g}]" if each["low"] is not None else ""
            error = "" if each["recorded_error"] is None else f" ± {2 * each['recorded_error']:.2g}"
            if each["clear"] is None:
                sign = "right" if each["sign_right"] else "wrong, recorded once"
            elif each["clear"]:
                sign = "right" if each["sign_right"] else "WRONG"
            else:
                sign = "not clear"
            real, simulated = f"{each['recorded']:+.3g}{error}", f"{each['predicted']:+.3g}{ends}"
            name = about.pop(0) if about else ""
            rows.append(
                [name, _SHORT.get(each["figure"], each["figure"]), real, simulated, sign, f"{each['regret']:.1f}%"]
            )
    return rows


def decision_words(summary: Part) -> list[str]:
    """Say in how many decisions the sign is right, and what following the predictions would have cost."""
    if not summary["clear"]:
        return [f"{summary['pairs']} pairs differ in one setting; no recorded difference is clear of its spread."]
    return [
        f"{summary['pairs']} pairs differ in one setting. Of {summary['differences']} recorded differences "
        f"{summary['clear']} are clear of their spread, and {summary['clear_and_sign_right']} of these are predicted "
        "with the right sign; whoever follows the predictions loses "
        f"{summary['clear_max_regret_percent']:.1f}% at most there. "
        "Recorded differences have two standard errors beside them, predicted ones their 95% interval."
    ]


def verdict(document: Document) -> list[str]:
    """Return in a few sentences how far off the predictions are."""
    of_operators = validation_operators.verdict(document["operators"]) if "operators" in document else []
    if not document["runs"]:
        return of_operators
    lines = [_verdict(document["summary"], "")]
    used = [run["name"] for run in document["runs"] if run["name"] in document["calibrated_on"]]
    if used and document["predictions"] is not None:
        head = f"Without {', '.join(used)}, which the profile was measured on: "
        lines.append(_verdict(document["predictions"], head))
    elif used:
        lines.append("The profile was measured on these cases: this is no prediction.")
    applies = document["summary"]["apply_cases"]
    if applies:
        free = applies - document["summary"]["apply_cases_with_conflicts"]
        lines.append(f"Under apply: {free} of {counted(applies, 'case')} predicted without a conflict.")
    return lines + of_operators


def _verdict(summary: Part, head: str) -> str:
    enough = summary["cases_with_enough_conflicts"]
    if not enough:
        parts = [f"{counted(summary['cases'], 'case')}, none an update with 30 recorded conflicts or more"]
    else:
        parts = [conflicts_off(summary, counted(enough, "case"))]
    if summary["coverage"] is not None:
        parts.append(f"{share(summary['coverage'])} of conflicts by controller inside their 95% interval")
    if summary["median_abs_rel_error_time_to_ready"] is not None:
        parts.append(f"median time to Ready off by {share(summary['median_abs_rel_error_time_to_ready'])}")
    if summary["rank_agreement_conflicts"] is not None:
        parts.append(f"order of the cases by conflicts: tau {summary['rank_agreement_conflicts']:.2f}")
    text = "; ".join(parts)
    return f"{head}{text}." if head else f"{text[0].upper()}{text[1:]}."


def row(run: Part, said: Callable[..., str] = with_interval) -> list[str]:
    """Return the cells of a case under ``HEADS``; ``said`` writes the predicted time to Ready."""
    conflicts, ready = run["conflicts"], run["time_to_ready_p50"]
    return [
        str(run["repetitions"]),
        write(conflicts["recorded"]),
        with_interval(conflicts),
        off(conflicts),
        write(ready["recorded"], "seconds"),
        said(ready, "seconds"),
        off(ready),
        off(run["requests"]),
        " / ".join(share(run["unfinished"][f"{side}_share"]) for side in SIDES) if unfinished(run) else "",
    ]


_NARROW = ("conflicts", "predicted", "off", "Ready", "predicted", "off", "requests")


def _cases(runs: Sequence[Part], terminal: bool) -> Table:
    """The table over the cases: what fits a line of 120."""
    title = "Recorded, predicted [95% prediction interval], ! outside; median time to Ready; off in requests"
    return _filled(title, ("case", *_NARROW), [[run["name"], *row(run, predicted)[1:-1]] for run in runs], terminal)


def _left(runs: Sequence[Part]) -> list[str]:
    """A line for each case that leaves Certificates unfinished."""
    lines = []
    for run in filter(unfinished, runs):
        shares = {name: share(each) for name, each in run["unfinished"].items()}
        lines.append(
            f"{run['name']}: unfinished at the end: {shares['recorded_share']} of Certificates in "
            f"{shares['recorded_runs']} of runs recorded, {shares['predicted_share']} in {shares['predicted_runs']} "
            "predicted"
        )
    return lines


def _details(run: Part, terminal: bool) -> Table:
    made = details(run, _figures(run), terminal)
    distance = run["time_to_ready_wasserstein_s"]
    made.add_row("time to Ready, Wasserstein distance", "", write(distance, "seconds"), "")
    return made


def _figures(run: Part) -> Iterable[tuple[str, Part, str]]:
    yield "conflicts", run["conflicts"], "count"
    for name, each in run["by_controller"].items():
        yield f"  {name}", each, "count"
    for name, each in run["by_phase"].items():
        yield f"  phase: {name}", each, "count"
    yield "successful status writes", run["status_writes"], "count"
    for quantile in ("p50", "p95", "max"):
        yield f"time to Ready, {quantile}", run[f"time_to_ready_{quantile}"], "seconds"
    yield "requests of cert-manager", run["requests"], "count"
    for name, each in run["requests_by_kind"].items():
        yield f"  {name}", each, "count"
    for name, each in run["reconciles"].items():
        yield f"reconciles, {name}", each, "count"


def ablated(outcome: Part) -> list[str]:
    """Return the cells of an ablation under ``ABLATED``."""
    return [
        write(outcome["median_rel_error_conflicts"], "share", signed=True),
        share(outcome["median_abs_rel_error_conflicts"]),
        share(outcome["max_abs_rel_error_conflicts"]),
        share(outcome["coverage"]),
        share(outcome["median_abs_rel_error_time_to_ready"]),
        write(outcome["rank_agreement_conflicts"]),
    ]
