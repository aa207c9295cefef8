"""Prometheus text."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.logs.prometheus import NOT_METRIC, parse_metrics, read_metrics, reconciles
from tests.logs.made import DATA


@pytest.mark.parametrize("case", ["burst-50-update/r2", "steady-60-update/r2"])
def test_the_passes_of_a_recording(case):
    run = json.loads((DATA / case / "run.json").read_text())
    passes = reconciles(read_metrics(DATA / case / "metrics.prom", Counter()))
    assert passes == run["recorded"]["reconciles_by_controller"]


def test_labels_and_values():
    text = [b"# HELP a b", b'a{x="1",y="q\\"\\\\\\n"} 3.5e2 1700000000', b"b NaN", b"c{} +Inf", b"d 1"]
    samples = list(parse_metrics(text, Counter()))
    assert samples[0].labels == {"x": "1", "y": 'q"\\\n'}
    assert samples[0].value == 350
    assert [sample.name for sample in samples] == ["a", "b", "c", "d"]


def test_what_is_no_sample_is_counted():
    ignored = Counter()
    assert list(parse_metrics([b"a{x=1} 2", b"a two", b"{} 3", b'a{x="1} 2'], ignored)) == []
    assert ignored == {NOT_METRIC: 4}


@given(st.lists(st.binary(max_size=80)))
def test_nothing_makes_the_reader_fail(lines):
    assert sum(reconciles(parse_metrics(lines, Counter())).values()) >= 0
