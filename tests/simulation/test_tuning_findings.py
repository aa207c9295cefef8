"""What docs/tuning.md says about cert-manager's own scenarios, held with intervals from seeded replications."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import sim
from sim.analysis import figures
from sim.analysis.intervals import Estimate
from sim.analysis.measured import Measured
from sim.experiment.evaluate import Evaluator
from sim.experiment.executor import Adaptive
from sim.experiment.space import changed
from sim.scenario.reading.catalogue import resolve_scenario

REPLICATIONS = 8
WAITS = {"retry.base": "10s", "retry.max": "2m"}

pytestmark = pytest.mark.slow


class Variants:
    """The replications of a scenario as it is and with one setting changed, on the same random numbers."""

    def __init__(self, name: str, **settings: Mapping[str, str]) -> None:
        base = sim.load(resolve_scenario(name))
        scenarios = {"current": base} | {key: changed(base, each) for key, each in settings.items()}
        evaluator = Evaluator(Adaptive(len(scenarios) * REPLICATIONS))
        wanted = [(each, index) for each in scenarios.values() for index in range(REPLICATIONS)]
        found = evaluator.evaluate(wanted)
        self.measured: dict[str, list[Measured]] = {
            key: found[place * REPLICATIONS : (place + 1) * REPLICATIONS] for place, key in enumerate(scenarios)
        }

    def mean(self, figure: str) -> float:
        mean = figures.estimate(figure, self.measured["current"]).mean
        assert mean is not None
        return mean

    def difference(self, key: str, figure: str) -> Estimate:
        found = figures.difference(figure, self.measured[key], self.measured["current"])
        assert found.low is not None
        assert found.high is not None
        return found

    def share(self, key: str, figure: str) -> tuple[float, float]:
        """The interval of a difference as a share of the current mean."""
        found, mean = self.difference(key, figure), self.mean(figure)
        return found.low / mean, found.high / mean


@pytest.fixture(scope="module")
def burst() -> Variants:
    return Variants(
        "recorded/burst-50-update",
        waits=WAITS,
        longest={"retry.max": "5m"},
        qps={"client.qps": "50"},
        tokens={"client.burst": "200"},
        few={"controllers.workers": "1"},
        many={"controllers.workers": "20"},
    )


@pytest.fixture(scope="module")
def steady() -> Variants:
    return Variants(
        "recorded/steady-60-update",
        waits=WAITS,
        qps={"client.qps": "50"},
        slow={"client.qps": "10"},
        many={"controllers.workers": "20"},
    )


def test_the_waits_are_not_worth_tuning(burst: Variants, steady: Variants):
    for found in (burst, steady):
        for figure in ("time_to_ready.p50", "time_to_ready.p99", "requests.total"):
            low, high = found.share("waits", figure)
            assert low > -0.1
            assert high < 0.1
    assert burst.share("longest", "time_to_ready.p99") == (0, 0)


def test_the_clients_limit_is_where_it_is_reached(burst: Variants, steady: Variants):
    assert burst.share("qps", "time_to_ready.p99")[1] < -0.4
    low, high = burst.share("qps", "conflicts.per_certificate")
    assert low > -0.35
    assert high < 0.1  # it is not about conflicts
    assert burst.difference("qps", "requests.peak").low > 0  # what it costs everyone else
    assert abs(steady.difference("qps", "time_to_ready.p99").mean or 0) < 0.02 * steady.mean("time_to_ready.p99")
    assert steady.difference("slow", "time_to_ready.p99").low > 10 * steady.mean("time_to_ready.p99")


def test_the_burst_is_worth_less_than_the_rate(burst: Variants):
    tokens, qps = burst.difference("tokens", "time_to_ready.p99"), burst.difference("qps", "time_to_ready.p99")
    assert tokens.high < 0
    assert qps.high < tokens.low


def test_fewer_workers_mean_fewer_conflicts_and_more_mean_more(burst: Variants, steady: Variants):
    assert burst.share("few", "conflicts.per_certificate")[1] < -0.3
    assert burst.difference("few", "time_to_ready.p99").low > 0
    assert burst.share("many", "conflicts.per_certificate")[0] > 0.3
    assert burst.difference("many", "ghost_reconciles").low > 0
    assert abs(steady.difference("many", "conflicts.per_certificate").mean or 0) < 0.05


@pytest.mark.parametrize("name", ["burst-50-update", "steady-60-update"])
def test_a_few_retries_are_enough_against_conflicts(burst: Variants, steady: Variants, name: str):
    from sim.analysis.budget import budget
    from sim.scenario.metrics import CERT_MANAGER

    found = budget((burst if name.startswith("burst") else steady).measured["current"], CERT_MANAGER)
    assert found.unfinished == 0
    assert 2 <= (found.enough or 0) <= 6
    one, two = found.allowed[:2]
    assert one.share.low > 0.2  # without a retry a fifth of the writes and more would be given up
    assert two.share.high < 0.05
    assert 1.2 < (found.figures["amplification"].mean or 0) < 1.8
