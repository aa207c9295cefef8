"""The date of simulated time: every replication starts in the same second of the calendar, at any fraction of it.

Objects hold times in whole seconds, so it matters where in a second a thing happens: the recorded runs started at
any fraction (``Simulation.epoch``).
"""

from __future__ import annotations

from calendar import timegm
from functools import lru_cache
from time import gmtime, strftime, strptime

EPOCH = 1_795_000_000
"""Unix time of the second in which every simulation starts: 2026-11-18T11:06:40Z."""

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache(maxsize=65536)
def rfc3339(seconds: int) -> str:
    """Whole Unix seconds as Kubernetes writes a time, such as ``2026-11-18T11:06:40Z``."""
    return strftime(_FORMAT, gmtime(seconds))


@lru_cache(maxsize=65536)
def unix_seconds(text: str) -> int:
    """The Unix seconds of a time as Kubernetes writes it."""
    return timegm(strptime(text, _FORMAT))
