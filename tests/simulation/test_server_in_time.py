from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.client.effects import Get, Send
from sim.client.events import EventRecorder
from sim.cluster.messages import Response
from sim.cluster.objects import Write
from sim.cluster.watch import Watch, WatchEvent
from sim.units import MS, SECOND
from tests.client.toy import SPEC, Toy, annotate, constant, service

NO_CPU = 1e-6
"""A share of computing that rounds to nothing: only waiting is left of a service time."""


def bench(times: dict[str, Any], seed: int = 1, cores: int | None = None, **server: Any) -> Toy:
    options = {name: server.pop(name) for name in ("max_in_flight", "network_one_way") if name in server}
    profile = {
        "server": {
            "times": times,
            "cpu_share": NO_CPU,
            "answer": constant(2 * MS),
            "hidden_retry": 2 * MS,
            **server,
        }
    }
    toy = Toy({"server": options, "cpu": {"cores": cores}}, profile, seed)
    toy.certificate()
    return toy


def submit(toy: Toy, at: int, write: Write, answers: list[Response] | None = None) -> None:
    kept: Callable[[Response], object] = answers.append if answers is not None else bool
    toy.sim.call_in(at, toy.outside.submit, Send(write, write.name), kept)


def get(toy: Toy, at: int, name: str = "c0000") -> None:
    toy.sim.call_in(at, toy.outside.submit, Get(Write("get", "Certificate", name, {}), name))


def took(toy: Toy) -> list[float]:
    """Milliseconds in the server, in the order of the decisions."""
    return [(row["answered_ns"] - row["received_ns"]) / MS for row in toy.requests()]


# Alone


def test_an_idle_server_takes_as_long_as_the_profile_says():
    times = {**service(MS), "get": {"p50": 4 * MS, "p90": 8 * MS}}
    toy = bench(times, max_in_flight=1000)
    n = 4000
    for k in range(n):
        get(toy, k * 100 * MS)
    toy.sim.run()
    found = np.array(took(toy))
    assert abs((found <= 4).mean() - 0.5) < 5 * math.sqrt(0.25 / n)
    assert abs((found <= 8).mean() - 0.9) < 5 * math.sqrt(0.09 / n)


KINDS: list[tuple[Write, str]] = [
    (Write("create", "Certificate", "new", {"spec": SPEC}, "m"), "certificate_create"),
    (
        Write("apply", "Certificate", "c0000", {"status": {"revision": 1}}, "m", "status", True),
        "certificate_status",
    ),
    (annotate("c0000", "x"), "certificate_main"),
    (Write("create", "Secret", "s", {"data": {}}, "m"), "secret_create"),
    (Write("apply", "Secret", "s", {"data": {}}, "m", "", True), "secret_apply"),
    (Write("delete", "Secret", "s", {}, "m"), "secret_delete"),
    (
        Write("create", "CertificateRequest", "r", {"spec": {"issuerRef": {"name": "ca"}}}, "m"),
        "request_create",
    ),
    (Write("merge-patch", "CertificateRequest", "r", {"status": {}}, "m", "status"), "request_status"),
    (Write("delete", "CertificateRequest", "r", {}, "m"), "request_delete"),
    (Write("create", "Event", "e", {"data": {}}), "event"),
    (Write("merge-patch", "Event", "e", {"data": {"count": 2}}), "event"),
    (annotate("c0000", "x", version=10**6), "certificate_refused"),
]


@pytest.mark.parametrize(("write", "kind"), KINDS, ids=[f"{write.verb}-{kind}" for write, kind in KINDS])
def test_each_kind_of_request_has_its_own_time(write: Write, kind: str):
    toy = bench(service(MS, **{kind: 50 * MS}))
    submit(toy, 0, write)
    get(toy, SECOND)
    toy.sim.run()
    assert took(toy) == pytest.approx([50, 1], abs=0.001)


def test_after_a_quiet_time_a_request_takes_longer():
    toy = bench(service(10 * MS), cold_factor=1.5, cold_after=20 * MS)
    for at in (100, 115, 150, 150 + 19):
        get(toy, at * MS)
    toy.sim.run()
    assert took(toy) == pytest.approx([15, 10, 15, 10], abs=0.001)


def test_the_controllers_network_is_added_to_both_ways():
    toy = bench(service(10 * MS), network_one_way=5 * MS)
    EventRecorder(toy.process, "component").event("Certificate", "c0000", "c0000", "Issuing", "because")
    get(toy, 0)  # who creates Certificates and the like is beside the server
    toy.sim.run()
    (near,), (far,) = toy.requests(verb="get"), toy.requests(verb="create")
    assert near["received_ns"] - near["sent_ns"] == 0
    assert near["answered_ns"] == pytest.approx(10 * MS, abs=10)
    assert far["received_ns"] - far["sent_ns"] == 5 * MS
    assert far["decided_ns"] - far["sent_ns"] == pytest.approx(13 * MS, abs=10)
    assert far["answered_ns"] - far["sent_ns"] == pytest.approx(20 * MS, abs=10)


def test_a_get_answers_what_is_stored():
    toy = bench(service(MS))
    answers: list[Response] = []
    for at, name in enumerate(("c0000", "missing")):
        toy.sim.call_in(at, toy.outside.submit, Get(Write("get", "Certificate", name, {}), name), answers.append)
    toy.sim.run()
    assert [answer.code for answer in answers] == [200, 404]
    assert answers[0].object is toy.api.store.get("Certificate", "c0000")
    assert [(row["verb"], row["code"], row["written_version"]) for row in toy.requests()] == [
        ("get", 200, 0),
        ("get", 404, 0),
    ]


# Queues


@pytest.mark.parametrize("spread", [1.0000001, 2.0, 3.0])
def test_with_one_place_it_is_an_mg1_queue(spread: float):
    median, load = 4 * MS, 0.7
    sigma = math.log(spread) / 1.2815515655446004
    mean = median * math.exp(sigma**2 / 2)
    second = median**2 * math.exp(2 * sigma**2)
    rate = load / mean
    expected = mean + rate * second / (2 * (1 - load))  # Pollaczek-Khinchine
    means = []
    for run in range(12):
        times = {**service(MS), "get": {"p50": median, "p90": math.ceil(median * spread)}}
        toy = bench(times, seed=run, max_in_flight=1)
        at = 0.0
        rng = np.random.default_rng(run)
        for gap in rng.exponential(1 / rate, 2000):
            at += gap
            get(toy, round(at))
        toy.sim.run()
        means.append(np.mean(took(toy)[300:]) * MS)
    low, high = stats.t.interval(0.999, len(means) - 1, np.mean(means), stats.sem(means))
    assert low < expected < high
    assert (high - low) / expected < 0.5


def test_without_a_limit_nobody_waits():
    toy = bench(service(10 * MS), max_in_flight=1000)
    for _ in range(200):
        get(toy, 0)
    toy.sim.run()
    assert took(toy) == pytest.approx([10] * 200, abs=0.001)


@pytest.mark.parametrize("places", [1, 3])
def test_at_most_max_in_flight_are_served_at_once_first_come_first_served(places: int):
    toy = bench(service(10 * MS), max_in_flight=places)
    for k in range(10):
        get(toy, 1000 * k, f"c{k}")
    toy.sim.run()
    assert [row["object"] for row in toy.requests()] == [f"c{k}" for k in range(10)]
    assert took(toy) == pytest.approx([10 * (k // places + 1) for k in range(10)], abs=0.01)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_no_core_is_idle_while_requests_compute(cores: int):
    """Eight requests that compute 5 ms each, half of it before they wait for the disk and half for the answer."""
    toy = Toy(
        {"cpu": {"cores": cores}},
        {"server": {"times": service(10 * MS), "cpu_share": 0.5, "answer": constant(5 * MS)}},
    )
    for _ in range(8):
        get(toy, 0)
    toy.sim.run()
    # sysmon's looks are within the tolerance: 10 us of each 10 ms, in two processes.
    assert toy.machine.busy_ns == pytest.approx(8 * 5 * MS, rel=2e-3)
    last = max(row["answered_ns"] for row in toy.requests())
    # Waiting overlaps with others' computing, but for the first one's before its answer and where cores are free.
    assert 8 * 5 * MS / cores <= last * (1 + 1e-3)
    assert last <= (8 * 5 / cores + 5) * MS * (1 + 1e-3)


def test_a_batch_is_decided_one_after_the_other_and_answered_late():
    """2 ms of computing in three turns: 1.1 ms, .5 in etcd, .4 for the answer.

    Two come at once on one core. The first is with etcd at 1.1, and decided at 1.6 ms; the API server goes on with the
    second, which came before the first's answer, from 1.6 to 2.7; that one is decided at 3.2, and the answers follow.
    All this is before the first tick.
    """
    toy = Toy(
        {"cpu": {"cores": 1}},
        {"server": {"times": service(2 * MS), "cpu_share": 1, "answer": constant(2 * MS // 5), "etcd_share": 0.25}},
    )
    for _ in range(2):
        get(toy, 0)
    toy.sim.run()
    rows = toy.requests()
    assert [row["decided_ns"] / MS for row in rows] == pytest.approx([1.6, 3.2], rel=1e-3)
    assert [row["answered_ns"] / MS for row in rows] == pytest.approx([3.6, 4.0], rel=1e-3)


@pytest.mark.parametrize("cpu_share", [NO_CPU, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
@pytest.mark.parametrize("answer", [1, 2.5, 9, 20])
@pytest.mark.parametrize("etcd_share", [0, 0.3, 1])
def test_alone_a_request_takes_its_time_whatever_part_of_it_computes(
    cpu_share: float, answer: float, etcd_share: float
):
    costs = {"cpu_share": cpu_share, "answer": constant(round(answer * MS)), "etcd_share": etcd_share}
    toy = Toy({"cpu": {"cores": 1}}, {"server": {"times": service(10 * MS), **costs}})
    get(toy, 0)
    toy.sim.run()
    (row,) = toy.requests()
    assert row["decided_ns"] == pytest.approx(max(10 - answer, 0) * MS, abs=10)
    assert row["answered_ns"] == pytest.approx(10 * MS, abs=10)
    assert toy.machine.busy_ns == pytest.approx(cpu_share * 10 * MS, abs=10)


def test_two_writes_are_told_in_the_order_of_their_decisions():
    toy = bench(service(10 * MS), answer={"p50": 2 * MS, "p90": 8 * MS})
    for n in range(20):
        submit(toy, n * MS // 10, Write("create", "Event", f"e{n}", {"data": {}}))
    toy.sim.run()
    rows = toy.requests()
    decided = [row["decided_ns"] for row in rows]
    assert decided == sorted(decided)
    answered = [row["answered_ns"] for row in rows]
    assert answered != sorted(answered)


# Races


def test_a_patch_without_resource_version_retries_inside_and_loses_nothing():
    toy = bench(service(8 * MS))
    answers: list[Response] = []
    for at, note in ((0, "first"), (2, "second")):
        body = {"metadata": {"annotations": {note: "here"}}}
        submit(toy, at * MS, Write("merge-patch", "Certificate", "c0000", body, note), answers)
    toy.sim.run()
    assert [answer.code for answer in answers] == [200, 200]
    assert [row["hidden_retries"] for row in toy.requests()] == [0, 1]
    assert took(toy) == pytest.approx([8, 14], abs=0.001)  # made anew: once more what comes before the decision
    stored = toy.api.store.get("Certificate", "c0000")
    assert stored is not None
    assert stored.annotations == {"first": "here", "second": "here"}


def test_the_loser_of_two_patches_computes_twice():
    toy = Toy(
        {"cpu": {"cores": 8}},
        {"server": {"times": service(8 * MS), "cpu_share": 1, "answer": constant(1), "hidden_retry": 1 * MS}},
    )
    toy.certificate()
    for at, note in ((0, "first"), (2, "second")):
        body = {"metadata": {"annotations": {note: "here"}}}
        submit(toy, at * MS, Write("merge-patch", "Certificate", "c0000", body, note))
    toy.sim.run()
    assert took(toy) == pytest.approx([8, 16], rel=1e-3)


def test_a_patch_that_meets_nobody_does_not_retry():
    toy = bench(service(8 * MS))
    for at in (0, 7, 14):  # decided at 6 ms each
        submit(toy, at * MS, annotate("c0000", str(at)))
    toy.sim.run()
    assert [row["hidden_retries"] for row in toy.requests()] == [0, 0, 0]


def test_each_lost_race_is_counted():
    toy = bench(service(8 * MS))
    for k in range(5):
        submit(toy, k * MS // 100, annotate("c0000", str(k)))
    toy.sim.run()
    # All five read the same version. The first wins at 6 ms; the others read again, and one wins each time.
    assert sorted(row["hidden_retries"] for row in toy.requests()) == [0, 1, 2, 3, 4]
    assert {row["code"] for row in toy.requests()} == {200}
    assert [row["written_version"] for row in toy.requests()] == sorted(
        row["written_version"] for row in toy.requests()
    )


def test_others_objects_do_not_matter():
    toy = bench(service(8 * MS))
    toy.certificate("c0001")
    submit(toy, 0, annotate("c0000", "x"))
    submit(toy, MS, annotate("c0001", "x"))
    toy.sim.run()
    assert [row["hidden_retries"] for row in toy.requests()] == [0, 0]


def test_a_write_that_stores_nothing_makes_nobody_lose():
    toy = bench(service(8 * MS))
    submit(toy, 0, annotate("c0000", "x"))
    submit(toy, 20 * MS, annotate("c0000", "x"))  # changes nothing
    submit(toy, 22 * MS, annotate("c0000", "y"))
    toy.sim.run()
    assert [(row["hidden_retries"], row["written_version"] > 0) for row in toy.requests()] == [
        (0, True), (0, False), (0, True),
    ]  # fmt: skip


def test_a_write_that_is_stale_on_arrival_is_refused_at_once():
    toy = bench(service(8 * MS, certificate_refused=3 * MS))
    answers: list[Response] = []
    version = toy.certificate("c0001").resource_version
    submit(toy, 0, annotate("c0001", "x", version), answers)
    submit(toy, 20 * MS, annotate("c0001", "y", version), answers)
    toy.sim.run()
    assert [answer.code for answer in answers] == [200, 409]
    assert answers[1].stale
    refused = toy.requests()[1]
    assert (refused["reason"], refused["conditional"], refused["hidden_retries"]) == ("Conflict", True, 0)
    assert (refused["base_version"], refused["written_version"]) == (version + 1, 0)
    assert took(toy) == pytest.approx([8, 3], abs=0.001)


def test_a_write_that_becomes_stale_inside_is_refused_after_the_lost_race():
    toy = bench(service(8 * MS, certificate_refused=3 * MS))
    answers: list[Response] = []
    stored = toy.api.store.get("Certificate", "c0000")
    assert stored is not None
    version = stored.resource_version
    submit(toy, 0, annotate("c0000", "x", version), answers)
    submit(toy, MS, annotate("c0000", "y", version), answers)
    toy.sim.run()
    assert [answer.code for answer in answers] == [200, 409]
    # All the way to the transaction, then read again: dearer than a refusal at the door. No hidden retry.
    assert took(toy) == pytest.approx([8, 10], abs=0.001)
    assert [row["hidden_retries"] for row in toy.requests()] == [0, 0]
    assert toy.requests()[1]["base_version"] == version + 1


def test_creates_and_deletes_are_not_tried_again():
    toy = bench(service(8 * MS))
    answers: list[Response] = []
    for at in (0, 1):
        submit(toy, at * MS, Write("create", "Secret", "s", {"data": {}}, "m"), answers)
    for at in (20, 21):
        submit(toy, at * MS, Write("delete", "Secret", "s", {}, "m"), answers)
    toy.sim.run()
    assert [(answer.code, answer.reason) for answer in answers] == [
        (201, ""), (409, "AlreadyExists"), (200, ""), (404, "NotFound"),
    ]  # fmt: skip
    assert took(toy) == pytest.approx([8] * 4, abs=0.001)


# Watches


def test_only_what_was_stored_is_published_and_at_its_commit():
    toy = bench(service(8 * MS))
    seen: list[tuple[int, bool, int]] = []

    def deliver(event: WatchEvent) -> None:
        seen.append((event.object.resource_version, event.deleted, toy.sim.now))

    toy.server.watch("Certificate", Watch(toy.sim, lambda: 0, 0, deliver))
    toy.server.watch("Secret", Watch(toy.sim, lambda: 0, 0, lambda event: pytest.fail("another kind")))
    submit(toy, 0, annotate("c0000", "x"))
    submit(toy, 20 * MS, annotate("c0000", "x"))  # changes nothing
    submit(toy, 40 * MS, annotate("c0000", "y", 1000))  # refused
    submit(toy, 60 * MS, Write("delete", "Certificate", "c0000", {}, "m"))
    toy.sim.run()
    assert [deleted for _, deleted, _ in seen] == [False, True]
    assert seen[0][0] == toy.requests()[0]["written_version"]
    # Committed at three quarters of the service time: before the writer has its answer.
    assert [now / MS for _, _, now in seen] == pytest.approx([6, 66], abs=0.001)


bursts = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(["patch", "stale", "fresh", "get", "create"]), st.integers(0, 1)),
    min_size=1,
    max_size=30,
)


@given(bursts, st.integers(1, 4), st.sampled_from([1, 2, None]), st.integers(0, 100))
def test_every_request_is_answered_once_and_versions_only_grow(
    plan: list[tuple[int, str, int]], places: int, cores: int | None, seed: int
):
    profile = {"server": {"times": service(6 * MS), "cpu_share": 0.7}}
    toy = Toy({"server": {"max_in_flight": places}, "cpu": {"cores": cores}}, profile, seed)
    versions = [toy.certificate(name).resource_version for name in ("c0000", "c0001")]
    answers: list[Response] = []
    for k, (at, what, which) in enumerate(plan):
        name = f"c000{which}"
        if what == "get":
            toy.sim.call_in(
                at * MS, toy.outside.submit, Get(Write("get", "Certificate", name, {}), name), answers.append
            )
        elif what == "create":
            submit(toy, at * MS, Write("create", "Secret", f"s{which}", {"data": {}}, "m"), answers)
        else:
            version = {"patch": None, "stale": 1000, "fresh": versions[which]}[what]
            submit(toy, at * MS, annotate(name, str(k), version), answers)
    toy.sim.run()
    rows = toy.requests()
    assert len(answers) == len(rows) == len(plan)
    written = [row["written_version"] for row in rows if row["written_version"]]
    assert written == sorted(set(written))
    for row in rows:
        assert row["received_ns"] <= row["decided_ns"] <= row["answered_ns"]
        assert row["hidden_retries"] == 0 or not row["conditional"]
    for which in (0, 1):
        # Of all that were made from the first version at most one was accepted.
        mine = [row for row in rows if row["object"] == f"c000{which}" and row["conditional"]]
        assert sum(row["code"] == 200 for row in mine) <= 1
        assert {row["code"] for row in mine} <= {200, 409}
        unconditional = [row for row in rows if row["object"] == f"c000{which}" and row["verb"] == "patch"]
        assert all(row["code"] == 200 for row in unconditional if not row["conditional"])


def test_the_profile_is_read_with_its_default_share_of_computing():
    toy = Toy({"cpu": {"cores": 1}}, {"server": {"times": {**service(MS), "get": constant(10 * MS)}}})
    get(toy, 0)
    toy.sim.run()
    assert toy.machine.busy_ns == pytest.approx(5 * MS, rel=1e-3)
