from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from sim.client.events import EventRecorder
from sim.units import MINUTE, MS, SECOND
from tests.client.toy import Toy, service

FAST: dict[str, Any] = {"server": {"times": service(MS), "cpu_share": 1e-6}}


def bench(scenario: dict[str, Any] | None = None) -> tuple[Toy, EventRecorder]:
    toy = Toy({"cpu": {"cores": None}, **(scenario or {})}, FAST)
    return toy, EventRecorder(toy.process, "toy-component")


def sent(toy: Toy) -> list[tuple[str, int]]:
    """Verb and code of each request for an Event."""
    return [(row["verb"], row["code"]) for row in toy.requests(resource="events")]


def names(toy: Toy) -> list[str]:
    return [row["object"] for row in toy.requests(resource="events")]


def test_an_event_is_a_post_of_its_component_and_belongs_to_no_reconcile():
    toy, recorder = bench()
    recorder.event("Certificate", "c0000", "c0000", "Issuing", "because")
    toy.sim.run()
    (row,) = toy.requests()
    assert [row[name] for name in ("actor", "verb", "resource", "certificate", "code", "reconcile")] == [
        "toy-component", "create", "events", "c0000", 201, -1,
    ]  # fmt: skip


def test_a_repetition_is_a_patch_of_the_first():
    toy, recorder = bench()
    for k in range(4):
        toy.sim.call_in(k * SECOND, recorder.event, "Certificate", "c0000", "c0000", "Issuing", "because")
    toy.sim.run()
    assert sent(toy) == [("create", 201), ("patch", 200), ("patch", 200), ("patch", 200)]
    assert len(set(names(toy))) == 1
    (event,) = toy.api.store.list("Event")
    assert event.data is not None
    assert event.data["count"] == 4


@pytest.mark.parametrize(
    "other",
    [
        ("Secret", "c0000", "c0000", "Issuing", "because", "Normal"),
        ("Certificate", "c0001", "c0000", "Issuing", "because", "Normal"),
        ("Certificate", "c0000", "c0000", "Reused", "because", "Normal"),
        ("Certificate", "c0000", "c0000", "Issuing", "why not", "Normal"),
        ("Certificate", "c0000", "c0000", "Issuing", "because", "Warning"),
    ],
)
def test_another_object_type_reason_or_message_is_another_event(other: tuple[str, ...]):
    toy, recorder = bench()
    recorder.event("Certificate", "c0000", "c0000", "Issuing", "because", "Normal")
    toy.sim.call_in(SECOND, recorder.event, *other)
    toy.sim.run()
    assert sent(toy) == [("create", 201)] * 2
    assert len(set(names(toy))) == 2


def test_the_tenth_that_differs_only_in_its_message_and_all_after_it_are_one_event():
    toy, recorder = bench()
    for k in range(15):
        toy.sim.call_in(k * SECOND, recorder.event, "Certificate", "c0000", "c0000", "Issuing", f"reason {k}")
    toy.sim.run()
    # Nine of their own, then the aggregate, then its repetitions.
    assert sent(toy) == [("create", 201)] * 10 + [("patch", 200)] * 5
    assert len(set(names(toy)[:10])) == 10
    assert set(names(toy)[10:]) == {names(toy)[9]}


def test_ten_minutes_of_silence_end_an_aggregation():
    toy, recorder = bench()
    for k in range(10):
        toy.sim.call_in(k * SECOND, recorder.event, "Certificate", "c0000", "c0000", "Issuing", f"reason {k}")
    late = 10 * MINUTE + 9 * SECOND
    # The interval counts from the last similar one: at its end still aggregated, a minute later no more.
    toy.sim.call_in(late - SECOND, recorder.event, "Certificate", "c0000", "c0000", "Issuing", "still similar")
    toy.sim.call_in(2 * late + MINUTE, recorder.event, "Certificate", "c0000", "c0000", "Issuing", "on its own")
    toy.sim.run()
    assert [verb for verb, _ in sent(toy)] == ["create"] * 10 + ["patch", "create"]


def test_a_source_may_send_25_about_one_object():
    toy, recorder = bench()
    for k in range(40):
        # Different reasons, so that nothing is aggregated.
        toy.sim.call_in(k * SECOND, recorder.event, "Certificate", "c0000", "c0000", f"Reason{k}", "message")
        toy.sim.call_in(k * SECOND, recorder.event, "Certificate", "c0001", "c0001", f"Reason{k % 20}", "message")
    other = EventRecorder(toy.process, "other-component")
    toy.sim.call_in(60 * SECOND, other.event, "Certificate", "c0000", "c0000", "Reason", "message")
    toy.sim.run()
    counted = Counter((row["actor"], row["certificate"]) for row in toy.requests())
    assert counted == {
        ("toy-component", "c0000"): 25,
        ("toy-component", "c0001"): 25,
        ("other-component", "c0000"): 1,
    }
    assert recorder.dropped == 30


def test_one_more_is_allowed_every_five_minutes():
    toy, recorder = bench()
    for k in range(30):
        recorder.event("Certificate", "c0000", "c0000", f"Reason{k}", "message")
    for k, minute in enumerate((4, 6, 7, 11, 26, 26, 26, 26)):
        toy.sim.call_in(minute * MINUTE, recorder.event, "Certificate", "c0000", "c0000", f"Later{k}", "message")
    toy.sim.run()
    late = [row["asked_ns"] // MINUTE for row in toy.requests()][25:]
    assert late == [6, 11, 26, 26, 26]


def test_an_event_that_was_never_sent_is_created_at_its_repetition():
    toy, recorder = bench()
    for k in range(26):
        recorder.event("Certificate", "c0000", "c0000", f"Reason{k}", "message")
    # The 26th was counted and then dropped; its repetition is a PATCH, answered 404, and then a POST.
    toy.sim.call_in(6 * MINUTE, recorder.event, "Certificate", "c0000", "c0000", "Reason25", "message")
    toy.sim.run()
    assert sent(toy)[25:] == [("patch", 404), ("create", 201)]


def test_a_thousand_wait_and_more_are_dropped():
    toy, recorder = bench()
    for k in range(1500):
        recorder.event("Certificate", f"c{k}", f"c{k}", "Issuing", "because")
    toy.sim.run()
    assert len(sent(toy)) in {1000, 1001}  # the sender may have taken one already
    assert len(sent(toy)) + recorder.dropped == 1500
    assert [row["certificate"] for row in toy.requests()] == [f"c{k}" for k in range(len(sent(toy)))]
    # A queue that is empty again takes more.
    recorder.event("Certificate", "last", "last", "Issuing", "because")
    toy.sim.run()
    assert toy.requests()[-1]["certificate"] == "last"


def test_a_component_sends_one_at_a_time_and_components_send_side_by_side():
    toy, recorder = bench()
    other = EventRecorder(toy.process, "other-component")
    for k in range(10):
        recorder.event("Certificate", f"c{k}", f"c{k}", "Issuing", "because")
        other.event("Certificate", f"c{k}", f"c{k}", "Issuing", "because")
    toy.sim.run()
    for actor in ("toy-component", "other-component"):
        rows = toy.requests(actor=actor)
        assert len(rows) == 10
        assert all(a["answered_ns"] <= b["asked_ns"] for a, b in itertools.pairwise(rows))
    assert toy.sim.now < 20 * MS


def test_events_take_tokens_from_the_bucket_of_all_clients():
    toy, recorder = bench({"client": {"qps": 2.0, "burst": 3, "throttle": True}})
    for k in range(7):
        recorder.event("Certificate", f"c{k}", f"c{k}", "Issuing", "because")
    toy.sim.run()
    waited = [row["sent_ns"] - row["asked_ns"] for row in toy.requests()]
    assert [wait > 0 for wait in waited] == [False] * 3 + [True] * 4
    # The fourth token is there half a second after the first was taken.
    gaps = [row["sent_ns"] - toy.requests()[0]["sent_ns"] for row in toy.requests()][3:]
    assert gaps == pytest.approx([k * SECOND / 2 for k in range(1, 5)], abs=2 * MS)


def test_a_killed_process_sends_nothing_more():
    toy, recorder = bench()
    for k in range(10):
        recorder.event("Certificate", f"c{k}", f"c{k}", "Issuing", "because")
    toy.sim.call_in(3 * MS, toy.process.stop)
    toy.sim.run()
    assert 1 <= len(sent(toy)) < 5


def test_a_restarted_process_does_not_reuse_names():
    toy, recorder = bench()
    recorder.event("Certificate", "c0000", "c0000", "Issuing", "because")
    again = EventRecorder(toy.process, "toy-component")
    toy.sim.call_in(SECOND, again.event, "Certificate", "c0000", "c0000", "Issuing", "because")
    toy.sim.run()
    assert sent(toy) == [("create", 201)] * 2
