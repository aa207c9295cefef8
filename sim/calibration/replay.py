"""What a request costs in core time, from how service times stretch with load.

The log's own arrivals are served again: each request waits and computes as in the idle server, but the
computing shares the cores with all other requests in the server and with the controllers' own work on them.
The share of computing at which requests that overlapped take as long as they did is the answer. Nothing is
simulated but the cores: who sends what, and when, is as recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from sim.calibration.trace import Trace
from sim.logs.audit import CERTIFICATES, REQUESTS, SECRETS

if TYPE_CHECKING:
    from numpy import bool_, float64
    from numpy.typing import NDArray

    from sim.scenario.profile import Profile

_WOKEN = {CERTIFICATES: 7, REQUESTS: 11, SECRETS: 4}
"""Controllers whose queue an event of each kind reaches (model.md section 3)."""
_BEFORE = 0.75  # of the computing is done before the wait, as the server decides before it answers
_GRID = tuple(step / 20 for step in range(21))
_GIVEN = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0)
ENOUGH_OVERLAPPING = 50
"""Fewer overlapping requests than this say nothing about load."""
_BLOCKS = 6  # parts of a recording that are resampled as wholes, because neighbouring requests share their fate


class Stretch(NamedTuple):
    """What makes overlapping requests take as long as recorded; its 95% interval; how many were used."""

    value: float
    interval: tuple[float, float]
    samples: int


class Held(NamedTuple):
    """Cores that others hold: from ``times[i]`` on ``threads[i]`` threads compute without end.

    Requests that compute together get ``contended`` of two cores while all are held; one alone is at once.
    """

    times: tuple[float, ...]
    threads: tuple[int, ...]
    contended: float

    def capacity(self, computing: int, held: int, cores: int) -> float:
        """Cores that ``computing`` requests get together."""
        if computing < 2 or not held:
            return min(computing, cores)
        mine = self.contended * cores / 2
        return min(computing, cores - (cores - mine) * min(held, cores) / cores)


NOBODY = Held((), (), 2.0)


def serve(
    arrivals: Iterable[float],
    times: Iterable[float],
    share: float,
    cores: int,
    jobs: Iterable[tuple[float, float]],
    held: Held = NOBODY,
) -> list[float]:
    """Return each request's time in the server, in the unit of the arguments.

    ``arrivals`` and idle ``times`` are the requests'; ``jobs`` are (start, core time) of other work on the
    same ``cores``, which all that computes shares equally.
    """
    arrived, idle = list(arrivals), list(times)
    queue: list[tuple[float, int, int, float]] = [(time, i, 0, 0.0) for i, time in enumerate(arrived)]
    queue += [(time, -1, 2, demand) for time, demand in jobs]
    queue += [(time, -1, 3, float(threads)) for time, threads in zip(held.times, held.threads, strict=True)]
    heapify(queue)
    # What computes, by the virtual time at which it is done: (due, request or -1, phase).
    computing: list[tuple[float, int, int]] = []
    virtual = now = 0.0
    left = len(arrived)
    others = 0
    result = [0.0] * left
    while left:
        rate = held.capacity(len(computing), others, cores) / len(computing) if computing else 1.0
        done = now + (computing[0][0] - virtual) / rate if computing else float("inf")
        if queue and queue[0][0] <= done:
            time, request, phase, demand = heappop(queue)
            virtual += max(time - now, 0.0) * rate
            now = max(time, now)
            if phase == 3:
                others = int(demand)
                continue
            if request >= 0:
                demand = idle[request] * share * (_BEFORE if phase == 0 else 1 - _BEFORE)
            heappush(computing, (virtual + demand, request, phase))
            continue
        virtual, now = computing[0][0], done
        _, request, phase = heappop(computing)
        if request < 0:
            continue
        if phase == 0:
            heappush(queue, (now + idle[request] * (1 - share), request, 1, 0.0))
        else:
            result[request] = now - arrived[request]
            left -= 1
    return result


def client_work(trace: Trace, profile: Profile) -> list[tuple[float, float]]:
    """Return (start, core time) in nanoseconds of what the controllers compute around their requests."""
    costs = profile.controllers
    jobs: list[tuple[float, float]] = []
    for event in trace.events:
        if event.ours:
            jobs.append((event.received_ns - costs.request_cpu, costs.request_cpu))
            jobs.append((event.answered_ns, costs.response_cpu))
        if event.succeeded and event.resource in _WOKEN:
            jobs.append((event.answered_ns, profile.watch.decode_cpu))
            jobs += [(event.answered_ns, costs.reconcile_cpu.p50)] * _WOKEN[event.resource]
        if event.resource == REQUESTS and event.verb == "create":
            jobs.append((event.received_ns - costs.csr_cpu, costs.csr_cpu))
        elif event.resource == REQUESTS and event.subresource and "issuer" in event.actor:
            jobs.append((event.received_ns - costs.sign_cpu, costs.sign_cpu))
    return jobs


class _Replay(NamedTuple):
    """A recording to be served again; times in nanoseconds since its first arrival."""

    trace: Trace
    arrivals: list[float]
    idle: list[float]
    start: int

    @classmethod
    def of(cls, trace: Trace, profile: Profile) -> _Replay | None:
        known = {name: getattr(profile.server.times, name).p50 for name in set(trace.classes) if name}
        if not known:
            return None
        typical = sum(known.values()) / len(known)
        start = int(trace.received[0])
        idle = [float(known[name]) if name else typical for name in trace.classes]
        # Who loses a race takes as long as a write that is stored, and reads again.
        for loser in trace.lost_races:
            idle[loser] = float(profile.server.times.certificate_status.p50 + profile.server.hidden_retry)
        return cls(trace, [float(time - start) for time in trace.received], idle, start)

    def overlapping(self, keys: range) -> NDArray[bool_]:
        """Which requests met others in the server while so many keys were being generated."""
        import numpy as np

        return np.array(
            [
                name is not None and not alone and trace_keys in keys
                for name, alone, trace_keys in zip(
                    self.trace.classes,
                    self.trace.alone,
                    (self.trace.generating(event.received_ns) for event in self.trace.events),
                    strict=True,
                )
            ]
        )


def stretch(traces: list[Trace], profile: Profile, cores: int) -> Stretch | None:
    """Find the share at which overlapping requests take as long as recorded; None with fewer than 50 of them.

    ``profile`` has the idle service times and the client's costs. Requests during the generation of keys are
    served but not compared: how much of the cores that leaves is another question (``contention``).
    """
    import numpy as np

    sums: list[NDArray[float64]] = []  # per block: predicted at each share of the grid, then recorded
    samples = 0
    for trace in traces:
        replay = _Replay.of(trace, profile)
        if replay is None:
            continue
        used = replay.overlapping(range(1))
        samples += int(used.sum())
        if not used.any():
            continue
        jobs = [(time - replay.start, demand) for time, demand in client_work(trace, profile)]
        served = [np.array(serve(replay.arrivals, replay.idle, share, cores, jobs)) for share in _GRID]
        columns = np.stack([*served, (trace.answered - trace.received).astype(float)], axis=1)[used]
        sums += [block.sum(axis=0) for block in np.array_split(columns, _BLOCKS) if len(block)]
    if samples < ENOUGH_OVERLAPPING:
        return None
    return Stretch(*_resampled(np.array(sums), _GRID), samples)


def contention(traces: list[Trace], profile: Profile, cores: int) -> Stretch | None:
    """Find the cores that overlapping requests get together while keys are generated on all of them.

    As ``stretch``, for the other requests: the logarithms of predicted and recorded times agree on average.
    None with fewer than 50 of them. The figure goes with the profile's cpu_share.
    """
    import numpy as np

    sums: list[NDArray[float64]] = []
    samples = 0
    for trace in traces:
        replay = _Replay.of(trace, profile)
        if replay is None:
            continue
        used = replay.overlapping(range(cores, 1 << 30)) & (trace.answered > trace.received)
        samples += int(used.sum())
        if not used.any():
            continue
        times, threads = trace.key_steps
        shifted = tuple(float(time - replay.start) for time in times)
        share = profile.server.cpu_share
        served = [
            serve(replay.arrivals, replay.idle, share, cores, [], Held(shifted, tuple(threads), given))
            for given in _GIVEN
        ]
        recorded = (trace.answered - trace.received).astype(float)
        # Fewer cores, longer times: the signs make the prediction grow along the grid, as for the share.
        columns = np.stack([*(-np.log(one) for one in served), -np.log(recorded)], axis=1)[used]
        sums += [block.sum(axis=0) for block in np.array_split(columns, _BLOCKS) if len(block)]
    if samples < ENOUGH_OVERLAPPING:
        return None
    return Stretch(*_resampled(np.array(sums), _GIVEN), samples)


def _resampled(blocks: NDArray[float64], grid: tuple[float, ...]) -> tuple[float, tuple[float, float]]:
    import numpy as np

    random = np.random.default_rng(7)
    drawn = [_meets(blocks[random.integers(0, len(blocks), len(blocks))], grid) for _ in range(500)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return _meets(blocks, grid), (float(low), float(high))


def _meets(blocks: NDArray[float64], grid: tuple[float, ...]) -> float:
    """Where on the grid the predicted total is the recorded one: it grows along the grid."""
    import numpy as np

    total = blocks.sum(axis=0)
    predicted = np.maximum.accumulate(total[:-1])
    return float(np.interp(total[-1], predicted, grid))
