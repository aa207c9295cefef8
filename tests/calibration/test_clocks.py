"""Clocks of one recording that differ are found, said, and taken off."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.calibration import clocks
from sim.calibration.calibrate import calibrate
from sim.calibration.estimate import MeasuredValue
from sim.calibration.onto import profile_on
from sim.calibration.trace import Trace, read_trace
from sim.logs.sources import find_recordings
from sim.scenario.profile import Profile
from sim.units import HOUR, MS, SECOND
from tests.logs.made import DATA


def recorded(case: str = "steady-60-update/r2") -> Trace:
    (found,) = find_recordings([DATA / case])
    return read_trace(found, Counter())


@pytest.fixture(scope="module")
def steady() -> Trace:
    return recorded()


def test_the_clocks_of_a_recording_agree(steady):
    assert steady.notes == ()
    log, events = clocks.offset_of_log(steady.events, steady.lines), clocks.offset_of_events(steady.events)
    for found in (log, events):
        assert found is not None
        assert found.low < 0 < found.high
        assert found.sharp
        assert not found.differs


@pytest.mark.parametrize("by", [37 * SECOND + SECOND // 2, -2 * HOUR, 4 * MS])
def test_a_log_with_another_clock_is_set_right(steady, by):
    lines = [line._replace(time_ns=line.time_ns + by) for line in steady.lines]
    found = clocks.align(steady.events, lines)
    assert found.events == steady.events
    off = found.lines[0].time_ns - steady.lines[0].time_ns
    assert abs(off) < MS  # what a hop takes is all the doubt there is
    assert len(found.notes) == 1
    assert f"is {abs(by) / SECOND:.4g} s {'ahead of' if by > 0 else 'behind'} the API server's" in found.notes[0]


def test_events_have_a_clock_of_their_own(steady):
    ahead = [
        event._replace(recorded_ns=event.recorded_ns + 10 * SECOND) if event.recorded_ns else event
        for event in steady.events
    ]
    found = clocks.align(ahead, steady.lines)
    assert found.lines == steady.lines
    assert max(abs(a.recorded_ns - b.recorded_ns) for a, b in zip(found.events, steady.events, strict=True)) < MS
    assert "the clock in the names of Events is 10 s ahead of" in found.notes[0]


def test_where_tokens_are_waited_for_the_bounds_are_too_wide_to_take_anything_off():
    trace = recorded("burst-50-update/r2")
    behind = [
        event._replace(recorded_ns=event.recorded_ns - 20 * SECOND) if event.recorded_ns else event
        for event in trace.events
    ]
    found = clocks.align(behind, trace.lines)
    assert not any(event.recorded_ns for event in found.events)
    assert "its times are not used" in found.notes[0]


def test_two_servers_whose_clocks_differ_are_told_by_resource_versions(steady):
    assert clocks.out_of_step(steady.events) == 0
    half = [
        event._replace(received_ns=event.received_ns + 60 * SECOND, answered_ns=event.answered_ns + 60 * SECOND)
        if number % 2
        else event
        for number, event in enumerate(steady.events)
    ]
    assert clocks.out_of_step(half) > 50
    assert "API servers whose clocks differ" in clocks.align(half, []).notes[0]


def test_too_little_in_both_tells_nothing(steady):
    assert clocks.offset_of_log(steady.events[:20], steady.lines) is None
    assert clocks.offset_of_log([], []) is None
    assert clocks.offset_of_events(steady.events[:10]) is None


def test_a_profile_says_what_was_set_right_and_measures_the_same(steady):
    ahead = [line._replace(time_ns=line.time_ns + 5 * SECOND) for line in steady.lines]
    aligned = clocks.align(steady.events, ahead)
    other = Trace("other", aligned.events, aligned.lines, steady.asked, notes=aligned.notes)
    found, expected = (calibrate([trace], cores=2) for trace in (other, steady))
    assert found.observed["notes"] == {"other": list(aligned.notes)}
    for path in ("watch.lag", "controllers.parse_cpu"):
        assert found.measured[path].samples == pytest.approx(expected.measured[path].samples, rel=0.05)
    assert found.profile.watch.lag.p50 == pytest.approx(expected.profile.watch.lag.p50, abs=MS // 10)


def test_what_no_profile_can_have_is_rejected_by_name():
    # A cold server that is faster than a warm one.
    broken: dict[str, MeasuredValue | None] = {"server.cold_factor": MeasuredValue(0.5, "by hand", 100, None, None)}
    rejected: dict[str, str] = {}
    profile = profile_on(Profile(), broken, rejected)
    assert profile.server.cold_factor == 1
    assert rejected == {"server.cold_factor": "found 0.5, but: Input should be greater than or equal to 1"}
