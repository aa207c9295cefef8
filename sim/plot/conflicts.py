"""Pictures of conflicts: who has them, when, who loses to whom, and how old the refused copies were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.attribution import ordered
from sim.plot.style import HEAT, axes, colour, finish, legend_below, named, nothing, only, short, tip, whiskers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from sim.plot.style import Results

STEPS = 40
"""Colours of a scale's bar: few enough for it to be drawn as shapes, not as an image."""

PART_WORDS = {
    "watch_lag": "watch lag",
    "workqueue": "workqueue",
    "own_work": "own work",
    "token": "token",
    "in_flight": "in flight",
}
"""The parts of a copy's age (``sim.analysis.ages``) as pictures call them."""


def conflicts_by_controller(results: Results, ax: Axes | None = None) -> Axes:
    """Draw the mean conflicts per replication of every writer as bars, with their 95% intervals."""
    found, ax = named(results), axes(ax)
    import matplotlib as mpl  # after axes, which says what to install where it lacks

    summaries = {name: each.summary["conflicts"]["by_controller"] for name, each in found.items()}
    writers = list(dict.fromkeys(writer for each in summaries.values() for writer in each))
    height = 0.8 / len(found)
    for place, (name, groups) in enumerate(summaries.items()):
        shown = [(row, groups[writer]) for row, writer in enumerate(writers) if writer in groups]
        means, ends = [group["mean"] for _, group in shown], whiskers(group for _, group in shown)
        rows = [row + (place - (len(found) - 1) / 2) * height for row, _ in shown]
        ink = {"ecolor": mpl.rcParams["text.color"], "elinewidth": 1.2}
        ax.barh(rows, means, height=height * 0.9, xerr=ends, capsize=3, color=colour(place), label=name, error_kw=ink)
        for row, (number, group) in zip(rows, shown, strict=True):
            words = f"{writers[number]}, conflicts" + (f", {name}" if len(found) > 1 else "")
            tip(ax, words, group, None, (row - height / 2, row + height / 2), controllers=[writers[number]])
    ax.set_yticks(range(len(writers)), [short(writer) for writer in writers])
    ax.invert_yaxis()
    if not any(group["mean"] for groups in summaries.values() for group in groups.values()):
        nothing(ax, "no conflicts")
    ax.set_xlim(left=0)
    ax.set_xlabel("conflicts per replication")
    of_clients = all(each.scenario.contention is not None for each in found.values())
    return finish(ax, f"Conflicts by {'group' if of_clients else 'controller'}", found)


def conflicts_over_time(results: Results, ax: Axes | None = None, bins: int = 60) -> Axes:
    """Draw when conflicts happened: mean conflicts per second and replication, over simulated time."""
    import numpy as np

    found, ax = named(results), axes(ax)
    times = {name: each.conflicts["decided_at"].dt.total_seconds().to_numpy() for name, each in found.items()}
    last = max((float(each.max()) for each in times.values() if each.size), default=1.0)
    edges = np.linspace(0, last, bins + 1)
    for place, (name, each) in enumerate(found.items()):
        counts, _ = np.histogram(times[name], edges)
        rate = counts / len(each.measured) / (edges[1] - edges[0])
        ax.stairs(rate, edges, label=name, color=colour(place), linewidth=1.4, fill=len(found) == 1)
    if not any(each.size for each in times.values()):
        nothing(ax, "no conflicts")
    ax.set_xlim(0, last)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("simulated time, seconds")
    ax.set_ylabel("conflicts per second")
    return finish(ax, "Conflicts over time", found)


def blame(result: Results, ax: Axes | None = None, *, like: Results | None = None, bar: bool = True) -> Axes:
    """Draw who lost to whom in one result as a heat map: mean conflicts per replication.

    ``like`` are results beside which it stands: all have the same rows, columns and scale of colours. ``bar`` adds
    the scale.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    each, ax = only(result), axes(ax)
    matrices = [one.blame / len(one.measured) for one in named(like or result).values()]
    losers, winners = (ordered({str(name) for one in matrices for name in one.axes[axis]}) for axis in (0, 1))
    matrix = (each.blame / len(each.measured)).reindex(index=losers, columns=winners, fill_value=0.0)
    values = matrix.to_numpy(float)
    if values.size:
        most = max(map(_most, matrices))
        mesh = ax.pcolormesh(np.arange(values.shape[1] + 1), np.arange(values.shape[0] + 1), values, cmap=HEAT)
        mesh.set_clim(0, max(most, 1e-9))
        for row, column in np.ndindex(values.shape):
            value = values[row, column]
            text = f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
            hue = "#111111" if value > 0.55 * most else "#ffffff"
            ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=hue)
            both = [losers[row], winners[column]]
            words = f"{both[0]} lost to {both[1]}, per replication"
            tip(ax, words, float(value), (column, column + 1), (row, row + 1), controllers=both)
        ax.set_xticks(np.arange(len(winners)) + 0.5, [short(name) for name in winners], rotation=30, ha="right")
        ax.set_yticks(np.arange(len(losers)) + 0.5, [short(name) for name in losers])
        ax.invert_yaxis()
        ax.tick_params(length=0)
        if bar:
            steps = np.linspace(0, max(most, 1e-9), STEPS + 1)
            scale = ax.figure.colorbar(mesh, ax=ax, location="bottom", boundaries=steps, ticks=MaxNLocator(6))
            scale.set_label("conflicts per replication")
            if scale.solids is not None:
                scale.solids.set_edgecolor("face")
    else:
        nothing(ax, "no conflicts")
        ax.set_xticks([])
        ax.set_yticks([])
    ax.set_xlabel("winner: wrote in between")
    ax.set_ylabel("loser: was refused")
    return finish(ax, "Conflicts per replication", named(result))


def blame_scale(results: Results, ax: Axes | None = None) -> Axes:
    """Draw the one scale of colours that ``blame`` has for several results, as a bar of its own."""
    import numpy as np

    ax = axes(ax)
    most = max(_most(each.blame / len(each.measured)) for each in named(results).values()) or 1.0
    ax.pcolormesh(np.linspace(0, most, STEPS + 1), [0, 1], [np.linspace(0, most, STEPS)], cmap=HEAT, ec="face")
    ax.set_yticks([])
    ax.set_xlabel("conflicts per replication")
    ax.set_title("One scale for all maps")
    return ax


def _most(matrix: pd.DataFrame) -> float:
    return float(matrix.to_numpy(float).max(initial=0.0))


def staleness(results: Results, ax: Axes | None = None) -> Axes:
    """Draw how old refused copies were and where that age came from: mean seconds by part.

    Of one result a bar for each loser, of several a bar for each result.
    """
    from sim.analysis.ages import PARTS

    found, ax = named(results), axes(ax)
    if len(found) == 1:
        rows = next(iter(found.values())).attribution
        groups = {short(name): rows[rows["controller"] == name] for name in ordered(rows["controller"].unique())}
    else:
        groups = {name: each.attribution for name, each in found.items()}
    groups = {name: each for name, each in groups.items() if len(each)}
    begin = [0.0] * len(groups)
    for place, part in enumerate(PARTS):
        widths = [float(each[part].dt.total_seconds().mean()) for each in groups.values()]
        ax.barh(range(len(groups)), widths, left=begin, height=0.7, color=colour(place), label=PART_WORDS[part])
        for row, (group, start, width) in enumerate(zip(groups, begin, widths, strict=True)):
            words, owner = f"{group}, {PART_WORDS[part]}", [group] if len(found) == 1 else []
            box = (start, start + width), (row - 0.4, row + 0.4)
            tip(ax, words, width, *box, unit="seconds", controllers=owner)
        begin = [left + width for left, width in zip(begin, widths, strict=True)]
    if not groups:
        nothing(ax, "no conflicts")
    ax.set_yticks(range(len(groups)), list(groups))
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("mean age of the refused copy, seconds")
    finish(ax, "Where staleness comes from", found, legend=False)
    if groups:
        legend_below(ax, 3)
    return ax
