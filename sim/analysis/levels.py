"""What rises and falls during one replication: keys in a queue, tokens in the bucket, requests in flight.

A ``Level`` is a list of (nanoseconds, value): the value from that time until the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.recording.frames import nanoseconds
from sim.scenario.machinery import is_own
from sim.scenario.metrics import OPERATORS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from sim.client.throttle import TokenBucket
    from sim.scenario.model import Scenario

    Floats = npt.NDArray[np.float64]

Level = list[tuple[int, float]]

SAMPLE_NS = 100_000_000
"""How often the rise of the token bucket is written down between two requests."""
OF_DEPTHS = ("replication", "reconcile", "controller", "key", "queued_at", "started_at", "ended_at")
"""The columns of passes that ``depths`` looks at."""
OF_TOKENS = ("actor", "asked_at")
"""The columns of requests that ``tokens`` looks at."""
CREATOR, EXTERNAL_ISSUER = "lab", "external-issuer"


def outside(scenario: Scenario, requests: pd.DataFrame) -> set[str]:
    """Return who does not belong to the controllers' process: they have clients of their own, without its bucket.

    Of plain clients these are the other writers.
    """
    if scenario.contention is not None:
        return {writer.name for writer in scenario.writers}
    named = {CREATOR, EXTERNAL_ISSUER, *(writer.name for writer in scenario.writers)}
    actors = {str(name) for name in requests["actor"].unique()}
    if scenario.family == OPERATORS:
        return actors & named
    return {name for name in actors if name in named or not is_own(name)}


def steps(up: pd.Series[pd.Timedelta], down: pd.Series[pd.Timedelta]) -> Level:
    """Return how many things there are, each from its time in ``up`` to that in ``down``."""
    import numpy as np

    rises, falls = (nanoseconds(each.dropna()) for each in (up, down))
    times, places = np.unique(np.concatenate([rises, falls]), return_inverse=True)
    changes = np.bincount(places[: len(rises)], minlength=len(times))
    changes = changes - np.bincount(places[len(rises) :], minlength=len(times))
    values = np.cumsum(changes)
    changed = np.diff(values, prepend=0) != 0
    return [(int(at), int(value)) for at, value in zip(times[changed], values[changed], strict=True)]


def entered(reconciles: pd.DataFrame) -> pd.Series[pd.Timedelta]:
    """Return when each key entered the queue proper.

    A key that is added while it is processed waits outside the queue until that pass is over (client-go's dirty
    set), and counts there only from then.
    """
    ordered = reconciles.sort_values(["started_at", "reconcile"], kind="stable")
    keys = [ordered[name] for name in ("replication", "controller", "key")]
    before = ordered["ended_at"].groupby(keys, observed=True).shift()
    late = before.notna() & (before > ordered["queued_at"])
    found = ordered["queued_at"].where(~late, before)
    # The cost of an empty pass may be owed: its end is written down later than its key was done.
    return found.where(found <= ordered["started_at"], ordered["started_at"]).reindex(reconciles.index)


def depths(reconciles: pd.DataFrame) -> dict[str, Level]:
    """Return the number of keys that wait in each controller's queue. Keys still there at the end are not known."""
    parts = reconciles.groupby("controller", observed=True)
    return {str(name): steps(entered(part), part["started_at"]) for name, part in parts}


def in_flight(requests: pd.DataFrame, begin: str, end: str) -> Level:
    """Return the number of requests between two of their times."""
    return steps(requests[begin], requests[end])


def tokens(scenario: Scenario, requests: pd.DataFrame) -> Level | None:
    """Return the level of the client's bucket, below 0 while requests wait; None where there is not one, and one alone.

    The bucket is filled again by the rules of ``sim.client.throttle`` from the times at which tokens were asked
    for. A restarted process starts with a full one.
    """
    import numpy as np

    from sim.client.throttle import TokenBucket

    if without_tokens(scenario):
        return None
    ours = requests[~requests["actor"].isin(outside(scenario, requests))]
    asked = np.sort(nanoseconds(ours["asked_at"]))
    starts = [at + scenario.controllers.restart_takes for at in scenario.controllers.restarts]
    bucket = TokenBucket(scenario.client.qps, scenario.client.burst)
    level: Level = [(0, float(scenario.client.burst))]
    last = 0
    for at in (int(each) for each in asked):
        while starts and starts[0] <= at:
            last = starts.pop(0)
            bucket = TokenBucket(scenario.client.qps, scenario.client.burst)
            level.append((last, float(scenario.client.burst)))
        _filled(level, bucket, range(last + SAMPLE_NS, at, SAMPLE_NS), scenario.client.burst)
        bucket.reserve(at)
        _note(level, at, bucket.level(at))
        last = at
    _filled(level, bucket, range(last + SAMPLE_NS, last + 60 * 10**9, SAMPLE_NS), scenario.client.burst)
    return level


def without_tokens(scenario: Scenario) -> str:
    """Say why there is no level of the client's bucket to be shown; "" where there is one."""
    from sim.families.without_effect import throttled

    if scenario.family == OPERATORS:
        return "not drawn: each operator has buckets of its own"  # one for each kind
    if scenario.contention is not None and len(scenario.contention.groups) > 1:
        return "not drawn: each group has a bucket of its own"
    return "" if throttled(scenario) else "no limit in the client"


def _filled(level: Level, bucket: TokenBucket, samples: Iterable[int], full: float) -> None:
    """Note how the bucket fills, until it is full: the weeks after that cost nothing."""
    for sample in samples:
        _note(level, sample, bucket.level(sample))
        if bucket.level(sample) >= full:
            break


def _note(level: Level, at: int, value: float) -> None:
    value = round(value, 3)
    if level[-1][1] != value:
        level.append((at, value))


def at(level: Level, times: Floats) -> Floats:
    """Return the level at each of ``times``, in seconds; 0 before its beginning."""
    import numpy as np

    starts = np.array([start for start, _ in level]) / 1e9
    values = np.array([0.0, *(value for _, value in level)])
    found: Floats = values[np.searchsorted(starts, times, "right")]
    return found


def highest(level: Level, edges: Floats) -> Floats:
    """Return the highest value of a level between each two of ``edges``, in seconds."""
    import numpy as np

    found = at(level, edges[:-1])
    starts = np.array([start for start, _ in level]) / 1e9
    values = np.array([value for _, value in level], float)
    inside = (starts >= edges[0]) & (starts <= edges[-1])
    places = np.clip(np.searchsorted(edges, starts[inside], "right") - 1, 0, len(found) - 1)
    np.maximum.at(found, places, values[inside])
    return found


def mean(level: Level, end: int) -> float | None:
    """Return the mean of a level over time, from its beginning until ``end`` in nanoseconds."""
    kept = [(start, value) for start, value in level if start < end]
    if not kept:
        return None
    area = sum((later - start) * value for (start, value), (later, _) in pairwise([*kept, (end, 0.0)]))
    return area / (end - kept[0][0])
