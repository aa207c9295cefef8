"""The audit reader, on recorded logs and on what becomes of logs in the field."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.logs.audit import NOT_AUDIT, NOT_JSON, READS, SEEN_BEFORE
from sim.logs.framing import LINE_TOO_LONG, LONGEST_LINE, read_lines
from sim.logs.times import parse_rfc3339
from sim.logs.writers import actor_of
from tests.logs.made import DATA, event, line, parse_audit, read_audit, write

TRUNCATED_GZIP = "gzip file cut off"
DAMAGED_GZIP = "gzip data damaged"


def recorded(case: str):
    ignored = Counter()
    return list(read_audit(DATA / case / "audit.jsonl.gz", ignored)), ignored


@pytest.mark.parametrize("case", ["burst-50-update/r2", "steady-60-update/r2"])
def test_every_request_of_a_recording_is_read(case):
    run = json.loads((DATA / case / "run.json").read_text())
    events, ignored = recorded(case)
    first = min(event.received_ns for event in events if event.resource == "certificates")
    counted = Counter(
        f"{e.actor} {e.verb} {e.resource}{'/' + e.subresource if e.subresource else ''} {e.code}"
        for e in events
        if e.received_ns >= first
    )
    # The recording counts an apply as the patch that it is on the wire.
    on_the_wire = Counter()
    for key, number in counted.items():
        on_the_wire[key.replace(" apply ", " patch ")] += number
    assert on_the_wire == run["recorded"]["requests"]
    assert not ignored


def test_the_server_s_times_and_the_body_are_read():
    events, _ = recorded("burst-50-update/r2")
    created = next(e for e in events if e.resource == "certificates" and e.verb == "create")
    assert created.name == "c0000"
    assert created.service_ns == 4_673_000
    assert created.answer.key == "RSA-2048"
    assert created.written_version == 90
    issuing = next(e for e in events if e.actor == "certificates-trigger" and e.resource == "certificates")
    assert (issuing.base_version, issuing.written_version) == (90, 91)
    assert issuing.answer.issuing == "True"
    assert issuing.answer.ready is None


def test_an_event_s_name_gives_away_when_it_was_recorded():
    events, _ = recorded("steady-60-update/r2")
    posts = [e for e in events if e.resource == "events" and e.ours]
    assert all(0 < e.received_ns - e.recorded_ns < 50_000_000 for e in posts)
    assert posts[0].name == "c0000"


@pytest.mark.parametrize("case", ["burst-50-ssa/r2", "1.21-burst-50-update/r1"])
def test_applies_are_told_from_patches_and_controllers_named(case):
    events, ignored = recorded(case)
    verbs = Counter((e.verb, e.resource) for e in events)
    assert not ignored
    assert ("patch", "certificates") not in verbs
    assert ("apply", "certificates") in verbs or ("update", "certificates") in verbs
    actors = {e.actor for e in events if e.ours}
    assert {"certificates-trigger", "certificates-readiness", "certificates-key-manager"} <= actors


@pytest.mark.parametrize(
    ("agent", "actor"),
    [
        (
            "cert-manager-certificates-trigger/v1.21.1 (linux/amd64) cert-manager/x",
            ("certificates-trigger", True),
        ),
        ("cert-manager-cainjector/v1.12.9 (linux/amd64) cert-manager/x", ("cainjector", True)),
        ("controller/v1.5.0 (linux/amd64) cert-manager/x", ("controllers (not told apart)", True)),
        ("kubectl/v1.30.0 (linux/amd64) kubernetes/x", ("kubectl", False)),
        ("", ("no user agent", False)),
    ],
)
def test_who_sent_it(agent, actor):
    assert actor_of(agent) == actor


MISSING = {
    "requestReceivedTimestamp": "missing requestReceivedTimestamp",
    "stageTimestamp": "missing stageTimestamp",
    "responseStatus": "missing responseStatus.code",
    "verb": "missing verb",
    "stage": "missing stage",
    "objectRef": "about no resource",
    "apiVersion": NOT_AUDIT,
}


@pytest.mark.parametrize("field", MISSING)
def test_a_missing_field_is_counted_by_its_name(field):
    made = event()
    del made[field]
    ignored = Counter()
    assert list(parse_audit([line(made)], ignored)) == []
    assert ignored == {MISSING[field]: 1}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (event(stage="RequestReceived"), "another stage than ResponseComplete"),
        (event(verb="watch"), READS),
        (event(requestReceivedTimestamp="yesterday"), "bad requestReceivedTimestamp"),
        (event(took=-5_000), "answered before it was received"),
        ({"kind": "Pod"}, NOT_AUDIT),
        ([1, 2], NOT_AUDIT),
    ],
    ids=["stage", "watch", "time", "order", "pod", "list"],
)
def test_what_is_not_used_is_counted(made, reason):
    ignored = Counter()
    assert list(parse_audit([line(made)], ignored)) == []
    assert ignored == {reason: 1}


def test_unknown_fields_of_the_wrong_type_do_no_harm():
    odd = event(userAgent=7, requestObject=[1], responseObject="x", requestURI=None)
    odd["objectRef"] |= {"name": None, "resourceVersion": 9}
    (read,) = parse_audit([line(odd)], Counter())
    assert (read.actor, read.name, read.base_version, read.answer) == ("no user agent", "", 0, None)


def test_the_items_of_an_event_list_are_read():
    batch = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [event(), event(), 3]}
    ignored = Counter()
    assert len(list(parse_audit([line(batch)], ignored))) == 2
    assert ignored == {NOT_AUDIT: 1}


def test_nothing_of_a_secret_is_kept():
    made = event(verb="create", resource="secrets", sub="", name="key")
    made["requestObject"] = {"kind": "Secret", "data": {"tls.key": "VE9QU0VDUkVU"}}
    made["responseObject"] = made["requestObject"]
    (read,) = parse_audit([line(made)], Counter())
    assert "VE9QU0VDUkVU" not in repr(read)


def test_rotated_files_that_overlap_are_read_once(tmp_path):
    lines = [line(event(at=i * 10**7)) for i in range(30)]
    both = tmp_path / "audit.gz"
    # Two gzip members one after the other, as ``cat a.gz b.gz`` leaves them.
    both.write_bytes(gzip.compress(b"\n".join(lines[:20]) + b"\n") + gzip.compress(b"\n".join(lines[10:])))
    ignored = Counter()
    assert len(list(read_audit(both, ignored))) == 30
    assert ignored == {SEEN_BEFORE: 10}


def test_a_gzip_file_cut_off_yields_what_it_has(tmp_path):
    data = gzip.compress(b"".join(line(event(at=i)) + b"\n" for i in range(2000)))
    path = tmp_path / "cut.gz"
    path.write_bytes(data[: len(data) // 2])
    ignored = Counter()
    found = list(read_audit(path, ignored))
    assert 100 < len(found) < 2000
    assert ignored[TRUNCATED_GZIP] == 1
    assert set(ignored) <= {TRUNCATED_GZIP, NOT_JSON}


def test_damaged_gzip_data_is_reported(tmp_path):
    data = bytearray(gzip.compress(b"".join(line(event(at=i)) + b"\n" for i in range(500))))
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path = tmp_path / "damaged.gz"
    path.write_bytes(bytes(data))
    ignored = Counter()
    list(read_audit(path, ignored))
    assert ignored[DAMAGED_GZIP] + ignored[TRUNCATED_GZIP] == 1


def test_a_line_without_end_is_skipped_and_the_next_one_read(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(b"x" * (LONGEST_LINE + 2**19) + b"\n" + line(event()) + b"\n")
    ignored = Counter()
    assert len(list(read_audit(path, ignored))) == 1
    assert ignored == {LINE_TOO_LONG: 1}


def test_memory_does_not_grow_with_the_log(tmp_path):
    body = {"kind": "Certificate", "spec": {"secretName": "s", "x": "y" * 4000}, "status": {}}
    lines = [line(event(at=i, requestObject=body)) for i in range(1000)]
    path = write(tmp_path / "audit.log", lines * 4)
    assert path.stat().st_size > 18_000_000
    tracemalloc.start()
    for _ in read_audit(path, Counter()):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_progress_counts_the_bytes_of_the_file(tmp_path):
    path = write(tmp_path / "audit.gz", [line(event()) for _ in range(50)], packed=True)
    read = []
    list(read_audit(path, Counter(), read.append))
    assert sum(read) == path.stat().st_size


@given(st.integers(0, 2**40), st.integers(-840, 840))
def test_times_are_read_as_the_standard_library_reads_them(micros, offset):
    when = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    assert parse_rfc3339(when.isoformat().replace("+00:00", "Z")) == micros * 1000
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    shifted = (when + timedelta(minutes=offset)).isoformat().replace("+00:00", "")
    assert parse_rfc3339(f"{shifted}{sign}{minutes // 60:02d}:{minutes % 60:02d}") == micros * 1000


@given(st.text() | st.none() | st.integers())
def test_no_text_is_a_time_by_accident(text):
    parse_rfc3339(text)


PACKED = (b"\x1f\x8b", b"(\xb5/\xfd", b"BZh", b"\xfd7zXZ", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff")
"""How gzip, zstd, bz2, xz, zip and UTF-16 begin: what begins so is read as that, and its lines are others."""


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_makes_the_reader_fail_and_every_line_is_accounted_for(tmp_path_factory, data):
    whole = [line(event(at=i * 1000)) for i in range(12)]
    garbage = data.draw(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
    lines = data.draw(st.permutations(whole + garbage))
    text = b"\n".join(lines)
    cut = data.draw(st.integers(0, len(text)))
    holes = data.draw(st.lists(st.integers(0, max(cut - 1, 0)), max_size=6))
    damaged = bytearray(text[:cut])
    for hole in holes:
        if hole < len(damaged) and damaged[hole] != 10:
            damaged[hole] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "audit.log"
    packed = data.draw(st.booleans())
    path.write_bytes(gzip.compress(bytes(damaged)) if packed else bytes(damaged))
    ignored = Counter()
    read = list(read_audit(path, ignored))
    if not damaged.startswith(PACKED):
        there = sum(1 for one in bytes(damaged).split(b"\n") if one.strip())
        assert len(read) + sum(ignored.values()) == there
    assert all(one.received_ns <= one.answered_ns for one in read)


def test_lines_end_with_or_without_a_newline(tmp_path):
    path = tmp_path / "two"
    path.write_bytes(b"one\r\n\ntwo")
    assert list(read_lines(path, Counter())) == [b"one\r", b"", b"two"]
