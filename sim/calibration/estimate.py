"""The parameters of a profile, each from the samples that show it alone.

Times are nanoseconds. Nothing here looks at how many conflicts a recording has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sim.calibration import hops
from sim.calibration.fit import (
    Fitted,
    Interval,
    Lognormal,
    ShiftedGamma,
    bootstrap,
    bootstrap_difference,
    fit_before,
    fit_key_time,
    fit_lognormal,
    ks_distance,
)
from sim.calibration.trace import Trace
from sim.units import US

ENOUGH = 10
"""Fewer samples than this give no estimate."""
SURE = 30
"""Fewer samples than this give an estimate too rough to take the place of a value measured elsewhere."""
FAR = 0.2
"""A distribution further than this from its samples (Kolmogorov and Smirnov) is not theirs."""
WIDE = 0.5
"""An interval that reaches further than this share of the value to either side leaves it open."""
APART = 0.2
"""Where fewer of a kind than this were alone in the server, those are no fair sample of it.

They are the short ones, because nobody came while they were there, and they follow others at once: in recorded
bursts of a fast client 1 to 8% of Events were alone, most within 1 ms of the last answer, and took half of what
Events take else.
"""
FASTEST = 0.1
"""The quantile of a step's time that is taken for its computing: the rest of the time is spent waking up."""


class MeasuredValue(NamedTuple):
    """One parameter. ``value`` is a number, or a fitted distribution, in nanoseconds or without unit."""

    value: float | Fitted
    source: str  # what was looked at
    samples: int
    interval: Interval | None  # 95%, of the median of a lognormal, the mean of a gamma, the number else
    ks: float | None  # distance of the samples to the fitted distribution
    times: tuple[float, ...] = ()  # the samples, for a plot
    share: float = 1.0  # of all of their kind in the recordings


def doubt(found: MeasuredValue) -> str | None:
    """Say why an estimate must not take the place of another value; None where it may."""
    if found.samples < SURE:
        return f"{found.samples} samples, and fewer than {SURE} tell little"
    if found.share < APART:
        return f"only {found.share:.0%} of its kind were alone in the server, and those are the short ones"
    if found.ks is not None and found.ks > FAR:
        return f"its distribution fits badly (distance {found.ks:.2f}), so something else was measured too"
    value = found.value if isinstance(found.value, float) else mean_of(found.value)
    if value <= 0:
        return "nothing takes so little time, so something else was measured too"
    if found.interval is not None:
        low, high = found.interval
        if high - low > 2 * WIDE * abs(value):
            return "its interval is wider than the value"
    return None


def _median(times: Iterable[float]) -> float:
    import numpy as np

    return float(np.median(list(times)))


def lognormal(times: Iterable[float], source: str) -> MeasuredValue | None:
    """Fit a lognormal to these times; None with too few, and where half of them are too short to be seen."""
    import numpy as np

    samples = np.array(list(times), dtype=float)
    if len(samples) < ENOUGH or np.median(samples) <= 0:
        return None
    fitted = fit_lognormal(samples)
    return MeasuredValue(
        fitted,
        source,
        len(samples),
        bootstrap(samples, _median),
        ks_distance(samples, fitted),
        tuple(samples),
    )


def quantile_of(times: Iterable[float], q: float, source: str) -> MeasuredValue | None:
    """Return one quantile of these times; None with too few."""
    import numpy as np

    samples = np.array(list(times), dtype=float)
    if len(samples) < ENOUGH:
        return None
    low, high = bootstrap(samples, lambda some: float(np.quantile(some, q)))
    return MeasuredValue(float(np.quantile(samples, q)), source, len(samples), (low, high), None)


def gathered(traces: Iterable[Trace], of: Callable[[Trace], Iterable[int]]) -> list[int]:
    """Return the samples of all recordings."""
    return [sample for trace in traces for sample in of(trace)]


def watch_lag(traces: list[Trace], answer: Lognormal, working_ns: float, parse_ns: float) -> MeasuredValue | None:
    """Estimate the time from the commit to the event's arrival at the client.

    ``answer`` is the time from there to the answer, ``working_ns`` what passes from the arrival to the first sign of
    life: delivery, decoding, the pass itself; after a target Secret's apply it has a key to decode besides, for
    ``parse_ns``.
    """
    less = {"secret": working_ns + parse_ns}
    after = [
        reaction.reaction_ns - reaction.service_ns - less.get(reaction.kind, working_ns) - trace.delay_ns
        for trace in traces
        for reaction in hops.reactions(trace)
    ]
    return lag_of(after, answer, "audit and controller log, from the answer to the first sign of those that it wakes")


def lag_of(after: list[float], answer: Lognormal, source: str) -> MeasuredValue | None:
    """The same from how long after the answer the event arrived, which may be before it."""
    if len(after) < ENOUGH:
        return None
    fitted, distance = fit_before(after, answer)
    low, high = (fitted.p50 + end - _median(after) for end in bootstrap(after, _median))
    return MeasuredValue(fitted, source, len(after), (max(low, 0.0), high), distance)


def message_time(there: list[float], back: list[float]) -> MeasuredValue | None:
    """Estimate a message's way from process to process, from the ways there and back in equal parts."""
    import numpy as np

    if len(there) < ENOUGH or len(back) < ENOUGH:
        return None
    ways = [np.maximum(np.array(way), 10 * US) for way in (there, back)]
    p50, p90 = (float(np.mean([np.quantile(way, q) for way in ways])) for q in (0.5, 0.9))
    ends = [bootstrap(way, _median) for way in ways]
    interval = (sum(end[0] for end in ends) / 2, sum(end[1] for end in ends) / 2)
    fitted = Lognormal(p50, p90)
    source = "audit and controller log, idle: messages there and back (means), less the computing"
    return MeasuredValue(fitted, source, len(there) + len(back), interval, None)


def lost_race(traces: list[Trace]) -> MeasuredValue | None:
    """Estimate what reading again costs: a refusal that met the winner in the server, against the winner."""
    pairs = [
        (trace.events[loser].service_ns, trace.events[winner].service_ns)
        for trace in traces
        for loser, winner in trace.lost_races.items()
        if trace.calm(trace.events[loser].received_ns)
    ]
    if len(pairs) < ENOUGH:
        return None
    value, interval = bootstrap_difference([loser for loser, _ in pairs], [winner for _, winner in pairs])
    source = "audit log, refusals that overlapped the winning write, against the winners (medians)"
    return MeasuredValue(max(value, 0.0), source, len(pairs), interval, None)


def computing(longer: list[int], plain: list[int], source: str) -> MeasuredValue | None:
    """Estimate what one step computes: its hop against a hop without computing (medians)."""
    if len(longer) < ENOUGH or len(plain) < ENOUGH:
        return None
    value, interval = bootstrap_difference(longer, plain)
    return MeasuredValue(max(value, 0.0), source, len(longer), interval, None)


def key_time(traces: list[Trace], plain: list[int]) -> MeasuredValue | None:
    """Estimate the generation of a key: trigger's write to the new key, less a hop without computing."""
    import numpy as np

    found = gathered(traces, hops.key_times)
    if len(found) < ENOUGH or len(plain) < ENOUGH:
        return None
    times = np.maximum(np.array(found, dtype=float) - _median(plain), US)
    fitted = fit_key_time(times)
    return MeasuredValue(
        fitted,
        "audit log, trigger's write to the new key, one at a time",
        len(times),
        bootstrap(times, lambda some: float(np.mean(some))),
        ks_distance(times, fitted),
        tuple(times),
    )


def mean_of(fitted: Fitted) -> float:
    """The expected value of a fitted gamma; of a lognormal its median."""
    return fitted.mean if isinstance(fitted, ShiftedGamma) else fitted.p50
