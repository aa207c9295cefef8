"""How good predictions are: intervals for what will be recorded, and scores of them.

The simulated replications of a case are n independent draws of what one run of the cluster may come to. What
was recorded is the mean of m runs. If simulation and cluster have one distribution, the recorded mean lies
with probability 95% in

    mean +- t(n - 1, .975) * s * sqrt(1/m + 1/n)

(the prediction interval for the mean of m further observations: Hahn and Meeker, *Statistical Intervals*,
section 4.7), s being the standard deviation over the replications. Quantiles of the replications would need
no normal distribution, but of 20 even the outermost ones leave out 10% of what comes next. Counts are not
negative, so the interval ends at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sim.analysis.distributions import student_quantile

LEVEL = 0.95


class Prediction(NamedTuple):
    """A predicted figure beside the recorded one; None where there is none.

    ``recorded`` is the mean of the repetitions, ``predicted`` that of the replications, ``low`` and ``high``
    the interval for the former. The spreads are standard deviations of single runs; ``standard_error`` is that of the
    difference of the two means, if runs of the cluster spread as simulated ones do.
    """

    recorded: float | None
    predicted: float | None
    low: float | None
    high: float | None
    recorded_spread: float | None = None
    predicted_spread: float | None = None
    standard_error: float | None = None

    @property
    def inside(self) -> bool | None:
        """Whether the recorded mean lies in the interval."""
        if self.recorded is None or self.low is None or self.high is None:
            return None
        # Sums of floats: a recorded value on the interval's very end lies in it.
        slack = 1e-9 * max(abs(self.low), abs(self.high), 1e-9)
        return self.low - slack <= self.recorded <= self.high + slack

    @property
    def error(self) -> float | None:
        """The relative error, signed: (predicted - recorded) / recorded."""
        if not self.recorded or self.predicted is None:
            return None
        return self.predicted / self.recorded - 1

    def as_dict(self) -> dict[str, float | None]:
        """Return the four numbers that ``--json`` prints."""
        return {name: getattr(self, name) for name in ("recorded", "predicted", "low", "high")}


def predict(recorded: Sequence[float], simulated: Sequence[float]) -> Prediction:
    """Set the mean of the recorded values against the simulated ones."""
    centre = _mean(recorded)
    n, m = len(simulated), max(len(recorded), 1)
    mean = _mean(simulated)
    if mean is None:
        return Prediction(centre, None, None, None, spread(recorded), None)
    s = spread(simulated)
    if s is None:
        return Prediction(centre, mean, None, None, spread(recorded), None)
    error = s * math.sqrt(1 / m + 1 / n)
    half = student_quantile(n - 1, (1 + LEVEL) / 2) * error
    return Prediction(centre, mean, max(mean - half, 0.0), mean + half, spread(recorded), s, error)


def spread(values: Sequence[float]) -> float | None:
    """Return the standard deviation; None of fewer than two."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def interval_score(prediction: Prediction) -> float | None:
    """Return the interval score: width, plus 2 / (1 - ``LEVEL``) times the distance by which it was missed.

    Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 102 (2007),
    section 6.2. Lower is better: wide intervals cost as much as missed ones.
    """
    if prediction.recorded is None or prediction.low is None or prediction.high is None:
        return None
    low, high, value = prediction.low, prediction.high, prediction.recorded
    return high - low + 2 / (1 - LEVEL) * max(low - value, value - high, 0.0)


def conflict_errors(cases: Sequence[Prediction]) -> dict[str, Any]:
    """Return the median and the largest absolute relative error of conflicts, and what they would be by chance alone:
    were the model without fault, the means of runs would still differ.
    """
    found = [abs(each.error) for each in cases if each.error is not None]
    by_chance = [each.standard_error / each.predicted for each in cases if each.predicted and each.standard_error]
    return {
        "median_abs_rel_error_conflicts": median(found),
        "max_abs_rel_error_conflicts": max(found, default=None),
        "faultless_median_error_conflicts": faultless(by_chance, (len(by_chance) + 1) // 2),
        "faultless_max_error_conflicts": faultless(by_chance, len(by_chance)),
    }


def faultless(standard_errors: Sequence[float], rank: int) -> dict[str, float] | None:
    """Return what the ``rank``-th smallest (from 1) of independent absolute errors comes to; None of none.

    The errors are normal around 0. As ``mean`` the median of what may come, ``low`` and ``high`` are the ends of 95%:
    how many of them are at most x has a Poisson binomial distribution.
    """
    if not standard_errors:
        return None

    def at_most(x: float) -> float:
        counts = [1.0]
        for error in standard_errors:
            share = math.erf(x / error / math.sqrt(2))
            counts = [a * (1 - share) + b * share for a, b in zip([*counts, 0.0], [0.0, *counts], strict=True)]
        return math.fsum(counts[rank:])

    def quantile(level: float) -> float:
        low, high = 0.0, 10 * max(standard_errors)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(middle) < level else (low, middle)
        return high

    levels = {"mean": 0.5, "low": (1 - LEVEL) / 2, "high": (1 + LEVEL) / 2}
    return {name: quantile(level) for name, level in levels.items()}


def wasserstein(recorded: Sequence[float], simulated: Sequence[float]) -> float | None:
    """Return the Wasserstein distance of two samples, in their unit: how far the one must be moved."""
    if not recorded or not simulated:
        return None
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(recorded, simulated))


def rank_agreement(recorded: Sequence[float], predicted: Sequence[float]) -> float | None:
    """Return Kendall's tau-b; None of fewer than two cases, or where all of one side are equal."""
    if len(recorded) < 2:
        return None
    from scipy.stats import kendalltau

    tau = float(kendalltau(recorded, predicted, variant="b").statistic)
    return None if math.isnan(tau) else tau


def median(values: Sequence[float]) -> float | None:
    """Return the median; None of nothing."""
    import statistics

    return statistics.median(values) if values else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
