"""``make bench-contention``: the AWS backoff experiment in the simulator, and in a loop written for it alone.

The loop knows this model and nothing else: a heap, a version, a list of waits. It draws the same numbers from the same
streams in the same order, so it must come to the same time and the same work, replication by replication, and that
is checked. Both are measured in turn, and the medians of the ratios of CPU time are told. The simulator has the
store, the API server's rules and the retry policy in it, and records every request. The last line is JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path
from statistics import median

from sim.experiment.replicate import replicate
from sim.families.plain.draws import samplers, uniforms
from sim.kernel.streams import Streams
from sim.scenario.contention import Times
from sim.scenario.model import Scenario
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load
from sim.units import MS

STRATEGIES = ("none", "expo", "equal", "full", "decorr")
BASE, CAP = 5 * MS, 2000 * MS
DELAY = Times(kind="normal", mean=10 * MS, sd=2 * MS)
CLIENTS = 100
REPLICATIONS = 12
ROUNDS = 5


def special(clients: int, strategy: str, seed: int, replication: int) -> tuple[int, int]:
    """The experiment of ``aws_backoff.csv``: (nanoseconds to the last answer, conditional writes sent)."""
    streams = Streams(seed, replication)
    messages = samplers(streams, "client", "message", clients, DELAY)
    lots = uniforms(streams, "client", "retries", clients)
    failures, previous, read = [0] * clients, [BASE] * clients, [-1] * clients
    heap = [(messages[client](), client) for client in range(clients)]
    heap.sort()
    version = work = last = 0
    while heap:
        now, client = heappop(heap)
        message = messages[client]
        if read[client] < 0:  # the read is at the server: answer it, and the write follows
            read[client] = version
            heappush(heap, (now + message() + message(), client))
            continue
        work += 1
        answered = now + message()
        if read[client] == version:
            version += 1
            last = max(last, answered)
            continue
        read[client] = -1
        failures[client] += 1
        value = min(CAP, BASE << min(failures[client], 40))
        if strategy == "none":
            wait = 0
        elif strategy == "expo":
            wait = value
        elif strategy == "equal":
            wait = round((1 + lots[client]()) * value / 2)
        elif strategy == "full":
            wait = round(lots[client]() * value)
        else:
            wait = min(CAP, round(BASE + lots[client]() * (3 * previous[client] - BASE)))
            previous[client] = wait
        heappush(heap, (answered + wait + message(), client))
    return last, work


def experiment(strategy: str, clients: int) -> Scenario:
    """The scenario contention/aws-backoff with a strategy and a number of clients."""
    file = Path(resolve_scenario("contention/aws-backoff"))
    return load(file, [f"retry.backoff={strategy}", f"clients={clients}"])


def simulated(scenario: Scenario, replication: int) -> tuple[int, int]:
    """The same from the simulator, everything recorded."""
    done = replicate(scenario, replication)
    assert done.contended is not None
    return done.ended_ns, len(done.contended.tries)


def _cpu(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(clients: int = CLIENTS, replications: int = REPLICATIONS, rounds: int = ROUNDS) -> dict[str, float]:
    """Cost of the simulator in special loops, by strategy and of all together; raises where they disagree."""
    ratios: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    totals = []
    tries = cpu = 0.0
    for strategy in STRATEGIES:
        scenario = experiment(strategy, clients)
        for replication in range(replications):
            ours, theirs = simulated(scenario, replication), special(clients, strategy, scenario.seed, replication)
            if ours != theirs:
                raise AssertionError(f"{strategy}, replication {replication}: simulated {ours}, special loop {theirs}")
            tries += ours[1]
    for _ in range(rounds):
        mine = alone = 0.0
        for strategy in STRATEGIES:
            scenario = experiment(strategy, clients)
            each = _cpu(lambda chosen=scenario: [simulated(chosen, n) for n in range(replications)])  # type: ignore[misc]
            loop = _cpu(lambda name=strategy: [special(clients, name, 1, n) for n in range(replications)])  # type: ignore[misc]
            ratios[strategy].append(each / loop)
            mine, alone = mine + each, alone + loop
        totals.append(mine / alone)
        cpu += mine
    return {
        **{strategy: round(median(found), 2) for strategy, found in ratios.items()},
        "all": round(median(totals), 2),
        "microseconds_per_try": round(cpu / rounds / tries * 1e6, 2),
    }


def main() -> None:
    """Print the figures, and as the last line the same as JSON."""
    figures = measure()
    print(f"AWS backoff experiment, {CLIENTS} clients: same seeds, same events, same results")
    for strategy in STRATEGIES:
        print(f"{strategy:8} {figures[strategy]:>6.2f} times the CPU time of a loop written for this model alone")
    print(f"{'all':8} {figures['all']:>6.2f}   ({figures['microseconds_per_try']} microseconds a try)")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
