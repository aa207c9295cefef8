"""The workqueue's rate limiter: how long a failed key waits before it is added again."""

from __future__ import annotations

from sim.client.policy import Policy


class RateLimiter:
    """Counts the failures of each key and asks the policy for its wait."""

    __slots__ = ("_policy", "_previous", "failing", "paid")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._previous: dict[str, int] = {}
        self.failing: dict[str, int] = {}
        """Failures of each key since it was last forgotten; keys without any are not in it."""
        self.paid: dict[str, int] = {}
        """What the next try of a key has paid to the budget."""

    def when(self, key: str, now: int = 0, conflict: bool = True) -> int:
        """Nanoseconds that the key has to wait, or ``GAVE_UP`` or ``OVER_BUDGET``; counts the failure."""
        policy = self._policy
        failures = self.failing.get(key, 0)
        wait = policy.again(failures, self._previous.get(key, 0), now, conflict)
        if wait >= 0:
            self.failing[key] = failures + 1
            self._previous[key] = wait
            if policy.paying:
                self.paid[key] = policy.paid
        return wait

    def failures(self, key: str) -> int:
        """Failures of the key since it was last forgotten."""
        return self.failing.get(key, 0)

    def forget(self, key: str) -> None:
        """Reset the key's counter. Nothing that already waits is cancelled by it."""
        self.failing.pop(key, None)
        self._previous.pop(key, None)
        if self.paid:
            paid = self.paid.pop(key, 0)
            if paid and self._policy.budget is not None:
                self._policy.budget.abandoned(paid)
