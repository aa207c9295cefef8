"""The server computes on both sides of a decision: alone it takes its service time, under load answers come late."""

from __future__ import annotations

import pytest

from sim.client.effects import Send
from sim.units import MS
from tests.client.toy import Toy, annotate, constant, service

COSTS = {"times": service(10 * MS), "cold_factor": 1, "cpu_share": 0.8, "commit_share": 0.8, "procs": 2}
"""Alone: 6 ms of computing, 2 ms of waiting for etcd, the decision at 8 ms, 2 ms of computing to the answer."""


def requests_at_once(many: int, **costs: object) -> list[dict[str, int]]:
    toy = Toy({"cpu": {"cores": 2}}, {"server": {**COSTS, **costs}, "watch": {"lag": constant(1 * MS)}})
    for number in range(many):
        toy.certificate(f"c{number:04}")
    for number in range(many):
        toy.outside.submit(Send(annotate(f"c{number:04}", "x"), f"c{number:04}"))
    while toy.sim.calls:
        toy.sim.step()
    assert toy.server._procs == 2
    return toy.requests()


def test_a_request_that_is_alone_takes_its_service_time_and_is_decided_at_the_commit_share():
    (row,) = requests_at_once(1)
    assert row["decided_ns"] - row["received_ns"] == pytest.approx(8 * MS, abs=10)
    assert row["answered_ns"] - row["received_ns"] == pytest.approx(10 * MS, abs=10)


def test_under_load_the_answer_waits_for_its_turn_as_the_request_did():
    rows = requests_at_once(8)
    behind = [row["answered_ns"] - row["decided_ns"] for row in rows]
    assert behind[0] == pytest.approx(2 * MS, abs=10)
    # Of eight on two processors the last two begin when the six before have had theirs: some 18 ms late, and later
    # where answers are computed in between; their answers come as late.
    assert behind[-1] >= 18 * MS
    assert behind == sorted(behind)


def test_where_nothing_is_left_to_do_the_answer_follows_the_commit_at_once():
    rows = requests_at_once(8, commit_share=1.0)
    assert all(row["answered_ns"] - row["decided_ns"] >= 0 for row in rows)
    (row,) = requests_at_once(1, commit_share=1.0)
    assert row["answered_ns"] == row["decided_ns"]
