"""The parameters of a profile, each from the samples that show it alone.

Times are nanoseconds. Nothing here looks at how many conflicts a recording has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import exp, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from sim.calibration import hops
from sim.calibration.fit import (
    Fitted,
    Interval,
    Lognormal,
    ShiftedGamma,
    bootstrap,
    bootstrap_difference,
    fit_key_time,
    fit_lognormal,
    ks_distance,
)
from sim.calibration.trace import Trace
from sim.units import MS, US

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

ENOUGH = 10
"""Fewer samples than this give no estimate."""
SURE = 30
"""Fewer samples than this give an estimate too rough to take the place of a value measured elsewhere."""
FOR_A_SLOPE = 500
"""Reactions from which the share before the commit is told: single cases of 30 to 300 put it anywhere between .25
and 1, all recordings of one machine at .77, all of another at .81."""
FAR = 0.2
"""A distribution further than this from its samples (Kolmogorov and Smirnov) is not theirs."""
WIDE = 0.5
"""An interval that reaches further than this share of the value to either side leaves it open."""
COLD_UNSURE = 0.1
"""What being cold costs is left open by an interval that reaches further (logarithm of the factor)."""
UNSURE = 0.07
"""Likewise of a share: from case to case it is found further apart than its interval says."""
COLD_AFTER = 20 * MS
"""A request that arrives so long after the last one's answer is a cold one."""
FASTEST = 0.1
"""The quantile of a step's time that is taken for its computing: the rest of the time is spent waking up."""


COLD_AFTER_GRID = tuple(ms * MS for ms in (5, 10, 20, 50, 100, 200))
COLD_REQUESTS_GRID = (1, 2, 3, 4, 6, 8, 12, 16)
STARTING = 5
"""Requests at the beginning of a recording that tell nothing about a running server."""
FAR_OUT = 10
"""So many times the median of its class a service time has other reasons than being cold."""


class MeasuredValue(NamedTuple):
    """One parameter. ``value`` is a number, or a fitted distribution, in nanoseconds or without unit."""

    value: float | Fitted
    source: str  # what was looked at
    samples: int
    interval: Interval | None  # 95%, of the median of a lognormal, the mean of a gamma, the number else
    ks: float | None  # distance of the samples to the fitted distribution
    times: tuple[float, ...] = ()  # the samples, for a plot
    share: bool = False  # of a whole, such as a service time


def doubt(found: MeasuredValue) -> str | None:
    """Say why an estimate must not take the place of another value; None where it may."""
    if found.samples < SURE:
        return f"{found.samples} samples, and fewer than {SURE} tell little"
    if found.ks is not None and found.ks > FAR:
        return f"its distribution fits badly (distance {found.ks:.2f}), so something else was measured too"
    if found.share and found.interval is not None:
        if found.interval[1] - found.interval[0] > 2 * UNSURE:
            return "its interval leaves a share open"
        if found.value in {0.0, 1.0}:
            return "a share of nothing or of all says that something else was measured too"
    if found.interval is not None:
        value = found.value if isinstance(found.value, float) else mean_of(found.value)
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


class Coldness(NamedTuple):
    """When a server is cold: fewer than ``requests`` came within ``after`` nanoseconds before a request."""

    after: MeasuredValue
    requests: MeasuredValue


def coldness(traces: list[Trace]) -> Coldness | None:
    """Estimate after how long, and how few requests, the server is cold: what tells long service times from short best.

    Of each pair on a grid the log times are fitted as in ``service_times`` (class, recording, being cold); the pair
    with the least sum of squares is taken, the ends of the intervals are those of the pairs that fit no worse by a
    likelihood ratio (95%). The first requests of a recording, and times far from their class's median, are
    left out: what starts is slow for other reasons. None where no pair fits better than that nothing is cold.
    """
    import numpy as np

    samples = _settled(traces)
    if not samples:
        return None
    names = sorted({row[0] for row in samples})
    logs = np.log([row[3] for row in samples])
    classes = np.array([names.index(row[0]) for row in samples])
    recordings = np.array([row[1] for row in samples])

    def unexplained(cold: NDArray[float64]) -> float:
        effects, effect, spread = _effects(logs, classes, recordings, cold, len(traces))
        rest = logs - effects[recordings] - (cold * effect if spread is not None else 0)
        return float(sum(((part := rest[classes == n]) - part.mean()) @ (part - part.mean()) for n in set(classes)))

    fits = {}
    for after in COLD_AFTER_GRID:
        for requests in COLD_REQUESTS_GRID:
            came = [trace.cold(after, requests) for trace in traces]
            fits[after, requests] = unexplained(np.array([came[n][i] for _, n, i, _ in samples], dtype=float))
    best = min(fits, key=lambda pair: fits[pair])
    bound = fits[best] * exp(3.84 / len(samples))
    if unexplained(np.zeros(len(samples))) <= bound:
        return None
    near = [pair for pair, fit in fits.items() if fit <= bound]
    source = "audit log, alone: the pair of cold_after and cold_requests that tells long from short times best"

    def told(place: int) -> MeasuredValue:
        ends = [pair[place] for pair in near]
        return MeasuredValue(float(best[place]), source, len(samples), (float(min(ends)), float(max(ends))), None)

    return Coldness(told(0), told(1))


def _samples(traces: list[Trace]) -> list[tuple[str, int, int, float]]:
    """Requests that were alone in the server: class, number of the recording, place in it, time taken."""
    return [
        (name, number, i, float(trace.answered[i] - trace.received[i]))
        for number, trace in enumerate(traces)
        for i, name in enumerate(trace.classes)
        if name is not None and trace.alone[i] and trace.answered[i] > trace.received[i]
    ]


def _settled(traces: list[Trace]) -> list[tuple[str, int, int, float]]:
    """Those behind the start, without times that have other reasons than being cold; classes with enough of them."""
    import numpy as np

    samples = [row for row in _samples(traces) if row[2] >= STARTING]
    by_class: dict[str, list[float]] = {}
    for name, _, _, took in samples:
        by_class.setdefault(name, []).append(took)
    medians = {name: float(np.median(times)) for name, times in by_class.items() if len(times) >= ENOUGH}
    return [row for row in samples if row[0] in medians and row[3] < FAR_OUT * medians[row[0]]]


class ServiceEstimates(NamedTuple):
    """Service times of the idle server by class, how much longer cold ones take, how recordings differ."""

    times: dict[str, MeasuredValue]
    cold: MeasuredValue | None
    speeds: dict[str, float]  # by recording: its times, as a multiple of the average recording's


def service_times(
    traces: list[Trace],
    cold_factor: float,
    cold_after: int = COLD_AFTER,
    cold_requests: int = 1,
    settled: bool = False,
) -> ServiceEstimates:
    """Estimate from the requests that were alone in the server: keys being generated don't slow those.

    Log times are the sum of an effect of the class, of the recording and of being cold: a machine is not
    equally fast at all times, and a class that was seen cold only can still be told what it takes warm. Where the
    recordings leave open what being cold costs, as behind a token bucket that lets every request come cold, it
    is taken to cost ``cold_factor``. Where one recording has warm requests and another cold ones only, the machine is
    taken to have been equally fast in both. With ``settled`` the start of a recording and what is far out is left
    away, as by ``coldness``.
    """
    import numpy as np

    came_cold = [trace.cold(cold_after, cold_requests) for trace in traces]
    samples = _settled(traces) if settled else _samples(traces)
    rows = [(name, number, came_cold[number][i], took) for name, number, i, took in samples]
    counts: dict[str, int] = {}
    for name, *_ in rows:
        counts[name] = counts.get(name, 0) + 1
    names = sorted(name for name, count in counts.items() if count >= ENOUGH)
    rows = [row for row in rows if row[0] in names]
    if not rows:
        return ServiceEstimates({}, None, {})
    logs = np.log([row[3] for row in rows])
    classes = np.array([names.index(row[0]) for row in rows])
    recordings = np.array([row[1] for row in rows])
    cold = np.array([row[2] for row in rows], dtype=float)
    effects, cold_effect, spread = _effects(logs, classes, recordings, cold, len(traces))
    alike = False
    if (spread is None or 1.96 * spread > COLD_UNSURE) and len(traces) > 1:
        none, cold_effect, spread = _effects(logs, classes, 0 * recordings, cold, 1)
        alike = spread is not None and 1.96 * spread <= COLD_UNSURE
        effects = np.zeros(len(traces)) if alike else none
    if not alike and (spread is None or 1.96 * spread > COLD_UNSURE):
        cold_effect, spread = log(cold_factor), None
        effects, *_ = _effects(logs - cold * cold_effect, classes, recordings, 0 * cold, len(traces))
    warm = np.exp(logs - effects[recordings] - cold * cold_effect)
    times = {}
    for number, name in enumerate(names):
        measured = lognormal(warm[classes == number], "audit log, requests alone in the server")
        assert measured is not None
        times[name] = measured
    slower = None
    if spread is not None:
        interval = (exp(cold_effect - 1.96 * spread), exp(cold_effect + 1.96 * spread))
        source = f"audit log, alone, {cold_after // MS} ms after the last answer or later, against sooner"
        if cold_requests > 1:
            source = f"audit log, alone, fewer than {cold_requests} within {cold_after // MS} ms, against more"
        if alike:
            source += "; the machine taken to be equally fast in all recordings"
        slower = MeasuredValue(exp(cold_effect), source, int(min(cold.sum(), (1 - cold).sum())), interval, None)
    speeds = (
        {trace.name: exp(float(effect)) for trace, effect in zip(traces, effects, strict=True)} if not alike else {}
    )
    return ServiceEstimates(times, slower, speeds)


def _effects(
    logs: NDArray[float64],
    classes: NDArray[float64],
    recordings: NDArray[float64],
    cold: NDArray[float64],
    many_recordings: int,
) -> tuple[NDArray[float64], float, float | None]:
    """Least squares: effects of the recordings (mean 0), of being cold, and its standard error.

    Without requests of both kinds that allow to tell being cold from the class and the recording, that effect
    is 0 and has no standard error.
    """
    import numpy as np

    count = len(logs)
    many_classes = int(classes.max()) + 1
    design = np.zeros((count, many_classes + many_recordings + 1))
    design[np.arange(count), classes] = 1
    design[np.arange(count), many_classes + recordings] = 1
    design[:, -1] = cold
    # The recordings' effects sum to 0; a heavy row says so.
    balance = np.zeros(design.shape[1])
    balance[many_classes:-1] = count
    full = np.vstack((design, balance))
    target = np.append(logs, 0.0)
    seen = np.flatnonzero(np.abs(full[:-1]).sum(axis=0) > 0)
    told = np.linalg.matrix_rank(full[:, seen]) == len(seen) and 0 < cold.sum() < count
    if not told:
        seen = seen[seen < design.shape[1] - 1]
    solution, *_ = np.linalg.lstsq(full[:, seen], target, rcond=None)
    all_effects = np.zeros(design.shape[1])
    all_effects[seen] = solution
    spread = None
    if told:
        rest = logs - design @ all_effects
        covariance = np.linalg.pinv(full[:, seen].T @ full[:, seen]) * rest.var()
        spread = float(np.sqrt(covariance[-1, -1]))
    return all_effects[many_classes:-1], float(max(all_effects[-1], 0.0)), spread


def speed_spread(speeds: Mapping[str, float]) -> MeasuredValue | None:
    """Estimate how much the machine's speed differs from run to run; None without repetitions of a case.

    ``speeds`` are the recordings' service times as multiples of the average recording's, by ``CASE/rN``. What
    cases differ in is their load's doing as well; so only repetitions of one case are compared (pooled standard
    deviation of logarithms; interval by the chi-square distribution).
    """
    from scipy.stats import chi2

    cases: dict[str, list[float]] = {}
    for name, speed in speeds.items():
        cases.setdefault(name.rsplit("/", 1)[0], []).append(log(speed))
    repeated = [logs for logs in cases.values() if len(logs) > 1]
    degrees = sum(len(logs) - 1 for logs in repeated)
    if not degrees:
        return None
    total = sum((each - sum(logs) / len(logs)) ** 2 for logs in repeated for each in logs)
    low, high = (sqrt(total / float(chi2.ppf(q, degrees))) for q in (0.975, 0.025))
    source = "audit log, times_against_average of repetitions of one case"
    return MeasuredValue(min(sqrt(total / degrees), 1.0), source, sum(map(len, repeated)), (low, high), None)


def commit_share(traces: list[Trace]) -> MeasuredValue | None:
    """Estimate when in its service time a write is decided.

    A watcher's reaction, counted from the write's arrival, comes a fixed time after the commit; so it grows
    with the service time by the share that lies before the commit (slope of Theil and Sen, each kind of write
    around its own median).
    """
    import numpy as np
    from scipy.stats import theilslopes

    xs: list[float] = []
    ys: list[float] = []
    for kind in ("certificate", "request", "secret"):
        found = [reaction for trace in traces for reaction in hops.reactions(trace) if reaction.kind == kind]
        if len(found) >= ENOUGH:
            x = np.array([reaction.service_ns for reaction in found], dtype=float)
            y = np.array([reaction.reaction_ns for reaction in found], dtype=float)
            xs += list(x - np.median(x))
            ys += list(y - np.median(y))
    if len(xs) < FOR_A_SLOPE:
        return None
    slope, _, low, high = theilslopes(ys[:3000], xs[:3000])
    interval = (float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1)))
    source = "audit and controller log, a watcher's reaction against the write's service time"
    return MeasuredValue(float(np.clip(slope, 0, 1)), source, len(xs), interval, None, share=True)


def watch_lag(traces: list[Trace], share: float, working_ns: float, parse_ns: float) -> MeasuredValue | None:
    """Estimate the time from the commit to the event's arrival at the client.

    ``working_ns`` is what passes from there to the first sign of life: delivery, decoding, the pass itself; after
    a target Secret's apply it has a key to decode besides, for ``parse_ns``.
    """
    less = {"secret": working_ns + parse_ns}
    lags = [
        max(reaction.reaction_ns - share * reaction.service_ns - less.get(reaction.kind, working_ns), 10 * US)
        for trace in traces
        for reaction in hops.reactions(trace)
    ]
    return lognormal(lags, "audit and controller log, from the commit to each woken controller's first sign")


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
