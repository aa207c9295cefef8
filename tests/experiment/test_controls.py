"""What was drawn is taken out of mean times: intervals still cover the truth, and every command says the same."""

from __future__ import annotations

from math import exp
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.analysis import figures
from sim.analysis.intervals import Estimate, amount_interval, mean_interval, paired_difference
from sim.analysis.measured import Measured
from sim.analysis.sequential import LEAST, Precision
from sim.experiment.compare import execute as execute_compared
from sim.experiment.controls import ENOUGH, narrowed, with_luck
from sim.experiment.looks import Precisely
from sim.experiment.replicate import replicate, world_of
from sim.experiment.run import execute
from sim.experiment.variants import variants
from sim.families.certmanager.costs import Costs
from sim.kernel.streams import Streams
from sim.recording.results import GivenFolder
from sim.scenario.model import Scenario
from sim.scenario.reading.profile_file import profile_of
from sim.scenario.speed import drawn_speed, scaled
from tests.analysis.test_coverage import coverage, in_range

METRIC = "time_to_ready.p50"


@pytest.fixture(scope="module")
def fast() -> Scenario:
    return sim.load(
        """
name: fast
profile: recorded-2-cores
workload: {certificates: 8}
client: {qps: 1000, burst: 1000}
"""
    )


def drawn(rng: np.random.Generator, many: int, follows: float) -> list[Measured]:
    """Times of mean 10 and variance 1, of which ``follows`` is luck's; and as many counts that are the same numbers."""
    found = []
    for index, (speed, keys, rest) in enumerate(rng.normal(0, 1, (many, 3)).tolist()):
        time = 10 + (follows / 2) ** 0.5 * (speed + keys) + (1 - follows) ** 0.5 * rest
        figures_of = {"time_to_ready_p50": time, "conflicts": time}
        found.append(Measured(index, 1, "", figures_of, (), luck=(speed, keys)))
    return found


def plain(replications: list[Measured]) -> list[Measured]:
    return [Measured(each.index, each.seed, "", each.metrics, ()) for each in replications]


@pytest.mark.parametrize(
    ("interval", "many"),
    [(mean_interval, 4), (mean_interval, 20), (mean_interval, 60), (amount_interval, 20), (amount_interval, 60)],
)
def test_intervals_with_controls_cover_the_truth_and_are_narrower(interval, many: int):
    def values(rng: np.random.Generator) -> tuple[list[float], list[tuple[float, ...]]]:
        found = drawn(rng, many, 0.75)
        return [float(each.metrics["conflicts"] or 0) for each in found], [each.luck for each in found]

    def controlled(rng: np.random.Generator) -> Estimate:
        numbers, luck = values(rng)
        return interval(numbers, controls=luck)

    assert in_range(coverage(controlled, 10))
    if many > 4:
        widths = []
        for seed in range(100):
            numbers, luck = values(np.random.default_rng([3, seed]))
            with_them, without = interval(numbers, controls=luck), interval(numbers)
            widths.append((with_them.high - with_them.low) / (without.high - without.low))
        assert np.mean(widths) == pytest.approx(0.5, abs=0.07)


def test_least_squares_give_the_mean_where_the_controls_are_0():
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 1, (30, 2))
    values = 5 + luck @ [2, -1] + rng.normal(0, 0.1, 30)
    design = np.column_stack([np.ones(30), luck])
    line, rest, *_ = np.linalg.lstsq(design, values, rcond=None)
    error = (rest[0] / 27 * np.linalg.inv(design.T @ design)[0, 0]) ** 0.5
    controls = luck.tolist()
    found = mean_interval(values.tolist(), controls)
    assert found.mean == pytest.approx(line[0])
    assert (found.high - found.low) / 2 == pytest.approx(2.0518 * error, rel=1e-4)  # Student's with 27 degrees
    # A difference is that of the two means.
    other = (7 - luck[:, 0]).tolist()
    difference = paired_difference(values.tolist(), other, controls)
    assert difference.mean == pytest.approx(found.mean - mean_interval(other, controls).mean)
    # What is undefined is left out with its controls; numbers that are always the same are none, as are too many.
    some = [None if place % 3 == 0 else value for place, value in enumerate(values.tolist())]
    kept = [place for place in range(30) if place % 3]
    assert mean_interval(some, controls) == mean_interval(values[kept].tolist(), luck[kept].tolist())
    assert mean_interval([1, 2, 4], [[4.0], [4.0], [4.0]]) == mean_interval([1, 2, 4])
    assert mean_interval([1, 2, 4], controls[:3]) == mean_interval([1, 2, 4])


@pytest.mark.parametrize("follows", [0.0, 0.5, 0.75, 0.95])
def test_a_precision_covers_the_truth_whether_or_not_luck_narrows(follows: float, fast: Scenario, monkeypatch):
    used = []

    def interval(rng: np.random.Generator) -> Estimate:
        found = drawn(rng, 120, follows)
        monkeypatch.setattr("sim.experiment.looks.with_luck", lambda _, some: found[: len(some)])
        until = Precisely(METRIC, Precision(0.03), {"fast": fast})
        for size in until.sizes():
            seen = {"fast": plain(found[:size])}
            if not until.left(seen):
                break
        used.append(until.as_dict()["precision"]["narrowed"] is not None)
        return figures.estimate(METRIC, until.kept(seen)["fast"])

    assert in_range(coverage(interval, 10))
    often = sum(used) / len(used)
    assert often == 0 if follows == 0 else often > 0.95 if follows > 0.7 else 0.05 < often < 0.6


def test_it_is_used_where_it_narrows_by_a_third_and_for_times_alone():
    rng = np.random.default_rng(1)
    strong, weak = drawn(rng, 40, 0.8), drawn(rng, 40, 0.2)
    left = narrowed(METRIC, plain(strong), strong)
    assert left is not None
    assert left < ENOUGH
    assert narrowed(METRIC, plain(weak), weak) is None
    assert narrowed("conflicts.total", plain(strong), strong) is None
    assert narrowed(METRIC, plain(strong)[: LEAST - 1], strong[: LEAST - 1]) is None
    assert figures.estimate("conflicts.total", strong) == figures.estimate("conflicts.total", plain(strong))
    assert figures.values(METRIC, strong) == figures.values(METRIC, plain(strong))
    # A difference is taken with luck where both sides had the same: elsewhere it is that of plain means.
    for other in (weak, plain(weak)):
        assert figures.difference(METRIC, strong, other) == figures.difference(METRIC, plain(strong), plain(weak))


def test_luck_is_what_the_world_drew(fast: Scenario, monkeypatch):
    times: list[int] = []
    generate = Costs.generate

    def kept(costs: Costs, actor: str, algorithm: str, size: int) -> int:
        times.append(generate(costs, actor, algorithm, size))
        return times[-1]

    monkeypatch.setattr(Costs, "generate", kept)
    costs = profile_of(fast).controllers.rsa2048
    for index in range(3):
        times.clear()
        replicate(fast, index)
        [found] = with_luck(fast, [Measured(index, fast.seed, "", {}, ())])
        factor = exp(profile_of(fast).speed_spread * found.luck[0])
        assert world_of(fast, index).profile == scaled(profile_of(fast), factor)
        first = np.mean(times[:8]) / factor / (costs.shift + costs.shape * costs.scale) - 1
        assert found.luck[1] == pytest.approx(first, abs=1e-6)


def test_luck_has_mean_0_and_operators_have_that_of_the_machine_alone(fast: Scenario):
    luck = np.array([each.luck for each in with_luck(fast, [Measured(i, 1, "", {}, ()) for i in range(2000)])])
    error = luck.std(axis=0, ddof=1) / len(luck) ** 0.5
    assert (abs(luck.mean(axis=0)) < 3 * error).all()
    one = Measured(0, 1, "", {}, ())
    operator = sim.load("operators/ten-workers")
    assert len(with_luck(operator, [one])[0].luck) == bool(profile_of(operator).speed_spread)
    assert drawn_speed(Streams(1, 0)) == luck[0][0]


def test_a_run_its_folder_and_its_page_say_the_same(fast: Scenario, tmp_path: Path, monkeypatch):
    until = Precisely(METRIC, Precision(0.02, most=40), {"fast": fast})
    found = execute(fast, folder=GivenFolder(tmp_path / "run"), until=until)
    said = found.summary["precision"]
    assert said["narrowed"] < ENOUGH
    assert {key: said[key] for key in ("mean", "low", "high")} == found.metrics[METRIC].as_dict()
    assert found.summary["time_to_ready_intervals"]["p50"] == found.metrics[METRIC].as_dict()
    without = sim.run(fast, replications=len(found.measured))
    assert without.digest == found.digest
    assert without.metrics["conflicts.total"] == found.metrics["conflicts.total"]
    width, before = ((each.high - each.low) for each in (found.metrics[METRIC], without.metrics[METRIC]))
    assert width / before == pytest.approx(said["narrowed"])
    monkeypatch.setattr("sim.experiment.controls.profile_of", None)  # a folder stands for itself, whatever became of it
    again = sim.open_results(tmp_path / "run")
    assert again.metrics == found.metrics
    assert again.only(1).metrics[METRIC].mean == without.only(1).metrics[METRIC].mean
    for result, has in ((again, True), (without, False)):
        assert ("mean times with control variates" in result._repr_html_()) is has


def test_a_comparison_takes_it_where_it_narrows_all_variants(fast: Scenario, tmp_path: Path):
    def compared(vary: dict[str, list[str]], name: str):
        found = variants(fast, vary)
        looks = Precisely(METRIC, Precision(0.02, most=24), {each.name: each.scenario for each in found})
        return execute_compared(found, vary, metric=METRIC, folder=GivenFolder(tmp_path / name), looks=looks)

    found = compared({"strategy": ["update", "apply"]}, "both")
    assert found.looked["precision"]["narrowed"] < ENOUGH
    base, other = (found.estimates[name][METRIC].mean for name in ("update", "apply"))
    assert found.differences["apply"][METRIC].mean == pytest.approx(other - base)
    for each in (sim.open(tmp_path / "both"),):
        assert (each.estimates, each.differences) == (found.estimates, found.differences)
    throttled = compared({"client.qps": ["1000", "1"], "client.burst": ["1"]}, "one")
    assert throttled.looked["precision"]["narrowed"] is None
    assert not any(each.summary["control_variates"] for each in throttled.results.values())


@pytest.mark.parametrize(("other", "used"), [("8", True), ("16", False)])
def test_variants_with_different_luck_keep_plain_means(fast: Scenario, other: str, used: bool):
    """Of twice as many Certificates other keys are looked at: the difference would not be that of the means."""
    scenarios = {"a": fast, "b": sim.load(fast.to_yaml(), [f"workload.certificates={other}"])}
    none = [Measured(index, 1, "", {}, ()) for index in range(24)]
    measured = {
        name: [
            Measured(each.index, 1, "", {"time_to_ready_p50": 10 + sum(each.luck) + each.index % 5 / 20}, ())
            for each in with_luck(scenario, none)
        ]
        for name, scenario in scenarios.items()
    }
    kept = Precisely(METRIC, Precision(0.02, most=24), scenarios).kept(measured)
    assert all(bool(each.luck) is used for one in kept.values() for each in one)


@pytest.mark.parametrize("workload", [{"existing": 3, "certificates": 0}, {"existing": 2, "certificates": 1}])
def test_keys_of_renewals_count_too(fast: Scenario, workload: dict[str, int]):
    renewing = Scenario.model_validate({"name": "renewing", "workload": workload})
    one = Measured(0, renewing.seed, "", {}, ())
    usual = Scenario.model_validate({"name": "usual", "workload": {"certificates": 3}})
    assert with_luck(renewing, [one]) == with_luck(usual, [one])
