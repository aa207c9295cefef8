"""The retry policy: whether a failed try is made again, and when. One implementation for all who retry.

Controllers' workers ask it for each key (``sim.client.ratelimiter``, ``sim.client.retrying``), plain clients for each
of their jobs (``sim.families.plain``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim.client.backoff import backoff, backoffs
from sim.client.budgets import RetryBudget, bucket_of, budget_of
from sim.client.throttle import TokenBucket
from sim.scenario.retry import Retry
from sim.units import SECOND

GAVE_UP = -1
"""Instead of a wait: no try is left."""
OVER_BUDGET = -2
"""Instead of a wait: the budget refused the retry."""

_AWS_BASE, _AWS_MAX = SECOND, 20 * SECOND


class Shared:
    """What those with one retry share: budgets of scope ``all``, and nothing else."""

    def __init__(self) -> None:
        self._budgets: dict[int, RetryBudget | None] = {}

    def budget(self, retry: Retry, draw: Callable[[], float]) -> RetryBudget | None:
        """Return the budget of one who retries as ``retry`` says."""
        if retry.budget is None or retry.budget.scope == "each":
            return budget_of(retry.budget, draw)
        if id(retry) not in self._budgets:
            self._budgets[id(retry)] = budget_of(retry.budget, draw)
        return self._budgets[id(retry)]


class Policy:
    """How one controller or client retries. ``draw`` gives uniform numbers in [0, 1)."""

    __slots__ = ("_bucket", "_conflicts", "_in_place", "_limit", "_others", "budget", "draw", "kind", "paid")

    def __init__(
        self,
        retry: Retry,
        draw: Callable[[], float],
        budget: RetryBudget | None = None,
        bucket: TokenBucket | None = None,
    ) -> None:
        self.kind = retry.policy
        self.draw = draw
        self.budget = budget
        self.paid = 0
        """What the retry that was allowed last has paid to the budget."""
        self._bucket = bucket
        self._limit = retry.limit
        self._conflicts, self._others = backoffs(retry)
        if budget is not None and budget.attempts is not None:
            most = budget.attempts - 1
            self._limit = most if retry.limit is None else min(retry.limit, most)
        if budget is not None and budget.own_waits:
            self._conflicts = self._others = backoff(_AWS_BASE, _AWS_MAX, jitter="full")
        self._in_place = retry.in_place

    @property
    def plain(self) -> bool:
        """Whether it does nothing but requeue: then nobody has to look at single writes."""
        return self.kind == "requeue" and self.budget is None

    @property
    def paying(self) -> bool:
        """Whether the budget stands around requeues, and not around tries in place."""
        return self.budget is not None and self.kind in {"requeue", "read-your-writes"}

    def again(self, failures: int, previous: int, now: int, conflict: bool = True, timeout: bool = False) -> int:
        """Return the wait (ns) before the next try, or ``GAVE_UP`` or ``OVER_BUDGET``.

        ``failures`` is the number of failures before this one, ``previous`` the wait before.
        """
        if self._limit is not None and failures >= self._limit:
            return GAVE_UP
        if self.budget is not None and self.paying:
            self.paid = self.budget.withdraw(now, timeout)
            if not self.paid:
                return OVER_BUDGET
        wait = (self._conflicts if conflict else self._others)(failures, previous, self.draw)
        if self._bucket is not None:
            wait = max(wait, self._bucket.reserve(now) or 0)
        return wait

    def delays(self) -> Iterator[int]:
        """Yield the delays (ns) between the tries in place: wait.Backoff.Step of apimachinery (util/wait)."""
        given = self._in_place.settings()
        delay, jitter = given["delay"], given["jitter"]
        for _ in range(given["steps"] - 1):
            yield round(delay * (1 + jitter * self.draw())) if jitter else round(delay)
            delay *= given["factor"]


class TriesInPlace:
    """The tries of one pass after its first, past the queue: whether there is another, after which wait, at what price.

    One for each pass. Whoever retries makes the write anew as ``kind`` says: "in-place" from a live copy,
    "apply-on-conflict" as a forced apply of the own fields, "resend" not at all.
    """

    __slots__ = ("_budget", "_delays", "kind", "paid")

    def __init__(self, policy: Policy) -> None:
        self.kind = policy.kind
        self.paid = 0
        """What the try that was allowed last has paid to the budget."""
        self._budget = policy.budget
        self._delays: Iterator[int] = iter(())
        if policy.kind == "apply-on-conflict":
            self._delays = iter((0,))
        elif policy.kind in {"in-place", "resend"}:
            self._delays = policy.delays()

    def another(self, now: int) -> int:
        """Return the wait (ns) before the next try after a conflict, or ``GAVE_UP`` or ``OVER_BUDGET``."""
        delay = next(self._delays, GAVE_UP)
        if delay == GAVE_UP:
            return GAVE_UP
        self.paid = 1 if self._budget is None else self._budget.withdraw(now)
        return delay if self.paid else OVER_BUDGET


def policy_of(retry: Retry, draw: Callable[[], float], shared: Shared) -> Policy:
    """Return the policy of one who retries as ``retry`` says."""
    return Policy(retry, draw, shared.budget(retry, draw), bucket_of(retry))
