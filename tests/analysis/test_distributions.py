from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaincinv, stdtrit

from sim.analysis.distributions import beta_quantile, student_quantile


@pytest.mark.parametrize("degrees", [1, 1.3, 2, 3, 4.7, 9, 19, 29.999, 99, 1999, 123_456.7])
@pytest.mark.parametrize("p", [0.5, 0.75, 0.95, 0.975, 0.995, 0.99999])
def test_students_quantiles_are_scipys(degrees: float, p: float):
    assert student_quantile(degrees, p) == pytest.approx(stdtrit(degrees, p), rel=1e-10, abs=1e-12)


@given(st.integers(0, 20_000), st.integers(1, 20_000), st.sampled_from([0.025, 0.975, 0.5, 0.001]))
def test_the_bounds_of_a_share_are_scipys(count: int, rest: int, p: float):
    assert beta_quantile(count + 1, rest, p) == pytest.approx(betaincinv(count + 1, rest, p), rel=1e-9)
    assert beta_quantile(rest, count + 1, p) == pytest.approx(betaincinv(rest, count + 1, p), rel=1e-9)


def test_what_has_no_quantile_is_refused():
    for degrees, p in ((0, 0.9), (3, 0.4), (3, 1.0)):
        with pytest.raises(ValueError, match="no quantile"):
            student_quantile(degrees, p)
