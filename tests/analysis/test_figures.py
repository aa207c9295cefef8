from __future__ import annotations

import pytest

from sim.analysis import figures
from sim.analysis.figures import decided, difference, ranking
from sim.analysis.intervals import Estimate, mean_interval, verdict
from sim.scenario.metrics import CERT_MANAGER, METRICS, metrics_of
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


LISTED = figures.listed(metrics_of(CERT_MANAGER))


def estimates(replications):
    return figures.estimates(replications, LISTED)


def differences(replications, baseline):
    return figures.differences(replications, baseline, LISTED)


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


def test_no_rate_against_some_rate_was_not_attempted():
    never_refused = runs([0, 0, 0], conditional=False)
    assert estimates(never_refused)["rate"].mean is None
    found = differences(never_refused, runs([5, 6, 7]))["rate"]
    assert found.mean is None
    assert decided("conflicts.rate", found) == "none attempted"


def test_one_replication_decides_nothing():
    found = differences(runs([9]), runs([1]))
    assert {decided(name, each) for name, each in found.items() if each.mean is not None} == {"undecided"}


def test_exactly_nothing_is_the_same():
    found = differences(runs([3, 5, 4]), runs([3, 5, 4]))
    assert {verdict(each) for each in found.values() if each.mean is not None} == {"the same"}


def test_ranking_is_from_the_best_to_the_worst_with_the_undefined_last():
    found = {
        "many": estimates(runs([9, 9])),
        "none tried": estimates(runs([0, 0], conditional=False)),
        "few": estimates(runs([1, 1])),
    }
    assert ranking(found, "conflicts.total") == ["none tried", "few", "many"]
    assert ranking(found, "conflicts.rate") == ["few", "many", "none tried"]


def test_who_cannot_be_told_from_the_first_of_a_rank_shares_it():
    sides = {
        "a": runs([1, 1, 1]),
        "b": runs([2, 1, 1]),
        "c": runs([4, 4, 4]),
        "d": runs([4, 4, 4]),
        "e": runs([9, 0, 9]),  # not told from a either, but it comes after c
        "f": runs([30, 30, 31]),
    }
    found = {name: estimates(each) for name, each in sides.items()}
    ordered = ranking(found, "conflicts.total")

    def ranks(metric: str) -> dict[str, int]:
        return figures.ranks(ordered, found, metric, lambda one, other: difference(metric, sides[one], sides[other]))

    assert ranks("conflicts.total") == {"a": 1, "b": 1, "c": 3, "d": 3, "e": 3, "f": 6}
    assert set(ranks("ready_share").values()) == {1}


def test_who_has_no_figure_comes_after_who_has_one():
    sides = {"few": runs([1, 1]), "x": runs([0, 0], conditional=False), "y": runs([0, 0], conditional=False)}
    found = {name: estimates(each) for name, each in sides.items()}
    made = figures.ranks(list(sides), found, "conflicts.rate", lambda *_: Estimate(None, None, None, 2))
    assert made == {"few": 1, "x": 2, "y": 2}


def test_the_best_share_is_the_highest():
    half = [measured(0, objects=[certificate(), certificate(ready=False, ready_ns=-1)])]
    found = {"half": estimates(half), "all": estimates(runs([0]))}
    assert ranking(found, "ready_share") == ["all", "half"]


def test_what_lets_certificates_expire_ranks_behind_all_that_do_not():
    def conflicts(total: float, expired: float) -> dict[str, Estimate]:
        return {"conflicts.total": Estimate(total, None, None, 1), "expired": Estimate(expired, None, None, 1)}

    found = {"few": conflicts(1, 31), "many": conflicts(9, 0), "some": conflicts(4, 0), "least": conflicts(0, 1)}
    assert ranking(found, "conflicts.total") == ["some", "many", "least", "few"]


def test_every_metric_is_estimated_and_older_spellings_find_it():
    found = figures.estimates(runs([1, 2]), METRICS)
    assert list(found) == list(METRICS)
    assert found["conflicts_per_certificate"] == found["conflicts.per_certificate"] == found["conflicts"]
    with pytest.raises(KeyError, match="happiness"):
        found["happiness"]


def test_tries_per_accepted_write_leave_out_the_refused():
    # 3 of 8 and 5 of 10 attempts were refused.
    found = figures.estimate("amplification", runs([3, 5]))
    assert found.mean == pytest.approx((8 + 10) / (5 + 5))


def test_a_quantile_of_all_replications_has_none_of_its_own():
    replications = [measured(0, objects=[certificate()]), measured(1, objects=[certificate(ready_ns=10**9)] * 3)]
    pooled, each = (figures.estimate(f"time_to_ready{name}.p50", replications) for name in ("_pooled", ""))
    assert (pooled.mean, each.mean) == (1, 1.5)
    with pytest.raises(ValueError, match="all replications together"):
        figures.values("time_to_ready_pooled.p50", replications)


def test_every_replication_has_its_own_number():
    replications = runs([2, 4])
    assert figures.values("conflicts.total", replications) == [2, 4]
    assert figures.values("ready_share", replications) == [1, 1]
    assert figures.values("conflicts.rate", replications) == [2 / 7, 4 / 9]
    assert figures.values("conflicts.per_certificate", [measured(requests=[conflict()])]) == [None]


def test_no_more_objects_can_be_stranded_than_there_are():
    replications = [
        measured(index, objects=[certificate(certificate=f"c{at}", ready=at >= stuck) for at in range(50)])
        for index, stuck in enumerate([3, 22])
    ]
    found = figures.estimate("stranded", replications)
    assert found.mean == 12.5
    assert found.high == 50
    assert figures.bound("conflicts", replications) == float("inf")
