"""What one replication came to, small enough to travel between processes, and its figures over many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sim.analysis.waste import Metrics


@dataclass(frozen=True, slots=True)
class Measured:
    """What one replication came to: its figures and, per Certificate that became Ready, how long it took."""

    index: int
    seed: int
    digest: str
    metrics: Metrics
    times_to_ready: Sequence[float]
    violations: tuple[str, ...] = field(default=())
    broken: tuple[str, ...] = field(default=())
    """The scenario's properties that did not hold, one sentence each."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """By writer, request and code what the server first said to a write that is refused for what it says."""
    luck: tuple[float, ...] = ()
    """Numbers of mean 0 that were drawn, where they are to be taken out of mean times (``sim.experiment.controls``)."""


def series(replications: Sequence[Measured], key: str) -> list[float | None]:
    """Return the figure ``key`` of every replication; a part that a replication does not list is 0 in it."""
    default = 0 if "." in key else None
    return [each.metrics.get(key, default) for each in replications]


def totals(replications: Sequence[Measured], key: str) -> list[float]:
    """Return the counts ``key`` of every replication."""
    return [value or 0 for value in series(replications, key)]


def parts(replications: Sequence[Measured], name: str) -> list[str]:
    """Return the parts of the figure ``name`` that any replication has: the N of ``requests.code.N``."""
    prefix = f"{name}."
    return sorted({key[len(prefix) :] for each in replications for key in each.metrics if key.startswith(prefix)})


def digest(replications: Sequence[Measured]) -> str:
    """Return one hash over the digests of all replications, in their order."""
    return _hash(each.digest for each in replications)


def digest_by_name(found: Mapping[str, Sequence[Measured]]) -> str:
    """Return one hash over those of several configurations: equal where two did the same, whatever came first."""
    return _hash(f"{name} {digest(each)}" for name, each in sorted(found.items()))


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
