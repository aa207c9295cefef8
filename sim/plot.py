"""Pictures of results, as matplotlib axes: pass ``ax`` to draw into a figure of your own.

>>> import sim
>>> sim.plot.conflicts_by_controller(result)

Each function takes one result, a comparison, or a mapping of names to results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.compare import Comparison
    from sim.experiment.run import Result

    Results = Result | Comparison | Mapping[str, Result]


def conflicts_by_controller(results: Results, ax: Axes | None = None) -> Axes:
    """Draw the mean conflicts per replication of every writer as bars, with their 95% intervals."""
    named, ax = _named(results), _axes(ax)
    summaries = {name: each.summary["conflicts"]["by_controller"] for name, each in named.items()}
    writers = list(dict.fromkeys(writer for each in summaries.values() for writer in each))
    height = 0.8 / len(named)
    for place, (name, groups) in enumerate(summaries.items()):
        shown = [(row, groups[writer]) for row, writer in enumerate(writers) if writer in groups]
        means = [group["mean"] for _, group in shown]
        ends = [
            [0.0 if group[end] is None else abs(group[end] - group["mean"]) for _, group in shown]
            for end in ("low", "high")
        ]
        rows = [row + (place - (len(named) - 1) / 2) * height for row, _ in shown]
        ax.barh(rows, means, height=height * 0.9, xerr=ends, capsize=3, label=name)
    ax.set_yticks(range(len(writers)), [writer.removeprefix("certificates-") for writer in writers])
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel("conflicts per replication")
    return _labelled(ax, named)


def time_to_ready(results: Results, ax: Axes | None = None) -> Axes:
    """Draw the share of Certificates that were Ready so many seconds after their creation.

    Over all replications; a curve that ends below 1 says that some never became Ready.
    """
    named, ax = _named(results), _axes(ax)
    for name, each in named.items():
        times = sorted(time for replication in each.measured for time in replication.times_to_ready)
        count = sum(int(replication.metrics["certificates"] or 0) for replication in each.measured)
        shares = [place / count for place in range(1, len(times) + 1)]
        ax.step([0.0, *times], [0.0, *shares], where="post", label=name)
    ax.set_xlim(left=0)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("time to Ready, seconds")
    ax.set_ylabel("share of Certificates")
    return _labelled(ax, named)


def conflicts_over_time(results: Results, ax: Axes | None = None, bins: int = 60) -> Axes:
    """Draw when conflicts happened: mean conflicts per second and replication, over simulated time."""
    import numpy as np

    named, ax = _named(results), _axes(ax)
    times = {name: each.conflicts["decided_at"].dt.total_seconds().to_numpy() for name, each in named.items()}
    last = max((float(each.max()) for each in times.values() if each.size), default=1.0)
    edges = np.linspace(0, last, bins + 1)
    for name, each in named.items():
        counts, _ = np.histogram(times[name], edges)
        ax.stairs(counts / len(each.measured) / (edges[1] - edges[0]), edges, label=name)
    ax.set_xlim(0, last)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("time, seconds")
    ax.set_ylabel("conflicts per second")
    return _labelled(ax, named)


def _named(results: Results) -> Mapping[str, Result]:
    from sim.experiment.run import Result

    if isinstance(results, Result):
        return {results.scenario.name: results}
    return results if isinstance(results, Mapping) else results.results


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def _labelled(ax: Axes, named: Mapping[str, Any]) -> Axes:
    if len(named) > 1:
        ax.legend()
    else:
        ax.set_title(next(iter(named)))
    return ax
