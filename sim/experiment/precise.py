"""As many replications as a precision takes: ``requeue run --precision 5%``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.intervals import NOTHING, Estimate
from sim.analysis.measured import Measured
from sim.analysis.sequential import Precision, achieved
from sim.experiment.controls import narrowed, with_luck
from sim.scenario.metrics import comparable

if TYPE_CHECKING:
    from sim.scenario.model import Scenario


class UntilPrecise:
    """Stops once the mean of a figure of a scenario is known to ``precision``."""

    def __init__(self, metric: str, precision: Precision, scenario: Scenario) -> None:
        self.metric = comparable(metric)
        self.precision = precision
        self.scenario = scenario
        self.estimate: Estimate = NOTHING
        self.narrowed: float | None = None

    def sizes(self) -> Iterator[int]:
        """Yield the numbers of replications at which to look."""
        return self.precision.sizes()

    def enough(self, measured: Sequence[Measured]) -> bool:
        """Look at the replications so far."""
        self.estimate = figures.estimate(self.metric, self.kept(measured))
        return self.precision.enough(self.estimate)

    def kept(self, measured: Sequence[Measured]) -> list[Measured]:
        """Return the replications as they are to be summed up: with their luck where that narrows."""
        controlled = with_luck(self.scenario, measured)
        self.narrowed = narrowed(self.metric, measured, controlled)
        return list(measured) if self.narrowed is None else controlled

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out."""
        return {
            "metric": self.metric,
            "asked": self.precision.relative,
            "achieved": achieved(self.estimate),
            "reached": self.precision.reached(self.estimate),
            "narrowed": self.narrowed,
            **self.estimate.as_dict(),
        }
