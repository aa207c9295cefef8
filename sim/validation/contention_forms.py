"""Closed forms of contention: exact results for clients that read, think and write conditionally.

``checks`` runs a few of them through the simulator's own clients, policies and store, as rungs of the validation
ladder; the tests run more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sim.scenario.model import Scenario
from sim.validation.closed_forms import SEED, Check, ramanujan_q


def budget(p: float, retries: int) -> tuple[float, float]:
    """Share given up and mean tries, where each try is refused with probability ``p``."""
    lost = p ** (retries + 1)
    return lost, (1 - lost) / (1 - p)


def simulate(scenario: dict[str, Any], replications: int) -> list[dict[str, float | None]]:
    """Return the figures (``sim.analysis.contention``) of each replication of a contention."""
    from sim.analysis.contention import measure
    from sim.experiment.replicate import replicate

    made = Scenario.model_validate({"name": "closed form", "seed": SEED, **scenario})
    return [measure(replicate(made, index), made) for index in range(replications)]


def check(name: str, expected: float, values: Sequence[float | None]) -> Check:
    """Return the mean of what came out of the replications beside what a closed form says."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known)
    variance = math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return Check(name, expected, mean, math.sqrt(variance / len(known)))


def share(runs: Sequence[dict[str, float | None]]) -> list[float]:
    """Return the share refused in each replication."""
    return [(run["refused"] or 0) / (run["attempts"] or 1) for run in runs]


def checks() -> list[Check]:
    """Return checks that take about two seconds together."""
    again = {"retry": {"backoff": "none"}}
    window = {"kind": "exponential", "mean": "10ms"}
    closed = simulate({**again, "clients": 10, "contention": {"think": window}, "until": {"at_most": "4s"}}, 20)
    scanned = {"scan": window, "think": window}
    scans = simulate({**again, "clients": 8, "contention": scanned, "until": {"at_most": "4s"}}, 20)
    writers = [{"name": "others", "rate": "20/s"}]
    retry = {"base": "5ms", "max": "40ms", "limit": 4}
    lone = {"clients": 1, "contention": {"think": {"mean": "50ms"}}, "writers": writers, "retry": retry}
    given_up = simulate({**lone, "until": {"at_most": "40s"}}, 20)
    lost, tries = budget(1 - math.exp(-1), 4)
    return [
        check("10 clients, closed loop: share refused", 1 - 1 / ramanujan_q(10), share(closed)),
        check(
            "8 clients, scan then validate: commits a window",
            1.44649,
            [_each(run, "throughput") / 100 for run in scans],
        ),
        check("4 retries among Poisson writers: tries a job", tries, [run["tries_per_job"] for run in given_up]),
        check(
            "4 retries among Poisson writers: share given up",
            lost,
            [_each(run, "gave_up") / (_each(run, "gave_up") + _each(run, "commits")) for run in given_up],
        ),
    ]


def _each(run: dict[str, float | None], name: str) -> float:
    return run[name] or 0.0
