"""The workqueue's rate limiter: how long a failed key waits before it is added again."""

from __future__ import annotations


class ExponentialLimiter:
    """min(base * 2^failures, max) per key, without jitter (client-go's ItemExponentialFailureRateLimiter)."""

    __slots__ = ("_base", "_max", "failing")

    def __init__(self, base: int, longest: int) -> None:
        self._base = base
        self._max = longest
        self.failing: dict[str, int] = {}
        """Failures of each key since it was last forgotten; keys without any are not in it."""

    def when(self, key: str) -> int:
        """Nanoseconds that the key has to wait; counts the failure."""
        failures = self.failing.get(key, 0)
        self.failing[key] = failures + 1
        # Beyond 2^62 the wait is the longest in any case; the exponent must not grow without end.
        return min(self._base << min(failures, 62), self._max)

    def failures(self, key: str) -> int:
        """Failures of the key since it was last forgotten."""
        return self.failing.get(key, 0)

    def forget(self, key: str) -> None:
        """Reset the key's counter. Nothing that already waits is cancelled by it."""
        self.failing.pop(key, None)
