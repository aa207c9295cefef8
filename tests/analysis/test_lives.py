"""Lives of objects: everything that was sent about one, in order, with its passes."""

from __future__ import annotations

import pytest

import sim
from sim.analysis.lives import LONGEST, REFUSED, STORED, in_order, life_of
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load


@pytest.fixture(scope="module")
def result() -> sim.Result:
    few = {"name": "few", "replications": 2, "workload": {"certificates": 6}, "client": {"qps": 10, "burst": 5}}
    return sim.run(Scenario.model_validate(few))


@pytest.mark.parametrize("replication", [1, 2])
def test_a_life_has_all_requests_writes_and_refusals_of_its_object(result: sim.Result, replication: int):
    refused = 0
    for name in map(str, result.certificates["certificate"].unique()):
        life = life_of(result, name, replication)
        own = result.requests
        own = own[(own["replication"] == replication) & (own["certificate"] == name) & (own["resource"] != "events")]
        assert len(life.story) == len(own)
        assert set(life.controllers) == set(own["actor"])
        subject = own[(own["resource"] == "certificates") & (own["written_version"] > 0)]
        assert sum(mark.kind == STORED for mark in life.marks) == len(subject)
        assert sum(mark.kind == REFUSED for mark in life.marks) == life.refused
        assert all("lost to" in mark.words for mark in life.marks if mark.kind == REFUSED)
        seconds = [float(line[0]) for line in life.story]
        assert seconds == sorted(seconds)
        assert all(span.start < span.end <= life.end for span in life.spans)
        assert life.since == "its creation"
        row = result.certificates
        row = row[(row["replication"] == replication) & (row["certificate"] == name)]
        assert life.ready == pytest.approx(row["time_to_ready"].dt.total_seconds().iloc[0])
        refused += life.refused
    assert refused == (result.conflicts["replication"] == replication).sum()


def test_writers_keep_their_order_in_every_life(result: sim.Result):
    order = in_order([result], 1)
    assert order == list(dict.fromkeys(order))
    lives = [life_of(result, str(name), 1) for name in result.certificates["certificate"].unique()]
    assert {who for life in lives for who in life.controllers} == set(order)
    assert in_order([result, result], 1) == order


def test_clients_belong_to_their_group_and_a_long_life_is_told_in_part():
    result = sim.run(load(resolve_scenario("contention/starvation"), ["replications=1"]))
    life = life_of(result, "object-0", 1)
    assert life.controllers == {"slow-0": "slow", "fast-0": "fast"}
    assert len(life.story) == LONGEST
    assert life.left_out == len(result.requests) - LONGEST
    assert life.refused == len(result.conflicts)  # of all, not of those that are told
    assert life.since == "the start"
    assert life.ready is None


def test_what_is_not_there_has_no_life(result: sim.Result):
    with pytest.raises(ValueError, match="replication 1 has no Certificate 'c9999'"):
        life_of(result, "c9999", 1)
