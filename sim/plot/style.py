"""What all pictures share: colours, axes, titles, names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.experiment.compare import Comparison
    from sim.experiment.result import Result

    Results = Result | Comparison | Mapping[str, Result]

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
    """Return results by name."""
    from sim.experiment.result import Result

    if isinstance(results, Result):
        return {results.scenario.name: results}
    return results if isinstance(results, Mapping) else results.results


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
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def nothing(ax: Axes, words: str) -> None:
    """Say in an empty picture why it is empty."""
    ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, wrap=True)
