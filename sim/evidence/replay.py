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

from sim.evidence.audit import CERTIFICATES, REQUESTS, SECRETS
from sim.evidence.trace import Trace

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from sim.scenario.profile import Profile

_WOKEN = {CERTIFICATES: 7, REQUESTS: 11, SECRETS: 4}
"""Controllers whose queue an event of each kind reaches (model.md section 3)."""
_BEFORE = 0.75  # of the computing is done before the wait, as the server decides before it answers
_GRID = tuple(step / 20 for step in range(21))
_BLOCKS = (
    6  # parts of a recording that are resampled as wholes, because neighbouring requests share their fate
)


class Stretch(NamedTuple):
    """Share of core time in a request's idle service time; its 95% interval; overlapping requests used."""

    share: float
    interval: tuple[float, float]
    samples: int


def serve(
    arrivals: Iterable[float],
    times: Iterable[float],
    share: float,
    cores: int,
    jobs: Iterable[tuple[float, float]],
) -> list[float]:
    """Return each request's time in the server, in the unit of the arguments.

    ``arrivals`` and idle ``times`` are the requests'; ``jobs`` are (start, core time) of other work on the
    same ``cores``, which all that computes shares equally.
    """
    arrived, idle = list(arrivals), list(times)
    queue: list[tuple[float, int, int, float]] = [(time, i, 0, 0.0) for i, time in enumerate(arrived)]
    queue += [(time, -1, 2, demand) for time, demand in jobs]
    heapify(queue)
    # What computes, by the virtual time at which it is done: (due, request or -1, phase).
    computing: list[tuple[float, int, int]] = []
    virtual = now = 0.0
    left = len(arrived)
    result = [0.0] * left
    while left:
        rate = min(1.0, cores / len(computing)) if computing else 1.0
        done = now + (computing[0][0] - virtual) / rate if computing else float("inf")
        if queue and queue[0][0] <= done:
            time, request, phase, demand = heappop(queue)
            virtual += max(time - now, 0.0) * rate
            now = max(time, now)
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


def stretch(traces: list[Trace], profile: Profile, cores: int) -> Stretch | None:
    """Find the share at which overlapping requests take as long as recorded; None with fewer than 50 of them.

    ``profile`` has the idle service times and the client's costs. Requests during the generation of keys are
    served but not compared: how much of a core that leaves is the kernel's choice.
    """
    import numpy as np

    sums: list[NDArray[float64]] = []  # per block: predicted at each share of the grid, then recorded
    samples = 0
    for trace in traces:
        known = {name: getattr(profile.server.times, name).p50 for name in set(trace.classes) if name}
        if not known or not trace.events:
            continue
        typical = float(np.mean(list(known.values())))
        times = [float(known.get(name, typical)) if name else typical for name in trace.classes]
        start = int(trace.received[0])
        arrivals = [float(time - start) for time in trace.received]
        jobs = [(time - start, demand) for time, demand in client_work(trace, profile)]
        used = np.array(
            [
                name is not None and not alone and trace.calm(event.received_ns)
                for event, alone, name in zip(trace.events, trace.alone, trace.classes, strict=True)
            ]
        )
        samples += int(used.sum())
        if not used.any():
            continue
        recorded = (trace.answered - trace.received).astype(float)
        served = [np.array(serve(arrivals, times, share, cores, jobs)) for share in _GRID]
        columns = np.stack([*served, recorded], axis=1)[used]
        sums += [block.sum(axis=0) for block in np.array_split(columns, _BLOCKS) if len(block)]
    if samples < 50:
        return None
    blocks = np.array(sums)
    random = np.random.default_rng(7)
    drawn = [_meets(blocks[random.integers(0, len(blocks), len(blocks))]) for _ in range(500)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Stretch(_meets(blocks), (float(low), float(high)), samples)


def _meets(blocks: NDArray[float64]) -> float:
    """The share at which the predicted total is the recorded one: it grows with the share."""
    import numpy as np

    total = blocks.sum(axis=0)
    predicted = np.maximum.accumulate(total[:-1])
    return float(np.interp(total[-1], predicted, _GRID))
