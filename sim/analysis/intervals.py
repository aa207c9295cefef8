"""Estimates with 95% confidence intervals: the only place where the project does statistics on replications.

Replications are independent and identically distributed (each has its own random streams), so the textbook
methods for terminating simulations apply: A. M. Law, *Simulation Modeling and Analysis*, 5th ed., sections
4.5 (means), 9.4.1 (terminating runs) and 10.2.1 (paired differences under common random numbers); for ratios
of sums the jackknife: Law, section 9.5.2, and Efron and Tibshirani, *An Introduction to the Bootstrap*,
chapter 11. Counts and times cannot be below 0, so the intervals of their means are made on the logarithmic scale (the
delta method: G. Casella and R. Berger, *Statistical Inference*, section 5.5.4), where they stay above 0 and cover a
skewed mean more often than the plain one does; ``tests/analysis/test_coverage.py`` measures both.

Three rules hold everywhere: the mean of nothing is ``None`` and not 0, one replication has no interval, and a
NaN or an infinity is an error and never a result.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cache
from statistics import NormalDist
from typing import Literal, NamedTuple

from sim.analysis.distributions import student_quantile

LEVEL = 0.95
"""Confidence level of every interval."""

Verdict = Literal["lower", "higher", "the same", "undecided"]


class Estimate(NamedTuple):
    """A mean (or ratio of sums) over ``n`` replications and its interval; ``None`` where it cannot be had."""

    mean: float | None
    low: float | None
    high: float | None
    n: int

    def as_dict(self) -> dict[str, float | None]:
        """Return ``{mean, low, high}`` for JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


NOTHING = Estimate(None, None, None, 0)

Controls = Sequence[Sequence[float]]
"""What was drawn beside each value: numbers of mean 0, equally many for each."""


def mean_interval(values: Iterable[float | None], controls: Controls = ()) -> Estimate:
    """Return the mean of ``values`` with its Student t interval.

    With ``controls`` the mean is what least squares give where all of those are 0.

    ``None`` stands for a replication in which the figure is undefined, such as the time to Ready where
    nothing became Ready: it is left out, and ``n`` says how many remained. With one value there is no
    interval. Equal values give an interval of no width. Raises ``ValueError`` on a NaN or an infinity.
    """
    known, beside = _known(values, controls)
    mean, half = _student_half(known, beside)
    if mean is None or half is None:
        return Estimate(mean, None, None, len(known))
    return Estimate(mean, mean - half, mean + half, len(known))


def share_interval(hits: int, n: int) -> Estimate:
    """Return the share of ``hits`` among ``n`` trials with Wilson's 95% interval, which is one of no hits too."""
    if not n:
        return NOTHING
    z2 = NormalDist().inv_cdf(0.975) ** 2
    share = hits / n
    middle, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)))
    low, high = ((middle + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    return Estimate(share, max(low, 0.0) if hits else 0.0, min(high, 1.0) if hits < n else 1.0, n)


def amount_interval(values: Iterable[float | None], most: float = math.inf, controls: Controls = ()) -> Estimate:
    """Return the mean of counts, times or shares with an interval that does not go below 0.

    Student's on the logarithmic scale: the mean times e to the power of plus and minus the relative half width;
    where that is more than 3, Student's own, cut off at 0. A mean of 0 is one of zeros alone, known exactly.
    ``most`` is 1 for shares: more than that they cannot be. For the rest as
    ``mean_interval``; raises ``ValueError`` on a value below 0, too.
    """
    known, beside = _known(values, controls)
    if known and min(known) < 0:
        raise ValueError(f"{min(known)} is neither a count nor a time")
    mean, half = _student_half(known, beside)
    return _amount(mean, half, len(known), most)


def mean_and_error(values: Iterable[float | None]) -> tuple[Estimate, float | None]:
    """Return ``amount_interval``, and the standard error of the mean; ``None`` where one value says nothing of it."""
    known = [value for value in values if value is not None]
    mean, half = _student_half(_finite(known))
    return amount_interval(known), None if mean is None or half is None else half / _student(len(known) - 1)


def paired_difference(
    values: Sequence[float | None], baseline: Sequence[float | None], controls: Controls = ()
) -> Estimate:
    """Return the mean of ``values[i] - baseline[i]`` with its Student t interval.

    Entry i of both comes from replication i, run on the same random numbers, so that the difference has the
    smaller variance; the interval is as valid where they happen to be uncorrelated. A pair of which one side
    is undefined is left out. ``controls`` are as in ``mean_interval``; a difference is linear in its sides, so it
    is that of the two means.
    """
    pairs = zip(values, baseline, strict=True)
    return mean_interval((None if a is None or b is None else a - b for a, b in pairs), controls)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """Return sum(numerators) / sum(denominators) with a jackknife interval.

    A mean of per-replication ratios would weigh a replication with few attempts as much as one with many, and
    is undefined where one has none. ``mean`` is ``None`` where all denominators are 0; the interval is, where
    only one replication has a denominator. Where no numerator exceeds its denominator the ratio is a share
    and its interval is kept within 0 and 1; any other ratio of counts has one on the logarithmic scale, as
    ``amount_interval``.
    """
    tops, bottoms = _finite(numerators), _finite(denominators)
    whole, parts = _leave_one_out(tops, bottoms)
    if all(top <= bottom for top, bottom in zip(tops, bottoms, strict=True)):
        return _jackknife(whole, parts, bounds=(0.0, 1.0))
    return _amount(*_jackknife_half(whole, parts), len(parts))


def ratio_difference(
    numerators: Sequence[float],
    denominators: Sequence[float],
    baseline_numerators: Sequence[float],
    baseline_denominators: Sequence[float],
) -> Estimate:
    """Return the difference of two ratios of sums over paired replications, with a jackknife interval.

    Leaving replication i out of both sides keeps what they share. ``mean`` is ``None`` where either ratio is
    undefined.
    """
    whole, parts = _leave_one_out(_finite(numerators), _finite(denominators))
    base, base_parts = _leave_one_out(_finite(baseline_numerators), _finite(baseline_denominators))
    if whole is None or base is None:
        return NOTHING
    pairs = zip(parts, base_parts, strict=True)
    differences = [None if a is None or b is None else a - b for a, b in pairs]
    return _jackknife(whole - base, differences)


def unpaired_difference(values: Sequence[float | None], baseline: Sequence[float | None]) -> Estimate:
    """Return the difference of two means over independent replications, with Welch's interval (Law, section 10.2.2).

    For runs that share no random numbers. ``None`` is left out; there is no interval where one side has fewer than
    two values. ``n`` is the smaller number of values.
    """
    sides = []
    for side in (values, baseline):
        known = _finite(value for value in side if value is not None)
        n = len(known)
        if not n:
            return NOTHING
        mean = math.fsum(known) / n
        sides.append((mean, math.fsum((value - mean) ** 2 for value in known) / (n - 1) / n if n > 1 else None, n))
    return _welch(*sides)


def unpaired_ratio_difference(
    numerators: Sequence[float],
    denominators: Sequence[float],
    baseline_numerators: Sequence[float],
    baseline_denominators: Sequence[float],
) -> Estimate:
    """Return the difference of two ratios of sums over independent replications.

    Each ratio's variance is the jackknife's; they are put together as Welch does.
    """
    sides = []
    for tops, bottoms in ((numerators, denominators), (baseline_numerators, baseline_denominators)):
        whole, parts = _leave_one_out(_finite(tops), _finite(bottoms))
        if whole is None:
            return NOTHING
        n = len(parts)
        known = [part for part in parts if part is not None]
        variance = None
        if n > 1 and len(known) == n:
            centre = math.fsum(known) / n
            variance = (n - 1) / n * math.fsum((part - centre) ** 2 for part in known)
        sides.append((whole, variance, n))
    return _welch(*sides)


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return the ``q`` quantile of ``values``, linear between order statistics; ``None`` of nothing."""
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    return _quantile(sorted(_finite(values)), q)


def quantile_interval(groups: Iterable[Sequence[float]], q: float) -> Estimate:
    """Return the ``q`` quantile of all values together, with an interval of order statistics.

    A group is what one replication observed. Values within one depend on each other (they share a queue), so
    the interval comes from how far the groups' shares below the quantile differ: a jackknife interval around
    ``q`` for that share, and the quantiles at its two ends (R. S. Woodruff, "Confidence intervals for medians
    and other position measures", JASA 47, 1952). An end that lies beyond all observed values is ``None``:
    with few observations nobody knows how far out a high quantile may be. The mean of the groups' own
    quantiles would have a narrow interval around something else, since a high quantile of few values is
    biased.
    """
    known = [sorted(_finite(group)) for group in groups if len(group)]
    ordered = sorted(value for group in known for value in group)
    centre = quantile(ordered, q)
    if centre is None:
        return NOTHING
    below = [float(bisect_right(group, centre)) for group in known]
    share = _jackknife(*_leave_one_out(below, [float(len(group)) for group in known]))
    if share.mean is None or share.high is None:
        return Estimate(centre, None, None, len(known))
    half = share.high - share.mean
    low, high = (_quantile(ordered, end) if 0 <= end <= 1 else None for end in (q - half, q + half))
    return Estimate(centre, low, high, len(known))


def verdict(difference: Estimate) -> Verdict:
    """Say which way a difference goes: ``the same`` where every pair is equal, so that it is exactly 0.

    ``undecided`` where its interval covers 0 or cannot be computed.
    """
    if difference.low == difference.high == 0:
        return "the same"
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "undecided"
    return "lower" if difference.high < 0 else "higher"


def _welch(one: tuple[float, float | None, int], other: tuple[float, float | None, int]) -> Estimate:
    """Return the difference of two estimates with their variances (of the estimates, not of the values)."""
    difference, n = one[0] - other[0], min(one[2], other[2])
    if one[1] is None or other[1] is None:
        return Estimate(difference, None, None, n)
    variance = one[1] + other[1]
    if variance == 0:
        return Estimate(difference, difference, difference, n)
    degrees = variance**2 / (one[1] ** 2 / (one[2] - 1) + other[1] ** 2 / (other[2] - 1))
    half = _student(degrees) * math.sqrt(variance)
    return Estimate(difference, difference - half, difference + half, n)


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    if not ordered:
        return None
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def _finite(values: Iterable[float]) -> list[float]:
    known = [float(value) for value in values]
    for value in known:
        if not math.isfinite(value):
            raise ValueError(f"{value} is no observation")
    return known


@cache
def _student(degrees: float) -> float:
    """Return the two-sided Student t quantile at ``LEVEL``."""
    return student_quantile(degrees, (1 + LEVEL) / 2)


def _leave_one_out(tops: list[float], bottoms: list[float]) -> tuple[float | None, list[float | None]]:
    """Return the ratio of sums, and the ratio without each pair in turn."""
    if len(tops) != len(bottoms):
        raise ValueError("a ratio needs as many numerators as denominators")
    top, bottom = math.fsum(tops), math.fsum(bottoms)
    if bottom == 0:
        return None, [None] * len(tops)
    rest = ((top - a, bottom - b) for a, b in zip(tops, bottoms, strict=True))
    return top / bottom, [None if b == 0 else a / b for a, b in rest]


def _known(values: Iterable[float | None], controls: Controls) -> tuple[list[float], Controls]:
    """Return the values that there are, and the controls beside those."""
    if not controls:
        return _finite(value for value in values if value is not None), ()
    pairs = [(value, beside) for value, beside in zip(values, controls, strict=True) if value is not None]
    return _finite(value for value, _ in pairs), [beside for _, beside in pairs]


def _student_half(known: Sequence[float], controls: Controls = ()) -> tuple[float | None, float | None]:
    """Return the mean and the half width of its Student t interval; with controls, of least squares where they are 0.

    Without more values than least squares take, or with controls that don't differ, the mean is plain.
    """
    n = len(known)
    if n == 0:
        return None, None
    mean = math.fsum(known) / n
    if n == 1:
        return mean, None
    fitted = _fitted(known, controls) if controls else None
    if fitted is not None:
        return fitted
    variance = math.fsum((value - mean) ** 2 for value in known) / (n - 1)
    return mean, _student(n - 1) * math.sqrt(variance / n)


def _fitted(known: Sequence[float], controls: Controls) -> tuple[float, float] | None:
    """Return the least squares' constant and the half width of its interval (Law, section 11.4)."""
    import numpy as np

    beside = np.column_stack([np.ones(len(known)), np.asarray(controls, dtype=float)])
    degrees = len(known) - beside.shape[1]
    if degrees < 1 or np.linalg.matrix_rank(beside) < beside.shape[1]:
        return None
    inverse = np.linalg.inv(beside.T @ beside)
    line = inverse @ beside.T @ np.asarray(known)
    variance = float(np.sum((known - beside @ line) ** 2)) / degrees
    return float(line[0]), _student(degrees) * math.sqrt(variance * float(inverse[0, 0]))


def _amount(mean: float | None, half: float | None, n: int, most: float = math.inf) -> Estimate:
    """Return a mean of amounts with the interval that a half width becomes on the logarithmic scale."""
    if mean is None or half is None:
        return Estimate(mean, None, None, n)
    if mean == 0:
        return Estimate(mean, 0.0, 0.0, n)
    if half > 3 * mean:  # a few values, mostly 0: there the logarithm's end means nothing (164,000 after a 0 and a 1)
        return Estimate(mean, 0.0, min(mean + half, most), n)
    factor = math.exp(half / mean)
    return Estimate(mean, mean / factor, min(mean * factor, most), n)


def _jackknife_half(whole: float | None, parts: list[float | None]) -> tuple[float | None, float | None]:
    """Return a ratio and the half width of its jackknife interval."""
    n = len(parts)
    known = [part for part in parts if part is not None]
    if whole is None or n < 2 or len(known) < n:
        return whole, None
    centre = math.fsum(known) / n
    variance = (n - 1) / n * math.fsum((part - centre) ** 2 for part in known)
    return whole, _student(n - 1) * math.sqrt(variance)


def _jackknife(
    whole: float | None,
    parts: list[float | None],
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    if whole is None:
        return NOTHING
    _, half = _jackknife_half(whole, parts)
    if half is None:
        return Estimate(whole, None, None, len(parts))
    low, high = bounds
    return Estimate(whole, max(whole - half, low), min(whole + half, high), len(parts))
