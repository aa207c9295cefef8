"""One recorded replication at any of its moments: who waits, who holds what, who was refused, by controller.

Everything is read from the tables of rows; nothing is simulated again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sim.analysis.levels import OF_DEPTHS, depths, tokens
from sim.recording.conflict import conflicting
from sim.recording.frames import nanoseconds
from sim.units import SECOND

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from sim.analysis.levels import Level
    from sim.experiment.result import Result

    Times = npt.NDArray[np.int64]

Doing = Literal["waits for a token", "request under way", "works"]


@dataclass(frozen=True, slots=True)
class Held:
    """A key that a worker holds, since when (nanoseconds), and what it does at the moment."""

    actor: str
    key: str
    since: int
    doing: Doing


@dataclass(frozen=True, slots=True)
class Line:
    """One controller, group of clients or other writer: counts at the moment, and its recent past.

    ``stored`` and ``refused`` have a count for each part of the time shown, the moment last.
    """

    actor: str
    waiting: int
    busy: int
    workers: int
    conflicts: int
    last_second: int
    stored: tuple[int, ...]
    refused: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A conflict: when, whose write of what, and whose write had come before."""

    at: int
    actor: str
    object: str
    winner: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A replication at ``at`` nanoseconds. ``tokens`` is None where no client throttles."""

    at: int
    rows: tuple[Line, ...]
    held: tuple[Held, ...]
    refused: tuple[Refused, ...]
    tokens: float | None
    asking: int
    under_way: int
    ready: int
    created: int


class Playback:
    """A replication that can be looked at from any moment; ``length`` in nanoseconds."""

    def __init__(self, result: Result) -> None:
        import numpy as np

        requests, passes = (
            result.rows("requests", _REQUEST),
            result.rows("reconciles", (*OF_DEPTHS, "replica", "worker")),
        )
        objects = result.rows("certificates", ["ready_at", "created_at"])
        plain = result.scenario.contention is not None
        self._sent = {name: _times(requests[name]) for name in ("asked_at", "sent_at", "decided_at", "answered_at")}
        self._passes = {name: _times(passes[name]) for name in ("started_at", "ended_at")}
        known = [each.max(initial=0, where=each < _NEVER) for each in (*self._sent.values(), *self._passes.values())]
        self.length = int(max(known))
        self._refused = conflicting(requests).to_numpy()
        self._stored = (requests["written_version"] > 0).to_numpy()
        sent_by = requests["actor"].cat
        groups = [_group(str(name)) if plain else str(name) for name in sent_by.categories]
        refused, stored = (_counted(sent_by.codes[of], groups) for of in (self._refused, self._stored))
        names = {groups[code] for code in sent_by.codes.unique()} | set(map(str, passes["controller"].unique()))
        self.actors = sorted(names, key=lambda name: (-refused[name], -stored[name], name))
        place = {name: number for number, name in enumerate(self.actors)}
        self._who = np.array([place.get(name, -1) for name in groups], np.int64)[sent_by.codes]
        held_by = passes["controller"].cat
        self._holder = np.array([place.get(str(name), -1) for name in held_by.categories], np.int64)[held_by.codes]
        self._key = passes["key"]
        order = np.argsort(self._sent["decided_at"], kind="stable")
        self._decided = self._sent["decided_at"][order]
        self._order = order
        self._passes_by_number = np.argsort(passes["reconcile"].to_numpy(), kind="stable")
        self._numbers = passes["reconcile"].to_numpy()[self._passes_by_number]
        self._sender = requests["reconcile"].to_numpy(np.int64)
        self._depths: dict[str, Level] = depths(passes) if len(passes) else {}
        each = passes[["controller", "replica", "worker"]].drop_duplicates()
        workers = each["controller"].value_counts()
        self._workers = {name: int(workers.get(name, 0)) for name in self.actors}
        self._tokens = tokens(result.scenario, requests)
        self._ready, self._created = (np.sort(_times(objects[name])) for name in ("ready_at", "created_at"))
        lost = result.conflicts
        losers = (lost[name].astype(str) for name in ("controller", "certificate", "winner"))
        losses = (Refused(int(at), *names) for at, *names in zip(_times(lost["decided_at"]), *losers, strict=True))
        self._losses = sorted(losses, key=lambda each: each.at)

    def at(self, at: int, window: int = 10 * SECOND, parts: int = 40) -> Moment:
        """Return what was so at a time, and what happened in the ``window`` nanoseconds before, in so many parts."""
        import numpy as np

        sent = self._sent
        begun, ended = bisect_right(self._decided, at - window), bisect_right(self._decided, at)
        recent = self._order[begun:ended]
        columns = (sent["decided_at"][recent] - (at - window) - 1) * parts // window
        shape = (len(self.actors), parts)
        refused, stored = np.zeros(shape, int), np.zeros(shape, int)
        for grid, of in ((refused, self._refused), (stored, self._stored)):
            np.add.at(grid, (self._who[recent][of[recent]], columns[of[recent]]), 1)
        past = self._order[:ended]
        lost = past[self._refused[past]]
        totals = np.bincount(self._who[lost], minlength=len(self.actors))
        last = np.bincount(self._who[lost[sent["decided_at"][lost] > at - SECOND]], minlength=len(self.actors))
        holds = np.flatnonzero((self._passes["started_at"] <= at) & (self._passes["ended_at"] > at))
        busy = np.bincount(self._holder[holds], minlength=len(self.actors))
        asks = (sent["asked_at"] <= at) & (sent["sent_at"] > at)
        travels = (sent["sent_at"] <= at) & (sent["answered_at"] > at)
        doing: dict[int, Doing] = dict.fromkeys(self._senders(travels), "request under way")
        doing |= dict.fromkeys(self._senders(asks), "waits for a token")
        since = self._passes["started_at"]
        losses = bisect_right(self._losses, at, key=lambda each: each.at)
        return Moment(
            at,
            tuple(
                Line(
                    name,
                    int(_value(self._depths.get(name), at)),
                    int(busy[n]),
                    self._workers[name],
                    int(totals[n]),
                    int(last[n]),
                    tuple(stored[n].tolist()),
                    tuple(refused[n].tolist()),
                )
                for n, name in enumerate(self.actors)
            ),
            tuple(
                Held(
                    self.actors[self._holder[n]], str(self._key.iat[int(n)]), int(since[n]), doing.get(int(n), "works")
                )
                for n in sorted(holds, key=lambda n: int(since[n]))
            ),
            tuple(reversed(self._losses[max(0, losses - 5) : losses])),
            _value(self._tokens, at) if self._tokens is not None else None,
            int(asks.sum()),
            int(travels.sum()),
            bisect_right(self._ready, at),
            bisect_right(self._created, at),
        )

    def _senders(self, which: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Yield the places of the passes that sent these requests."""
        import numpy as np

        for sender in self._sender[which].tolist():
            place = int(np.searchsorted(self._numbers, sender))
            there = place < len(self._numbers) and self._numbers[place] == sender
            yield int(self._passes_by_number[place]) if there else -1


def _group(client: str) -> str:
    """The group of a plain client, which is called by that and a number."""
    return client.rpartition("-")[0] or client


def _counted(codes: pd.Series[int], names: Sequence[str]) -> Counter[str]:
    """How many codes stand for each name, of which several may be the same."""
    found: Counter[str] = Counter()
    for code, count in codes.value_counts().items():
        found[names[int(str(code))]] += int(count)
    return found


_REQUEST = (
    "actor", "resource", "code", "reason", "written_version", "asked_at", "sent_at", "decided_at", "answered_at",
    "reconcile",
)  # fmt: skip
_NEVER = 1 << 62


def _times(column: pd.Series[pd.Timedelta]) -> Times:
    """Return nanoseconds; what never happened is later than everything."""
    import numpy as np

    return np.where(column.isna().to_numpy(), _NEVER, nanoseconds(column))


def _value(level: Level | None, at: int) -> float:
    """Return a level at a time; 0 before its beginning."""
    place = bisect_right(level, at, key=lambda step: step[0]) if level else 0
    return level[place - 1][1] if level and place else 0.0
