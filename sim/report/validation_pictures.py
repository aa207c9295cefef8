"""The pictures of docs/validation.md: predicted beside recorded, and what each mechanism is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.plot.style import tip
from sim.report.validation_cells import named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CASES = "validation-cases.svg"
ABLATIONS = "validation-ablations.svg"
ALT = {
    CASES: "Predicted conflicts and times to Ready of each recorded case, with intervals, over the recorded mean",
    ABLATIONS: "How far conflicts are off in each case without one mechanism",
}

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "svg.hashsalt": "requeue",  # the same picture, the same file
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_PREDICTED, _RECORDED, _OUTSIDE = "#1f4e9c", "#9a9a9a", "#c0392b"
_TOLD = 0.25
"""Errors below this are shown by their colour alone: the pale ones are as far off as real runs are among themselves."""
_CLIP = 1.0  # a prediction that is twice as high, or 0, has the full colour


def write_pictures(document: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the pictures that the document has figures for into a folder; returns their names."""
    import matplotlib as mpl

    made = figures(document)
    with mpl.rc_context(_STYLE):
        for name, figure in made.items():
            figure.savefig(folder / name, format="svg", metadata={"Date": None, "Creator": None})
    return list(made)


def figures(document: Mapping[str, Any]) -> dict[str, Figure]:
    """Return the pictures that the document has figures for, by name."""
    made = {CASES: _cases(document["runs"], set(document["calibrated_on"]))} if document["runs"] else {}
    if document.get("ablations"):
        made[ABLATIONS] = _ablations(document["ablations"], document["runs"])
    return made


def _figure(width: float, height: float, **options: Any) -> tuple[Figure, Any]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(**options)


def _cases(runs: Sequence[Mapping[str, Any]], used: set[str]) -> Figure:
    figure, (left, right) = _figure(8.5, 1.3 + 0.19 * len(runs), ncols=2, sharey=True)
    labels = [named(run, used) for run in runs]
    _ratios(left, runs, "conflicts", "conflicts")
    _ratios(right, runs, "time_to_ready_p50", "time_to_ready.p50")
    left.set_xlabel("conflicts, over the recorded mean")
    right.set_xlabel("median time to Ready, over the recorded mean")
    left.set_yticks(range(len(runs)), labels)
    left.set_ylim(len(runs) - 0.5, -0.5)
    figure.suptitle(
        "Blue: predicted, with its 95% interval for the recorded mean (red where that is outside).\n"
        "Grey: recorded mean, one standard deviation of its runs either way. (c): the profile was measured on it.",
        fontsize=8,
        x=0.01,
        ha="left",
    )
    return figure


def _ratios(axes: Axes, runs: Sequence[Mapping[str, Any]], key: str, spread_of: str) -> None:
    axes.axvline(1, color=_RECORDED, linewidth=0.8, zorder=0)
    for place, run in enumerate(runs):
        each = run[key]
        if not each["recorded"]:
            said = "none recorded" + ("" if each["predicted"] else ", none predicted")
            axes.text(1, place, f" {said}", va="center", fontsize=7, color=_RECORDED)
            continue
        spread = (run["spread"][spread_of]["recorded"] or 0) / each["recorded"]
        axes.plot([1 - spread, 1 + spread], [place, place], color=_RECORDED, linewidth=5, alpha=0.5, zorder=1)
        if each["predicted"] is None:
            continue
        low, middle, high = ((each[name] or 0) / each["recorded"] for name in ("low", "predicted", "high"))
        colour = _PREDICTED if low <= 1 <= high else _OUTSIDE
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2, zorder=2)
        axes.plot([middle], [place], "o", color=colour, markersize=3.5, zorder=3)
        group = {"mean": middle, "low": low, "high": high}
        tip(axes, f"{run['name']}, predicted over the recorded mean", group, None, (place - 0.5, place + 0.5))
    axes.grid(axis="x", linewidth=0.3)


def _ablations(outcomes: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.ticker import PercentFormatter

    recorded = {run["name"]: run["conflicts"]["recorded"] for run in runs}
    cases = [name for name in outcomes[0]["conflicts"] if recorded.get(name)]
    off = [[(outcome["conflicts"][name] or 0) / recorded[name] - 1 for name in cases] for outcome in outcomes]
    # Words and scale of colours alone take most of what one or two cases would have.
    figure, axes = _figure(max(6.0, 2.6 + 0.36 * len(cases)), 1.9 + 0.21 * len(outcomes))
    image = axes.imshow(off, cmap="RdBu_r", vmin=-_CLIP, vmax=_CLIP, aspect="auto", extent=(0, len(cases), len(off), 0))
    bar = figure.colorbar(
        image, ax=axes, extend="max", ticks=[-1, -0.5, 0, 0.5, 1], format=PercentFormatter(1), pad=0.01
    )
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    for y, line in enumerate(off):
        for x, value in enumerate(line):
            words = f"{cases[x]} without {outcomes[y]['without']}"
            tip(axes, words, value, (x, x + 1), (y, y + 1), unit="share", signed=True)
            if abs(value) < _TOLD:
                continue
            dark = abs(value) > 0.6
            colour = "white" if dark else "black"
            axes.text(x + 0.5, y + 0.5, f"{100 * value:+.0f}", ha="center", va="center", fontsize=6, color=colour)
    labels = [outcome["without"] for outcome in outcomes]
    axes.set_yticks([y + 0.5 for y in range(len(labels))], labels)
    axes.set_xticks([x + 0.5 for x in range(len(cases))], cases, rotation=60, ha="right", fontsize=7)
    axes.set_ylim(len(labels), 0)
    axes.tick_params(length=0)
    axes.grid(False)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title(
        "Predicted conflicts against recorded ones in percent, without one mechanism at a time.\n"
        "Red: too many. Blue: too few. Numbers from 25% on.",
        fontsize=8,
        loc="left",
    )
    return figure
