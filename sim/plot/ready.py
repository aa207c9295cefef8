"""The picture of the time to Ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.metrics import QUANTILES
from sim.plot.style import axes, colour, dashes, expected, finish, named, nothing, tip
from sim.units import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.plot.style import Results


def time_to_ready(results: Results, ax: Axes | None = None, *, quantiles: bool = True) -> Axes:
    """Draw the share of objects, Certificates say, that were Ready so many seconds after their creation.

    Over all replications; a curve that ends below 1 says that some never became Ready. ``quantiles`` marks p50,
    p95 and p99 of those that did, with their 95% intervals, dotted where an end lies beyond all that was observed.
    """
    found, ax = named(results), axes(ax)
    longest = 0.0
    for place, (name, each) in enumerate(found.items()):
        times = sorted(time for replication in each.measured for time in replication.times_to_ready)
        count = sum(int(replication.metrics["certificates"] or 0) for replication in each.measured)
        shares = [number / count for number in range(1, len(times) + 1)]
        ax.step([0.0, *times], [0.0, *shares], where="post", label=name, color=colour(place), linestyle=dashes(place))
        longest = max(longest, times[-1] if times else 0.0)
        if quantiles and times:
            about = f", {name}" if len(found) > 1 else ""
            _quantiles(ax, each.summary["time_to_ready_pooled"], len(times) / count, times[-1], colour(place), about)
    if not longest:
        nothing(ax, "nothing became Ready")
    ax.set_xlim(0, longest * 1.02 or 1)
    ax.set_ylim(0, 1.05)
    ax.set_xlabel("time to Ready, seconds")
    ax.set_ylabel(f"share of {plural(next(iter(found.values())).kind)}")
    expected(ax, found, {f"time_to_ready.{q}": ("x", q, 1.0) for q in QUANTILES} | {"ready_share": ("y", "Ready", 1.0)})
    return finish(ax, "Time to Ready", found)


def _quantiles(
    ax: Axes, groups: dict[str, dict[str, float | None]], share: float, last: float, hue: str, about: str
) -> None:
    for name, q in QUANTILES.items():
        group = groups.get(name)
        if group is None or group["mean"] is None:
            continue
        height = q * share
        low, high = group["low"], group["high"]
        if low is not None or high is not None:
            known = low is not None and high is not None
            ends = 0 if low is None else low, last if high is None else high
            ax.hlines(height, *ends, colors=hue, linestyles="solid" if known else "dotted")
        ax.scatter([group["mean"]], [height], s=22, color=hue, zorder=3)
        tip(ax, f"{name} of the time to Ready{about}", group, group["mean"], height, unit="seconds")
