from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.analysis.intervals import (
    NOTHING,
    Estimate,
    mean_interval,
    paired_difference,
    quantile,
    quantile_interval,
    ratio_difference,
    ratio_interval,
    unpaired_difference,
    unpaired_ratio_difference,
    verdict,
)

NUMBERS = st.floats(-1e6, 1e6)


def covers(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_mean_interval_by_hand():
    # Standard error of (1, 3) is 1; Student's t with 1 degree of freedom has its 97.5% quantile at 12.7062.
    mean, low, high, n = mean_interval([1, 3])
    assert (mean, n) == (2, 2)
    assert low == pytest.approx(2 - 12.7062047, abs=1e-6)
    assert high == pytest.approx(2 + 12.7062047, abs=1e-6)


def test_mean_of_nothing_is_none_and_one_value_has_no_interval():
    assert mean_interval([]) == (None, None, None, 0)
    assert mean_interval([None, None]) == (None, None, None, 0)
    assert mean_interval([4]) == (4, None, None, 1)


def test_undefined_replications_are_left_out_and_counted():
    assert mean_interval([1, None, 3]) == mean_interval([1, 3])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_an_error(bad: float):
    with pytest.raises(ValueError, match="no observation"):
        mean_interval([1, bad])
    with pytest.raises(ValueError, match="no observation"):
        ratio_interval([bad, 1], [1, 1])
    with pytest.raises(ValueError, match="no observation"):
        quantile([1, bad], 0.5)


def test_mean_intervals_cover_as_often_as_they_say():
    samples = np.random.default_rng(20).normal(5, 2, (1000, 10))
    covered = sum(covers(mean_interval(sample), 5) for sample in samples)
    assert 930 <= covered <= 970


def test_paired_intervals_cover_and_are_narrower_than_unpaired_ones():
    rng = np.random.default_rng(7)
    shared = rng.normal(0, 5, (1000, 10))
    first, second = shared + rng.normal(1, 1, shared.shape), shared + rng.normal(0, 1, shared.shape)
    covered = 0
    for a, b in zip(first, second, strict=True):
        paired = paired_difference(list(a), list(b))
        covered += covers(paired, 1)
        alone = mean_interval(a)
        assert paired.high - paired.low < 2 * (alone.high - alone.low)
    assert 930 <= covered <= 970


def test_ratio_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(1000):
        attempts = rng.poisson(400, 20)
        refused = rng.binomial(attempts, 0.24)
        covered += covers(ratio_interval(list(refused), list(attempts)), 0.24)
    assert 930 <= covered <= 970


def test_ratio_weighs_by_attempts():
    # The mean of the ratios would be (1 + 0.1) / 2.
    assert ratio_interval([1, 10], [1, 100]).mean == pytest.approx(11 / 101)


def test_ratio_with_equal_denominators_is_the_mean_with_its_t_interval():
    tops = [12.0, 15.0, 9.0, 20.0, 11.0]
    ratio = ratio_interval(tops, [50.0] * 5)
    assert ratio[:3] == pytest.approx(mean_interval([top / 50 for top in tops])[:3])


def test_ratio_difference_with_equal_denominators_is_the_paired_difference():
    a, b = [12.0, 15.0, 9.0, 20.0], [10.0, 16.0, 5.0, 13.0]
    found = ratio_difference(a, [50.0] * 4, b, [40.0] * 4)
    paired = paired_difference([x / 50 for x in a], [x / 40 for x in b])
    assert found[:3] == pytest.approx(paired[:3])


def test_no_attempts_have_no_rate():
    assert ratio_interval([0, 0], [0, 0]) == (None, None, None, 0)
    assert ratio_difference([0, 0], [0, 0], [1, 2], [5, 5]).mean is None
    assert ratio_difference([1, 2], [5, 5], [0, 0], [0, 0]).mean is None


def test_a_rate_that_rests_on_one_replication_has_no_interval():
    assert ratio_interval([3], [10]) == (0.3, None, None, 1)
    assert ratio_interval([3, 0], [10, 0]) == (0.3, None, None, 2)


def test_an_interval_of_a_share_stays_between_0_and_1():
    low = ratio_interval([0, 1], [10, 10])
    assert low.low == 0
    high = ratio_interval([10, 9], [10, 10])
    assert high.high == 1


def test_ratio_needs_pairs():
    with pytest.raises(ValueError, match="as many"):
        ratio_interval([1], [1, 2])


def test_verdicts():
    assert verdict(Estimate(-2, -3, -1, 5)) == "lower"
    assert verdict(Estimate(2, 1, 3, 5)) == "higher"
    assert verdict(Estimate(1, -1, 3, 5)) == "undecided"
    assert verdict(Estimate(1, 0, 2, 5)) == "undecided"
    assert verdict(Estimate(1, None, None, 1)) == "undecided"
    assert verdict(Estimate(None, None, None, 0)) == "undecided"


def test_a_pair_with_one_side_undefined_is_left_out():
    assert paired_difference([5, None, 7], [1, 2, 4]) == mean_interval([4, 3])


@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_nothing_differs_from_itself(values: list[float]):
    difference = paired_difference(values, values)
    assert difference[:3] == (0, 0, 0)
    assert verdict(difference) == "the same"


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_numpys_default(values: list[float], q: float):
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)


def test_quantile_of_nothing_is_none():
    assert quantile([], 0.5) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1], 1.5)


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantile_intervals_cover_although_values_of_one_replication_depend_on_each_other(q: float):
    rng = np.random.default_rng(3)
    truth = NormalDist(0, math.hypot(1, 0.5)).inv_cdf(q)
    covered = 0
    for _ in range(1000):
        groups = rng.normal(0, 1, (20, 50)) + rng.normal(0, 0.5, (20, 1))
        _, low, high, _ = quantile_interval(list(groups), q)
        covered += (low is None or low <= truth) and (high is None or truth <= high)
    assert 930 <= covered <= 970


def test_a_quantile_beyond_what_was_observed_has_an_open_end():
    rng = np.random.default_rng(5)
    found = quantile_interval(list(rng.normal(0, 1, (5, 20))), 0.99)
    assert found.mean is not None
    assert found.low is not None
    assert found.high is None


def test_quantile_interval_of_little():
    assert quantile_interval([], 0.5) == quantile_interval([[], []], 0.5) == (None, None, None, 0)
    assert quantile_interval([[1, 2, 3]], 0.5) == (2, None, None, 1)
    assert quantile_interval([[1, 2, 3], []], 0.5) == (2, None, None, 1)
    assert quantile_interval([[1, 2, 3], [1, 2, 3]], 0.5) == (2, 2, 2, 2)


def test_unpaired_difference_is_welchs():
    from scipy import stats

    one, other = [3.1, 4.7, 2.9, 5.0], [1.0, 2.5, 1.2, 0.4, 1.9, 2.2]
    made = unpaired_difference(one, other)
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert made.mean == pytest.approx(sum(one) / 4 - sum(other) / 6)
    assert (made.low, made.high) == pytest.approx((expected.low, expected.high))
    assert made.n == 4


def test_unpaired_difference_needs_two_values_on_each_side():
    assert unpaired_difference([1.0, None], [2.0, 3.0]) == Estimate(-1.5, None, None, 1)
    assert unpaired_difference([None], [2.0]) == NOTHING
    assert unpaired_difference([2.0, 2.0], [1.0, 1.0, 1.0]) == Estimate(1.0, 1.0, 1.0, 2)


def test_unpaired_ratios_of_equal_denominators_are_means():
    tops, others = [1.0, 2.0, 4.0], [5.0, 9.0, 6.0, 8.0]
    ratio = unpaired_ratio_difference(tops, [10.0] * 3, others, [10.0] * 4)
    mean = unpaired_difference([top / 10 for top in tops], [top / 10 for top in others])
    assert ratio.mean == pytest.approx(mean.mean)
    assert (ratio.low, ratio.high) == pytest.approx((mean.low, mean.high))
    assert unpaired_ratio_difference([1.0], [0.0], [1.0], [2.0]) == NOTHING
