"""What an audit log says of an operator: who writes the objects of its kind, how, what, when, and after what.

Nothing is taken for known that the log does not show: a prerequisite is what held in (nearly) every copy that a write
was made from; whether it is one, a person who knows the operator decides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from sim.drafting.bodies import Change, State
from sim.units import MS, SECOND

NEARLY_ALWAYS = 0.95
"""What holds in so large a share of the copies counts as a prerequisite; in all of them, where the log says from which
version a write was made: one that was tried without it did not wait for it."""
OFTEN = 0.3
"""A field is part of a write where so large a share of its kind changes it."""
AT_ONCE = 5 * MS
"""The next write of one pass follows so soon."""
LIMITS = ((5, 10), (20, 30), (50, 100))
"""Limits of clients that are looked for: client-go's, controller-runtime's up to 0.20, and a frequent choice."""
_IN_PLACE = (9.5 * MS, 14 * MS)
"""DefaultRetry waits 10 ms and up to a tenth more (client-go util/retry)."""


class Resource(NamedTuple):
    """A resource by group and plural."""

    group: str
    plural: str


@dataclass
class Deed:
    """One kind of write of one controller: of the status, of the object, or the creation of another object."""

    what: str  # status, main, create
    resource: Resource
    core: set[Change] = field(default_factory=set)
    writes: int = 0
    patterns: Counter[str] = field(default_factory=Counter)
    managers: Counter[str] = field(default_factory=Counter)
    changes: Counter[Change] = field(default_factory=Counter)
    values: dict[Change, Counter[str]] = field(default_factory=dict)  # as JSON
    of_generation: Counter[Change] = field(default_factory=Counter)  # how often the value was the generation
    steps_by_one: Counter[Change] = field(default_factory=Counter)  # how often it was one more than before
    held: list[frozenset[str]] = field(default_factory=list)  # conditions that held when an object had it first
    made: list[frozenset[Resource]] = field(default_factory=list)  # what others had created by then
    begun: dict[str, int] = field(default_factory=dict)  # of each object the first such try, ns
    ended: dict[str, int] = field(default_factory=dict)  # and the answer to the first that was stored
    waited: list[int] = field(default_factory=list)  # from when all that is known to have come before was there, ns
    on_older: list[bool] = field(default_factory=list)  # whether it was made from a copy older than the own last write

    def before(self) -> set[str]:
        """The conditions that held in (nearly) all copies that it was first made from."""
        return always(self.held, exact=self.pattern in {"update", "merge-patch-lock"} and self.what != "create")

    @property
    def pattern(self) -> str:
        """How most of its writes are made."""
        return self.patterns.most_common(1)[0][0] if self.patterns else "update"

    def often(self) -> list[Change]:
        """What it changes, in order of path."""
        least = max(OFTEN * self.writes, 1)
        return sorted(change for change, count in self.changes.items() if count >= least)


@dataclass
class SeenWriter:
    """Who writes: as the log calls it."""

    name: str
    user: str = ""
    managers: Counter[str] = field(default_factory=Counter)
    deeds: list[Deed] = field(default_factory=list)
    times: list[int] = field(default_factory=list)  # of all tries on the kind, ns
    objects: Counter[str] = field(default_factory=Counter)
    conflicts: int = 0
    at_once: int = 0  # most requests on different objects at one time
    retried: list[int] = field(default_factory=list)  # from a refusal to the next try on the object, ns
    open: list[tuple[int, str]] = field(default_factory=list)

    def writes_status(self) -> bool:
        """Whether it writes the status of the kind, adds finalizers, or creates other objects beside."""
        return any(deed.what != "main" or any(change[0] == "finalizer" for change in deed.core) for deed in self.deeds)


@dataclass
class SeenOperator:
    """Everything that a log says of the writers of one kind."""

    resource: Resource
    writers: dict[str, SeenWriter] = field(default_factory=dict)
    creators: Counter[str] = field(default_factory=Counter)
    created_ns: list[int] = field(default_factory=list)
    specs: Counter[str] = field(default_factory=Counter)
    kind: str = ""  # where a body says it
    status_apart: bool = True  # whether the status is written through a subresource of its own
    kinds: dict[Resource, str] = field(default_factory=dict)  # of other objects, where bodies say it
    last: dict[str, State] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)  # about objects of the kind, by user
    deletes: int = 0
    bodies: int = 0
    writes: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @property
    def span_s(self) -> float:
        """How long it was, in seconds."""
        return max((self.last_ns - self.first_ns) / SECOND, 0.001)


# What follows from it.


def sequence(writer: SeenWriter, *, limited: bool) -> list[list[Deed]]:
    """Return the passes of a controller: deeds in the order in which an object has them, those of one pass together.

    Where its client is limited, the second write of a pass may wait long for its token.
    """
    ranks: dict[int, list[int]] = defaultdict(list)
    for key in {key for deed in writer.deeds for key in deed.begun}:
        order = sorted((deed.begun[key], n) for n, deed in enumerate(writer.deeds) if key in deed.begun)
        for rank, (_, n) in enumerate(order):
            ranks[n].append(rank)
    kept = [n for n, deed in enumerate(writer.deeds) if len(deed.begun) * 10 >= max(len(ranks[m]) for m in ranks)]
    ordered = [writer.deeds[n] for n in sorted(kept, key=lambda n: (median(ranks[n]), n))]
    passes: list[list[Deed]] = []
    for deed in ordered:
        before = passes[-1][-1] if passes else None
        waits = limited and before is not None and before.what == "create" and before.before() == deed.before()
        if before is not None and (waits or _gap(before, deed) <= AT_ONCE):
            passes[-1].append(deed)
        else:
            passes.append([deed])
    return passes


def _gap(before: Deed, deed: Deed) -> float:
    """How soon the one follows on the other where it is soonest, in nanoseconds: mostly both wait for tokens."""
    gaps = sorted(begun - before.ended[key] for key, begun in deed.begun.items() if key in before.ended)
    gaps = [gap for gap in gaps if gap >= 0]
    return gaps[min(2, len(gaps) - 1)] if gaps else float("inf")


def always(sets: list[frozenset[Any]], *, exact: bool = False) -> set[Any]:
    """Return what is in nearly all of the sets, or in all of them; nothing where there is no set."""
    counts = Counter(each for one in sets for each in one)
    return {each for each, count in counts.items() if count >= (1 if exact else NEARLY_ALWAYS) * len(sets)}


def limit_of(times: list[int]) -> tuple[int, int] | str | None:
    """Return the limit that held a client back; "none" where it went faster than any; None where nothing tells."""
    for qps, burst in LIMITS:
        left, last, waiting, least = float(burst), min(times, default=0), 0, float(burst)
        for time in sorted(times):
            left = min(left + (time - last) * qps / SECOND, burst) - 1
            last = time
            waiting += left < 2
            least = min(least, left)
        if least >= -0.1 * burst - 1:
            return (qps, burst) if len(times) >= 2 * burst and waiting >= 0.3 * len(times) else None
    return "none"


def retries_in_place(writer: SeenWriter) -> bool:
    """Whether the tries after refusals come as those of RetryOnConflict do, ten milliseconds later."""
    low, high = _IN_PLACE
    near = sum(low <= wait <= high for wait in writer.retried)
    return len(writer.retried) >= 3 and near >= 0.6 * len(writer.retried)
