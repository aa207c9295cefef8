from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from hypothesis import given, settings

from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.cluster.objects import Write
from sim.experiment.invariants import violations
from sim.experiment.replicate import replicate, world_of
from sim.recording.columns import REQUESTS
from sim.recording.recorder import Recorder
from sim.recording.rows import Rows
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import SECOND
from tests.strategies import small_scenarios


@settings(max_examples=60, deadline=None)
@given(small_scenarios())
def test_random_small_clusters_are_sound(scenario: Scenario):
    assert replicate(scenario, 0).violations == []


# Each invariant, shown to catch a recording that breaks it.


def recorded(**scenario: Any) -> Recorder:
    given_ = {
        "name": "sound",
        "workload": {"certificates": 2},
        "certificate": {"private_key": {"algorithm": "ECDSA"}},
    }
    model = Scenario.model_validate({**given_, **scenario})
    cluster = world_of(model, 0, Profile())
    cluster.run()
    return cluster.listener


def doctor(recorder: Recorder, which: Callable[[dict[str, Any]], bool], **new: Any) -> None:
    """Change the first request that fits."""
    rows = list(recorder.requests)
    for number, row in enumerate(rows):
        named = dict(zip(REQUESTS, row, strict=True))
        if which(named):
            rows[number] = tuple({**named, **new}.values())
            recorder.requests = Rows(REQUESTS, rows)
            return
    raise AssertionError("no row fits")


def test_a_sound_recording_breaks_nothing():
    recorder = recorded()
    assert violations(recorder) == []


def accepted_certificate(row: dict[str, Any]) -> bool:
    return bool(row["resource"] == "certificates" and row["verb"] == "update" and row["written_version"])


def test_a_version_that_goes_back_is_seen():
    recorder = recorded()
    rows = [dict(zip(REQUESTS, row, strict=True)) for row in recorder.requests]
    last = max(row["written_version"] for row in rows if row["object"] == "c0001")
    doctor(
        recorder,
        lambda row: row["object"] == "c0001" and row["written_version"] == last,
        written_version=3,
    )
    (found,) = violations(recorder)
    assert "certificates/c0001 went back from version" in found
    assert found.endswith("to 3")


def test_a_version_given_twice_is_seen():
    recorder = recorded()
    rows = list(recorder.requests)
    number = next(
        number for number, row in enumerate(rows) if accepted_certificate(dict(zip(REQUESTS, row, strict=True)))
    )
    recorder.requests = Rows(REQUESTS, [*rows[: number + 1], *rows[number:]])
    assert len(violations(recorder)) == 1


def test_a_stale_write_that_was_accepted_is_seen():
    recorder = recorded()
    doctor(recorder, accepted_certificate, read_version=1)
    (found,) = violations(recorder)
    assert "a write made from 1 was accepted on" in found


def test_an_unconditional_write_may_be_accepted_on_any_version():
    recorder = recorded(strategy="apply")
    doctor(
        recorder,
        lambda row: row["verb"] == "apply" and row["written_version"] > 0,
        read_version=1,
    )
    assert violations(recorder) == []


def test_a_revision_that_falls_is_seen():
    recorder = recorded()
    recorder.violations.append("c0000: status.revision fell from 2 to 1")
    assert violations(recorder) == ["c0000: status.revision fell from 2 to 1"]


def test_the_recorder_notices_a_falling_revision():
    cluster = world_of(falling(), 0, Profile())
    cluster.run()
    stored = cluster.server.api.store.objects["Certificate"]["c0000"]
    fallen = copy(stored)
    fallen.status = stored.status | {"revision": 0}
    cluster.listener._certificate_changed("c0000", fallen, 0, True)
    assert "c0000: status.revision fell from 1 to 0" in violations(cluster.listener)


def test_what_a_user_resets_or_a_stale_patch_brings_back_is_no_fault_of_the_simulation():
    cluster = world_of(falling(), 0, Profile())
    write = Write("merge-patch", "Certificate", "c0000", {"status": {"revision": None}}, "user", "status")
    cluster.sim.call_in(5 * SECOND, OutsideClient(cluster.sim, cluster.server).submit, Send(write, "c0000"))
    cluster.run()
    assert "revision" not in cluster.server.api.store.objects["Certificate"]["c0000"].status
    assert violations(cluster.listener) == []


def falling() -> Scenario:
    return Scenario.model_validate(
        {
            "name": "falls",
            "workload": {"certificates": 1},
            "certificate": {"private_key": {"algorithm": "ECDSA"}},
            "until": {"at_least": 10 * SECOND},
        }
    )
