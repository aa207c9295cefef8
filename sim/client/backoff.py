"""How long to wait before the next try: exponential waits, with the jitters of the AWS experiment.

With v = min(max, base * factor^n): none waits v; full U(0, v); equal v/2 + U(0, v/2); decorrelated
min(max, U(base, 3 * the wait before)), which starts from base (AWS Architecture Blog, "Exponential Backoff and
Jitter"). client-go's ItemExponentialFailureRateLimiter is the one without jitter and with factor 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sim.scenario.retry import SHAPES, Jitter, Retry

_MOST_STEPS = 4096


class Backoff:
    """Waits in nanoseconds; ``draw`` gives uniform numbers in [0, 1) and is asked only where there is jitter."""

    __slots__ = ("_base", "_draw", "_jitter", "_longest", "_steps", "_top")

    def __init__(
        self,
        base: int,
        longest: int,
        factor: float = 2.0,
        first: int = 0,
        jitter: Jitter | None = "none",
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._base = base
        self._longest = longest
        self._jitter = jitter
        self._draw = draw
        self._steps = _waits(base, longest, factor, first) if jitter is not None else ()
        # Where the waits end: at the longest, at the base where they never grow, at 0 where there are none.
        self._top = 0 if jitter is None else base if factor == 1 else longest

    def wait(self, failures: int, previous: int) -> int:
        """Nanoseconds to wait, after ``failures`` failures before this one; ``previous`` is the wait before."""
        jitter = self._jitter
        if jitter == "decorrelated":
            base = self._base
            assert self._draw is not None
            return min(self._longest, round(base + self._draw() * (3 * (previous if failures else base) - base)))
        steps = self._steps
        value = steps[failures] if failures < len(steps) else self._top
        if jitter == "none" or jitter is None:
            return value
        assert self._draw is not None
        if jitter == "full":
            return round(self._draw() * value)
        return round((1 + self._draw()) * value / 2)


@lru_cache(maxsize=256)
def _waits(base: int, longest: int, factor: float, first: int) -> tuple[int, ...]:
    """The waits by number of failures, as far as they are shorter than the longest."""
    found: list[int] = []
    whole = int(factor) if factor == int(factor) else None  # whole factors stay exact
    exponent = first
    while factor > 1 and len(found) < _MOST_STEPS:
        value = base * whole**exponent if whole is not None else round(base * factor**exponent)
        if value >= longest:
            break
        found.append(value)
        exponent += 1
    return tuple(found)


def backoffs(retry: Retry, draw: Callable[[], float] | None) -> tuple[Backoff, Backoff]:
    """Return the waits of a scenario's retry: after a conflict, and after another failure."""
    jitter = retry.jitter if retry.backoff is None else SHAPES[retry.backoff]
    shape = (retry.factor, retry.first_exponent, jitter, draw)
    others = Backoff(retry.base, retry.max, *shape)
    longest = retry.max if retry.conflict_max is None else retry.conflict_max
    return Backoff(retry.conflict_base or retry.base, longest, *shape), others
