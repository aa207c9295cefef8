"""What happens after a refused or failed write: policies, waits, and budgets around them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from sim.scenario.errors import Fault, Impossible
from sim.scenario.values import Duration, Part, Rate
from sim.units import MINUTE, MS, SECOND, format_duration

Jitter = Literal["none", "full", "equal", "decorrelated"]
BudgetKind = Literal["workqueue", "finagle", "linkerd", "tower", "grpc", "envoy", "istio", "aws-sdk", "google-sre"]
SHAPES: dict[str, Jitter | None] = {
    "none": None,
    "expo": "none",
    "equal": "equal",
    "full": "full",
    "decorr": "decorrelated",
}
"""``retry.backoff`` to the jitter that it stands for; None: no wait at all."""

BUDGETS: dict[str, dict[str, Any]] = {
    "workqueue": {"rate": 10.0, "burst": 100},
    "finagle": {"ttl": 10 * SECOND, "min_retries_per_second": 10.0, "share": 0.2},
    "grpc": {"max_tokens": 10.0, "token_ratio": 0.1},
    "envoy": {"share": 0.2, "min_concurrent": 3},
    "aws-sdk": {"attempts": 3, "quota": 500, "cost": 5, "timeout_cost": 10},
    "google-sre": {"attempts": 3, "share": 0.1, "k": 2.0, "window": 2 * MINUTE},
}
"""Each kind of budget with its parameters and their defaults, as its authors document them."""
ALIASES = {"linkerd": "finagle", "tower": "finagle", "istio": "envoy"}
"""Other names for the same semantics and defaults."""

PRESETS: dict[str, dict[str, Any]] = {
    "DefaultRetry": {"steps": 5, "delay": 10 * MS, "factor": 1.0, "jitter": 0.1},
    "DefaultBackoff": {"steps": 4, "delay": 10 * MS, "factor": 5.0, "jitter": 0.1},
}
"""client-go's presets for RetryOnConflict (util/retry)."""


class Bucket(Part):
    """A token bucket that all keys of one workqueue share (client-go's BucketRateLimiter)."""

    rate: Rate = Field(default=10.0, description="retries per second. Default: client-go's")
    burst: int = Field(default=100, ge=1, le=1_000_000, description="retries saved. Default: client-go's")


class InPlace(Part):
    """RetryOnConflict (client-go, util/retry): tries again inside the reconcile, which holds its worker."""

    preset: Literal["DefaultRetry", "DefaultBackoff"] = Field(
        default="DefaultRetry", description="what the keys left out are taken from. Default: client-go's first choice"
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="tries, the first included. Default: the preset's, 5 or 4",
    )
    delay: Duration | None = Field(
        default=None, description="before the second try. Default: the preset's, 10 ms in both"
    )
    factor: float | None = Field(
        default=None, ge=1, le=100, description="by which the delay grows. Default: the preset's, 1 or 5"
    )
    jitter: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="up to this share of the delay is added to it. Default: the preset's, .1 in both",
    )

    def settings(self) -> dict[str, Any]:
        """Return steps, delay (ns), factor and jitter: what was written, else the preset's."""
        given = {key: value for key, value in self if key != "preset" and value is not None}
        return {**PRESETS[self.preset], **given}


class Budget(Part):
    """How many retries there may be beside the requests: what others put around theirs."""

    kind: BudgetKind = Field(
        description="workqueue: client-go's shared bucket, delays a retry until a token is there. "
        "finagle (linkerd, tower): each request deposits 1, a retry withdraws 1/share, both expire after ttl, and "
        "min_retries_per_second come on top. "
        "grpc (retryThrottling): tokens start at max_tokens, a failure takes 1, a success gives token_ratio; no retry "
        "while tokens are at most max_tokens/2. "
        "envoy (istio): retries under way, waiting ones included, stay below the larger of share of the requests under "
        "way and min_concurrent. "
        "aws-sdk (standard mode): attempts a request, waits U(0,1) * min(2^i, 20) s instead of base, max and jitter, a "
        "retry takes cost from the quota (after a timeout timeout_cost), a success gives back what its last retry took"
        " or 1. "
        "google-sre: attempts a request, retries stay below share of the requests, and a request is not even sent with "
        "probability (requests - k * accepts)/(requests + 1), over the window"
    )
    scope: Literal["each", "all"] = Field(
        default="each",
        description="each: every controller or client has a budget of its own; all: those with this retry share one. "
        "Default: one for each, as libraries have it",
    )
    rate: Rate | None = Field(default=None, description="workqueue: tokens per second. Default: 10")
    burst: int | None = Field(default=None, ge=1, le=1_000_000, description="workqueue: tokens saved. Default: 100")
    ttl: Duration | None = Field(default=None, gt=0, description="finagle: until a deposit expires. Default: 10s")
    min_retries_per_second: float | None = Field(
        default=None, ge=0, le=1e6, description="finagle: allowed whatever was deposited. Default: 10"
    )
    share: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="finagle, envoy, google-sre: retries as a share of requests. Default: .2, .2 and .1",
    )
    max_tokens: float | None = Field(
        default=None, ge=1e-6, le=1000, description="grpc: maxTokens. Default: 10, as in its specification (gRFC A6)"
    )
    token_ratio: float | None = Field(
        default=None, ge=1e-6, le=1000, description="grpc: tokenRatio. Default: .1, as in its specification (gRFC A6)"
    )
    min_concurrent: int | None = Field(
        default=None, ge=0, le=1_000_000, description="envoy: allowed however few requests there are. Default: 3"
    )
    attempts: int | None = Field(
        default=None, ge=1, le=1000, description="aws-sdk, google-sre: tries a request, the first included. Default: 3"
    )
    quota: int | None = Field(default=None, ge=0, le=1_000_000, description="aws-sdk: at the start. Default: 500")
    cost: int | None = Field(default=None, ge=0, le=1_000_000, description="aws-sdk: of a retry. Default: 5")
    timeout_cost: int | None = Field(
        default=None, ge=0, le=1_000_000, description="aws-sdk: of a retry after a timeout. Default: 10"
    )
    k: float | None = Field(default=None, ge=1, le=1000, description="google-sre: K. Default: 2")
    window: Duration | None = Field(
        default=None, gt=0, description="google-sre: requests and accepts are counted over this. Default: 2m"
    )

    @property
    def family(self) -> str:
        """The kind that it behaves as."""
        return ALIASES.get(self.kind, self.kind)

    def settings(self) -> dict[str, Any]:
        """Return the parameters of the kind: what was written, else the defaults."""
        defaults = BUDGETS[self.family]
        return {key: default if getattr(self, key) is None else getattr(self, key) for key, default in defaults.items()}

    @model_validator(mode="after")
    def _fits(self) -> Budget:
        own = BUDGETS[self.family]
        wrong = [
            Fault(f"{key} is no parameter of the budget {self.kind}; it has {', '.join(own)}", ((key,),), at_key=True)
            for key, value in self
            if key not in {"kind", "scope"} and value is not None and key not in own
        ]
        if wrong:
            raise Impossible(*wrong)
        return self


class Retry(Part):
    """What happens after a refused or failed write. It holds for the controllers that write Certificates, and for
    the clients of a contention; approver and issuers keep their own queue and take only the limit over.
    """

    base: Duration = Field(
        default=1 * SECOND,
        gt=0,
        description="first wait, multiplied by factor each time. Default: cert-manager's certificates-* queues",
    )
    max: Duration = Field(
        default=30 * SECOND,
        description="longest wait, at least base. Default: cert-manager's certificates-* queues",
    )
    limit: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="retries allowed after the first try, through the queue; then the key is dropped until something "
        "wakes it, and counted as given up. Default: no limit, as in cert-manager",
    )
    policy: Literal["requeue", "in-place", "apply-on-conflict", "read-your-writes", "resend"] = Field(
        default="requeue",
        description="requeue: wait in the queue's rate limiter, then run again from the cache. in-place: read again "
        "live, make the write again from that and send it (RetryOnConflict), see retry.in_place; then requeue. "
        "apply-on-conflict: after a 409 a forced server-side apply of the own fields at once; then requeue. "
        "read-your-writes: requeue, and leave a key alone until the cache has the last write of one's own. resend: "
        "the same request once more, as a proxy does (Envoy's retriable-4xx), with the steps and delays of "
        "retry.in_place; a stale one can't succeed, and you are warned. Default: cert-manager's",
    )
    factor: float = Field(default=2.0, ge=1, le=100, description="see base. Default: client-go's")
    first_exponent: int = Field(
        default=0,
        ge=0,
        le=1,
        description="the n-th wait is base * factor^(n - 1 + first_exponent), at most max. 1: the first failure "
        "counts already, as in the AWS experiment. Default: client-go's",
    )
    jitter: Jitter = Field(
        default="none",
        description="of a wait v: full: uniform from 0 to v; equal: v/2 and uniform from 0 to v/2; decorrelated: "
        "uniform from base to 3 times the wait before, at most max. Default: client-go's",
    )
    backoff: Literal["none", "expo", "equal", "full", "decorr"] | None = Field(
        default=None,
        description="short for jitter, in the words of the AWS experiment: expo is jitter none, and none is no wait "
        "at all. Default: as jitter says",
    )
    conflict_base: Duration | None = Field(
        default=None, gt=0, description="base after a conflict (409 for being stale). Default: base"
    )
    conflict_max: Duration | None = Field(default=None, description="max after a conflict. Default: max")
    bucket: Bucket | None = Field(
        default=None,
        description="requeue waits for a token too, whichever is longer (client-go's default controller limiter has "
        "base 5ms, max 1000s and {rate: 10/s, burst: 100}). Default: none, as in cert-manager",
    )
    in_place: InPlace = InPlace()
    budget: Budget | None = Field(
        default=None,
        description="what retries must stay within. Under requeue and read-your-writes a retry that it refuses drops "
        "the key, like limit; the others then go to the queue. Default: none, as in cert-manager",
    )

    @model_validator(mode="after")
    def _possible(self) -> Retry:
        base, longest = self.conflict_base or self.base, self.max if self.conflict_max is None else self.conflict_max
        wrong = [*_shorter(self.max, self.base, ("max", "base"))]
        if (base, longest) != (self.base, self.max):
            wrong += _shorter(longest, base, ("conflict_max", "conflict_base", "max", "base"))
        if self.backoff is not None and self.jitter not in {"none", SHAPES[self.backoff]}:
            message = f"backoff {self.backoff} and jitter {self.jitter} contradict each other; leave jitter out"
            wrong.append(Fault(message, (("jitter",), ("backoff",))))
        if self.in_place != InPlace() and self.policy not in {"in-place", "resend"}:
            message = f"in_place is for the policies in-place and resend, and the policy is {self.policy}"
            wrong.append(Fault(message, (("in_place",),), at_key=True))
        if self.bucket is not None and self.budget is not None and self.budget.kind == "workqueue":
            message = "bucket and a budget of kind workqueue are the same thing; leave one of them out"
            wrong.append(Fault(message, (("budget",), ("bucket",)), at_key=True))
        if wrong:
            raise Impossible(*wrong)
        return self


def _shorter(longest: int, base: int, keys: tuple[str, ...]) -> list[Fault]:
    if longest >= base:
        return []
    message = (
        f"the longest wait {format_duration(longest)} is shorter than the first, {format_duration(base)}; "
        f"{keys[0]} must be at least {keys[1]}"
    )
    return [Fault(message, tuple((key,) for key in keys))]
