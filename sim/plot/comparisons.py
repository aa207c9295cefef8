"""The picture of a comparison: how far each variant is from the baseline, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.analysis.intervals import verdict
from sim.plot.style import axes, bare, colour, nothing, tip
from sim.scenario.metrics import find

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.comparison import Comparison

MARKERS = "osD^vP*X"


def differences(comparison: Comparison, ax: Axes | None = None, *, metrics: Sequence[str] | None = None) -> Axes:
    """Draw each variant's difference from the baseline in percent of the baseline's mean, with its 95% interval.

    A filled mark is a decided difference, an empty one is undecided: its interval covers 0. A metric whose mean
    is 0 in the baseline has no percentage and is left out. ``metrics`` are names of ``sim.scenario.metrics``.
    """
    from sim.experiment.comparison import Comparison

    if not isinstance(comparison, Comparison):
        raise TypeError(f"a comparison is drawn (sim.compare, sim.side_by_side), and no {type(comparison).__name__}")
    ax = axes(ax)
    base = comparison.estimates[comparison.baseline]
    others = [name for name in comparison.results if name != comparison.baseline]
    shown = [
        name
        for name in ([find(each).name for each in metrics] if metrics else comparison.metrics)
        if base[name].mean and any(comparison.differences[each][name].mean is not None for each in others)
    ]
    height = 0.7 / max(len(others), 1)
    for place, variant in enumerate(others):
        label: str | None = comparison.shown[variant]
        for row, name in enumerate(shown):
            found, mean = comparison.differences[variant][name], base[name].mean
            if found.mean is None or not mean:
                continue
            at = row + (place - (len(others) - 1) / 2) * height
            if found.low is not None and found.high is not None:
                ax.hlines(at, 100 * found.low / mean, 100 * found.high / mean, colors=colour(place), linewidth=2)
            decided = verdict(found) in {"lower", "higher"}
            ax.scatter(
                [100 * found.mean / mean],
                [at],
                marker=MARKERS[place % len(MARKERS)],
                s=34,
                facecolors=colour(place) if decided else "none",
                edgecolors=colour(place),
                label=label,
                zorder=3,
            )
            label = None
            about = find(name)
            words = f"{comparison.shown[variant]}, {about.label}"
            rows = (at - height / 2, at + height / 2)
            tip(ax, words, found.as_dict(), None, rows, unit=about.unit, signed=True)
    if not shown:
        nothing(ax, "nothing to compare: all means of the baseline are 0")
    ax.axvline(0, color=colour(6), linewidth=0.8)
    ax.set_yticks(range(len(shown)), [find(name).label for name in shown])
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel("difference, percent of the mean")
    ax.set_title(f"Against {comparison.shown[comparison.baseline]}", wrap=True)
    if len(others) > 1:
        ax.legend()
    elif others:
        ax.set_title(f"{comparison.shown[others[0]]} against {comparison.shown[comparison.baseline]}", wrap=True)
    bare(ax)
    return ax
