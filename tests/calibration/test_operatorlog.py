"""What an operator's own log tells of its process, from a log and an audit log made with known times."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim.calibration.calibrate import calibrate
from sim.calibration.operatorlog import measured_of, operator_times
from sim.calibration.service import coldness
from sim.calibration.trace import Trace
from sim.logs.audit import AuditEvent
from sim.scenario.profile import Profile
from sim.units import MS, SECOND, US
from tests.cli.command import inside

DECIDES, ENCODES, THERE, SERVES, BACK, DECODES = 20 * US, 50 * US, 300 * US, 2 * MS, 400 * US, 250 * US
REACHES = 900 * US
START = 1_795_000_000 * SECOND


def event(at: int, number: int, took: int = SERVES, version: int = 0) -> AuditEvent:
    return AuditEvent(
        received_ns=at,
        answered_ns=at + took,
        actor="widget-a",
        ours=False,
        verb="update",
        resource="widgets",
        subresource="status",
        namespace="default",
        name=f"w{number:04d}",
        code=200,
        reason="",
        base_version=1,
        written_version=version,
        recorded_ns=0,
        sent=None,
        answer=None,
    )


def recorded(folder: Path, passes: int = 60, apart: int = 100 * MS, token: int = 0) -> Trace:
    """A pass of one call every ``apart``, each followed by an idle one at once; ``token`` is a wait for one."""
    events, lines = [], []
    for n in range(passes):
        start = START + n * apart
        asked = start + DECIDES
        sent = asked + ENCODES + token
        received = sent + THERE
        done = received + SERVES + BACK
        end = done + DECODES
        events.append(event(received, n, version=n + 1))
        call = {"method": "PUT", "what": "widgets/status", "asked_us": asked // US, "sent_us": sent // US}
        base: dict[str, Any] = {"kind": "reconcile", "controller": "a", "object": f"w{n:04d}"}
        lines.append({**base, "start_us": start // US, "end_us": end // US, "calls": [{**call, "done_us": done // US}]})
        for later in (0, 30):
            lines.append({**base, "start_us": end // US + 50 + later, "end_us": end // US + 60 + later})
        at = received + SERVES + REACHES
        lines.append({"kind": "watch", "object": f"w{n:04d}", "rv": str(n + 1), "at_us": at // US})
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in [{"level": "info", "msg": "starting"}, *lines])
    (folder / "controller.log.gz").write_bytes(gzip.compress(f"no JSON\n{text}".encode()))
    spent = {"etcd": 0.5 * passes * SERVES / SECOND, "kube-apiserver": passes * SERVES / SECOND}
    (folder / "run.json").write_text(json.dumps({"machine": {"cpu_s": spent}}))
    return Trace("case/r1", events, [])


def test_known_times_are_found_again(tmp_path: Path):
    trace = recorded(tmp_path / "r1")
    times = operator_times([tmp_path / "r1"], [trace])
    assert times is not None
    assert (set(times.decided), set(times.encoded), set(times.decoded)) == ({DECIDES}, {ENCODES}, {DECODES})
    assert (set(times.there), set(times.back), set(times.reached)) == ({THERE}, {BACK}, {REACHES})
    assert set(times.idle) == {30 * US}
    assert times.cpu_shares == pytest.approx([1.5])
    found = measured_of(times, Profile())
    values = {path: value.value for path, value in found.items() if value is not None}
    assert values["controllers.request_cpu"] == ENCODES
    assert values["controllers.idle_cpu"] == 30 * US
    assert values["controllers.object_cpu"] == DECODES - Profile().controllers.response_cpu
    assert values["server.cpu_behind"] == pytest.approx(1.5 - Profile().server.cpu_share)
    assert values["server.delivery"].p50 == pytest.approx((THERE + BACK) / 2, rel=0.01)
    waking = values["server.delivery"].p50 + Profile().watch.decode_cpu
    assert values["watch.lag"].p50 - Profile().server.answer.p50 == pytest.approx(REACHES - waking, abs=0.3 * MS)


def test_a_wait_for_a_token_is_no_encoding_and_what_met_another_request_is_left_out(tmp_path: Path):
    times = operator_times([tmp_path / "r1"], [recorded(tmp_path / "r1", token=50 * MS)])
    assert times is not None
    assert times.encoded == []
    assert len(times.there) == 60
    crowded = recorded(tmp_path / "r1")
    beside = [event(each.received_ns + MS, 1000 + n) for n, each in enumerate(crowded.events)]
    found = operator_times([tmp_path / "r1"], [Trace("case/r1", [*crowded.events, *beside], [])])
    assert found is None  # no request was alone


@pytest.mark.parametrize("wrong", [None, "x", [], {}, True, 1e300, -1, 10**30])
def test_lines_of_another_shape_are_left_out(tmp_path: Path, wrong: object):
    trace = recorded(tmp_path / "r1")
    before = operator_times([tmp_path / "r1"], [trace])
    log = tmp_path / "r1" / "controller.log.gz"
    lines = [json.loads(line) for line in gzip.decompress(log.read_bytes()).decode().splitlines()[2:]]
    of_call, watch = lines[0], next(line for line in lines if line["kind"] == "watch")
    call, times = of_call["calls"][0], ("asked_us", "sent_us", "done_us")
    broken = [{**of_call, "calls": [{**call, key: wrong}]} for key in times]
    broken += [{**of_call, key: wrong} for key in ("start_us", "end_us")] + [{**watch, "at_us": wrong}]
    broken += [{**line, "kind": wrong} for line in (of_call, watch)]
    if wrong != "x":  # a name like any other
        broken += [{**of_call, "controller": wrong}, {**watch, "rv": wrong}]
    broken += [{key: each for key, each in watch.items() if key != missing} for missing in ("kind", "rv", "at_us")]
    log.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in (*lines, *broken, wrong)).encode()))
    assert operator_times([tmp_path / "r1"], [trace]) == before


def test_a_folder_without_such_a_log_tells_nothing(tmp_path: Path):
    trace = recorded(tmp_path / "r1")
    (tmp_path / "r1" / "controller.log.gz").unlink()
    assert operator_times([tmp_path / "r1"], [trace]) is None


def spells(cold: float) -> Trace:
    """Spells of eight quick writes, a second apart: the first two of each take ``cold`` times as long."""
    events, at = [], START
    for spell in range(40):
        for n in range(8):
            jitter = 1 + 0.02 * ((spell * 8 + n) % 7)
            took = round(SERVES * jitter * (cold if n < 2 else 1))
            events.append(event(at, n, took, spell * 8 + n + 1))
            at += took + MS
        at += SECOND
    return Trace("case/r1", events, [])


@pytest.mark.parametrize(
    ("name", "known"), [("operators/burst-60-merge-patch/r1", False), ("burst-50-update/r2", True)]
)
def test_what_was_found_on_cert_manager_is_not_promised_of_an_operator(tmp_path: Path, name: str, known: bool):
    recordings = Path("tests/data/recordings").absolute()
    done = inside("calibrate", str(recordings / name), "-o", "mine.yaml", at=tmp_path)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert ("expect conflicts within" in words) == known
    assert ("predictions of an operator are with a profile of its own cluster is not known" in words) == (not known)
    written = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert ("here" in written["provenance"]) == known


def test_when_a_server_is_cold_is_what_tells_long_from_short():
    found = coldness([spells(1.5)])
    assert found is not None
    assert found.requests.value == 2
    measured = calibrate([spells(1.5)], cores=2)
    assert measured.profile.server.cold_requests == 2
    assert measured.profile.server.cold_factor == pytest.approx(1.5, rel=0.02)
    assert coldness([spells(1.0)]) is None
