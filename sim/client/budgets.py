"""Retry budgets, as other projects define them: how many retries there may be beside the requests.

Every budget is asked in the same way. A try begins (``started``) and ends (``ended``); in between what it costs is
known. Before a retry ``withdraw`` says what it costs, or 0 where it may not be made. What a retry paid is handed
back to ``started`` and ``ended``, 0 for a first try. Times are integer nanoseconds and never go back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.client.throttle import TokenBucket
from sim.scenario.retry import Budget as Settings
from sim.scenario.retry import Retry
from sim.units import SECOND


class RetryBudget:
    """The budget that allows everything: what the others start from."""

    attempts: int | None = None
    """Tries that one request may have, the first included; None for no limit."""
    own_waits = False
    """Whether its waits replace the policy's (the AWS SDK's)."""

    def admit(self, now: int) -> bool:
        """Whether a request may be sent at all."""
        return True

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Take what a retry costs, and return it; 0 where the retry may not be made."""
        return 1

    def started(self, now: int, paid: int) -> None:
        """A try is sent."""

    def ended(self, now: int, paid: int, ok: bool, timeout: bool = False) -> None:
        """A try was answered, or nobody waits for its answer any more."""

    def abandoned(self, paid: int) -> None:
        """A retry that was paid for is not made: there was nothing left to do."""


class FinagleBudget(RetryBudget):
    """Finagle's RetryBudget, as in Linkerd and tower.

    Each request deposits 1, a retry withdraws 1/share; both are forgotten after ``ttl``. A reserve of
    min_retries_per_second * ttl retries stands beside that. With a share of 0 a retry costs 1 of the reserve.
    """

    def __init__(self, ttl: int, min_retries_per_second: float, share: float) -> None:
        self._ttl = ttl
        self._deposit = 1.0 if share else 0.0
        self._cost = 1 / share if share else 1.0
        self._reserve = min_retries_per_second * ttl / SECOND * self._cost
        self._balance = 0.0
        self._made: deque[tuple[int, float]] = deque()

    def started(self, now: int, paid: int) -> None:
        """A first try deposits."""
        if not paid and self._deposit:
            self._put(now, self._deposit)

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Allowed while the balance of the last ``ttl`` and the reserve cover it."""
        self._expire(now)
        if self._balance + self._reserve < self._cost - 1e-9:
            return 0
        self._put(now, -self._cost)
        return 1

    def _put(self, now: int, amount: float) -> None:
        self._expire(now)
        self._made.append((now, amount))
        self._balance += amount

    def _expire(self, now: int) -> None:
        made = self._made
        while made and made[0][0] <= now - self._ttl:
            self._balance -= made.popleft()[1]
        if not made:
            self._balance = 0.0  # no rounding is left over


class GrpcBudget(RetryBudget):
    """gRPC's retryThrottling (gRFC A6): a failure takes 1 token, a success gives ``token_ratio``.

    It lets no retry pass while tokens are at most half of ``max_tokens``, so in the long run it throttles where more
    than token_ratio/(1 + token_ratio) of the tries fail.
    """

    def __init__(self, max_tokens: float, token_ratio: float) -> None:
        self._max = max_tokens
        self._ratio = token_ratio
        self.tokens = max_tokens

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Allowed above half of the tokens; costs nothing by itself."""
        return 1 if self.tokens > self._max / 2 else 0

    def ended(self, now: int, paid: int, ok: bool, timeout: bool = False) -> None:
        """Count the outcome."""
        self.tokens = min(self.tokens + self._ratio, self._max) if ok else max(self.tokens - 1, 0.0)


class EnvoyBudget(RetryBudget):
    """Envoy's retry budget, as in Istio: retries under way, those that wait included, stay below a limit.

    The limit is the larger of ``share`` of the requests under way (active and pending) and ``min_concurrent``.
    """

    def __init__(self, share: float, min_concurrent: int) -> None:
        self._share = share
        self._least = min_concurrent
        self.active = 0
        self.retries = 0

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Allowed while fewer retries than the limit are under way."""
        if self.retries >= max(self._share * self.active, self._least):
            return 0
        self.retries += 1
        return 1

    def started(self, now: int, paid: int) -> None:
        """One more is under way."""
        self.active += 1

    def ended(self, now: int, paid: int, ok: bool, timeout: bool = False) -> None:
        """One less is."""
        self.active -= 1
        self.retries -= paid > 0

    def abandoned(self, paid: int) -> None:
        """Its place is free again."""
        self.retries -= paid > 0


class AwsBudget(RetryBudget):
    """The AWS SDKs' standard mode: a quota that retries draw from and successes fill.

    A success gives back what its last retry took, or 1 where it was a first try, up to the full quota. With 3
    attempts the quota drains where more than .3207 of the tries fail: 1 - f = 5 f^2 + 5 f^3 there.
    """

    own_waits = True

    def __init__(self, attempts: int, quota: int, cost: int, timeout_cost: int) -> None:
        self.attempts = attempts
        self._full = quota
        self._cost = cost
        self._timeout_cost = timeout_cost
        self.quota = quota

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Take the cost, where the quota covers it."""
        cost = self._timeout_cost if timeout else self._cost
        if cost > self.quota:
            return 0
        self.quota -= cost
        return max(cost, 1)

    def ended(self, now: int, paid: int, ok: bool, timeout: bool = False) -> None:
        """A success refunds."""
        if ok:
            self.quota = min(self.quota + (paid or 1), self._full)


class SreBudget(RetryBudget):
    """Google's: *Site Reliability Engineering*, chapter "Handling Overload".

    ``attempts`` tries a request; retries only while they are less than ``share`` of the requests; and adaptive
    throttling: a request is refused by the client itself with probability
    max(0, (requests - k * accepts)/(requests + 1)). All are counted over ``window``, retries and what was refused
    here as requests too; accepted is what the server answered, a conflict included.
    """

    def __init__(self, attempts: int, share: float, k: float, window: int, draw: Callable[[], float]) -> None:
        self.attempts = attempts
        self._share = share
        self._k = k
        self._window = window
        self._draw = draw
        self._made: deque[tuple[int, int, int, int]] = deque()
        self.requests = self.accepts = self.retries = 0

    def admit(self, now: int) -> bool:
        """Refuse by lot where the server accepts less than 1 in ``k``."""
        self._forget(now)
        chance = (self.requests - self._k * self.accepts) / (self.requests + 1)
        if chance <= 0 or self._draw() >= chance:
            return True
        self._note(now, 1, 0, 0)
        return False

    def withdraw(self, now: int, timeout: bool = False) -> int:
        """Allowed while retries are less than the share of requests."""
        self._forget(now)
        if self.retries >= self._share * self.requests:
            return 0
        self._note(now, 0, 0, 1)
        return 1

    def started(self, now: int, paid: int) -> None:
        """Every try is a request."""
        self._note(now, 1, 0, 0)

    def ended(self, now: int, paid: int, ok: bool, timeout: bool = False) -> None:
        """What was answered was accepted."""
        if not timeout:
            self._note(now, 0, 1, 0)

    def _note(self, now: int, requests: int, accepts: int, retries: int) -> None:
        self._forget(now)
        self._made.append((now, requests, accepts, retries))
        self.requests += requests
        self.accepts += accepts
        self.retries += retries

    def _forget(self, now: int) -> None:
        made = self._made
        while made and made[0][0] <= now - self._window:
            _, requests, accepts, retries = made.popleft()
            self.requests -= requests
            self.accepts -= accepts
            self.retries -= retries


def budget_of(settings: Settings | None, draw: Callable[[], float]) -> RetryBudget | None:
    """Return a new budget as a scenario describes it; None where there is none, or where it only delays."""
    if settings is None or settings.family == "workqueue":
        return None
    given = settings.settings()
    match settings.family:
        case "finagle":
            return FinagleBudget(**given)
        case "grpc":
            return GrpcBudget(**given)
        case "envoy":
            return EnvoyBudget(**given)
        case "aws-sdk":
            return AwsBudget(**given)
        case _:
            return SreBudget(**given, draw=draw)


def bucket_of(retry: Retry) -> TokenBucket | None:
    """Return the bucket that the retries of one queue share, where there is one."""
    if retry.bucket is not None:
        return TokenBucket(retry.bucket.rate, retry.bucket.burst)
    if retry.budget is not None and retry.budget.family == "workqueue":
        given = retry.budget.settings()
        return TokenBucket(given["rate"], given["burst"])
    return None
