"""What ``requeue sweep`` says: the best cell in words, the ranked table, and pictures of what each setting does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.endings import undone
from sim.analysis.intervals import Estimate
from sim.experiment.naming import short_keys
from sim.plot.style import conditions, nothing, tip, whiskers
from sim.report.numbers import NONE, axis, interval, ranks, shared, write
from sim.report.picture import bars, heat_map
from sim.report.sentences import controlled, expired
from sim.report.text import Rendered, bold, footer, how_many, is_wide, render, table
from sim.scenario.metrics import find
from sim.units import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import RenderableType
    from rich.table import Table

Document = Mapping[str, Any]
"""What ``--json`` prints: ``sim.experiment.sweep.Sweep.as_dict``."""

SHOWN_CELLS = 24
SHOWN_UNDONE = 5
"""Cells of which it is said how they ended, where not all settled."""


def sweep_report(document: Document, *, folder: Path | None, command: str, terminal: bool) -> Rendered:
    """Return the report; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = []
    violated = [cell["cell"] for cell in document["cells"] if cell["violations"]]
    if violated:
        parts.append(bold("INVARIANTS VIOLATED in " + "; ".join(violated[:5]), "red"))
    parts += [bold(line) for line in verdict(document)]
    many = document["replications"]
    cells = len(document["cells"])
    parts.append(f"{document['scenario']}: {counted(cells, 'cell')}, {how_many(many)}, seed {document['seed']}")
    unsettled = [f"{cell['cell']}: {cell['ending']['said']}" for cell in document["cells"] if undone(cell["ending"])]
    parts += unsettled[:SHOWN_UNDONE]
    if len(unsettled) > SHOWN_UNDONE:
        parts.append(f"... and {len(unsettled) - SHOWN_UNDONE} more cells in which not all settled")
    parts += ["", _ranked(document, terminal)]
    hidden = cells - SHOWN_CELLS
    if hidden > 0:
        parts.append(f"... and {hidden} more in cells.csv")
    parts += ["", *pictures(document), ""] if defined(document) else [""]
    for left in document["left_out"]:
        parts.append(f"Left out:      {left['cell']}: {left['reason']}")
    parts += footer(folder, command, "sweep.json, cells.csv, cells.parquet, replications.parquet, sweep.png")
    return render(parts, terminal)


def defined(document: Document) -> bool:
    """Whether any cell has a figure of what ranks them: the best has one then."""
    best = next(cell for cell in document["cells"] if cell["cell"] == document["best"])
    return best["metrics"][document["metric"]]["mean"] is not None


def verdict(document: Document) -> list[str]:
    """Return the best cell against the current configuration in a sentence, and how many share the first place."""
    metric = document["metric"]
    about = find(metric)
    cells = {cell["cell"]: cell for cell in document["cells"]}
    best = cells[document["best"]]
    value = interval(best["metrics"][metric], about.unit)
    which = "highest" if about.better == "higher" else "lowest"
    gone = {name: said for name, cell in cells.items() if (said := expired(cell))}
    kept = " of those in which none expired" if 0 < len(gone) < len(cells) else ""
    lines = [f"{name}: {said}." for name, said in list(gone.items())[:SHOWN_UNDONE]]
    if len(gone) > SHOWN_UNDONE:
        lines.append(f"... and {len(gone) - SHOWN_UNDONE} more cells in which Certificates expired.")
    if not defined(document):
        lines.append(f"No cell has a {about.label}: {about.undefined}.")
    elif best["difference"] is None:
        lines.append(f"No cell{kept} is better than the current configuration: {about.label} {value}.")
    else:
        against = best["difference"][metric]
        amount = interval(against, about.unit, signed=True)
        lines.append(
            f"{best['cell']} has the {which} {about.label}{kept}: {value}; "
            f"against the current configuration {amount}, {against['verdict']}."
        )
    shared = [
        cell["cell"]
        for cell in document["cells"]
        if cell["difference_from_best"] and cell["difference_from_best"]["verdict"] in {"undecided", "the same"}
    ]
    if shared:
        verb = "is" if len(shared) == 1 else "are"
        others = f"of the {len(cells) - 1} others" if len(cells) > 2 else "other"
        lines.append(f"{len(shared)} {others} {verb} not decidedly worse than it.")
    chosen = document.get("selection")
    if chosen:
        lines.append(chosen["sentence"])
    precision = document.get("precision")
    if precision:
        found = "no interval" if precision["achieved"] is None else write(precision["achieved"], "share")
        said = "every cell is known to" if precision["reached"] else "NOT every cell is known to"
        lines.append(
            f"Precision: {said} {write(precision['asked'], 'share')}; the widest interval is {found} of its mean."
        )
        lines += controlled(precision)
    return lines


def pictures(document: Document) -> list[str]:
    """Return what each setting does as bars; for two settings also a map of all combinations."""
    metric = document["metric"]
    about = find(metric)
    lines = [f"What each setting does to {about.label} (mean over the other settings)"]
    for key, found in document["main_effects"].items():
        lines += ["", f"  {key}"]
        groups = {value: Estimate(group["mean"], group["low"], group["high"], 0) for value, group in found.items()}
        lines += [f"  {line}" for line in bars(groups, about.unit)]
    if len(document["vary"]) == 2:
        (row, rows), (column, columns) = document["vary"].items()
        means = _means(document, row, column)
        lines += ["", f"{about.label}: {row} down, {column} across", ""]
        lines += heat_map(rows, columns, means, about.unit)
    return lines


def _ranked(document: Document, terminal: bool) -> Table:
    metric = document["metric"]
    about = find(metric)
    wide = is_wide(terminal)
    keys = short_keys(document["vary"])
    heads = [*keys.values(), "mean", "against current", *(["against the best"] if wide else [])]
    places = ranks(cell["rank"] for cell in document["cells"])
    title = f"Ranked by {about.label}; * is the current configuration{shared(places)}"
    made = table(title, "", *heads, terminal=terminal)
    for place, cell in zip(places, document["cells"][:SHOWN_CELLS], strict=False):
        against, behind = cell["difference"], cell["difference_from_best"]
        cells = [
            place + (" *" if cell["current"] else ""),
            *(cell["settings"][key] for key in keys),
            interval(cell["metrics"][metric], about.unit),
            _against(against and against[metric], about.unit, "current"),
            _against(behind, about.unit, "best" if defined(document) else NONE),
        ]
        made.add_row(*cells[: len(heads) + 1])
    return made


def _against(difference: Mapping[str, Any] | None, kind: str, itself: str) -> str:
    """Write a difference and its verdict, verdicts in a column."""
    if not difference:
        return f"{itself:9}"
    return f"{interval(difference, kind, signed=True)}  {difference['verdict']:9}"


def figure(document: Document) -> Figure:
    """Return the picture for ``sweep.png``: one panel for each setting, and a map where there are two."""
    from matplotlib.figure import Figure

    metric = document["metric"]
    about = find(metric)
    keys = list(document["main_effects"])
    many = len(keys) + (len(keys) == 2)
    made = Figure(figsize=(4.2 * many, 3.6), layout="constrained")
    axes = made.subplots(1, many, squeeze=False)[0]
    for ax, key in zip(axes, keys, strict=False):
        found = document["main_effects"][key]
        values, known = list(found), {n: group for n, group in enumerate(found.values()) if group["mean"] is not None}
        if not known:
            nothing(ax, "it has no value in any cell")
        means = [group["mean"] for group in known.values()]
        ax.errorbar([*known], means, yerr=whiskers(known.values()), marker="o", capsize=4)
        for place, group in known.items():
            tip(ax, f"{key}={values[place]}, {about.label}", group, place, group["mean"], unit=about.unit)
        ax.set_xticks(range(len(values)), values, rotation=45 if len(values) > 4 else 0)
        ax.set_xlabel(key)
        ax.set_ylabel(axis(about.label, about.unit))
        base = next((cell for cell in document["cells"] if cell["current"]), None)
        if base is not None and base["metrics"][metric]["mean"] is not None:
            ax.axhline(base["metrics"][metric]["mean"], linestyle=":", color="gray", label="current")
            ax.legend()
        conditions(ax, "expected", document.get("expect", {}).items(), {metric: ("y", "", 1.0)})
    if len(keys) == 2:
        _map(made, axes[-1], document)
    made.suptitle(f"{document['scenario']}: {about.label}, mean and 95% interval")
    return made


def _means(document: Document, row: str, column: str) -> dict[tuple[str, str], float | None]:
    """The mean of each cell by its settings of two keys."""
    metric = document["metric"]
    return {
        (cell["settings"][row], cell["settings"][column]): cell["metrics"][metric]["mean"] for cell in document["cells"]
    }


def _map(made: Figure, ax: Axes, document: Document) -> None:
    metric = document["metric"]
    about = find(metric)
    (row, rows), (column, columns) = document["vary"].items()
    means = _means(document, row, column)
    unknown = float("nan")
    numbers = [[means.get((r, c)) for c in columns] for r in rows]
    image = ax.imshow(
        [[unknown if n is None else n for n in line] for line in numbers], aspect="auto", cmap="viridis_r"
    )
    for y, line in enumerate(numbers):
        for x, number in enumerate(line):
            ax.text(x, y, write(number, about.unit), ha="center", va="center", color="white", fontsize=8,
                    bbox={"facecolor": "black", "alpha": 0.35, "linewidth": 0, "pad": 1.5})  # fmt: skip
    best = 0
    for cell in document["cells"]:
        (y, x), group = (cell["settings"][key] for key in (row, column)), cell["metrics"][metric]
        if y in rows and x in columns and group["mean"] is not None:
            at = [list(values).index(value) for values, value in ((columns, x), (rows, y))]
            if cell["rank"] == 1:
                best += 1
                ax.plot(
                    *at, marker="s", markersize=30, markerfacecolor="none", markeredgecolor="red", markeredgewidth=2
                )
            box = [(each - 0.5, each + 0.5) for each in at]
            tip(ax, f"{cell['cell']}, {about.label}", group, box[0], box[1], unit=about.unit)
    ax.grid(False)
    framed = "the best is framed" if best == 1 else "framed: the best, which cannot be told apart"
    ax.set_title(f"all combinations; {framed}", fontsize=10)
    ax.set_xticks(range(len(columns)), list(columns), rotation=45 if len(columns) > 4 else 0)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_xlabel(column)
    ax.set_ylabel(row)
    made.colorbar(image, ax=ax, label=about.label + (", seconds" if about.unit == "seconds" else ""))
