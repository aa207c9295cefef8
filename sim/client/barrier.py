"""The client of a manager that reads its own writes (controller-runtime 0.25, ``EnableReadYourWritesConsistency``).

Follows pkg/client/consistency.go and its write barrier: each write registers its key while it is under way, and, once
answered, the resourceVersion of the answer as the least that a read may see. A read of a key waits for the writes in
flight on it, whoever in this manager sends them, and then for the informer to have come that far; a list waits for all
keys of its kind. Writes of other processes are not covered, so two controllers that have both read before either begins
to write still conflict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Any

from sim.client.effects import Compute, Effect, Get, Send, Waiting
from sim.client.informer import Informer
from sim.cluster.messages import Response
from sim.cluster.objects import Object

_Key = tuple[str, str]
"""Kind and name."""


class WriteBarrier:
    """What the reads of one manager wait for. Kinds without an informer are read live, and not waited for."""

    def __init__(self, informers: Mapping[str, Informer]) -> None:
        self._informers = informers
        self._followed: set[str] = set()
        self._in_flight: Counter[_Key] = Counter()
        self._least: dict[_Key, int] = {}
        self._waiting: list[tuple[str, str, Callable[[], None]]] = []

    def clear(self, kind: str, name: str = "") -> bool:
        """Whether a read of a key may go on; without a name whether a list of the kind may."""
        if name:
            return (kind, name) not in self._least and not self._in_flight[kind, name]
        return not any(each == kind for each, _ in self._least) and not any(
            count and each == kind for (each, _), count in self._in_flight.items()
        )

    def read(self, kind: str, name: str = "") -> Generator[Effect, Any, None]:
        """Hold the worker until a read may go on."""
        while not self.clear(kind, name):
            yield Waiting(lambda woken: self._park(kind, name, woken))

    def _park(self, kind: str, name: str, woken: Callable[[], None]) -> None:
        if self.clear(kind, name):
            woken()
        else:
            self._waiting.append((kind, name, woken))

    def around(self, steps: Generator[Effect, Any, Any]) -> Generator[Effect, Any, Any]:
        """Follow a reconcile and register its writes."""
        try:
            effect = next(steps)
            while True:
                if isinstance(effect, Send) and not isinstance(effect, Get):
                    yield Compute(0)  # registered by the call of the client, once what leads to it is computed
                    key = (effect.write.kind, effect.write.name)
                    self._in_flight[key] += 1
                    answer = yield effect
                    self._answered(key, answer)
                else:
                    answer = yield effect
                effect = steps.send(answer)
        except StopIteration as stop:
            return stop.value

    def _answered(self, key: _Key, answer: Any) -> None:
        self._in_flight[key] -= 1
        if not self._in_flight[key]:
            del self._in_flight[key]
        kind, name = key
        informer = self._informers.get(kind)
        if informer is not None and isinstance(answer, Response) and answer.written and answer.object is not None:
            if kind not in self._followed:
                self._followed.add(kind)
                informer.add_index(self._seen)
            cached = informer.cache.get(name)
            version = answer.object.resource_version
            if cached is None or cached.resource_version < version:
                self._least[key] = max(version, self._least.get(key, 0))
        self._wake()

    def _seen(self, obj: Object, deleted: bool) -> None:
        """The informer has come so far."""
        key = (obj.kind, obj.name)
        least = self._least.get(key)
        if least is not None and (deleted or obj.resource_version >= least):
            del self._least[key]
            self._wake()

    def _wake(self) -> None:
        parked, self._waiting = self._waiting, []
        for kind, name, woken in parked:
            if self.clear(kind, name):
                woken()
            else:
                self._waiting.append((kind, name, woken))
