"""``make bench``: what one simulated issuance costs, in bare SimPy timeouts of the same process.

A ratio of two loops in one process says the same on a fast and on a slow machine. Both are measured in turn,
several times, and the medians are compared. The last line is the same as JSON:

timeouts_per_s
    SimPy timeouts of one process per CPU second.
issuances_per_s
    issuances of ``recorded/burst-150-update`` per CPU second, ownership and recording included.
timeouts_per_issuance
    their ratio.
compiled_timeouts_per_issuance
    null: there is no compiled build (docs/tried.md says why).
growth_5000_over_500, growth_50000_over_500
    CPU per issuance of a burst of so many Certificates over that of one of 500; of the larger one
    ``growth_certificates`` are simulated, as many as fit into a minute for all of this, and set in its place.
bytes_per_certificate
    peak of traced memory in a burst of 200, by Certificate.
resident_bytes_per_certificate
    what the large burst adds to this process's peak of resident memory, by Certificate.
outside_us_per_issuance
    microseconds of CPU per issuance for digest, invariants, tables and figures.
contention_ratio
    plain clients over a loop written for their model alone: ``sim.bench.contention``.
start_cpu_s
    CPU seconds of ``requeue run`` of one Certificate, once, in a process of its own. What is compiled is kept, as where
    requeue is installed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import simpy

from sim.analysis.metrics import measure as figures_of
from sim.bench.contention import measure as contention
from sim.experiment.invariants import violations
from sim.experiment.replicate import replicate, world_of
from sim.recording.recorder import Recorder
from sim.recording.tables import tables
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from sim.units import HOUR

TIMEOUTS = 200_000
REPEATS = 7
LARGE = 15_000
"""Certificates of the burst that stands for one of 50,000."""


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


def start() -> float:
    """CPU seconds of the command for one Certificate, once."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = f"{folder}/one.yaml"
        with open(scenario, "w", encoding="utf-8") as file:
            file.write("name: one\nworkload: {certificates: 1}\n")
        command = [sys.executable, "-m", "sim", "run", scenario, "--replications", "1", "--out"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": f"{folder}/compiled"}

        def once(number: int) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, f"{folder}/{number}"], check=True, capture_output=True, env=environment)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        once(0)
        return median(once(number) for number in range(1, 6))


def outside(recorded: Scenario) -> float:
    """CPU seconds for the digest, invariants, tables and figures of one replication."""
    world = world_of(recorded, 0)
    world.run()
    recorder = world.listener
    assert isinstance(recorder, Recorder)
    spent = _cpu(lambda: violations(recorder))
    world.take_apart()
    replication = replicate(recorded, 0)
    spent += _cpu(lambda: replication.digest)
    return spent + _cpu(lambda: figures_of(replication, 2)) + _cpu(lambda: dict(tables(replication)))


def measure() -> dict[str, float | None]:
    """All figures."""
    ratio = contention(rounds=2)["all"]  # in a fresh process, as ``make bench-contention``: large runs slow both loops
    recorded = load(resolve_scenario("recorded/burst-150-update"))
    issuances = recorded.workload.certificates
    replicate(recorded, 0)  # warm-up: imports, interned paths
    outside(recorded)
    timeouts, runs, beside = [], [], []
    for repeat in range(REPEATS):
        timeouts.append(TIMEOUTS / _cpu(bare_timeouts))
        runs.append(issuances / _cpu(lambda index=repeat: replicate(recorded, index)))  # type: ignore[misc]
        beside.append(outside(recorded))
    timeouts_per_s, issuances_per_s = median(timeouts), median(runs)
    small = burst(500)
    before = _cpu(lambda: replicate(small, 0)) / 500
    middle = _cpu(lambda: replicate(burst(5000), 0)) / 5000
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    large = _cpu(lambda: replicate(burst(LARGE), 0)) / LARGE
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident
    after = _cpu(lambda: replicate(small, 0)) / 500
    tracemalloc.start()
    replicate(burst(200), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "timeouts_per_s": round(timeouts_per_s),
        "issuances_per_s": round(issuances_per_s, 1),
        "timeouts_per_issuance": round(median(t / r for t, r in zip(timeouts, runs, strict=True)), 1),
        "compiled_timeouts_per_issuance": None,
        "growth_5000_over_500": round(middle * 2 / (before + after), 3),
        "growth_50000_over_500": round(large * 2 / (before + after), 3),
        "growth_certificates": LARGE,
        "bytes_per_certificate": round(peak / 200),
        # What 5,000 took is in the peak already.
        "resident_bytes_per_certificate": round(resident * 1024 / (LARGE - 5000)),
        "outside_us_per_issuance": round(median(beside) / issuances * 1e6, 1),
        "contention_ratio": ratio,
        "start_cpu_s": round(start(), 2),
    }


def main() -> None:
    """Print the figures, and as the last line the same as JSON."""
    found = measure()
    for name, unit in (
        ("timeouts_per_s", "bare SimPy timeouts a CPU second"),
        ("issuances_per_s", "issuances a CPU second (recorded/burst-150-update), in pure Python"),
        ("timeouts_per_issuance", "bare timeouts: the cost of an issuance"),
        ("outside_us_per_issuance", "us an issuance for digest, invariants, tables and figures"),
        ("growth_5000_over_500", "times the cost per issuance of 500 Certificates, with 5,000"),
        ("growth_50000_over_500", f"times, towards 50,000: with {LARGE:,}"),
        ("bytes_per_certificate", "bytes a Certificate at the peak of a burst of 200"),
        ("resident_bytes_per_certificate", f"bytes of resident memory a Certificate between 5,000 and {LARGE:,}"),
        ("contention_ratio", "times a special loop: plain clients"),
        ("start_cpu_s", "CPU seconds: requeue run of one Certificate"),
    ):
        print(f"{found[name]:>12,}  {unit}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
