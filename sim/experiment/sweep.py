"""A sweep: every combination of several settings, on the same random numbers, ranked with paired intervals.

Replication i of every cell has the same arrivals, key generation times and latencies, so what differs is the
setting. The table depends on nothing but the scenario, what is varied and the version: not on the executor, the
order or an interruption.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.endings import ending
from sim.analysis.intervals import Estimate
from sim.analysis.measured import Measured, digest, digest_by_name
from sim.experiment import naming
from sim.experiment.variants import same_kind
from sim.scenario.metrics import metrics_of
from sim.units import counted

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.evaluate import Evaluator
    from sim.experiment.looks import Looks
    from sim.scenario.model import Scenario

MOST_CELLS = 10_000
CURRENT = "current"
"""What the scenario as it stands is called where it is none of the cells."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The scenario with ``settings`` (key to value, as ``--set`` takes them)."""

    name: str
    settings: Mapping[str, str]
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Grid:
    """What a sweep runs: ``cells``, the ``baseline`` (one of them, or one more), and what was left out and why."""

    vary: Mapping[str, Sequence[str]]
    cells: tuple[Cell, ...]
    baseline: Cell
    left_out: Mapping[str, str]

    @property
    def all(self) -> list[Cell]:
        """All cells, and the baseline where it is none of them."""
        return list(self.cells) if self.baseline in self.cells else [*self.cells, self.baseline]


def grid(scenario: Scenario, vary: Mapping[str, Sequence[str]]) -> Grid:
    """Return every combination of the values of ``vary``, the first values first.

    A combination that is no valid scenario, such as a longest wait below the first, is left out, if each of its
    values is valid with others. Raises ``ValueError`` where there is nothing to vary, a value comes twice or
    there are too many cells; ``ScenarioError`` for a value that is never valid.
    """
    from sim.experiment.variants import refuse_shared
    from sim.scenario.errors import ScenarioError
    from sim.scenario.reading.loader import load

    refuse_shared(vary)
    for key, values in vary.items():
        twice = [value for place, value in enumerate(values) if value in values[:place]]
        if twice:
            raise ValueError(f"{key}={twice[0]} is listed twice")
    count = 1
    for values in vary.values():
        count *= len(values)
    if not vary or count < 2:
        raise ValueError("a sweep needs two cells or more, such as --vary client.qps=20,50,100")
    if count > MOST_CELLS:
        raise ValueError(f"{count} cells are too many; a sweep takes up to {MOST_CELLS}")
    text = scenario.to_yaml()
    found, left_out = [], {}
    errors: dict[tuple[str, str], ScenarioError] = {}
    useful: set[tuple[str, str]] = set()
    every = [dict(zip(vary, combination, strict=True)) for combination in itertools.product(*vary.values())]
    for name, settings in zip(naming.names(every), every, strict=True):
        try:
            found.append(Cell(name, settings, load(text, tuple(f"{key}={value}" for key, value in settings.items()))))
            useful |= set(settings.items())
        except ScenarioError as error:
            errors |= {each: error for each in settings.items() if each not in errors}
            left_out[name] = error.problems[0].message
    for each in ((key, value) for key, values in vary.items() for value in values):
        if each not in useful:
            raise errors[each]
    baseline = _baseline(scenario, found, list(vary))
    same_kind(each.scenario for each in (*found, baseline))
    return Grid(vary, tuple(found), baseline, left_out)


def _baseline(scenario: Scenario, cells: Sequence[Cell], keys: Sequence[str]) -> Cell:
    resolved = scenario.resolved()
    same = (cell for cell in cells if cell.scenario.resolved() == resolved)
    return next(same, Cell(CURRENT, {key: setting(resolved, key) for key in keys}, scenario))


def setting(resolved: Mapping[str, Any], key: str) -> str:
    """Return the value of a key of a resolved scenario, as ``--set`` takes it; ``""`` where there is none."""
    from sim.scenario.reading.overrides import written

    value: Any = resolved
    for step in key.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return ""
    return written(int(value) if isinstance(value, float) and value.is_integer() else value)


class Sweep:
    """What a sweep came to. ``measured`` has the replications of every cell by name.

    ``stopped`` says how a rule that chose the number of replications ended: ``selection`` or ``precision``.
    """

    def __init__(
        self,
        swept: Grid,
        metric: str,
        measured: Mapping[str, Sequence[Measured]],
        stopped: Mapping[str, Any] | None = None,
    ) -> None:
        self.grid = swept
        self.stopped = dict(stopped or {})
        self.metric = metric
        self.measured = dict(measured)
        self.metrics = figures.listed(metrics_of(swept.baseline.scenario.family), metric)
        self.estimates = {name: figures.estimates(each, self.metrics) for name, each in self.measured.items()}
        self.ranked = figures.ranking(self.estimates, metric)
        self.ranks = figures.ranks(self.ranked, self.estimates, metric, self.difference)
        self.best = self.ranked[0]

    def __repr__(self) -> str:
        return f"<Sweep of {counted(len(self.measured), 'cell')} by {self.metric}: best is {self.best}>"

    @property
    def ok(self) -> bool:
        """Whether no invariant was violated in any cell."""
        return not any(each.violations for cell in self.measured.values() for each in cell)

    @property
    def digest(self) -> str:
        """A hash over the digests of all replications: equal where two sweeps did the same."""
        return digest_by_name(self.measured)

    def difference(self, name: str, baseline: str, metric: str | None = None) -> Estimate:
        """Return a cell's paired difference from another, over the replications that both have."""
        one, other = self.measured[name], self.measured[baseline]
        many = min(len(one), len(other))
        return figures.difference(metric or self.metric, one[:many], other[:many])

    def main_effects(self) -> dict[str, dict[str, Estimate]]:
        """Return the mean of the metric over all cells with one value of one key, with its interval.

        Over the replications: each contributes its mean over those cells, so the interval is that of chance
        and not of the other settings.
        """

        def over(key: str, value: str) -> Estimate:
            cells = [self.measured[cell.name] for cell in self.grid.cells if cell.settings[key] == value]
            return figures.average(self.metric, cells)

        return {key: {value: over(key, value) for value in values} for key, values in self.grid.vary.items()}

    @property
    def frame(self) -> pd.DataFrame:
        """One row per cell, ranked: settings, figures with intervals, differences, verdicts."""
        from sim.experiment.tables import cells_table

        return cells_table(self.as_dict())

    @property
    def replications(self) -> pd.DataFrame:
        """One row per cell and replication: settings, seed, digest and every figure."""
        import pandas as pd

        rows = []
        for cell in self.grid.all:
            series = {metric: figures.values(metric, self.measured[cell.name]) for metric in self.metrics}
            for place, each in enumerate(self.measured[cell.name]):
                rows.append(
                    {"cell": cell.name, **{key: cell.settings.get(key) for key in self.grid.vary}}
                    | {"replication": each.index + 1, "seed": each.seed, "digest": each.digest}
                    | {metric: values[place] for metric, values in series.items()}
                )
        return pd.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """Return the sweep as plain data: what ``requeue sweep --json`` prints and ``sweep.json`` holds."""
        base = self.grid.baseline.name
        cells = {cell.name: cell for cell in self.grid.all}
        return {
            "scenario": self.grid.baseline.scenario.name,
            "seed": self.grid.baseline.scenario.seed,
            "replications": max(len(each) for each in self.measured.values()),
            "metric": self.metric,
            "expect": dict(self.grid.baseline.scenario.expect),
            "vary": {key: list(values) for key, values in self.grid.vary.items()},
            "baseline": base,
            "best": self.best,
            "digest": self.digest,
            "cells": [self._cell(self.ranks[name], cells[name]) for name in self.ranked],
            "main_effects": {
                key: {value: each.as_dict() for value, each in found.items()}
                for key, found in self.main_effects().items()
            },
            **self.stopped,
            "left_out": [{"cell": name, "reason": reason} for name, reason in self.grid.left_out.items()],
        }

    def _cell(self, rank: int, cell: Cell) -> dict[str, Any]:
        name, base = cell.name, self.grid.baseline.name
        found = self.measured[name]
        behind = None if name == self.best else figures.compared(self.metric, self.difference(name, self.best))
        against = None
        if name != base:
            against = {metric: figures.compared(metric, self.difference(name, base, metric)) for metric in self.metrics}
        return {
            "rank": rank,
            "cell": name,
            "settings": dict(cell.settings),
            "current": name == base,
            "replications": len(found),
            "digest": digest(found),
            "violations": sum(len(each.violations) for each in found),
            "ending": ending(cell.scenario, found),
            "metrics": {metric: each.as_dict() for metric, each in self.estimates[name].items()},
            "difference": against,
            "difference_from_best": behind,
        }


def run(swept: Grid, evaluator: Evaluator, metric: str, replications: int) -> Sweep:
    """Run ``replications`` of every cell.

    The first replications of all cells come first, so that what an interruption leaves is a smaller sweep.
    """
    evaluator.expected = len({evaluator.key(cell.scenario) for cell in swept.all}) * replications
    return Sweep(swept, metric, extended(swept.all, {}, replications, evaluator))


def looked(swept: Grid, evaluator: Evaluator, metric: str, looks: Looks) -> Sweep:
    """Run cells as often as ``looks`` says; raises ``UndefinedError`` where it can't say."""
    left, measured, done, total = list(swept.all), dict[str, list[Measured]](), 0, 0
    for size in looks.sizes():
        total += (size - done) * len(left)
        evaluator.expected = total
        measured |= extended(left, measured, size, evaluator)
        done, wanted = size, set(looks.left(measured))
        left = [cell for cell in left if cell.name in wanted]
        if not left:
            break
    return Sweep(swept, metric, looks.kept(measured), looks.as_dict())


def extended(
    cells: Sequence[Cell], measured: Mapping[str, Sequence[Measured]], replications: int, evaluator: Evaluator
) -> dict[str, list[Measured]]:
    """Return ``measured`` with so many replications of each of ``cells``; all of them have equally many before."""
    found = {name: list(each) for name, each in measured.items()}
    have = len(found.get(cells[0].name, ()))
    evaluator.name({cell.name: cell.scenario for cell in cells})
    new = evaluator.evaluate((cell.scenario, index) for index in range(have, replications) for cell in cells)
    for place, cell in enumerate(cells):
        found.setdefault(cell.name, []).extend(new[place :: len(cells)])
    return found
