"""Distributions fitted to measured times, how well they fit, and how far the figures can be trusted.

Quantiles and medians come with percentile bootstrap intervals (Efron and Tibshirani 1993, chapter 13); the
distance of Kolmogorov and Smirnov is that between the samples and the fitted distribution. It describes; with
fitted parameters its usual p-values do not hold, so none is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import erf, exp, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from sim.kernel.streams import Z90, LognormalTimes

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]

_RESAMPLES = 500
_SEED = 20_20
_MS = 1e6  # nanoseconds
_ANYTHING = 0.03
"""The share of samples that may be something else."""
KEY_PRIMES = 2
"""An RSA key is two primes, each found after a geometric number of candidates: Gamma with shape 2."""


class Lognormal(NamedTuple):
    """Given as the profile does, by median and 90th percentile; any unit."""

    p50: float
    p90: float

    def cdf(self, x: float) -> float:
        """Probability of at most ``x``."""
        sigma = _sigma(self)
        return 0.5 * (1 + erf(log(x / self.p50) / sigma / sqrt(2))) if x > 0 else 0.0

    def quantile(self, q: float) -> float:
        """The value that a share ``q`` stays below."""
        from scipy.stats import norm

        return self.p50 * exp(_sigma(self) * float(norm.ppf(q)))


def known(times: LognormalTimes) -> Lognormal:
    """A distribution of a profile."""
    return Lognormal(times.p50, times.p90)


class ShiftedGamma(NamedTuple):
    """shift + Gamma(shape, scale); any unit."""

    shift: float
    shape: float
    scale: float

    def cdf(self, x: float) -> float:
        """Probability of at most ``x``."""
        from scipy.special import gammainc

        return float(gammainc(self.shape, (x - self.shift) / self.scale)) if x > self.shift else 0.0

    def quantile(self, q: float) -> float:
        """The value that a share ``q`` stays below."""
        from scipy.special import gammaincinv

        return self.shift + self.scale * float(gammaincinv(self.shape, q))

    @property
    def mean(self) -> float:
        """The expected value."""
        return self.shift + self.shape * self.scale


Fitted = Lognormal | ShiftedGamma


def fit_lognormal(samples: ArrayLike) -> Lognormal:
    """Match median and 90th percentile, which the profile gives; a stray long time moves neither."""
    import numpy as np

    p50, p90 = np.quantile(np.asarray(samples, dtype=float), (0.5, 0.9))
    return Lognormal(float(p50), float(max(p90, p50)))


def fit_before(samples: ArrayLike, other: Lognormal) -> tuple[Lognormal, float]:
    """A lognormal time of highest likelihood that samples are when ``other``, a known one, is taken off.

    Samples may be below 0, all in nanoseconds. Also returns the distance of Kolmogorov and Smirnov of the samples to
    that difference. Where the samples' right tail is short, what is below 0 says nothing of the fitted time's spread:
    a fit of quantiles would take the other's for it.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import ndtri

    times = np.sort(np.asarray(samples, dtype=float) / _MS)
    counts, edges = np.histogram(np.clip(times, -5, 10), np.arange(-5, 10.01, 0.05))
    at, counts = edges[:-1][counts > 0] + 0.025, counts[counts > 0]
    normal = ndtri((np.arange(100) + 0.5) / 100)
    less = other.p50 / _MS * np.exp(_sigma(other) * normal)

    def unlikely(parameters: Sequence[float]) -> float:
        median, sigma = np.exp(np.maximum(parameters, -9))  # samples that are all alike would have no spread at all
        there = np.maximum(at[:, None] + less, 1e-6)  # what it was, had the other been so much
        density = np.exp(-((np.log(there / median) / sigma) ** 2) / 2) / (there * sigma * np.sqrt(2 * np.pi))
        mixed = (1 - _ANYTHING) * density.mean(axis=1) + _ANYTHING / 15
        return float(-(counts * np.log(mixed)).sum())

    start = np.log([max(float(np.median(times)) + float(np.median(less)), 0.05), 0.5])
    simplex = start + np.array([(0, 0), (0.3, 0), (0, 0.3)])
    found = minimize(unlikely, start, method="Nelder-Mead", options={"initial_simplex": simplex, "maxiter": 200})
    median, sigma = np.exp(np.maximum(found.x, -9))
    model = np.sort((median * np.exp(sigma * normal)[:, None] - less).ravel())
    expected = np.searchsorted(model, times) / len(model)
    return Lognormal(_MS * float(median), _MS * float(median * np.exp(Z90 * sigma))), _distance(expected)


def _sigma(times: Lognormal) -> float:
    return log(times.p90 / times.p50) / Z90 if times.p90 > times.p50 else 1e-9


def fit_key_time(samples: ArrayLike) -> ShiftedGamma:
    """Shift and scale of highest likelihood for Gamma of shape 2, the search for two primes.

    For a given shift the best scale is (mean - shift) / 2; the shift is searched from 0 to the least sample.
    """
    import numpy as np

    times = np.sort(np.asarray(samples, dtype=float))
    mean = float(times.mean())
    best = (-np.inf, 0.0)
    for shift in np.linspace(0, times[0], 200, endpoint=False):
        scale = (mean - shift) / KEY_PRIMES
        if scale > 0:
            likelihood = float(np.log(times - shift).sum() - (times - shift).sum() / scale)
            best = max(best, (likelihood - 2 * len(times) * log(scale), float(shift)))
    shift = best[1]
    return ShiftedGamma(shift, KEY_PRIMES, max((mean - shift) / KEY_PRIMES, 1.0))


def ks_distance(samples: ArrayLike, fitted: Fitted) -> float:
    """Largest distance between the samples' distribution function and the fitted one."""
    import numpy as np

    times = np.sort(np.asarray(samples, dtype=float))
    return _distance(np.array([fitted.cdf(float(x)) for x in times]))


def _distance(expected: NDArray[float64]) -> float:
    """The same from the fitted probabilities of the samples, in the order of these."""
    import numpy as np

    count = len(expected)
    above = np.arange(1, count + 1) / count - expected
    below = expected - np.arange(count) / count
    return float(max(above.max(), below.max()))


def bootstrap(
    samples: ArrayLike, statistic: Callable[[Sequence[float]], float], resamples: int = _RESAMPLES
) -> Interval:
    """Return the 95% percentile bootstrap interval of a statistic of independent samples."""
    import numpy as np

    times = np.asarray(samples, dtype=float)
    random = np.random.default_rng(_SEED)
    values = [statistic(times[random.integers(0, len(times), len(times))]) for _ in range(resamples)]  # type: ignore[arg-type]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def bootstrap_difference(one: ArrayLike, other: ArrayLike, q: float = 0.5) -> tuple[float, Interval]:
    """Return the difference of a quantile of two independent samples, and its 95% bootstrap interval."""
    import numpy as np

    first, second = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    random = np.random.default_rng(_SEED)
    values = [
        np.quantile(first[random.integers(0, len(first), len(first))], q)
        - np.quantile(second[random.integers(0, len(second), len(second))], q)
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(np.quantile(first, q) - np.quantile(second, q)), (float(low), float(high))
