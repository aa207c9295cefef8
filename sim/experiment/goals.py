"""What a search is after: objectives to make small, and constraints that must hold, such as ``gave_up == 0``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sim.analysis import figures
from sim.analysis.measured import Measured
from sim.scenario.expectations import Condition, holds, parse_condition
from sim.scenario.metrics import CERT_MANAGER, OPERATORS, PLAIN, comparable

OBJECTIVES = {
    CERT_MANAGER: ("time_to_ready.p99", "requests.total"),
    OPERATORS: ("time_to_ready.p99", "requests.total"),
    PLAIN: ("time", "work"),
}
CONSTRAINTS = {
    CERT_MANAGER: ("gave_up == 0", "stranded == 0"),
    OPERATORS: ("lost_updates.never_repaired == 0", "duplicates == 0"),
    PLAIN: ("gave_up == 0",),
}
"""What a search is after where nothing is asked for, by family."""

_CONSTRAINT = re.compile(r"\s*([A-Za-z][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition on a metric over all replications; ``text`` is how it is written."""

    text: str
    metric: str
    condition: Condition

    def violation(self, replications: Sequence[Measured]) -> float:
        """Return by how much the condition is missed: 0 or less where it holds."""
        mean = figures.estimate(self.metric, replications).mean
        if mean is None:
            return float("inf")  # nothing observed is no evidence
        if holds(mean, self.condition):
            return 0.0
        return abs(mean - self.condition.number) or 1e-12


def constraint(text: str, family: str | None = None) -> Constraint:
    """Return the constraint of ``metric operator number``; a duration where the metric is a time.

    Raises ``ValueError`` where it cannot be read, the metric is unknown or the ``family`` has none such.
    """
    match = _CONSTRAINT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no constraint; write a metric, an operator and a number, such as 'gave_up == 0'")
    name, operator, written = match.groups()
    name = comparable(name, family)
    condition = parse_condition(f"{operator} {written}", name)
    return Constraint(f"{name} {operator} {written}", name, condition)


def objectives(wanted: Sequence[str], family: str) -> list[str]:
    """Return the metrics of a search in one spelling; raises ``ValueError`` for unknown ones, and one given twice."""
    found = [comparable(each, family) for each in wanted or OBJECTIVES[family]]
    if len(set(found)) < len(found):
        raise ValueError("an objective is given twice")
    return found


def constraints(wanted: Sequence[str], family: str) -> list[Constraint]:
    """Return the constraints of a search."""
    return [constraint(each, family) for each in wanted or CONSTRAINTS[family]]
