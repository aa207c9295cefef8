"""Random times of clients, as a scenario describes them."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt
from typing import Any

from sim.kernel.streams import Fill, Streams
from sim.scenario.contention import Times

Draw = Callable[[], int]


def samplers(streams: Streams, actor: str, purpose: str, count: int, times: Times, added: int = 0) -> list[Draw]:
    """Return for each of ``count`` actors a function that draws nanoseconds, with ``added`` on top of each."""
    if times.kind == "fixed":
        return [_always(times.mean + added)] * count
    return streams.crowd(actor, purpose, count, filled(times, added))


def _always(value: int) -> Draw:
    return lambda: value


def filled(times: Times, added: int = 0) -> Fill:
    """Return the function that draws an array of such times, whole nanoseconds."""
    mean, sd = float(times.mean), float(times.sd or 0)

    def fill(rng: Any, count: int) -> Any:
        import numpy as np

        match times.kind:
            case "exponential":
                drawn = rng.exponential(mean, count)
            case "normal":
                drawn = np.abs(rng.normal(mean, sd, count))
            case "lognormal":
                spread = log(1 + (sd / mean) ** 2)
                drawn = np.exp(log(mean) - spread / 2 + sqrt(spread) * rng.standard_normal(count))
            case "uniform":
                drawn = rng.uniform(times.low, times.high, count)
            case _:
                drawn = np.full(count, mean)
        return np.rint(drawn).astype(np.int64) + added

    return fill


def uniforms(streams: Streams, actor: str, purpose: str, count: int) -> list[Callable[[], float]]:
    """Return for each of ``count`` actors a function that draws a number in [0, 1)."""
    return streams.crowd(actor, purpose, count, lambda rng, n: rng.random(n))
