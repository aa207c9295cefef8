"""What all pictures share: colours, axes, titles, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from sim.extras import require
from sim.scenario.expectations import parse_condition
from sim.scenario.metrics import find

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result

    Results: TypeAlias = "Result | Comparison | Mapping[str, Result]"

BLUE, VERMILION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
SKY, PURPLE, GREY = "#56b4e9", "#cc79a7", "#808080"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, GREY)
"""The colours of Okabe and Ito, without yellow and black, which one of a light and a dark page swallows."""

DASHES = ("-", "--", "-.", ":")
HEAT = "cividis"


def colour(place: int) -> str:
    """Return the colour of the line or bar number ``place``, from 0."""
    return PALETTE[place % len(PALETTE)]


def dashes(place: int) -> str:
    """Return the line style of the line number ``place``: what tells lines apart without colour."""
    return DASHES[place % len(DASHES)]


def named(results: Results) -> Mapping[str, Result]:
    """Return results by name. Raises ``TypeError`` where it is given anything else."""
    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result

    if isinstance(results, Result):
        return {results.scenario.name: results}
    found = results.results if isinstance(results, Comparison) else results
    if not isinstance(found, Mapping) or not all(isinstance(each, Result) for each in found.values()):
        raise TypeError(f"a result, a comparison or a mapping of names to results is drawn, and no {_what(results)}")
    return found


def _what(given: object) -> str:
    found = type(next(iter(given.values()), None)).__name__ if isinstance(given, Mapping) else None
    return f"mapping to {found}" if found else type(given).__name__


def only(results: Results) -> Result:
    """Return the one result of a picture that shows one; raises ``ValueError`` where there are several."""
    found = named(results)
    if len(found) != 1:
        raise ValueError(f"this picture shows one result; choose one of {', '.join(found)}")
    return next(iter(found.values()))


def axes(ax: Axes | None) -> Axes:
    """Return the axes to draw into: those given, or new ones."""
    if ax is not None:
        return ax
    require("matplotlib")
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def short(writer: str) -> str:
    """Return a controller's name as pictures have it."""
    for prefix in ("certificates-", "certificaterequests-"):
        writer = writer.removeprefix(prefix)
    return writer


def finish(ax: Axes, title: str, found: Mapping[str, Result], *, legend: bool = True) -> Axes:
    """Give the axes their title (of one result with its name) and, of several, a legend."""
    if len(found) == 1:
        name = next(iter(found))
        ax.set_title(title if len(name) > 60 else f"{title}: {name}", wrap=True)
    else:
        ax.set_title(title, wrap=True)
        if legend:
            ax.legend()
    bare(ax)
    return ax


def bare(ax: Axes) -> None:
    """Take the frame's upper and right sides away."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def whiskers(groups: Iterable[Mapping[str, float | None]], scale: float = 1.0) -> list[list[float]]:
    """Return how far the ends of intervals are below and above their means, as ``xerr`` and ``yerr`` have it.

    0 where an end is not known. Each group has a mean.
    """
    means = [(group, group["mean"] or 0.0) for group in groups]
    return [
        [0.0 if (end := group[name]) is None else scale * abs(end - mean) for group, mean in means]
        for name in ("low", "high")
    ]


def legend_below(ax: Axes, ncols: int) -> None:
    """Put the legend below the name of the horizontal axis, however high the picture is."""
    size = 9
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=36 / size, ncols=ncols, frameon=False, fontsize=size
    )


def nothing(ax: Axes, words: str) -> None:
    """Say in an empty picture why it is empty."""
    ax.text(0.5, 0.5, fill(words, 40), ha="center", va="center", transform=ax.transAxes)


Place = float | tuple[float, float] | None
"""A point of an axis, a range of it, or all of it."""


class Tip(NamedTuple):
    """What a page says of a place in a picture when it is pointed at, and what that place belongs to."""

    name: str
    value: float | Mapping[str, float | None] | None
    """A number, or a mean with its interval; None where the name says all."""
    unit: str
    signed: bool
    x: Place
    y: Place
    controllers: Sequence[str]
    shows: str
    """The object whose life a click shows; ``""`` for none."""


TIPS: WeakKeyDictionary[Axes, list[Tip]] = WeakKeyDictionary()
"""The tips of axes; only the HTML report reads them."""


def tip(
    ax: Axes,
    name: str,
    value: float | Mapping[str, float | None] | None,
    x: Place,
    y: Place,
    *,
    unit: str = "count",
    signed: bool = False,
    controllers: Sequence[str] = (),
    shows: str = "",
) -> None:
    """Let a page tell the value at a point (two numbers) or in a box (a range on either axis, None for all of it)."""
    TIPS.setdefault(ax, []).append(Tip(name, value, unit, signed, x, y, controllers, shows))


THRESHOLD = "threshold"
BEYOND = 1.6
"""A threshold within so many times the data's end of an axis is drawn; one farther away is written at the edge."""


def threshold(ax: Axes, axis: str, value: float, label: str) -> None:
    """Draw a limit as a dashed line with its words on it; call it once the data is there.

    One that is far beyond the data is named at the axis' end with an arrow, because its line would squeeze all else.
    """
    low, high = ax.get_xlim() if axis == "x" else ax.get_ylim()
    upwards, far = high > low, max(low, high)
    beyond = value > far + (BEYOND - 1) * abs(high - low)
    if beyond:
        label += " \N{RIGHTWARDS ARROW}" if axis == "x" else " \N{UPWARDS ARROW}"
    elif value > far:
        room = value + 0.05 * abs(high - low)
        (ax.set_xlim if axis == "x" else ax.set_ylim)((low, room) if upwards else (room, high))
    at = far if beyond else value
    if axis == "x":
        if not beyond:
            ax.axvline(value, color=PURPLE, linestyle=(0, (4, 2)), linewidth=1.2)
        side = "right" if beyond or at > (low + high) / 2 else "left"
        above = 0.02 + 0.09 * sum(text.get_gid() == THRESHOLD for text in ax.texts)
        placed = ax.text(at, above, f" {label} ", ha=side, va="bottom", transform=ax.get_xaxis_transform())
    else:
        if not beyond:
            ax.axhline(value, color=PURPLE, linestyle=(0, (4, 2)), linewidth=1.2)
        placed = ax.text(0.99, at, label, ha="right", va="top" if beyond else "bottom",
                         transform=ax.get_yaxis_transform())  # fmt: skip
    placed.set(fontsize="small", gid=THRESHOLD, in_layout=False)


def conditions(
    ax: Axes, what: str, asked: Iterable[tuple[str, str]], shown: Mapping[str, tuple[str, str, float]]
) -> None:
    """Draw conditions (a metric and ``"< 30s"``) on metrics that the axes show, as ``threshold`` does.

    ``shown`` has for a metric its axis, its words, and how much of that axis one of its units is.
    """
    for metric, condition in dict.fromkeys((find(metric).name, condition) for metric, condition in asked):
        if metric in shown:
            axis, words, scale = shown[metric]
            label = " ".join(filter(None, (f"{what}:", words, condition)))
            threshold(ax, axis, parse_condition(condition, metric).number * scale, label)


def expected(ax: Axes, found: Mapping[str, Result], shown: Mapping[str, tuple[str, str, float]]) -> None:
    """Draw what the scenarios of results expect of metrics that the axes show; see ``conditions``."""
    every = [(one["metric"], one["condition"]) for each in found.values() for one in each.summary["expectations"]]
    conditions(ax, "expected", every, shown)
