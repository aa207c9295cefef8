from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sim.analysis.levels import OF_TOKENS, at, depths, highest, mean, tokens, without_tokens
from sim.scenario.model import Scenario

S = 1_000_000_000


def seconds(*values: float) -> pd.Series:
    return pd.Series(pd.to_timedelta(list(values), unit="s"))


def passes(queued: list[float], started: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "replication": 1,
            "reconcile": range(len(queued)),
            "controller": pd.Categorical(["a"] * len(queued)),
            "key": [f"c{number}" for number in range(len(queued))],
            "queued_at": seconds(*queued),
            "started_at": seconds(*started),
            "ended_at": seconds(*(each + 0.1 for each in started)),
        }
    )


DEPTH = depths(passes([0, 1, 1, 4], [2, 3, 5, 9]))["a"]


def test_depth_is_what_was_added_and_not_yet_taken():
    assert at(DEPTH, np.arange(11.0)).tolist() == [1, 3, 2, 1, 2, 1, 1, 1, 1, 0, 0]


def test_the_highest_within_an_interval_counts_even_where_it_is_short():
    assert highest(DEPTH, np.array([0.0, 1.5, 4.5, 20])).tolist() == [3, 3, 2]


def test_the_mean_is_over_time():
    assert mean(DEPTH, 9 * S) == pytest.approx((1 + 3 + 2 + 1 + 2 + 1 + 1 + 1 + 1) / 9)
    assert mean([], 5) is None


def asked(*times: float) -> pd.DataFrame:
    return pd.DataFrame({"replication": 1, "actor": "certificates-trigger", "asked_at": seconds(*times)})


def level(requests: pd.DataFrame, **values) -> list[float]:
    scenario = Scenario.model_validate({"name": "x", "client": {"qps": 1, "burst": 2}, **values})
    found = tokens(scenario, requests)
    assert found is not None
    return at(found, np.arange(11) + 0.01).round().tolist()


def test_tokens_are_taken_when_asked_and_come_back_at_the_rate():
    # Two saved, three taken at once: one request waits. One comes back each second, up to two.
    assert level(asked(0, 0, 0, 10)) == [-1, 0, 1, 2, 2, 2, 2, 2, 2, 2, 1]


def test_a_restart_starts_with_a_full_bucket():
    found = level(asked(0, 0, 0, 0, 3), controllers={"restarts": ["1s"], "restart_takes": "1s"})
    assert (found[0], found[2], found[3]) == (-2, 2, 1)


def test_others_have_no_part_in_it():
    others = asked(0, 0, 10).assign(actor=["gitops", "an-operator", "certificates-trigger"])
    assert level(others)[:3] == [2, 2, 2]


def test_weeks_between_two_requests_cost_nothing():
    """A full bucket stays full: 90 days in samples of 0.1 s would be 78 million of them."""
    scenario = Scenario.model_validate({"name": "x"})
    asked = pd.DataFrame({"actor": pd.Categorical(["certificates-trigger"] * 2), "asked_at": seconds(1, 90 * 86_400)})
    level = tokens(scenario, asked)
    assert level is not None
    assert len(level) < 20
    assert at(level, np.array([2.0, 86_400])).tolist() == [scenario.client.burst] * 2


GROUP, SOON = {"clients": 1, "think": {"mean": "1s"}}, {"until": {"at_most": "5s"}}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"client": {"throttle": False}}, "no limit in the client"),
        ({"contention": {**GROUP, "others": [{**GROUP, "name": "b"}]}, **SOON}, "each group has a bucket"),
        ({"kinds": {"Widget": {}}, "workload": {"kind": "Widget", "objects": 1}}, "each operator has buckets"),
    ],
)
def test_why_no_bucket_is_shown(more: dict[str, object], why: str):
    scenario = Scenario.model_validate({"name": "a", **more})
    assert why in without_tokens(scenario)
    none = pd.DataFrame({name: [] for name in OF_TOKENS}).astype({"asked_at": "timedelta64[ns]"})
    assert (tokens(scenario, none) is None) is bool(why)
