"""What ``requeue tune`` says: the budget to paste, what it improves on fresh seeds, and what was not worth tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.endings import undone
from sim.experiment.naming import short_keys
from sim.plot.style import conditions, nothing, tip, whiskers
from sim.report.comparison import tells
from sim.report.numbers import NONE, axis, interval, write
from sim.report.picture import scatter
from sim.report.text import Rendered, bold, footer, is_wide, render, table
from sim.scenario.metrics import find
from sim.units import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]
"""What ``--json`` prints: ``sim.experiment.recommend.Tuned.as_dict``."""

SHOWN_TRIALS = 20
CURRENT, FRONT, OTHER, LOST = "C", "●", "·", "x"


def tune_report(document: Document, *, folder: Path | None, command: str, terminal: bool) -> Rendered:
    """Return the report; ``command`` is the one that reproduces it."""
    fresh = document["fresh_replications"]["count"]
    parts: list[RenderableType] = [bold(line) for line in verdict(document)]
    if document["recommended"]["changes"]:
        parts += ["", "Recommended (in place of the scenario's own sections of these names):", ""]
        parts += [f"    {line}" for line in document["recommended"]["fragment"].splitlines()]
        parts += ["", _improvement(document, terminal), ""]
        parts.append(f"On {counted(fresh, 'fresh replication')} that no trial saw, the same for both.")
    parts += ["", _trials(document, terminal), ""]
    parts += [*picture(document), ""]
    for name, found in document["sensitivity"].items():
        parts += [_sensitivity(document, name, found, terminal), ""]
    parts += [bold(line) for line in worth(document)]
    parts.append("")
    parts += footer(folder, command, "tune.json, recommended.yaml, trials.csv, trials.parquet, tune.png")
    return render(parts, terminal)


def verdict(document: Document) -> list[str]:
    """Return in sentences what the recommendation changes, and what that improves."""
    recommended = document["recommended"]
    changes = recommended["changes"]
    if not document["front"]:
        unknown = _unknown(document)
        if unknown:
            return [f"{unknown}: nothing to recommend. See --objective and --constraint."]
        wanted = " and ".join(document["constraints"])
        return [f"No trial holds {wanted}, the current configuration neither: nothing to recommend. See --constraint."]
    if not changes:
        return [
            f"Nothing better than the current configuration was found in "
            f"{counted(len(document['trials']), 'trial')}: keep it."
        ]
    listed = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changes.items())
    lines = [f"Recommended: {listed}."]
    decided = False
    for name in document["objectives"]:
        found = document["improvement"][name]
        about = find(name)
        difference = found["difference"]
        amount = interval(difference, about.unit, signed=True)
        old, new = (write(found[which]["mean"], about.unit) for which in ("current", "recommended"))
        said = {True: "better", False: "worse", None: "undecided"}[difference["better"]]
        decided = decided or difference["better"] is True
        lines.append(f"{about.label}: {old} -> {new}, a difference of {amount}: {said}.")
    if not decided:
        lines.append("No objective is decidedly better: there is no reason to change anything.")
    for text, holds in recommended["constraints"].items():
        if not holds:
            lines.append(f"On the fresh replications {text} does not hold.")
    for which in ("current", "recommended"):
        if undone(document[which]["ending"]):
            lines.append(f"{which.capitalize()}, on the fresh replications: {document[which]['ending']['said']}")
    if recommended.get("flat"):
        ranges = "; ".join(f"{key} from {low} to {high}" for key, (low, high) in recommended["flat"].items())
        lines.append(
            f"The curve is flat there, so these are round figures; nothing tried was decidedly worse: {ranges}."
        )
    if recommended["at_the_edge"]:
        keys = ", ".join(recommended["at_the_edge"])
        lines.append(f"At the edge of what was searched: {keys}. A wider --space may find better.")
    return lines


def _unknown(document: Document) -> str:
    """Which figures of the search no trial has a value of, in a sentence without its point; "" where all have."""
    names = document.get("without_value", ())  # an earlier version's results do not say
    if not names:
        return ""
    labels = " and ".join(f"{find(name).label} ({name})" for name in names)
    return f"{labels} {'has' if len(names) == 1 else 'have'} no value in any trial"


def worth(document: Document) -> list[str]:
    """Return what was worth tuning and what was not."""
    lines = []
    for title, key in (
        ("Worth tuning", "worth_tuning"),
        ("Not worth tuning", "not_worth_tuning"),
        ("Undecided", "undecided"),
    ):
        if document[key] or key == "worth_tuning":
            lines.append(f"{title}: {', '.join(document[key]) or 'nothing'}.")
    back = document["recommended"]["back_to_current"]
    if back:
        lines.append(
            f"Left as they are, because trial {document['recommended']['trial']} is no better with its own: "
            f"{', '.join(back)}."
        )
    return lines


def picture(document: Document) -> list[str]:
    """Return the trials as a plot: two objectives against each other, or one over the trials."""
    points = _points(document)
    objectives = document["objectives"]
    if len(objectives) == 1:
        label = _axis(objectives[0])
        lines = [f"Trials: {label}", ""]
        return lines + scatter([(float(n), y, mark) for n, (_, y, mark) in enumerate(points)], "trial", label) + [_KEY]
    x, y = objectives[:2]
    return [f"Trials: {_axis(x)} against {_axis(y)}", "", *scatter(sorted(points, key=_last), _axis(x), _axis(y)), _KEY]


_KEY = (
    f"  {CURRENT} current   {FRONT} on the front (no other is better in both)   {OTHER} other   "
    f"{LOST} given up or not allowed"
)


def _last(point: tuple[float, float, str]) -> int:
    return (OTHER, LOST, FRONT, CURRENT).index(point[2])


def _drawn(document: Document) -> list[Mapping[str, Any]]:
    """The trials that have a figure of every objective."""
    return [trial for trial in document["trials"] if None not in _values(document, trial)]


def _values(document: Document, trial: Mapping[str, Any]) -> list[Any]:
    return [(trial["values"][name] or {}).get("adjusted") for name in document["objectives"]]


def _words(document: Document, trial: Mapping[str, Any]) -> str:
    """A trial in a few lines: its settings and what came out."""
    settings = ", ".join(f"{key}={trial['settings'][key]}" for key in document["space"])
    figures = (
        f"{find(name).label}: {interval(trial['values'][name], find(name).unit)}" for name in document["objectives"]
    )
    return "\n".join([f"trial {trial['trial']}: {settings}", *figures])


def _points(document: Document) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    for trial in _drawn(document):
        values = _values(document, trial)
        mark = OTHER if trial["state"] == "complete" else LOST
        mark = CURRENT if trial["current"] else FRONT if trial["front"] else mark
        found.append((values[0], values[:2][-1], mark))
    return found


def _axis(name: str) -> str:
    about = find(name)
    return axis(about.label, about.unit)


def _improvement(document: Document, terminal: bool) -> Table:
    made = table("What it improves", "", "current", "recommended", "difference", "", terminal=terminal)
    for name, found in document["improvement"].items():
        about = find(name)
        means = [found[which]["mean"] for which in ("current", "recommended")]
        if not tells(about, means, always=name in document["objectives"]):
            continue
        difference = found["difference"]
        said = {True: "better", False: "worse", None: difference["verdict"]}[difference["better"]]
        objective = " *" if name in document["objectives"] else ""
        made.add_row(
            about.label + objective,
            write(found["current"]["mean"], about.unit),
            write(found["recommended"]["mean"], about.unit),
            interval(difference, about.unit, signed=True),
            said,
        )
    return made


def _trials(document: Document, terminal: bool) -> Table:
    labels = [find(name).label for name in document["objectives"]]
    keys = short_keys(document["space"])
    wide = is_wide(terminal)
    made = table("Trials, the front first", "trial", *keys.values(), *labels, "", terminal=terminal)
    shown = sorted(document["trials"], key=_order)
    for trial in shown[:SHOWN_TRIALS]:
        state = "front" if trial["front"] else trial["state"] if trial["state"] != "complete" else ""
        cells = []
        for name in document["objectives"]:
            group, unit = trial["values"][name], find(name).unit
            cells.append(interval(group, unit) if wide or not group else write(group["mean"], unit))
        state = f"current, {state}" if trial["current"] and state else "current" if trial["current"] else state
        made.add_row(str(trial["trial"]), *(trial["settings"][key] for key in keys), *cells, state)
    hidden = len(shown) - SHOWN_TRIALS
    if hidden > 0:
        made.caption = f"... and {hidden} more in trials.csv"
        made.caption_justify = "left"
    return made


def _order(trial: Mapping[str, Any]) -> tuple[bool, bool, int]:
    return not trial["front"], trial["state"] != "complete", trial["trial"]


def _sensitivity(document: Document, name: str, found: Mapping[str, Any], terminal: bool) -> Table:
    about = find(name)
    unit = _unit(name)
    heads = ("mean effect across its range", "of it by chance", "")
    made = table(f"Sensitivity of {about.label} (Morris, mu*)", "", *heads, terminal=terminal)
    for key, effect in sorted(found.items(), key=lambda item: -item[1]["mu_star"]):
        made.add_row(key, interval(_group(effect), unit), write(effect["noise"], unit), effect["worth"])
    if not found:
        made.add_row("too few points with a figure", NONE, NONE, "undecided")
    return made


def _group(effect: Mapping[str, Any]) -> dict[str, float]:
    """The mean effect of a key across its range, with its interval."""
    return {"mean": effect["mu_star"], "low": effect["low"], "high": effect["high"]}


def _unit(name: str) -> str:
    """The unit of a difference of a metric."""
    unit = find(name).unit
    return "points" if unit == "share" else unit


def figure(document: Document) -> Figure:
    """Return the picture for ``tune.png``: the trials, and the sensitivity of every objective."""
    from matplotlib.figure import Figure

    sensitivity = {name: found for name, found in document["sensitivity"].items() if found}
    many = 1 + len(sensitivity)
    made = Figure(figsize=(5 * many, 4), layout="constrained")
    axes = made.subplots(1, many, squeeze=False)[0]
    ax = axes[0]
    points = _points(document)
    one = len(document["objectives"]) == 1
    for mark, label, style in (
        (OTHER, "trial", {"color": "tab:gray", "marker": "o", "s": 20}),
        (LOST, "given up or not allowed", {"color": "tab:red", "marker": "x", "s": 20}),
        (FRONT, "on the front", {"color": "tab:blue", "marker": "o", "s": 40}),
        (CURRENT, "current", {"color": "black", "marker": "*", "s": 120}),
    ):
        chosen = [(place if one else x, y) for place, (x, y, kind) in enumerate(points) if kind == mark]
        if chosen:
            ax.scatter(*zip(*chosen, strict=True), label=label, **style)
    if not one:
        edge = sorted((x, y) for x, y, kind in points if kind == FRONT)
        ax.plot(*zip(*edge, strict=True), color="tab:blue", linewidth=1, drawstyle="steps-post") if edge else None
    best = next((trial for trial in document["trials"] if trial["trial"] == document["recommended"]["trial"]), None)
    at = _values(document, best) if best else [None]
    if best and not best["current"] and None not in at:
        place = (best["trial"], at[0]) if one else at[:2]
        ax.scatter(*place, s=160, facecolors="none", edgecolors="tab:green", linewidths=2, label="recommended")
    for trial, (number, (x, y, _)) in zip(_drawn(document), enumerate(points), strict=True):
        tip(ax, _words(document, trial), None, number if one else x, y)
    shown = dict(zip(document["objectives"][:2], ("y",) if one else ("x", "y"), strict=False))
    of = {name: (side, "", 1.0) for name, side in shown.items()}
    conditions(ax, "constraint", [tuple(text.split(" ", 1)) for text in document["constraints"]], of)
    conditions(ax, "expected", document.get("expect", {}).items(), of)
    ax.set_xlabel("trial" if one else _axis(document["objectives"][0]))
    ax.set_ylabel(_axis(document["objectives"][0 if one else 1]))
    if points:
        ax.legend(fontsize=8)
    else:
        nothing(ax, _unknown(document) or "no trial has a figure of every objective")
    for ax, (name, found) in zip(axes[1:], sensitivity.items(), strict=True):
        keys = sorted(found, key=lambda key, found=found: found[key]["mu_star"])  # type: ignore[misc] # a plain sort key
        groups = [_group(found[key]) for key in keys]
        means = [group["mean"] for group in groups]
        if not any(means):
            nothing(ax, "no setting changed it")
        ax.barh(range(len(keys)), means, xerr=whiskers(groups), capsize=3, height=0.6)
        ax.plot([found[key]["noise"] for key in keys], range(len(keys)), "k|", markersize=16, label="by chance")
        for row, (key, group) in enumerate(zip(keys, groups, strict=True)):
            tip(ax, f"{key}, mean effect across its range", group, None, (row - 0.5, row + 0.5), unit=_unit(name))
        ax.set_yticks(range(len(keys)), keys)
        ax.set_xlim(left=0)
        ax.set_xlabel(f"effect on {_axis(name)}")
        ax.legend(fontsize=8)
    made.suptitle(
        f"{document['scenario']}: {len(document['trials'])} trials, and what each setting does across its range"
    )
    return made
