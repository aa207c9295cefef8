"""Control variates: chance whose mean is known is taken out of mean times, so that fewer replications tell as much.

What a replication draws of its machine's speed (``sim.scenario.speed``) and of the times that its keys take is known,
and so are their means. Where the times of a scenario follow them, least squares at those means give an estimate of
the same expectation as the plain mean, which varies less (A. M. Law, *Simulation Modeling and Analysis*, 5th ed.,
section 11.4). Only times are estimated so, and only where the metric that was asked for becomes narrower by a third:
counts of conflicts follow neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from math import fsum
from typing import TYPE_CHECKING

from sim.analysis import figures
from sim.analysis.sequential import LEAST
from sim.families.certmanager.costs import key_times
from sim.families.certmanager.key_manager import KeyManager
from sim.kernel.streams import Streams
from sim.scenario.metrics import CERT_MANAGER
from sim.scenario.reading.profile_file import profile_of
from sim.scenario.speed import drawn_speed

if TYPE_CHECKING:
    from sim.analysis.measured import Measured
    from sim.scenario.model import Scenario

ENOUGH = 2 / 3
"""What controls must leave of the width of an interval to be used."""

MOST_KEYS = 1000
"""So many of a replication's first keys are looked at: those of a longer run tell less and less."""


def with_luck(scenario: Scenario, replications: Sequence[Measured]) -> list[Measured]:
    """Return the replications with what they drew: their mean times are then those at mean luck."""
    profile = profile_of(scenario)
    costs, many = profile.controllers, min(scenario.workload.total, MOST_KEYS)
    mean = costs.rsa2048.shift + costs.rsa2048.shape * costs.rsa2048.scale
    found = []
    for each in replications:
        streams = Streams(each.seed, each.index)
        luck = [drawn_speed(streams)] if profile.speed_spread else []
        if scenario.family == CERT_MANAGER and many:
            keys = iter(key_times(streams, KeyManager.name, costs), None)
            luck.append(fsum(islice(keys, many)) / many / mean - 1)
        found.append(replace(each, luck=tuple(luck)))
    return found


def narrowed(metric: str, plain: Sequence[Measured], controlled: Sequence[Measured]) -> float | None:
    """Return what the controls leave of the width of the metric's interval; None where that is not worth using them."""
    if len(plain) < LEAST:
        return None
    before, after = figures.estimate(metric, plain), figures.estimate(metric, controlled)
    if before.low is None or before.high is None or after.low is None or after.high is None:
        return None
    left = (after.high - after.low) / (before.high - before.low) if before.high > before.low else 1.0
    return left if left <= ENOUGH else None
