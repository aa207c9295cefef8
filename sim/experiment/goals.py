"""What a search is after: objectives to make small, and constraints that must hold, such as ``gave_up == 0``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sim.analysis import figures
from sim.analysis.summary import Measured
from sim.scenario.expectations import Condition, holds
from sim.units import SECOND, parse_duration

OBJECTIVES = ("time_to_ready.p99", "requests.total")
CONSTRAINTS = ("gave_up == 0", "stranded == 0")
"""What a search is after where nothing is asked for."""

_CONSTRAINT = re.compile(r"\s*([A-Za-z][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition on the mean of a figure; ``text`` is how it was written."""

    text: str
    figure: str
    condition: Condition

    def violation(self, replications: Sequence[Measured]) -> float:
        """Return by how much the condition is missed: 0 or less where it holds."""
        mean = figures.estimate(self.figure, replications).mean
        if mean is None:
            return float("inf")  # nothing observed is no evidence
        if holds(mean, self.condition):
            return 0.0
        return abs(mean - self.condition.number) or 1e-12


def constraint(text: str) -> Constraint:
    """Return the constraint of ``figure operator number``; a duration where the figure is a time.

    Raises ``ValueError`` where it cannot be read or the figure is unknown.
    """
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no constraint; write a metric, an operator and a number, such as 'gave_up == 0'")
    name, operator, written = match.groups()
    figures.check(name)
    try:
        number = float(written)
    except ValueError:
        if figures.FIGURES[name].kind != "seconds":
            raise ValueError(f"{text!r} compares with no number: {name} is no time") from None
        try:
            number = parse_duration(written) / SECOND
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
    return Constraint(" ".join(match.groups()), name, Condition(operator, number))


def sign(objective: str) -> int:
    """Return 1 for a figure that is better when lower, -1 for one that is better when higher."""
    return -1 if figures.FIGURES[objective].higher else 1
