from __future__ import annotations

import pytest

from sim.report.numbers import interval, write


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "count", "-"),
        (0, "count", "0"),
        (50.0, "count", "50"),
        (2.056, "count", "2.06"),
        (143.67, "count", "143.7"),
        (1305.67, "count", "1,306"),
        (0.2438, "share", "24%"),
        (0.0549, "share", "5.5%"),
        (0.0, "share", "0%"),
        (1.0, "share", "100%"),
        (0.1534, "seconds", "153 ms"),
        (30.71, "seconds", "30.7 s"),
    ],
)
def test_numbers_have_as_many_digits_as_they_deserve(value, kind: str, text: str):
    assert write(value, kind) == text


def test_differences_have_signs():
    assert write(2, signed=True) == "+2"
    assert write(-0.021, "share", signed=True) == "-2.1 points"
    assert write(0, signed=True) == "0"


def test_an_interval_follows_its_mean_where_there_is_one():
    assert interval({"mean": 2, "low": 1.5, "high": 2.5}) == "2 [1.50, 2.50]"
    assert interval({"mean": 2, "low": None, "high": None}) == "2"
    assert interval({"mean": None, "low": None, "high": None}) == "-"
    assert interval(None) == "-"
    assert interval({"mean": 30, "low": 29, "high": 31}, "seconds") == "30.0 s [29.0, 31.0]"
    assert interval({"mean": 30, "low": 29, "high": None}, "seconds") == "30.0 s [29.0, -]"
