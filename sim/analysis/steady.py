"""Means of a long run that settles: where the warm-up ends, and an interval from batch means.

The warm-up is cut where the marginal standard error of what remains is smallest, over means of five observations:
MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69,
1997; K. P. White, M. J. Cobb and S. C. Spratt, WSC 2000). A cut past half the run says that the run is too short to
have settled, and is a warning and not an answer. What remains is cut into batches; their means are nearly
independent where batches are long (B. Schmeiser, "Batch size effects in the analysis of simulation output", Oper.
Res. 30, 1982: 10 to 30 batches are enough), so that the t interval applies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.analysis.intervals import NOTHING, Estimate, mean_interval

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


def mser5(values: Sequence[float]) -> tuple[int, bool]:
    """Return how many first observations to leave out, and whether that is no more than half of them.

    The statistic is looked for in the whole series, to see a cut past half, but not in its last five groups, whose
    variance says nothing.
    """
    groups = [
        math.fsum(values[start : start + GROUP]) / GROUP for start in range(0, len(values) // GROUP * GROUP, GROUP)
    ]
    if len(groups) < LEAST // GROUP:
        return 0, False
    best, best_at = math.inf, 0
    total = squares = 0.0
    centre = groups[-1]  # of the order of the values, so that squares of small differences are summed
    for place in range(len(groups) - 1, -1, -1):
        total += groups[place] - centre
        squares += (groups[place] - centre) ** 2
        many = len(groups) - place
        if many < GROUP:
            continue
        statistic = max(0.0, squares - total**2 / many) / many**2
        if statistic <= best:  # of equals the earliest
            best, best_at = statistic, place
    if best > WORTH_CUTTING * statistic:  # that of the whole series, which came last
        return 0, True
    return best_at * GROUP, best_at * 2 <= len(groups)


def batch_means(values: Sequence[float], batches: int = BATCHES) -> Estimate:
    """Return the mean with the interval of ``batches`` batch means; the rest that fills no batch is left out."""
    size = len(values) // batches
    if size < 1:
        return NOTHING
    start = len(values) - size * batches
    means = [math.fsum(values[at : at + size]) / size for at in range(start, len(values), size)]
    return mean_interval(means)


def steady(series: Sequence[Sequence[float]]) -> Steady:
    """Return the steady mean of one or more replications of a run, in the order of time.

    With one replication the interval is that of batch means; with several, that of their means after the cut
    (replication and deletion: Law, section 9.5.1), which is found on the mean of all of them.
    """
    length = min(map(len, series), default=0)
    if not length:
        return Steady(NOTHING, 0, 0, False)
    together = [math.fsum(each[at] for each in series) / len(series) for at in range(length)]
    cut, settled = mser5(together)
    if len(series) == 1:
        return Steady(batch_means(series[0][cut:]), cut, length, settled)
    means = [math.fsum(each[cut:]) / (len(each) - cut) for each in series]
    return Steady(mean_interval(means), cut, length, settled)
