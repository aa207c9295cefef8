"""As many replications as a precision takes: ``requeue run --precision 5%``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sim.analysis import figures
from sim.analysis.intervals import NOTHING, Estimate
from sim.analysis.measured import Measured
from sim.analysis.sequential import Precision, achieved
from sim.scenario.metrics import comparable


class UntilPrecise:
    """Stops once the mean of a figure is known to ``precision``."""

    def __init__(self, metric: str, precision: Precision) -> None:
        self.metric = comparable(metric)
        self.precision = precision
        self.estimate: Estimate = NOTHING

    def sizes(self) -> Iterator[int]:
        """Yield the numbers of replications at which to look."""
        return self.precision.sizes()

    def enough(self, measured: Sequence[Measured]) -> bool:
        """Look at the replications so far."""
        self.estimate = figures.estimate(self.metric, measured)
        return self.precision.enough(self.estimate)

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out."""
        return {
            "metric": self.metric,
            "asked": self.precision.relative,
            "achieved": achieved(self.estimate),
            "reached": self.precision.reached(self.estimate),
            **self.estimate.as_dict(),
        }
