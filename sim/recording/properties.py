"""Watches a run for broken properties.

``always`` and ``never`` are evaluated whenever something is stored that they read. An ``eventually`` is judged at the
end, from what was stored when, and only as often as it takes to say that it was never false for too long.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from sim.cluster.objects import Object
from sim.cluster.store import Store
from sim.cluster.watch import WatchEvent
from sim.families.operators.views import Seen, view
from sim.kernel.simulation import Simulation
from sim.scenario.expressions import compiled, kinds_listed
from sim.scenario.properties import VARIABLES, Property
from sim.units import spelled

_NAMES = re.compile(r"[A-Za-z]\w*")
_ENTRIES = re.compile(r"\.data\['([^']+)'\]")
_ALL_DATA = ".data"
"""Among the names of an expression that asks for other entries of an object's data than those it writes out."""


class Broken(NamedTuple):
    """A property that does not hold of an object, "" for all of them, from ``time_ns`` after the start on."""

    property: str
    object: str
    time_ns: int
    why: str

    def __str__(self) -> str:
        of = f" ({self.object})" if self.object else ""
        return f"{self.property}{of}: {self.why}"


class _Objects(Protocol):
    """Objects by kind, of now or of a time that is over."""

    @property
    def objects(self) -> Mapping[str, Mapping[str, Object]]:
        """By kind and name."""


class _ByKind(Mapping[str, Any]):
    """Objects by kind, of one owner or all; made when they are asked for."""

    def __init__(self, there: _Objects, named: Collection[str], owner: str | None = None) -> None:
        self._there = there.objects
        self._named = named
        self._owner = owner

    def __getitem__(self, kind: str) -> list[dict[str, Any]]:
        objects, owner = self._there[kind].values(), self._owner
        return [self._read(view(each)) for each in objects if owner is None or each.owner == owner]

    def _read(self, seen: dict[str, Any]) -> dict[str, Any]:
        """The parts of an object that the expression names anywhere: handing over all of it takes most of the time."""
        parts = {key: value for key, value in seen.items() if key in self._named}
        for key in ("metadata", "data"):
            if key in parts and (key == "metadata" or _ALL_DATA not in self._named):
                parts[key] = {name: value for name, value in parts[key].items() if name in self._named}
        return parts

    def __contains__(self, kind: object) -> bool:
        return kind in self._there

    def __iter__(self) -> Iterator[str]:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)


class _Scope(Seen):
    """What a property can read of one stored object."""

    VARIABLES = VARIABLES

    __slots__ = ("_named", "_there")

    def __init__(self, there: _Objects, obj: Object, named: Collection[str]) -> None:
        super().__init__(obj)
        self._there = there
        self._named = named

    def _make(self, name: str) -> Any:
        if name == "owned":
            return _ByKind(self._there, self._named, self._object.uid)
        return _ByKind(self._there, self._named) if name == "objects" else super()._make(name)


class _History:
    """What was stored when, of the kinds that an ``eventually`` reads."""

    def __init__(self, kinds: Collection[str], store: Store, simulation: Simulation) -> None:
        self._sim = simulation
        self._stored = store.objects
        self.times: dict[str, list[int]] = {kind: [] for kind in kinds}
        self._states: dict[str, list[dict[str, Object]]] = {kind: [] for kind in kinds}
        self._at = 0
        for kind in kinds:
            store.subscribe(kind, self._note)
            self._keep(kind)

    def _note(self, event: WatchEvent) -> None:
        self._keep(event.object.kind)

    def _keep(self, kind: str) -> None:
        self.times[kind].append(self._sim.now)
        self._states[kind].append(dict(self._stored[kind]))

    def at(self, time: int) -> _History:
        """The same, looked at as it was at a time."""
        self._at = time
        return self

    @property
    def objects(self) -> Mapping[str, Mapping[str, Object]]:
        """By kind and name, as they were then."""
        return {kind: self.of(kind, self._at) for kind in self.times}

    def of(self, kind: str, time: int) -> Mapping[str, Object]:
        """The objects of a kind, as they were then; none before the start."""
        place = bisect_right(self.times[kind], time)
        return self._states[kind][place - 1] if place else {}

    def lives(self, kind: str) -> Iterator[tuple[str, int, int | None]]:
        """Yield name, creation and end of each object of a kind; None where it is there at the end."""
        since: dict[str, tuple[str, int]] = {}
        before: Mapping[str, Object] | None = None
        for time, state in zip(self.times[kind], self._states[kind], strict=True):
            if before is not None and state.keys() == before.keys():
                continue  # a version more of what is there
            before = state
            for uid in [uid for uid, (name, _) in since.items() if name not in state or state[name].uid != uid]:
                name, created = since.pop(uid)
                yield name, created, time
            for name, obj in state.items():
                since.setdefault(obj.uid, (name, time))
        yield from ((name, created, None) for name, created in since.values())


class _Watched:
    """One property with an expression."""

    def __init__(self, settings: Property, kind: str) -> None:
        self.settings = settings
        self.kind = settings.of or kind
        self.expression = compiled(settings.source, VARIABLES)
        entries = _ENTRIES.findall(settings.source)  # of data; other keys where it asks for others, all of them
        whole = [_ALL_DATA] * (settings.source.count(".data") > len(entries))
        self.named = frozenset((*_NAMES.findall(settings.source), *entries, *whole))
        self.owned = set(kinds_listed(settings.source, "owned"))
        self.all = set(kinds_listed(settings.source, "objects"))
        others = bool(self.owned or self.all)
        self.own = not others or bool(self.expression.paths.keys() & set(VARIABLES[:-2]))
        """Whether it is asked when the object itself is stored: it reads that, or nothing that says when to ask."""

    def holds(self, there: _Objects, obj: Object) -> bool:
        return self.expression.holds(_Scope(there, obj, self.named))


class PropertyMonitor:
    """Subscribes to a store before the run, and says in ``broken`` what did not hold, once for each object."""

    def __init__(
        self,
        properties: Sequence[Property],
        kind: str,
        store: Store,
        simulation: Simulation,
        delayed: Callable[[], int] = int,
    ) -> None:
        """``kind`` is the workload's: of the properties that name none.

        ``delayed`` says by how many nanoseconds perturbations have delayed things so far: nobody is blamed for them.
        """
        self._store = store
        self._sim = simulation
        self._delayed = delayed
        self.broken: list[Broken] = []
        self._said: set[tuple[str, str]] = set()
        watched = [_Watched(each, kind) for each in properties if each.builtin is None]
        self._eventual = [each for each in watched if each.settings.eventually is not None]
        now: defaultdict[str, list[_Watched]] = defaultdict(list)
        for each in watched:
            if each.settings.eventually is None:
                for read in sorted({each.kind, *each.owned, *each.all}):
                    now[read].append(each)
        for read, asked in now.items():
            store.subscribe(read, partial(self._stored, watched=asked))
        kinds = {kind for each in self._eventual for kind in (each.kind, *each.owned, *each.all)}
        self._history = _History(sorted(kinds), store, simulation)

    def _stored(self, event: WatchEvent, watched: Sequence[_Watched]) -> None:
        obj = event.object
        for each in watched:
            there = self._store.objects[each.kind]
            if obj.kind in each.all:
                about = list(there.values())
            else:
                about = [obj] if obj.kind == each.kind and each.own and not event.deleted else []
            if obj.kind in each.owned and obj.owner:
                about += [one for one in there.values() if one.uid == obj.owner]
            never = each.settings.never is not None
            for one in about:
                if each.holds(self._store, one) == never:
                    now = self._sim.now
                    why = "what must never be true is true" if never else "what must always be true is false"
                    self._break(each.settings, one.name, now, f"{why} from {spelled(now)} on")

    def _break(self, settings: Property, name: str, when: int, why: str) -> None:
        if (settings.name, name) not in self._said:
            self._said.add((settings.name, name))
            self.broken.append(Broken(settings.name, name, when, why))

    def finish(self) -> None:
        """The run has ended: judge what must hold eventually."""
        ended = self._sim.now
        for each in self._eventual:
            longest = each.settings.longest + self._delayed()
            for name, created, gone in self._history.lives(each.kind):
                since = self._false_for(each, name, created, ended if gone is None else gone, longest)
                if since is not None:
                    limit = spelled(each.settings.longest)
                    why = f"what must come true within {limit} is false for longer, from {spelled(since)} on"
                    self._break(each.settings, name, since, why)

    def _false_for(self, each: _Watched, name: str, created: int, end: int, longest: int) -> int | None:
        """Since when it was false for longer than ``longest``; None if never.

        From a time at which it may have become false, the last state within the limit is looked at first: where it
        holds there, what came before does not matter.
        """
        history = self._history
        times = sorted(
            {
                time
                for kind in (each.kind, *each.owned, *each.all)
                for time in history.times[kind]
                if created <= time < end
            }
        )
        place, since = 0, created
        while since + longest < end:
            following = bisect_right(times, since + longest)
            for look in range(following - 1, place - 1, -1):
                obj = history.of(each.kind, times[look])[name]
                if each.holds(history.at(times[look]), obj):
                    place = look + 1
                    since = times[place] if place < len(times) else end
                    break
            else:
                return since
        return None
