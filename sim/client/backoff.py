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

Wait = Callable[[int, int, Callable[[], float]], int]
"""Nanoseconds to wait, by the number of failures before this one, the wait before, and what draws uniform numbers in
[0, 1), which is asked only where there is jitter."""


@lru_cache(maxsize=256)
def backoff(base: int, longest: int, factor: float = 2.0, first: int = 0, jitter: Jitter | None = "none") -> Wait:
    """Return the waits of a shape; one function serves all who wait so."""
    steps = _steps(base, longest, factor, first) if jitter is not None else ()
    # Where the waits end: at the longest, at the base where they never grow, at 0 where there are none.
    top = 0 if jitter is None else base if factor == 1 else longest
    count = len(steps)

    def whole(failures: int, _: int, __: Callable[[], float]) -> int:
        return steps[failures] if failures < count else top

    def full(failures: int, _: int, draw: Callable[[], float]) -> int:
        return round(draw() * (steps[failures] if failures < count else top))

    def equal(failures: int, _: int, draw: Callable[[], float]) -> int:
        return round((1 + draw()) * (steps[failures] if failures < count else top) / 2)

    def decorrelated(failures: int, previous: int, draw: Callable[[], float]) -> int:
        return min(longest, round(base + draw() * (3 * (previous if failures else base) - base)))

    return {"none": whole, "full": full, "equal": equal, "decorrelated": decorrelated}[jitter or "none"]


def _steps(base: int, longest: int, factor: float, first: int) -> tuple[int, ...]:
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


def backoffs(retry: Retry) -> tuple[Wait, Wait]:
    """Return the waits of a scenario's retry: after a conflict, and after another failure."""
    jitter = retry.jitter if retry.backoff is None else SHAPES[retry.backoff]
    shape = (retry.factor, retry.first_exponent, jitter)
    longest = retry.max if retry.conflict_max is None else retry.conflict_max
    return backoff(retry.conflict_base or retry.base, longest, *shape), backoff(retry.base, retry.max, *shape)
