from __future__ import annotations

import pandas as pd
import pytest

import sim
from sim.analysis.metrics import overwritten as counted
from sim.analysis.story import KINDS, story
from sim.analysis.unseen import overwritten
from sim.recording.frames import frame, table
from tests.recorded_rows import request

SMALL = "name: small\nreplications: 1\nworkload: {certificates: 3}"


@pytest.fixture(scope="module")
def result() -> sim.Result:
    return sim.run(sim.load(SMALL), jobs=1).only(1)


def test_a_story_is_told_in_the_order_of_time_and_knows_when_news_came(result: sim.Result):
    told = story(result, "c0001")
    assert [event.time_ns for event in told.events] == sorted(event.time_ns for event in told.events)
    mine = result.deliveries[result.deliveries["certificate"] == "c0001"]
    cached = [(event.time_ns, event.version) for event in told.events if event.kind == "cached"]
    assert cached == list(zip(mine["cached_at"].dt.as_unit("ns").astype("int64"), mine["version"], strict=True))
    assert len(cached) > 5


def test_of_one_instant_the_news_comes_before_what_is_made_of_it(result: sim.Result):
    """As if the cache had every version, and every pass its copy, in the instant in which it was written."""
    again = sim.run(result.scenario, jobs=1).only(1)
    wrote = {event.version: event.time_ns for event in story(result, "c0001").events if event.kind == "wrote"}
    news = again.deliveries
    at = [
        pd.Timedelta(wrote[version]) if name == "c0001" and version in wrote else cached
        for name, version, cached in zip(news["certificate"], news["version"], news["cached_at"], strict=True)
    ]
    again.__dict__["deliveries"] = news.assign(cached_at=at)
    events = story(again, "c0001").events
    places = [(event.time_ns, KINDS.index(event.kind)) for event in events]
    assert places == sorted(places)
    assert len({time for time, _ in places}) < len(places)


@pytest.mark.parametrize(("read", "found"), [(1, 1), (0, 0), (2, 0)])
def test_only_who_read_an_older_copy_overwrites_unseen(read: int, found: int):
    """A write without any copy (0) did not see less than it could have, and one from the current copy saw all."""
    blind = {"conditional": False, "read_version": read, "base_version": 2, "written_version": 3}
    rows = [request(actor="a"), request(request=1, actor="b", **blind)]
    assert sum(counted(rows).values()) == found
    assert len(overwritten(frame(table("requests", rows, 1)))) == found
