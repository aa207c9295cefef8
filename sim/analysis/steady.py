"""Means of a long run that settles: where the warm-up ends, and an interval from batch means.

The warm-up is cut where the marginal standard error of what remains is smallest, over means of five observations:
MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69,
1997; K. P. White, M. J. Cobb and S. C. Spratt, WSC 2000). A cut past half the run says that the run is too short to
have settled, and is a warning and not an answer. What remains is cut into batches; their means are nearly
independent where batches are long (B. Schmeiser, "Batch size effects in the analysis of simulation output", Oper.
Res. 30, 1982: 10 to 30 batches are enough), so that the t interval applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.analysis.intervals import NOTHING, Estimate, mean_interval

if TYPE_CHECKING:
    import numpy as np

GROUP = 5
BATCHES = 10
WORTH_CUTTING = 0.7
"""A cut must take 30% off the statistic. Otherwise a rare busy spell at the start passes for a warm-up, and what
remains is biased: on a queue at half its capacity (8,000 customers) intervals of 95% covered in 90% of runs."""
LEAST = 10 * GROUP
"""Fewer observations than this have no warm-up that could be found."""


class Steady(NamedTuple):
    """The mean after the warm-up. ``cut`` observations of ``of`` were left out; ``settled`` is False past half."""

    estimate: Estimate
    cut: int
    of: int
    settled: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self.estimate.as_dict(), "warm_up": self.cut, "observations": self.of, "settled": self.settled}


def mser5(values: Sequence[float] | np.ndarray[Any, Any]) -> tuple[int, bool]:
    """Return how many first observations to leave out, and whether that is no more than half of them.

    The statistic is looked for in the whole series, to see a cut past half, but not in its last five groups, whose
    variance says nothing.
    """
    import numpy as np

    many = len(values) // GROUP
    if many < LEAST // GROUP:
        return 0, False
    groups = np.asarray(values[: many * GROUP], dtype=float).reshape(many, GROUP).mean(axis=1)
    backwards = (groups - groups[-1])[::-1]  # of small differences, so that their squares lose no digits
    left = np.arange(1, many + 1)
    spread = np.maximum(0.0, np.cumsum(backwards**2) - np.cumsum(backwards) ** 2 / left)
    statistic = (spread / left**2)[::-1]  # by the number of groups left out
    candidates = statistic[: many - GROUP + 1]
    best_at = int(np.argmin(candidates))
    if candidates[best_at] > WORTH_CUTTING * statistic[0]:
        return 0, True
    return best_at * GROUP, best_at * 2 <= many


def batch_means(values: Sequence[float], batches: int = BATCHES) -> Estimate:
    """Return the mean with the interval of ``batches`` batch means; the rest that fills no batch is left out."""
    import numpy as np

    size = len(values) // batches
    if size < 1:
        return NOTHING
    whole = np.asarray(values, dtype=float)[len(values) - size * batches :]
    return mean_interval(whole.reshape(batches, size).mean(axis=1).tolist())


def steady(series: Sequence[Sequence[float]]) -> Steady:
    """Return the steady mean of one or more replications of a run, in the order of time.

    With one replication the interval is that of batch means; with several, that of their means after the cut
    (replication and deletion: Law, section 9.5.1), which is found on the mean of all of them.
    """
    import numpy as np

    length = min(map(len, series), default=0)
    if not length:
        return Steady(NOTHING, 0, 0, False)
    together = np.mean([np.asarray(each[:length], dtype=float) for each in series], axis=0)
    cut, settled = mser5(together)
    if len(series) == 1:
        return Steady(batch_means(series[0][cut:]), cut, length, settled)
    means = [float(np.mean(each[cut:])) for each in series]
    return Steady(mean_interval(means), cut, length, settled)
