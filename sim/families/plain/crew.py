"""A group of clients and what they share: objects, cache, locks, token bucket, streams."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.client import writes
from sim.client.policy import Policy, Shared, policy_of
from sim.client.throttle import TokenBucket
from sim.cluster.objects import Object, Write
from sim.cluster.watch import Watch, WatchEvent
from sim.families.plain.draws import Draw, samplers, uniforms
from sim.scenario.contention import Clients
from sim.scenario.values import Strategy

if TYPE_CHECKING:
    from sim.families.plain.world import World


def _nowhere() -> float:
    return 0.0


class Crew:
    """One group. ``first`` is the number of its first client among all of the scenario's."""

    def __init__(self, world: World, group: Clients, first: int, shared: Shared) -> None:
        scenario, streams, name = world.scenario, world.sim.streams, group.name
        self.world = world
        self.group = group
        self.first = first
        self.open = group.loop == "open"
        self.size = 1 if self.open else scenario.clients_of(group)  # an open loop draws from common streams
        self.retry = group.retry or scenario.retry
        self.strategy = group.strategy or scenario.strategy
        self.kind = world.kind
        network = scenario.server.network_one_way
        self.messages = samplers(streams, name, "message", self.size, group.message, network)
        self.thinks = samplers(streams, name, "think", self.size, group.think)
        self.scans = samplers(streams, name, "scan", self.size, group.scan)
        self.idles = samplers(streams, name, "idle", self.size, group.idle)
        lots = uniforms(streams, name, "retries", self.size)
        self.policies = [policy_of(self.retry, draw, shared) for draw in lots]
        picks = world.places > 1 and group.touches == "random"
        self.picks = uniforms(streams, name, "pick", self.size) if picks else [_nowhere] * self.size
        throttled = bool(scenario.client.throttle)
        self.bucket = TokenBucket(scenario.client.qps, scenario.client.burst) if throttled else None
        # Where other fields are beside one's own, an update sends them back as they were read.
        self.whole = world.contention.fields > 1 or bool(scenario.writers) or len(world.contention.groups) > 1
        self.cache: dict[str, Object] = {}
        self.waiting: dict[str, list[Callable[[], object]]] = {}
        """What goes on once the cache has something newer, by object."""
        if group.read == "cache":
            self._watch_objects(samplers(streams, name, "lag", 1, group.lag)[0], network)

    def _watch_objects(self, lag: Draw, network: int) -> None:
        self.cache = dict(self.world.objects)
        self.world.watches.append(Watch(self.world.sim, lag, network, self._seen))

    def _seen(self, event: WatchEvent) -> None:
        self.cache[event.object.name] = event.object
        for go_on in self.waiting.pop(event.object.name, ()):
            go_on()

    def place(self, index: int, draw: Callable[[], float]) -> tuple[int, int]:
        """Return object and field of a job of client ``index``."""
        objects = self.world.contention.objects
        if self.group.touches == "own":
            return index % objects, index // objects % self.world.contention.fields
        drawn = int(draw() * self.world.places)
        return drawn % objects, drawn // objects

    def write(self, client: str, strategy: Strategy, obj: str, field: str, value: str, read: Object | None) -> Write:
        """Return the write that brings ``value`` into a field, made from the copy ``read``."""
        fields: writes.Body = {"data": {field: value}}
        # Appliers are told apart by their manager: each client is one.
        manager = client if strategy == "apply" else self.group.name
        if strategy == "update" and not self.whole:
            assert read is not None
            return writes.replace(strategy, read, fields, manager=manager)
        return writes.set_fields(
            strategy, fields, read=read, kind=self.kind, name=obj, manager=manager, force=self.group.force
        )


class Lock:
    """A lock on one object, first come first served."""

    __slots__ = ("_held", "_waiting")

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Callable[[], object]] = deque()

    def acquire(self, go_on: Callable[[], object]) -> None:
        """Call ``go_on`` as soon as the lock is there."""
        if self._held:
            self._waiting.append(go_on)
        else:
            self._held = True
            go_on()

    def release(self) -> None:
        """Hand the lock on."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._held = False


def policy_at(crew: Crew, index: int) -> Policy:
    """The policy of a client; clients of an open loop share one."""
    return crew.policies[index if len(crew.policies) > 1 else 0]
