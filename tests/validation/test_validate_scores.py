"""Intervals and scores against what they are defined as."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from sim.validation.scores import (
    Prediction,
    conflict_errors,
    faultless,
    interval_score,
    predict,
    rank_agreement,
    spread,
    wasserstein,
)


def test_the_interval_is_the_textbook_s():
    simulated = [10.0, 12.0, 14.0]  # mean 12, standard deviation 2
    found = predict([11.0, 15.0], simulated)
    half = 4.302653 * 2 * math.sqrt(1 / 2 + 1 / 3)  # t(2, .975)
    assert found.recorded == 13
    assert found.predicted == 12
    assert (found.low, found.high) == pytest.approx((12 - half, 12 + half))
    assert found.inside
    assert found.error == pytest.approx(-1 / 13)


def test_counts_are_not_negative():
    assert predict([3.0], [0.0, 0.0, 4.0]).low == 0


def test_without_recording_replications_or_spread():
    assert predict([], [1.0, 2.0]).inside is None
    assert predict([1.0], []) == Prediction(1.0, None, None, None)
    assert predict([1.0], [2.0]).inside is None
    exact = predict([0.0], [0.0, 0.0])
    assert (exact.low, exact.high, exact.inside, exact.error) == (0, 0, True, None)
    assert predict([1.0], [0.0, 0.0]).inside is False
    assert predict([0.1 + 0.2], [0.3, 0.3]).inside


@pytest.mark.parametrize(("repetitions", "replications"), [(1, 5), (3, 20)])
def test_the_interval_holds_what_it_promises(repetitions, replications):
    rng = random.Random(5)
    tries = 2_000
    hits = 0
    for _ in range(tries):
        simulated = [rng.gauss(100, 10) for _ in range(replications)]
        recorded = [rng.gauss(100, 10) for _ in range(repetitions)]
        hits += bool(predict(recorded, simulated).inside)
    assert hits / tries == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / tries))


def test_the_interval_score_punishes_width_and_misses():
    inside = Prediction(5.0, 5.0, 4.0, 7.0)
    below = Prediction(3.5, 5.0, 4.0, 7.0)
    above = Prediction(8.0, 5.0, 4.0, 7.0)
    assert interval_score(inside) == pytest.approx(3)
    assert interval_score(below) == pytest.approx(3 + 40 * 0.5)
    assert interval_score(above) == pytest.approx(3 + 40 * 1)
    assert interval_score(Prediction(5.0, 5.0, None, None)) is None


def test_the_distance_of_times_is_how_far_they_move():
    assert wasserstein([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx(1)
    assert wasserstein([1.0], [1.0, 1.0]) == 0
    assert wasserstein([], [1.0]) is None


def test_rank_agreement_is_tau_b():
    assert rank_agreement([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_agreement([1, 2, 3], [30, 20, 10]) == pytest.approx(-1)
    # One tie on one side: 2 concordant pairs of 3, divided by sqrt(3 * 2).
    assert rank_agreement([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(6))
    assert rank_agreement([1], [1]) is None
    assert rank_agreement([1, 1], [1, 2]) is None


def test_spread_is_of_single_runs():
    assert spread([1.0, 3.0]) == pytest.approx(math.sqrt(2))
    assert spread([1.0]) is None


# What errors would be by chance


def test_one_error_by_chance_is_that_of_the_normal_distribution():
    found = faultless([0.1], 1)
    assert found is not None
    assert found["mean"] == pytest.approx(0.06745, abs=1e-5)
    assert found["low"] == pytest.approx(0.00313, abs=1e-5)
    assert found["high"] == pytest.approx(0.22414, abs=1e-5)


def test_the_largest_of_many_is_larger_than_each():
    """The largest of n is at most x with the n-th power of the probability of one."""
    found = faultless([0.1] * 10, 10)
    assert found is not None
    assert math.erf(found["mean"] / 0.1 / math.sqrt(2)) ** 10 == pytest.approx(0.5)


def test_a_median_by_chance_is_what_drawing_finds():
    rng = random.Random(1)
    spreads = [0.02, 0.05, 0.05, 0.1, 0.3]
    drawn = sorted(statistics.median(abs(rng.gauss(0, s)) for s in spreads) for _ in range(20_000))
    found = faultless(spreads, 3)
    assert found is not None
    for name, place in (("low", 500), ("mean", 10_000), ("high", 19_500)):
        assert found[name] == pytest.approx(drawn[place], rel=0.05)


def test_more_repetitions_leave_less_to_chance():
    """A model whose runs are the cluster's is as far off as chance says, and nothing where nothing spreads."""
    rng = random.Random(2)

    def case(repetitions: int) -> Prediction:
        return predict(*([rng.gauss(100, 20) for _ in range(many)] for many in (repetitions, 20)))

    few, many = (conflict_errors([case(repetitions) for _ in range(200)]) for repetitions in (2, 50))
    for found in (few, many):
        by_chance = found["faultless_median_error_conflicts"]
        assert by_chance["low"] < found["median_abs_rel_error_conflicts"] < by_chance["high"]
    assert few["faultless_median_error_conflicts"]["low"] > many["faultless_median_error_conflicts"]["high"]
    still = predict([100.0, 90.0], [100.0, 100.0])
    assert conflict_errors([still])["faultless_max_error_conflicts"] is None
    assert conflict_errors([])["faultless_median_error_conflicts"] is None
