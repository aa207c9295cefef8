"""The workqueue's rate limiter: how long a failed key waits before it is added again."""

from __future__ import annotations


class ExponentialLimiter:
    """min(base * 2^failures, max) per key, without jitter (client-go's ItemExponentialFailureRateLimiter)."""

    __slots__ = ("_base", "_failures", "_max")

    def __init__(self, base: int, longest: int) -> None:
        self._base = base
        self._max = longest
        self._failures: dict[str, int] = {}

    def __contains__(self, key: str) -> bool:
        """Whether the key has failed since it was last forgotten."""
        return key in self._failures

    def when(self, key: str) -> int:
        """Nanoseconds that the key has to wait; counts the failure."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # Beyond 2^62 the wait is the longest in any case; the exponent must not grow without end.
        return min(self._base << min(failures, 62), self._max)

    def failures(self, key: str) -> int:
        """Failures of the key since it was last forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: str) -> None:
        """Reset the key's counter. Nothing that already waits is cancelled by it."""
        self._failures.pop(key, None)
