from __future__ import annotations

import pytest

from sim.analysis.intervals import mean_interval, verdict
from sim.analysis.paired import METRICS, differences, estimates, ranking
from tests.analysis.test_summary import measured
from tests.recorded_rows import certificate, conflict, request


def runs(refused: list[int], accepted: int = 5, conditional: bool = True):
    return [
        measured(
            index,
            objects=[certificate()],
            requests=[conflict()] * count + [request(conditional=conditional)] * accepted,
        )
        for index, count in enumerate(refused)
    ]


def test_differences_are_paired_by_replication():
    found = differences(runs([5, 10, 15]), runs([3, 8, 13]))
    assert found["conflicts"][:3] == (2, 2, 2)  # the spread between replications is shared, and cancels
    assert verdict(found["conflicts"]) == "higher"
    assert found["conflicts_per_certificate"].mean == 2


def test_an_interval_that_covers_0_is_undecided():
    found = differences(runs([3, 5, 4]), runs([4, 4, 4]))
    assert found["conflicts"] == mean_interval([-1, 1, 0])
    assert verdict(found["conflicts"]) == "undecided"


def test_the_rate_is_compared_as_a_ratio_of_sums():
    found = differences(runs([5, 5]), runs([0, 0]))
    assert found["rate"].mean == pytest.approx(10 / 20)


def test_no_rate_against_some_rate_is_undecided():
    never_refused = runs([0, 0, 0], conditional=False)
    assert estimates(never_refused)["rate"].mean is None
    assert verdict(differences(never_refused, runs([5, 6, 7]))["rate"]) == "undecided"


def test_one_replication_decides_nothing():
    found = differences(runs([9]), runs([1]))
    assert {verdict(each) for each in found.values()} == {"undecided"}


def test_ranking_is_from_low_to_high_with_the_undefined_last():
    found = {
        "many": estimates(runs([9, 9])),
        "none tried": estimates(runs([0, 0], conditional=False)),
        "few": estimates(runs([1, 1])),
    }
    assert ranking(found, "conflicts") == ["none tried", "few", "many"]
    assert ranking(found, "rate") == ["few", "many", "none tried"]


def test_every_metric_is_estimated():
    assert set(estimates(runs([1, 2]))) == set(METRICS)
    assert set(differences(runs([1, 2]), runs([1, 2]))) == set(METRICS)
