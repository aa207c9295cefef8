"""Pairs of cases that differ in one setting, judged as decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.validation.asked import scenario_from
from sim.validation.cases import Case, Run
from sim.validation.decisions import decisions, summary
from sim.validation.figures import Observation
from sim.validation.validate import CaseResult


def case(
    name: str, recorded: list[float], simulated: list[float], folder: Path = Path("none"), **asked: Any
) -> CaseResult:
    full = {"cert_manager": "1.12.9", "certificates": 50, **asked}
    run = Run(name, folder, full, {}, None, None, {})
    observed = [[Observation({"conflicts": value}, []) for value in values] for values in (recorded, simulated)]
    return CaseResult(Case(name, (run,), scenario_from(name, full)), *observed)


def test_a_pair_differs_in_one_setting_and_in_nothing_else():
    base = case("base", [10, 12], [11, 11])
    workers = case("workers", [20, 22], [30, 30], concurrent_workers=20)
    both = case("both", [5, 6], [4, 4], concurrent_workers=20, kube_api_qps=100)
    larger = case("larger", [5, 6], [4, 4], certificates=60)
    found = {(pair.one, pair.other, pair.setting) for pair in decisions([base, workers, both, larger])}
    assert found == {("base", "workers", "controllers.workers"), ("workers", "both", "client")}


def test_cases_of_different_batches_are_not_compared(tmp_path: Path):
    (tmp_path / "lab.json").write_text("{}")
    assert not decisions([case("base", [1, 2], [1, 2]), case("other", [1, 2], [1, 2], tmp_path, concurrent_workers=1)])


@pytest.mark.parametrize(
    ("predicted", "right", "regret"),
    [([30, 31], True, 0), ([2, 3], False, pytest.approx(100 * (21 / 11 - 1)))],
)
def test_the_sign_and_what_following_it_would_have_cost(predicted, right, regret):
    pair = decisions([case("a", [10, 12], [11, 11]), case("b", [20, 22], predicted, concurrent_workers=20)])[0]
    (judged,) = pair.figures
    assert judged.recorded == 10
    assert judged.recorded_error == pytest.approx(2**0.5)
    assert judged.clear
    assert judged.sign_right is right
    assert judged.regret == regret
    assert summary([pair])["clear_and_sign_right"] == int(right)


def test_one_run_tells_no_spread_and_wide_ones_hide_the_difference():
    once = decisions([case("a", [10], [11, 11]), case("b", [20, 22], [1, 2], concurrent_workers=20)])[0].figures[0]
    assert once.clear is None
    wide = decisions([case("a", [5, 40], [11, 11]), case("b", [20, 22], [1, 2], concurrent_workers=20)])[0].figures[0]
    assert wide.clear is False
