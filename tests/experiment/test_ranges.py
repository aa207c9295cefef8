from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.experiment.ranges import expanded, read, space, write
from sim.units import MS, SECOND, parse_duration


@pytest.mark.parametrize(
    ("key", "text", "values"),
    [
        ("retry.base", "10ms..5s/log/6", ["10ms", "34.7ms", "120ms", "416ms", "1.44s", "5s"]),
        ("client.qps", "10..100/lin/4", ["10", "40", "70", "100"]),
        ("client.qps", "10..50/lin/4", ["10", "23.3", "36.7", "50"]),
        ("controllers.workers", "1..20/log/5", ["1", "2", "4", "9", "20"]),
        ("controllers.workers", "1..3/lin/9", ["1", "2", "3"]),
        ("workload.arrival.rate", "1/s..4/s/lin/3", ["1/s", "2.5/s", "4/s"]),
        ("retry.max", "0..1m/lin/3", ["0s", "30s", "1m"]),
        ("unknown.key", "1..9/lin/3", ["1", "5", "9"]),
        ("unknown.key", "1s..4s/log/3", ["1s", "2s", "4s"]),
    ],
)
def test_ranges(key: str, text: str, values: list[str]):
    assert expanded(key, text) == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10ms..5s", "is written low"),
        ("10ms..5s/log", "is written low"),
        ("10ms..5s/cubic/3", "no scale"),
        ("10ms..5s/log/1", "no number of values"),
        ("10ms..5s/log/many", "no number of values"),
        ("5s..10ms/log/3", "less than the high end"),
        ("0..5s/log/3", "low end above 0"),
        ("10..5s/log/3", "without a unit"),
    ],
)
def test_what_is_no_range_is_refused(text: str, says: str):
    with pytest.raises(ValueError, match=says):
        expanded("retry.base", text)


@given(low=st.integers(1, 10**9), factor=st.integers(2, 10**4), count=st.integers(2, 40))
def test_equal_factors_within_rounding_and_the_ends_as_given(low: int, factor: int, count: int):
    text = f"{low}us..{low * factor}us/log/{count}"
    found = [parse_duration(value) for value in expanded("retry.base", text)]
    assert found[0] == low * 1000
    assert found[-1] == low * factor * 1000
    assert found == sorted(found)
    if len(found) == count:
        logs = [math.log(b / a) for a, b in itertools.pairwise(found)]
        assert max(logs) - min(logs) < 0.03


def test_a_space_knows_its_scale_and_kind():
    found = space("retry.base", "100ms..10s")
    assert (found.low, found.high, found.scale, found.kind) == (100 * MS, 10 * SECOND, "log", "duration")
    assert space("client.qps", "10..100").scale == "lin"
    assert space("client.qps", "10..100/log").scale == "log"
    assert found.value(found.number("2.5s")) == "2.5s"


@given(st.integers(0, 10**15))
def test_durations_are_written_so_that_they_read_the_same(ns: int):
    assert read(write(ns, "duration"), "duration") == ns
