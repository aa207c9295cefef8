"""The date of simulated time: every replication starts at the same instant of the calendar."""

from __future__ import annotations

from calendar import timegm
from functools import lru_cache
from time import gmtime, strftime, strptime

EPOCH = 1_795_000_000
"""Unix time, in seconds, at which every simulation starts: 2026-11-18T11:06:40Z."""

_NS = 1_000_000_000
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(maxsize=65536)
def rfc3339(seconds: int) -> str:
    """Whole Unix seconds as Kubernetes writes a time, such as ``2026-11-18T11:06:40Z``."""
    return strftime(_FORMAT, gmtime(seconds))


@lru_cache(maxsize=65536)
def unix_seconds(text: str) -> int:
    """The Unix seconds of a time as Kubernetes writes it."""
    return timegm(strptime(text, _FORMAT))


def seconds_at(ns: int) -> int:
    """Whole Unix seconds at simulated time ``ns``: the granularity of times in objects."""
    return EPOCH + ns // _NS


def ns_at(seconds: int) -> int:
    """Simulated time, in nanoseconds, of a Unix time in seconds."""
    return (seconds - EPOCH) * _NS
