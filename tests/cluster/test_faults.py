"""The seam for faults: each answer at each of its three points."""

from __future__ import annotations

import pytest

from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.cluster import messages
from sim.cluster.faults import LOST, UNANSWERED, Outcome
from sim.cluster.messages import Response
from sim.cluster.requests import InFlight
from sim.cluster.server import Server
from sim.cluster.watch import Watch, WatchEvent
from sim.families.certmanager.service import service_class
from sim.units import MS, SECOND
from tests.client.toy import Toy, annotate, constant, service

PROFILE = {"server": {"times": service(4 * MS), "cold_factor": 1}, "watch": {"lag": constant(1 * MS)}}
UNAVAILABLE = Response(503, "ServiceUnavailable", None, False, messages.plain, "apiserver is shutting down")


class Once:
    """Each point has one outcome for the first that asks, and none for those after."""

    def __init__(self, receive: Outcome = 0, decide: Outcome = 0, publish: int = 0) -> None:
        self._outcomes = {"receive": [receive], "decide": [decide], "publish": [publish]}

    def _next(self, point: str) -> Outcome:
        return self._outcomes[point].pop() if self._outcomes[point] else 0

    def on_receive(self, request: InFlight) -> Outcome:
        return self._next("receive")

    def on_decide(self, request: InFlight) -> Outcome:
        return self._next("decide")

    def on_publish(self, watch: Watch, event: WatchEvent) -> int:
        held = self._next("publish")
        assert isinstance(held, int)
        return held


def tried(faults: Once | None) -> tuple[list[tuple[int, int]], list[int], int]:
    """Answers (when, code), events (when), and the version stored after one write, times in nanoseconds."""
    toy = Toy(profile=PROFILE)
    before = toy.certificate()
    server = Server(
        toy.sim, toy.machine, toy.api, toy.recorder, toy.scenario, toy.profile.server, service_class, faults
    )
    answers: list[tuple[int, int]] = []
    events: list[int] = []
    server.watch("Certificate", Watch(toy.sim, lambda: MS, 0, lambda _: events.append(toy.sim.now)))
    write = Send(annotate("c0000", "x"), "c0000")
    OutsideClient(toy.sim, server).submit(write, lambda response: answers.append((toy.sim.now, response.code)))
    while toy.sim.calls:
        toy.sim.step()
    after = toy.api.store.get("Certificate", "c0000")
    assert after is not None
    return answers, events, after.resource_version - before.resource_version


PLAIN = tried(None)


def test_faults_that_do_nothing_change_nothing() -> None:
    assert tried(Once()) == PLAIN
    assert PLAIN[2] == 1


@pytest.mark.parametrize("point", ["receive", "decide"])
def test_a_request_is_held_and_goes_on(point: str) -> None:
    answers, _, stored = tried(Once(**{point: SECOND}))
    assert answers == [(when + SECOND, code) for when, code in PLAIN[0]]
    assert stored == 1


@pytest.mark.parametrize("point", ["receive", "decide"])
def test_a_request_is_lost(point: str) -> None:
    assert tried(Once(**{point: LOST})) == ([], [], 0)


@pytest.mark.parametrize("point", ["receive", "decide"])
def test_a_request_is_refused_in_the_servers_place(point: str) -> None:
    answers, events, stored = tried(Once(**{point: UNAVAILABLE}))
    assert ([code for _, code in answers], events, stored) == ([503], [], 0)


def test_a_write_is_stored_though_its_answer_is_lost() -> None:
    assert tried(Once(decide=UNANSWERED)) == ([], PLAIN[1], 1)


def test_an_event_is_held_or_lost() -> None:
    assert tried(Once(publish=SECOND))[1] == [when + SECOND for when in PLAIN[1]]
    assert tried(Once(publish=LOST)) == (PLAIN[0], [], 1)
