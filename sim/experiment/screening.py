"""How sensitive an answer is: Morris screening, one setting at a time from many starting points.

M. D. Morris, "Factorial sampling plans for preliminary computational experiments", Technometrics 33, 1991, with
mu* of Campolongo, Cariboni and Saltelli (2007): the mean absolute effect of taking one setting across its whole
range. The samples and the analysis are SALib's. All points run the same replications, and mu* is set against the
size that chance alone would give it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sim.analysis import figures
from sim.experiment.space import Dimension, changed

if TYPE_CHECKING:
    import numpy as np

    from sim.analysis.measured import Measured
    from sim.experiment.evaluate import Evaluator
    from sim.scenario.model import Scenario

Worth = Literal["worth tuning", "not worth tuning", "undecided"]

TRAJECTORIES = 6
LEVELS = 4
REPLICATIONS = 3
MATTERS = 0.05
"""An effect across the whole range of less than this share of the current value is not worth tuning."""

CLEAR = 3
"""An effect so many times as large as chance alone would give it is no chance."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of one setting on one objective, across its range: mu* with its interval, sigma, chance."""

    mu_star: float
    low: float
    high: float
    mu: float
    sigma: float
    noise: float
    worth: Worth

    def as_dict(self) -> dict[str, Any]:
        """Return the effect as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


def points(space: Sequence[Dimension], seed: int, trajectories: int = TRAJECTORIES) -> np.ndarray[Any, Any]:
    """Return the shares of each range to look at: (trajectories * (keys + 1), keys), between 0 and 1."""
    import SALib.sample.morris

    found: np.ndarray[Any, Any] = SALib.sample.morris.sample(
        _problem(space), trajectories, num_levels=LEVELS, seed=seed % 2**32
    )
    return found


def pieces(space: Sequence[Dimension], trajectories: int = TRAJECTORIES, replications: int = REPLICATIONS) -> int:
    """Return how many replications a screening takes at most."""
    return trajectories * (len(space) + 1) * replications


def screen(
    scenario: Scenario,
    space: Sequence[Dimension],
    objectives: Sequence[str],
    current: Mapping[str, float | None],
    evaluator: Evaluator,
    trajectories: int = TRAJECTORIES,
    replications: int = REPLICATIONS,
) -> dict[str, dict[str, Effect]]:
    """Return the effect of every key on every objective; ``current`` has the objectives as they are.

    A path through settings that are no valid scenario, or at which an objective is undefined, is left out.
    """
    from sim.scenario.errors import ScenarioError

    sampled = points(space, scenario.seed, trajectories)
    scenarios: list[Scenario | None] = []
    for row in sampled:
        try:
            scenarios.append(changed(scenario, {each.key: each.at(x) for each, x in zip(space, row, strict=True)}))
        except ScenarioError:
            scenarios.append(None)
    wanted = [(each, index) for each in scenarios if each is not None for index in range(replications)]
    found = iter(evaluator.evaluate(wanted))
    measured = [[next(found) for _ in range(replications)] if each is not None else [] for each in scenarios]
    return {name: _effects(name, space, sampled, measured, current.get(name)) for name in objectives}


def _effects(
    objective: str,
    space: Sequence[Dimension],
    sampled: np.ndarray[Any, Any],
    measured: Sequence[Sequence[Measured]],
    current: float | None,
) -> dict[str, Effect]:
    import numpy as np
    import SALib.analyze.morris

    nothing = float("nan")
    series = [[nothing if value is None else value for value in figures.values(objective, each)] for each in measured]
    many = max(map(len, series), default=0)
    values = np.array([each or [nothing] * many for each in series], dtype=float)
    length = len(space) + 1
    paths = [
        slice(start, start + length)
        for start in range(0, len(sampled), length)
        if np.isfinite(values[start : start + length]).all()
    ]
    if len(paths) < 2:
        return {}
    rows = np.concatenate([np.arange(len(sampled))[path] for path in paths])
    analysed = SALib.analyze.morris.analyze(
        _problem(space), sampled[rows], values[rows].mean(axis=1), num_levels=LEVELS, seed=1
    )
    noise = _noise(sampled, values, paths)
    effects = {}
    for place, each in enumerate(space):
        mu_star, half = float(analysed["mu_star"][place]), float(analysed["mu_star_conf"][place])
        low, high = max(0.0, mu_star - half), mu_star + half
        worth = _worth(mu_star, high, noise[place], current)
        effects[each.key] = Effect(
            mu_star, low, high, float(analysed["mu"][place]), float(analysed["sigma"][place]), noise[place], worth
        )
    return effects


def _noise(sampled: np.ndarray[Any, Any], values: np.ndarray[Any, Any], paths: Sequence[slice]) -> list[float]:
    """Return for each key the mu* that chance alone would give: sqrt(2/pi) of an effect's standard error."""
    import numpy as np

    keys = sampled.shape[1]
    errors: list[list[float]] = [[] for _ in range(keys)]
    for path in paths:
        for before, after, at, to in zip(
            values[path][:-1], values[path][1:], sampled[path][:-1], sampled[path][1:], strict=True
        ):
            place = int(np.argmax(np.abs(to - at)))
            effects = (after - before) / (to[place] - at[place])
            errors[place].append(float(effects.var(ddof=1)) / len(effects) if len(effects) > 1 else 0.0)
    return [math.sqrt(2 / math.pi * sum(each) / len(each)) if each else 0.0 for each in errors]


def _worth(mu_star: float, high: float, noise: float, current: float | None) -> Worth:
    if current is None:
        return "undecided"
    matters = MATTERS * abs(current)
    if mu_star > max(matters, CLEAR * noise):
        return "worth tuning"
    # Chance is part of mu*: what is left without it is what the setting can do.
    left = math.sqrt(max(0.0, high**2 - noise**2))
    return "not worth tuning" if left <= matters else "undecided"


def verdicts(effects: Mapping[str, Mapping[str, Effect]], keys: Sequence[str]) -> dict[str, Worth]:
    """Return for each key whether it is worth tuning: for some objective, for none, or undecided."""
    found: dict[str, Worth] = {}
    for key in keys:
        each = [by_key[key].worth if key in by_key else "undecided" for by_key in effects.values()]
        if "worth tuning" in each:
            found[key] = "worth tuning"
        else:
            found[key] = "not worth tuning" if set(each) == {"not worth tuning"} else "undecided"
    return found


def _problem(space: Sequence[Dimension]) -> dict[str, Any]:
    return {"num_vars": len(space), "names": [each.key for each in space], "bounds": [[0.0, 1.0]] * len(space)}
