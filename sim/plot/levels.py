"""Pictures of what filled up in one replication: the workqueues and the client's token bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plot.style import axes, colour, dashes, finish, legend_below, named, nothing, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.plot.style import Results

SHOWN = 6
"""Controllers with a line of their own."""

POINTS = 300
"""Intervals of time that a line is drawn in."""


def queue_depth(results: Results, ax: Axes | None = None, *, replication: int = 1) -> Axes:
    """Draw how many keys waited for a worker in one replication: the most in each of 300 intervals of time.

    Of one result a line for each of the controllers with the deepest queues, of several the sum over all
    controllers.
    """
    import numpy as np

    from sim.analysis.levels import OF_DEPTHS, depths
    from sim.analysis.levels import highest as most

    found, ax = named(results), axes(ax)
    highest = 0.0
    for place, (name, each) in enumerate(found.items()):
        rows = each.rows("reconciles", OF_DEPTHS, [("replication", "=", replication)])
        end = rows["started_at"].max().total_seconds() if len(rows) else 1.0
        edges = np.linspace(0, end, POINTS + 1)
        lines = {short(key): most(level, edges) for key, level in depths(rows).items()}
        if len(found) > 1:
            lines = {name: np.sum(list(lines.values()), axis=0)} if lines else {}
        deepest = sorted(lines.items(), key=lambda line: -float(line[1].sum()))[:SHOWN]
        for number, (label, line) in enumerate(deepest, start=place):
            if line.max() > 1 or len(found) > 1:
                ax.stairs(line, edges, label=label, color=colour(number), linestyle=dashes(number), linewidth=1.3)
                highest = max(highest, float(line.max()))
    if not highest:
        nothing(ax, "no key ever waited")
    ax.set_xlim(left=0)
    ax.set_ylim(0, max(1.0, highest * 1.08))
    ax.set_xlabel("simulated time, seconds")
    ax.set_ylabel("keys waiting")
    finish(ax, f"Queue depth, replication {replication}", found)
    if highest and len(found) == 1:
        legend_below(ax, 3)
    return ax


def tokens(results: Results, ax: Axes | None = None, *, replication: int = 1) -> Axes:
    """Draw the level of the client's token bucket in one replication; below 0 requests wait for a token."""
    import numpy as np

    from sim.analysis.levels import OF_TOKENS, at, without_tokens
    from sim.analysis.levels import tokens as level_of

    found, ax = named(results), axes(ax)
    drawn = 0
    for place, (name, each) in enumerate(found.items()):
        level = level_of(each.scenario, each.rows("requests", OF_TOKENS, [("replication", "=", replication)]))
        if level is None:
            continue
        times = np.linspace(0, level[-1][0] / 1e9 or 1.0, 2 * POINTS)
        values = at(level, times)
        drawn += 1
        ax.plot(times, values, label=name, color=colour(place), linestyle=dashes(place), linewidth=1.3)
        if len(found) == 1:
            below = [0.0, *np.minimum(values, 0), 0.0]  # a plain shape, which a page can zoom
            ax.fill([times[0], *times, times[-1]], below, color=colour(1), alpha=0.35, linewidth=0)
    ax.axhline(0, color=colour(6), linewidth=0.8)
    if not drawn:
        nothing(ax, without_tokens(next(iter(found.values())).scenario))
    ax.set_xlim(left=0)
    ax.set_xlabel("simulated time, seconds")
    ax.set_ylabel("tokens (below 0: requests waiting)")
    finish(ax, f"Client's token bucket, replication {replication}", found, legend=drawn > 0)
    return ax
