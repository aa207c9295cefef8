"""Quantiles of the beta and of Student's distribution, for intervals.

SciPy has them as well (and the tests hold these to it), but every run needs one quantile, and SciPy is 140 MB to
install and a tenth of a second to import.
"""

from __future__ import annotations

import math

_TINY = 1e-300
_PRECISION = 1e-15


def student_quantile(degrees: float, p: float) -> float:
    """Return Student's quantile at ``p`` of at least one half, with so many degrees of freedom, whole or not."""
    if degrees <= 0 or not 0.5 <= p < 1:
        raise ValueError(f"no quantile {p} with {degrees} degrees of freedom")
    # t squared over (degrees + t squared) has a beta distribution. Of the share and what it lacks of 1, the smaller one
    # is the one that is known to all digits.
    share = beta_quantile(0.5, degrees / 2, 2 * p - 1)
    if share < 0.5:
        return math.sqrt(degrees * share / (1 - share))
    rest = beta_quantile(degrees / 2, 0.5, 2 * (1 - p))
    return math.sqrt(degrees * (1 - rest) / rest)


def beta_quantile(a: float, b: float, p: float) -> float:
    """Return the quantile at ``p`` of the beta distribution: Newton's steps, halved where they leave the bracket."""
    if p <= 0 or p >= 1:
        return 0.0 if p <= 0 else 1.0
    low, high, x = 0.0, 1.0, a / (a + b)
    for _ in range(200):
        error = beta_distribution(a, b, x) - p
        low, high = (low, x) if error > 0 else (x, high)
        density = math.exp((a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - _log_beta(a, b))
        step = error / density if density > _TINY else math.inf
        following = x - step
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - x) <= _PRECISION * x:
            return following
        x = following
    return x


def beta_distribution(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction, evaluated from the front by Lentz's method."""
    numerator, denominator = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            denominator = 1 / _not_zero(1 + term * denominator)
            numerator = _not_zero(1 + term / numerator)
            change = numerator * denominator
            value *= change
        if abs(change - 1) < _PRECISION:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
