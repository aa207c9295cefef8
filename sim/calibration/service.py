"""Service times of the server when it is idle, by class: what being cold costs, and how recordings and runs differ.

Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import TYPE_CHECKING, NamedTuple

from sim.calibration.estimate import ENOUGH, MeasuredValue, lognormal
from sim.calibration.trace import Trace
from sim.units import MS

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

COLD_UNSURE = 0.1
"""What being cold costs is left open by an interval that reaches further (logarithm of the factor)."""
COLD_AFTER = 20 * MS
"""A request that arrives so long after the last one's answer is a cold one."""
COLD_AFTER_GRID = tuple(ms * MS for ms in (5, 10, 20, 50, 100, 200))
COLD_REQUESTS_GRID = (1, 2, 3, 4, 6, 8, 12, 16)
STARTING = 5
"""Requests at the beginning of a recording that tell nothing about a running server."""
FAR_OUT = 10
"""So many times the median of its class a service time has other reasons than being cold."""


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
    """Estimate from the requests that were alone in the server: recorded ones are not slowed by keys being generated.

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
        times[name] = measured._replace(share=counts[name] / sum(trace.classes.count(name) for trace in traces))
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
