"""Pictures of what goes wrong without a 409: updates that stay lost, and writes that do not end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plot.style import axes, colour, dashes, expected, finish, named, nothing, only, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.plot.style import Results


def lost_updates(results: Results, ax: Axes | None = None) -> Axes:
    """Draw how many values were lost and not yet written again, over simulated time: mean of all replications.

    A curve that does not come back to 0 ends with what was never repaired.
    """
    import numpy as np

    found, ax = named(results), axes(ax)
    longest = 0.0
    for place, (name, each) in enumerate(found.items()):
        rows = each.losses
        lost = rows["lost_at"].dt.total_seconds().to_numpy()
        back = rows["repaired_at"].dropna().dt.total_seconds().to_numpy()
        at = np.concatenate([lost, back])
        order = np.argsort(at, kind="stable")
        level = np.cumsum(np.concatenate([np.ones(len(lost)), -np.ones(len(back))])[order]) / len(each.measured)
        end = max(float(one.metrics["ended_s"] or 0) for one in each.measured)
        longest = max(longest, end)
        steps = [0.0, *at[order], end], [0.0, *level, level[-1] if len(level) else 0.0]
        ax.step(*steps, where="post", label=name, color=colour(place), linestyle=dashes(place))
    if not any(len(each.losses) for each in found.values()):
        nothing(ax, "nothing was lost")
    ax.set_xlim(0, longest or 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("simulated time, seconds")
    ax.set_ylabel("values lost and not written again")
    expected(ax, found, {"lost_updates.never_repaired": ("y", "never repaired", 1.0)})
    return finish(ax, "Lost updates", found)


def writes_over_time(result: Results, ax: Axes | None = None, bins: int = 60) -> Axes:
    """Draw who wrote when in one result: writes that were stored, per second and replication, by writer.

    A curve that does not fall to 0 once all has settled is a hot loop.
    """
    import numpy as np

    each, ax = only(result), axes(ax)
    rows = each.rows("requests", ["actor", "verb", "resource", "decided_at"], [("written_version", ">", 0)])
    rows = rows[(rows["verb"] != "create") & (rows["resource"] != "events")]
    end = max(float(one.metrics["ended_s"] or 0) for one in each.measured) or 1.0
    edges = np.linspace(0, end, bins + 1)
    for place, (who, own) in enumerate(rows.groupby("actor", observed=True)):
        counts, _ = np.histogram(own["decided_at"].dt.total_seconds(), edges)
        rate = counts / len(each.measured) / (edges[1] - edges[0])
        ax.stairs(rate, edges, label=short(str(who)), color=colour(place), linewidth=1.4)
    if rows.empty:
        nothing(ax, "nobody wrote")
    else:
        ax.legend(frameon=False, fontsize="small")
    ax.set_xlim(0, end)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("simulated time, seconds")
    ax.set_ylabel("writes per second")
    return finish(ax, "Writes over time", named(result))
