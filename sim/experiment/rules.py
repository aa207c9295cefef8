"""Sweeps whose number of replications is chosen by what they find: a selection of the best, or a precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.selection import FIRST, Selection
from sim.analysis.sequential import Precision, achieved
from sim.experiment.sweep import Cell, Grid, Sweep, extended
from sim.scenario.metrics import find
from sim.units import MS, SECOND, spelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim.analysis.measured import Measured
    from sim.experiment.evaluate import Evaluator

GROWTH = 1.1
"""Each look of a selection is at so many times the replications of the one before."""


class UndefinedError(ValueError):
    """A figure that is undefined in some replication, so that nothing can be selected by it."""


def select(swept: Grid, evaluator: Evaluator, metric: str, zone: float, most: int) -> Sweep:
    """Run cells until one is left (KN, ``sim.analysis.selection``), each at most ``most`` times.

    ``zone`` is the smallest difference worth detecting, as a share of the current mean.
    """
    cells = {cell.name: cell for cell in swept.cells}
    size = FIRST
    evaluator.expected = size * len(swept.all)
    measured = extended(swept.all, {}, size, evaluator)
    base = figures.estimate(metric, measured[swept.baseline.name]).mean
    if not base:
        raise UndefinedError(f"{find(metric).label} is {base or 0:.3g} as it stands: a share of it is no zone")
    selection = Selection(list(cells), zone * abs(base))
    selection.look(values_of(metric, measured, selection.left))
    while selection.best is None and size < most:
        size = min(most, max(size + 1, round(size * GROWTH)))
        left = [cells[name] for name in selection.left]
        evaluator.expected += (size - len(measured[left[0].name])) * len(left)
        measured = extended(left, measured, size, evaluator)
        selection.look(values_of(metric, measured, selection.left))
    return Sweep(swept, metric, measured, {"selection": said_of(selection, metric, zone, size)})


def values_of(metric: str, measured: Mapping[str, Sequence[Measured]], names: Sequence[str]) -> dict[str, list[float]]:
    """Return the figure of each, replication by replication, lower is better. Raises ``UndefinedError``."""
    found = {}
    for name in names:
        values = [value for value in figures.values(metric, measured[name]) if value is not None]
        if len(values) < len(measured[name]):
            raise UndefinedError(f"{find(metric).label} is undefined in some replications of {name}")
        found[name] = [figures.sign(metric) * value for value in values]
    return found


def said_of(selection: Selection, metric: str, zone: float, size: int) -> dict[str, Any]:
    """Return how a selection ended, as plain data, with a sentence."""
    size_ns = {"seconds": SECOND, "milliseconds": MS}.get(find(metric).unit, 0)
    half = spelled(selection.zone * size_ns) if size_ns else f"{selection.zone:.3g}"
    amount = f"{half}, {100 * zone:.3g}% of the current mean"
    if selection.best is not None:
        sentence = (
            f"Best with probability {selection.level:.0%}: {selection.best}, or within the indifference zone "
            f"({amount}) of the best; decided after {size} replications (KN, paired variances)."
        )
    else:
        sentence = (
            f"Undecided after {size} replications between {'; '.join(selection.left)} (indifference zone {amount})."
        )
    return {
        "best": selection.best,
        "probability": selection.level,
        "indifference_zone": selection.zone,
        "left": selection.left,
        "dropped_after": selection.dropped,
        "sentence": sentence,
    }


def precise(swept: Grid, evaluator: Evaluator, metric: str, precision: Precision) -> Sweep:
    """Run all cells until the metric of each is known to ``precision``; all the same number of times."""
    cells: list[Cell] = swept.all
    rules = {cell.name: Precision(precision.relative, precision.most) for cell in cells}
    measured: dict[str, list[Measured]] = {}
    reached: dict[str, bool] = {}
    for size in precision.sizes():
        evaluator.expected = size * len(cells)
        measured = extended(cells, measured, size, evaluator)
        estimates = {name: figures.estimate(metric, each) for name, each in measured.items()}
        enough = [rules[name].enough(each) for name, each in estimates.items()]
        reached = {name: rules[name].reached(each) for name, each in estimates.items()}
        if all(enough):
            break
    widest = max((share for each in estimates.values() if (share := achieved(each)) is not None), default=None)
    outcome = {"asked": precision.relative, "achieved": widest, "reached": all(reached.values())}
    return Sweep(swept, metric, measured, {"precision": outcome})
