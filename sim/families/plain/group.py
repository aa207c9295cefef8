"""A group of clients and what they share: objects, cache, locks, token bucket, streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from sim.client import writes
from sim.client.policy import Policy, Shared, policy_of
from sim.client.throttle import TokenBucket
from sim.cluster.objects import Object, Write
from sim.cluster.watch import Watch, WatchEvent
from sim.families.plain.commons import Commons
from sim.families.plain.draws import Draw, samplers, uniforms
from sim.scenario.contention import Clients
from sim.scenario.values import Strategy


def _nowhere() -> float:
    return 0.0


class ClientGroup:
    """One group. ``first`` is the number of its first client among all of the scenario's."""

    def __init__(self, commons: Commons, settings: Clients, first: int, shared: Shared) -> None:
        scenario, streams, name = commons.scenario, commons.sim.streams, settings.name
        self.commons = commons
        self.settings = settings
        self.first = first
        self.open = settings.loop == "open"
        self.size = 1 if self.open else scenario.clients_of(settings)  # an open loop draws from common streams
        self.retry = settings.retry or scenario.retry
        self.strategy = settings.strategy or scenario.strategy
        self.kind = commons.kind
        network = scenario.server.network_one_way
        self.messages = samplers(streams, name, "message", self.size, settings.message, network)
        self.thinks = samplers(streams, name, "think", self.size, settings.think)
        self.scans = samplers(streams, name, "scan", self.size, settings.scan)
        self.idles = samplers(streams, name, "idle", self.size, settings.idle)
        self.lots = uniforms(streams, name, "retries", self.size)
        self._shared = shared
        picks = commons.places > 1 and settings.touches == "random"
        self.picks = uniforms(streams, name, "pick", self.size) if picks else [_nowhere] * self.size
        throttled = bool(scenario.client.throttle)
        self.bucket = TokenBucket(scenario.client.qps, scenario.client.burst) if throttled else None
        # Where other fields are beside one's own, an update sends them back as they were read.
        self.whole = commons.contention.fields > 1 or bool(scenario.writers) or len(commons.contention.groups) > 1
        self.free: list[Any] = []
        """Clients of an open loop that have nothing to do."""
        self.cache: dict[str, Object] = {}
        self.waiting: dict[str, list[Callable[[], object]]] = {}
        """What goes on once the cache has something newer, by object."""
        if settings.read == "cache":
            self._watch_objects(samplers(streams, name, "lag", 1, settings.lag)[0], network)

    @cached_property
    def policies(self) -> list[Policy]:
        """The policy of each client; clients of an open loop share one."""
        return [policy_of(self.retry, draw, self._shared) for draw in self.lots]

    def _watch_objects(self, lag: Draw, network: int) -> None:
        self.cache = dict(self.commons.objects)
        watch = Watch(self.commons.sim, lag, network, self._seen)
        self.commons.server.watch(self.kind, watch)

    def _seen(self, event: WatchEvent) -> None:
        self.cache[event.object.name] = event.object
        for go_on in self.waiting.pop(event.object.name, ()):
            go_on()

    def place(self, index: int, draw: Callable[[], float]) -> tuple[int, int]:
        """Return object and field of a job of client ``index``."""
        objects = self.commons.contention.objects
        if self.settings.touches == "own":
            return index % objects, index // objects % self.commons.contention.fields
        drawn = int(draw() * self.commons.places)
        return drawn % objects, drawn // objects

    def write(self, client: str, strategy: Strategy, obj: str, field: str, value: str, read: Object | None) -> Write:
        """Return the write that brings ``value`` into a field, made from the copy ``read``."""
        fields: writes.Body = {"data": {field: value}}
        # Appliers are told apart by their manager: each client is one.
        manager = client if strategy == "apply" else self.settings.name
        if strategy == "update" and not self.whole:
            assert read is not None
            return writes.replace(strategy, read, fields, manager=manager)
        return writes.set_fields(
            strategy, fields, read=read, kind=self.kind, name=obj, manager=manager, force=self.settings.force
        )
