"""What a controller's log alone tells of its conflicts: what happened to that object afterwards.

Such a log has a line for each refusal and none for a success. So after the last refusal of a controller on an object
either its Certificate becomes Ready, or another error follows, or it is refused again and again, or nothing more is
said: then the retry went through, if the log goes on for longer than the controller would have waited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.logs.audit import CERTIFICATES
from sim.logs.controller_log import CONFLICT, ERROR, TRANSITION, LogLine
from sim.units import SECOND

LONGEST_WAIT = 35 * SECOND
"""A little more than the longest back-off of cert-manager's certificates-* queues, 30 s."""
_FIRST_WAITS = {True: SECOND, False: SECOND // 20}
"""First back-off of these queues (1 s), and of others ten times that of controller-runtime's (5 ms); it doubles."""
MANY = 5
"""Refusals in a row from which a controller that is still being refused is called failing."""
_MOST_NAMES = 50_000
_APART = 300 * SECOND  # a refusal so long after the last one begins another story


class Fate(NamedTuple):
    """What became of one controller's refusals on one object."""

    controller: str
    resource: str
    key: str
    tries: int  # refusals in a row
    what: str  # READY, QUIET, ANOTHER, FAILING or OPEN
    after_s: float | None  # from the last refusal to what happened; for QUIET and OPEN to the log's end
    text: str = ""  # of another error


READY = "Ready"
QUIET = "not refused again"
ANOTHER = "another error"
FAILING = "still refused when the log ends"
OPEN = "the log ends too soon to tell"


@dataclass
class _Chain:
    last: int
    count: int = 1
    gap: int = 0
    error_ns: int = -1
    error: str = ""


@dataclass
class Fates:
    """Follows refusals through a controller's log, in the order of its lines."""

    _chains: dict[tuple[str, str, str], list[_Chain]] = field(default_factory=dict)
    _items: dict[tuple[str, str], list[_Chain]] = field(default_factory=dict)  # the last, by controller and key
    _ready: dict[str, list[int]] = field(default_factory=dict)  # by the name of the Certificate or request
    _refused_names: set[str] = field(default_factory=set)
    _named: dict[str, set[str]] = field(default_factory=dict)  # namespaces in which a name was seen
    _end: int = -1

    def add(self, line: LogLine) -> None:
        """Take in one line."""
        if not line.timed:
            return
        self.routine(line.time_ns, (line.key,))
        if line.what == CONFLICT:
            self._refused(line)
        elif line.what == ERROR and line.key:
            for chain in self._items.get((line.controller, line.key), ()):
                chain.error_ns, chain.error = line.time_ns, line.text
        elif line.what == TRANSITION and line.condition == "Ready" and line.status == "True":
            name = line.key.rsplit("/", 1)[-1]
            if name in self._refused_names:
                self._ready.setdefault(name, []).append(line.time_ns)

    def routine(self, until_ns: int, keys: Iterable[str]) -> None:
        """Take in when the log goes on, and which objects it names."""
        self._end = max(self._end, until_ns)
        for key in keys:
            if "/" in key and len(self._named) < _MOST_NAMES:
                self._named.setdefault(key.rsplit("/", 1)[1], set()).add(key)

    def _refused(self, line: LogLine) -> None:
        self._refused_names.add(line.key.rsplit("/", 1)[-1])
        chains = self._chains.setdefault((line.controller, line.resource, line.key), [])
        if chains and 0 <= line.time_ns - chains[-1].last < _APART:
            chain = chains[-1]
            chain.gap, chain.last, chain.count = line.time_ns - chain.last, line.time_ns, chain.count + 1
        else:
            chains.append(_Chain(line.time_ns))
            self._items[line.controller, line.key] = [chains[-1]]

    def full_key(self, key: str) -> str:
        """Return a key with its namespace, where the log has the name in one namespace alone."""
        known = self._named.get(key, ())
        return next(iter(known)) if "/" not in key and len(known) == 1 else key

    def report(self) -> list[Fate]:
        """Return what became of all refusals, those that need attention first."""
        found = [self._fate(*which, chain) for which, chains in self._chains.items() for chain in chains]
        return sorted(found, key=lambda fate: (_ORDER.index(fate.what), -fate.tries, fate.key, fate.controller))

    def _fate(self, controller: str, resource: str, key: str, chain: _Chain) -> Fate:
        def fate(what: str, until: int, text: str = "") -> Fate:
            return Fate(
                controller, resource, self.full_key(key), chain.count, what, (until - chain.last) / SECOND, text
            )

        ready = min((time for time in self._ready.get(key.rsplit("/", 1)[-1], ()) if time >= chain.last), default=None)
        if ready is not None:
            return fate(READY, ready)
        if chain.error_ns > chain.last:
            return fate(ANOTHER, chain.error_ns, chain.error)
        left = self._end - chain.last
        if chain.count >= MANY and left < max(2 * chain.gap, 10 * SECOND):
            return fate(FAILING, self._end)
        wait = _FIRST_WAITS[resource == CERTIFICATES] << min(chain.count - 1, 20)
        enough = min(max(2 * wait + SECOND, 2 * chain.gap), LONGEST_WAIT)
        return fate(QUIET if left >= enough else OPEN, self._end)


_ORDER = (FAILING, ANOTHER, OPEN, READY, QUIET)


def summed(fates: Iterable[Fate]) -> Counter[str]:
    """Return how many refusals came to what."""
    counted: Counter[str] = Counter()
    for fate in fates:
        counted[fate.what] += fate.tries
    return counted
