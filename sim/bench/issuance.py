"""``make bench``: what one simulated issuance costs, in bare SimPy timeouts of the same process.

A ratio of two loops in one process says the same on a fast and on a slow machine. Both are measured in turn,
several times, and the medians are compared. The last line is the same as JSON:

timeouts_per_s
    SimPy timeouts of one process per CPU second.
issuances_per_s
    issuances of ``recorded/burst-150-update`` per CPU second, ownership and recording included.
timeouts_per_issuance
    their ratio.
growth_5000_over_500
    CPU per issuance of a burst of 5,000 Certificates over that of one of 500.
bytes_per_certificate
    peak of traced memory in a burst of 200, by Certificate.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import simpy

from sim.experiment.replicate import replicate
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from sim.units import HOUR

TIMEOUTS = 200_000
REPEATS = 7


def _cpu(function: Callable[[], object]) -> float:
    """CPU seconds that a call takes."""
    start = time.process_time()
    function()
    return time.process_time() - start


def bare_timeouts() -> None:
    """One SimPy process that does nothing but wait."""
    environment = simpy.Environment()

    def wait() -> simpy.events.ProcessGenerator:
        for _ in range(TIMEOUTS):
            yield environment.timeout(1)

    environment.process(wait())
    environment.run()


def burst(certificates: int) -> Scenario:
    """A burst under the default profile that may take as long as it needs."""
    return Scenario.model_validate(
        {"name": "bench", "workload": {"certificates": certificates}, "until": {"at_most": 100 * HOUR}}
    )


def measure() -> dict[str, float]:
    """The five figures."""
    recorded = load(resolve_scenario("recorded/burst-150-update"))
    issuances = recorded.workload.certificates
    replicate(recorded, 0)  # warm-up: imports, interned paths
    timeouts, runs = [], []
    for repeat in range(REPEATS):
        timeouts.append(TIMEOUTS / _cpu(bare_timeouts))
        runs.append(issuances / _cpu(lambda index=repeat: replicate(recorded, index)))  # type: ignore[misc]
    timeouts_per_s, issuances_per_s = median(timeouts), median(runs)
    small, large = burst(500), burst(5000)
    ratios = []
    before = _cpu(lambda: replicate(small, 0)) / 500
    big = _cpu(lambda: replicate(large, 0)) / 5000
    after = _cpu(lambda: replicate(small, 0)) / 500
    ratios.append(big / ((before + after) / 2))
    tracemalloc.start()
    replicate(burst(200), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "timeouts_per_s": round(timeouts_per_s),
        "issuances_per_s": round(issuances_per_s, 1),
        "timeouts_per_issuance": round(median(t / r for t, r in zip(timeouts, runs, strict=True)), 1),
        "growth_5000_over_500": round(median(ratios), 3),
        "bytes_per_certificate": round(peak / 200),
    }


def main() -> None:
    """Print the figures, and as the last line the same as JSON."""
    figures = measure()
    print(f"bare SimPy timeouts        {figures['timeouts_per_s']:>12,} per CPU second")
    print(f"issuances                  {figures['issuances_per_s']:>12,} per CPU second (recorded/burst-150-update)")
    print(f"cost of an issuance        {figures['timeouts_per_issuance']:>12,} timeouts")
    print(f"5,000 Certificates         {figures['growth_5000_over_500']:>12} times the cost per issuance of 500")
    print(f"peak memory                {figures['bytes_per_certificate']:>12,} bytes per Certificate")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
