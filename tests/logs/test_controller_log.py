"""The reader of cert-manager's own log."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.logs.controller_log import CONFLICT, OTHER, REISSUE, TRANSITION
from sim.logs.unwrap import BAD_TIME, NOT_KLOG
from tests.logs.made import DATA, START, conflict_line, klog, parse_controller_log, read_controller_log


def parse(*lines: bytes, year: int = 2026):
    ignored = Counter()
    return list(parse_controller_log(lines, ignored, year)), ignored


def test_the_conflicts_of_a_recording_are_found_with_controller_and_key():
    case = DATA / "burst-50-update/r2"
    run = json.loads((case / "run.json").read_text())
    ignored = Counter()
    lines = list(read_controller_log(case / "controller.log.gz", ignored, 2026))
    conflicts = [line for line in lines if line.what == CONFLICT]
    assert Counter(line.controller for line in conflicts) == run["recorded"]["conflicts_by_controller"]
    assert all(line.key.startswith("default/c00") and line.resource == "certificates" for line in conflicts)
    assert Counter(line.what for line in lines)[TRANSITION] == 347
    assert not ignored


def test_the_newer_release_s_lines_are_found_without_a_controller():
    ignored = Counter()
    lines = list(read_controller_log(DATA / "1.21-burst-50-update/r1/controller.log.gz", ignored, 2026))
    conflicts = [line for line in lines if line.what == CONFLICT]
    assert len(conflicts) > 20
    assert {line.controller for line in conflicts} == {""}
    assert conflicts[0].key == "c0000"
    moved = [line for line in lines if line.what == TRANSITION and line.resource == "Certificate"]
    assert moved[0].key == "default/c0000"
    assert {line.condition for line in moved} == {"Issuing", "Ready"}


def test_what_a_line_says():
    lines, _ = parse(
        conflict_line(name="x", at=1_000_000),
        klog('"cert-manager/certificates-trigger: Certificate must be re-issued" key="a/b" reason="X"'),
        klog('Found status change for Certificate "b" condition "Ready": "False" -> "True"; setting lastTrans'),
        klog('"cert-manager/controller/certificates-issuing: something else" key="a/b"'),
    )
    assert [(line.what, line.controller, line.key) for line in lines] == [
        (CONFLICT, "certificates-readiness", "default/x"),
        (REISSUE, "certificates-trigger", "a/b"),
        (TRANSITION, "", "b"),
        (OTHER, "certificates-issuing", "a/b"),
    ]
    assert lines[0].time_ns == START + 1_000_000


@pytest.mark.parametrize(
    "prefix",
    [
        b"cert-manager-7d5 controller ",
        b"2031-11-23T18:42:15.000000001Z stdout F ",
        b"[pod/cert-manager-1/c] ",
    ],
)
def test_a_prefix_of_kubectl_or_the_runtime_is_skipped(prefix):
    (line,), ignored = parse(prefix + conflict_line())
    assert line.what == CONFLICT
    assert not ignored
    assert (line.time_ns - START == 0) == (not prefix.startswith(b"2031"))


def test_json_lines_are_read_too():
    entry = {"ts": START / 1e6, "caller": "controller/controller.go:162", "key": "default/c1",
             "msg": "cert-manager/certificates-issuing: re-queuing item due to optimistic locking",
             "error": 'Operation cannot be fulfilled on certificates.cert-manager.io "c1": the object has '
                      "been modified; please"}  # fmt: skip
    (line,), _ = parse(json.dumps(entry).encode())
    assert (line.what, line.controller, line.key) == (CONFLICT, "certificates-issuing", "default/c1")
    assert abs(line.time_ns - START) < 1000


def test_the_year_turns_with_december():
    lines, _ = parse(
        b"I1231 23:59:59.999999 1 a.go:1] x",
        b"I0101 00:00:00.000000 1 a.go:1] y",
        b"I0601 00:00:00.000000 1 a.go:1] z",
    )
    assert lines[1].time_ns - lines[0].time_ns == 1000
    assert 150 < (lines[2].time_ns - lines[1].time_ns) / 86_400e9 < 152


def test_what_is_no_log_line_is_counted():
    lines, ignored = parse(b"goroutine 1 [running]:", b"I1399 25:61:00.000000 1 a.go:1] x", b"", b"{}", b"\xff\xfe")
    assert lines == []
    assert ignored == {NOT_KLOG: 3, BAD_TIME: 1}


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(0, 300))
def test_no_line_makes_the_reader_fail(garbage, cut):
    whole = [conflict_line(name="a")[:cut], conflict_line(name="b")]
    ignored = Counter()
    lines = list(parse_controller_log([*garbage, *whole], ignored, 2026))
    assert any(line.what == CONFLICT and line.key == "default/b" for line in lines)
    assert len(lines) + sum(ignored.values()) <= len(garbage) + 2
