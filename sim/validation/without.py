"""Parts of a client that leave one of client-go's rules out, to show what the rule is worth.

None of these exists in a real cluster. ``sim.validation.ablation`` builds the controllers' process from one of them at
a time, in place of the part that has the rule.
"""

from __future__ import annotations

from typing import Any

from sim.client.effects import Requeue, Result
from sim.client.events import EventRecorder
from sim.client.fifo import EventQueue
from sim.client.informer import Informer, ProcessorListener
from sim.client.process import Process
from sim.client.rest import Request
from sim.client.worker import Workers
from sim.client.workqueue import Item, Workqueue
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.cluster.watch import WatchEvent
from sim.kernel.bursts import Burst


class _Queue(Workqueue):
    """A queue whose rule for a key that is known already is a subclass's. One key is never processed twice at once."""

    __slots__ = ("_held", "_taken")

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, list[Item]] = {}  # by key that waits or is processed: what comes after that
        self._taken: set[str] = set()
        self.forget = self.done

    def add(self, key: str, cause: str, now: int) -> bool:
        held = self._held.get(key)
        if held is None:
            self._held[key] = []
            self.waiting.append((key, cause, now))
            return True
        self._again(held, (key, cause, now), processed=key in self._taken)
        return False

    def _again(self, held: list[Item], item: Item, *, processed: bool) -> None:
        """Hold an item whose key waits already or, where ``processed``, is being processed; or drop it."""
        raise NotImplementedError

    def begin(self, key: str) -> None:
        self._taken.add(key)

    def done(self, key: str) -> bool:
        self._taken.discard(key)
        held = self._held[key]
        if not held:
            del self._held[key]
            return False
        self.waiting.append(held.pop(0))
        return True


class PlainQueue(Workqueue):
    """First in, first out, and nothing else: every add counts, and a key may be processed twice at once."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.forget = self.done

    def add(self, key: str, cause: str, now: int) -> bool:
        """Add a key; a worker can take it now."""
        self.waiting.append((key, cause, now))
        return True

    def begin(self, key: str) -> None:
        """Nobody asks."""

    def done(self, key: str) -> bool:
        """Nothing follows."""
        return False


class EveryAddCounts(_Queue):
    """No deduplication: a key that is added twice is processed twice, one after the other."""

    __slots__ = ()

    def _again(self, held: list[Item], item: Item, *, processed: bool) -> None:
        held.append(item)


class NothingWhileProcessed(_Queue):
    """No dirty set: what happens to a key while it is processed is forgotten."""

    __slots__ = ()

    def _again(self, held: list[Item], item: Item, *, processed: bool) -> None:
        pass


class Forgetful(_Queue):
    """client-go's rules, and a way to forget that a key was added while it was processed."""

    __slots__ = ()

    def _again(self, held: list[Item], item: Item, *, processed: bool) -> None:
        if processed and not held:
            held.append(item)

    def drop(self, key: str) -> None:
        """Do not process the key again for what came while it was processed."""
        held = self._held.get(key)
        if held:
            held.clear()


class BackoffAlone(Workers):
    """A failed key is tried again when its back-off is over and not before, whatever the watch says meanwhile."""

    queue: Forgetful

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._failed_keys: set[str] = set()

    def add(self, key: str, cause: str = "watch") -> None:
        """Add a key, unless it failed and only the watch asks for it."""
        if cause == "backoff":
            self._failed_keys.discard(key)
        if key not in self._failed_keys:
            super().add(key, cause)

    def add_object(self, obj: Object) -> None:
        """Add the key of an object that has changed."""
        self.add(obj.name)

    def settle(self, key: str, result: Result) -> str:
        """Let a failed key be added again later, and not before."""
        if result is not None and not isinstance(result, Requeue):
            self.queue.drop(key)
            self._failed_keys.add(key)
        outcome = super().settle(key, result)
        if outcome in {"gave-up", "over-budget"}:
            self._failed_keys.discard(key)
        return outcome


class NewsAtOnce(Informer):
    """News of a write wait for no processor of the API server."""

    def begin(self) -> None:
        """List what is there and watch from now on."""
        super().begin()
        assert self._watch is not None
        self._watch.relay = None


class OneGoroutine(Informer):
    """No chain of goroutines: who reads the socket decodes, updates the cache and calls the handlers."""

    def arrive(self, event: WatchEvent) -> None:
        """A watch event reaches the socket."""
        if self._process.stopped:
            return
        self._read.append(event)
        if not self._decoding:
            self._decoding = True
            self._go.network_ready(self._decode)

    def then(self) -> Burst | None:
        """The event is decoded: into the cache with it, and on to the handlers."""
        event = self._read.popleft()
        self._store(event.object, event.deleted)
        self._tell(event.object)
        return self._decode()

    def _tell(self, obj: Object) -> None:
        for listener in self._next_order():
            listener.handler(obj)


class InOrder(Informer):
    """Handlers are called in the order of their registration, every time."""

    def _register(self) -> None:
        listeners = [ProcessorListener(handler) for handler in self._handlers]
        super()._register()
        self._orders = [[listeners] for _ in self._orders]


class _AlwaysOpen(EventQueue):
    locked = False

    __slots__ = ()


class OpenQueue(Informer):
    """An informer's queue takes events in at any time and gives them out one by one, whatever the release."""

    def __init__(self, process: Process, kind: str) -> None:
        super().__init__(process, kind)
        self._queued = _AlwaysOpen()


class NoBystanders(Informer):
    """Only who may find something to do listens."""

    def add_bystander(self) -> None:
        """Leave it out."""


class NoOwnGoroutine(Request):
    """An answer wakes its caller and nobody else, so the caller runs next where the answer was read last."""

    __slots__ = ()

    def _frame(self, response: Response, at_once: bool) -> Burst | None:
        self.response = response
        if at_once:
            return self._received()
        self.process.go.ready(self._received)
        return None


class NoEvents(EventRecorder):
    """Nothing is told to users: no Event is sent."""

    __slots__ = ()

    def event(self, kind: str, name: str, certificate: str, reason: str, message: str, type_: str = "Normal") -> None:
        """Drop it."""
        self.dropped += 1
