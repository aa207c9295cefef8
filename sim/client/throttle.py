"""The client's token bucket: ``--kube-api-qps`` and ``--kube-api-burst``.

Semantics of golang.org/x/time/rate as client-go uses it (model.md section 2): the bucket starts full, a call
reserves its token at once and waits until it is there, so waiting is first come first served; a call whose
deadline comes before its token is refused at once and takes none.
"""

from __future__ import annotations

from typing import Any, Protocol

from sim.cluster.objects import Write
from sim.units import SECOND


class TokenBucket:
    """``qps`` tokens a second, at most ``burst`` saved."""

    __slots__ = ("_full_at", "_interval", "_saved")

    def __init__(self, qps: float, burst: int) -> None:
        self._interval = round(SECOND / qps)
        self._saved = burst * self._interval
        self._full_at = 0  # when the bucket would be full again if nobody took a token

    def reserve(self, now: int, longest_wait: int | None = None) -> int | None:
        """Take one token; returns nanoseconds to wait for it, or None where that is over ``longest_wait``,
        as it is where the deadline has passed already (a negative ``longest_wait``)."""
        full_at = self._full_at
        if full_at < now:  # noqa: PLR1730  max() is a call, and this is the hot path
            full_at = now
        full_at += self._interval
        wait = full_at - self._saved - now
        if wait < 0:  # noqa: PLR1730  likewise
            wait = 0
        if longest_wait is not None and wait > longest_wait:
            return None
        self._full_at = full_at
        return wait

    def level(self, now: int) -> float:
        """Tokens there now; negative while calls wait for theirs."""
        return (self._saved - max(self._full_at - now, 0)) / self._interval


class Throttle(Protocol):
    """The limits of one client: which bucket a request draws on."""

    def reserve(self, write: Write, now: int, longest_wait: int | None = None) -> int | None:
        """Take a token for a request; as ``TokenBucket.reserve``."""


class OneBucket:
    """One bucket for all requests of a process: cert-manager's clients share a limiter."""

    __slots__ = ("bucket",)

    def __init__(self, qps: float, burst: int) -> None:
        self.bucket = TokenBucket(qps, burst)

    def reserve(self, write: Write, now: int, longest_wait: int | None = None) -> int | None:
        """Take a token from the one bucket."""
        return self.bucket.reserve(now, longest_wait)


class BucketPerKind:
    """A bucket for each kind of object: controller-runtime makes a client for each, and each has its own limiter.

    Main resource and subresources of a kind share one; live reads, which go through another client
    (``Manager.GetAPIReader``), draw on buckets of their own (controller-runtime pkg/client/client_rest_resources.go).
    """

    __slots__ = ("_buckets", "_burst", "_qps")

    def __init__(self, qps: float, burst: int) -> None:
        self._qps = qps
        self._burst = burst
        self._buckets: dict[tuple[str, bool], TokenBucket] = {}

    def reserve(self, write: Write, now: int, longest_wait: int | None = None) -> int | None:
        """Take a token from the kind's bucket."""
        key = (write.kind, write.verb == "get")
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._qps, self._burst)
        return bucket.reserve(now, longest_wait)


REMEMBERED = 4096
"""Entries of each table that client-go keeps about events: ``maxLruCacheEntries`` in tools/record/events_cache.go."""


class Recent(dict[Any, Any]):
    """What was used last of what was noted: beyond ``REMEMBERED`` entries the one not used for longest goes.

    Who uses an entry takes it out (``pop``) and notes it again.
    """

    __slots__ = ()

    def note(self, key: Any, value: Any) -> None:
        """Note the value of a key that has none."""
        self[key] = value
        if len(self) > REMEMBERED:
            del self[next(iter(self))]


class TokenBuckets:
    """A bucket for each of many keys, of which nobody waits for a token: an entry in a table for each."""

    __slots__ = ("_full_at", "_interval", "_saved")

    def __init__(self, qps: float, burst: int) -> None:
        self._interval = round(SECOND / qps)
        self._saved = burst * self._interval
        self._full_at = Recent()

    def take(self, key: tuple[str, ...], now: int) -> bool:
        """Take a token from the key's bucket, if one is there now; returns whether."""
        before: int = self._full_at.pop(key, 0)
        full_at = max(before, now) + self._interval
        there = full_at - self._saved <= now
        if there or before:
            self._full_at.note(key, full_at if there else before)
        return there
