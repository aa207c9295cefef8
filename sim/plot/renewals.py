"""Pictures of renewals: when they happen, and how much time the old certificates had left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.plot.style import axes, colour, dashes, expected, finish, named, nothing, threshold, tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from sim.experiment.result import Result
    from sim.plot.style import Results

HOUR_S, DAY_S = 3600, 86_400
_MARGINS = {"least": "least", "p50": "median"}
FINEST = 400
"""Most bars of a picture: beyond, they are wider."""
WIDTHS = ((1, "second"), (60, "minute"), (HOUR_S, "hour"), (DAY_S, "day"))


def renewals_over_time(results: Results, ax: Axes | None = None) -> Axes:
    """Draw how many Certificates were issued in each second, minute, hour or day, mean of the replications."""
    from sim.analysis.renewals import issuances

    found, ax = named(results), axes(ax)
    times = {name: issuances(each) for name, each in found.items()}
    last = max((max(each) for each in times.values() if each), default=0.0)
    if not last:
        nothing(ax, "nothing was issued")
    width, per = next(each for each in WIDTHS if last / each[0] <= FINEST or each[0] == DAY_S)
    unit, words = (DAY_S, "days") if last > 2 * DAY_S else (HOUR_S, "hours") if last > 2 * HOUR_S else (1, "seconds")
    for place, (name, each) in enumerate(times.items()):
        counts = _binned(each, width, int(last // width) + 1, len(found[name].measured))
        edges = [place_ * width / unit for place_ in range(len(counts) + 1)]
        ax.stairs(counts, edges, label=name, color=colour(place), linestyle=dashes(place))
    ax.set_xlim(0, (last / unit) * 1.02 or 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(words if unit > 1 else "simulated time, seconds")
    ax.set_ylabel(f"issued per {per}")
    return finish(ax, "Issuances over time", found)


def margins(results: Results, ax: Axes | None = None) -> Axes:
    """Draw the share of Certificates by the days that a certificate had left, at least, when the next was there."""
    from sim.analysis.renewals import least_margins

    found, ax = named(results), axes(ax)
    some = False
    for place, (name, each) in enumerate(found.items()):
        days = sorted(seconds / DAY_S for seconds in least_margins(each))
        some = some or bool(days)
        shares = [number / len(days) for number in range(1, len(days) + 1)]
        ax.step(days, shares, where="post", label=name, color=colour(place), linestyle=dashes(place))
    if not some:
        nothing(ax, "nothing was renewed")
    else:
        ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_ylim(0, 1.05)
    ax.set_xlabel("days left before expiry; below 0 expired")
    ax.set_ylabel("share of Certificates")
    where = {f"margin.{which}": ("x", f"{words} margin", 1 / DAY_S) for which, words in _MARGINS.items()}
    expected(ax, found, where)
    return finish(ax, "Margin before expiry", found)


def limits(results: Results, ax: Axes | None = None) -> Axes:
    """Draw how much of each limit of the ACME server was used at most, in percent: at 100 the next order is refused."""
    from sim.analysis.renewals import limits_used

    found, ax = named(results), axes(ax)
    used = {name: limits_used(each) for name, each in found.items()}
    labels = list(dict.fromkeys(label for each in used.values() for label in each))
    if not labels:
        nothing(ax, "the ACME server has no limits")
    height = 0.8 / len(found)
    for place, (name, each) in enumerate(used.items()):
        shares = [100 * each[label][0] / each[label][1] if label in each else 0.0 for label in labels]
        where = [row + (place - (len(found) - 1) / 2) * height for row in range(len(labels))]
        ax.barh(where, shares, height=0.9 * height, color=colour(place), label=name)
        for row, label, share in zip(where, labels, shares, strict=True):
            words = label + (f", {name}" if len(found) > 1 else "")
            tip(ax, words, share / 100, None, (row - height / 2, row + height / 2), unit="share")
    threshold(ax, "x", 100, "the limit")
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, None)
    ax.set_xlabel("percent of the limit, at most")
    return finish(ax, "Limits used", found)


def _binned(times: Sequence[float], width: int, bins: int, replications: int) -> list[float]:
    counts = [0.0] * bins
    for time in times:
        counts[int(time // width)] += 1 / replications
    return counts


def busiest(result: Result) -> float:
    """Issuances in the busiest hour, mean of the replications."""
    from sim.analysis.renewals import issuances

    times = issuances(result)
    if not times:
        return 0.0
    return max(_binned(times, HOUR_S, int(max(times) // HOUR_S) + 1, len(result.measured)))
