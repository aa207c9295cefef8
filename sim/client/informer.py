"""Shared informers: one cache for each kind of object, for all controllers of the process.

A watch event passes through a chain of goroutines (client-go tools/cache, model.md section 2): the decoder hands
it to the reflector, event by event; the reflector puts it into a queue (``sim.client.fifo``); ``processLoop`` takes it
from there, updates the cache and only then tells the listeners, each of which calls its handler in a goroutine of its
own.
An answer passes through none of them. While keys are generated on all cores each of these hand-overs decides who
runs next: a worker whose write has just succeeded may run its key again before its own write is in the cache,
as the recordings show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from sim.client.cache import Cache
from sim.client.fifo import ORDERED_LISTENERS, queue_of
from sim.client.process import Process
from sim.cluster.objects import Object
from sim.cluster.watch import Watch, WatchEvent
from sim.kernel.bursts import Burst, Goroutine

Handler = Callable[[Object], None]
"""Called with the object that was added or changed, or as it was before its deletion."""

BUCKET = 8
"""Places in a bucket of Go's maps."""


class ProcessorListener:
    """One registered handler and its goroutines (processorListener's pop and run, taken together).

    It takes a notification only while it is ``receiving``: the channel between is unbuffered.
    """

    __slots__ = ("_waiting", "handler", "pending", "receiving")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.pending: list[Object] = []
        self._waiting: Callable[[], Object] | None = None
        self.receiving = True

    def wait(self, take: Callable[[], Object]) -> None:
        """Call ``take`` for a notification as soon as this one is receiving again."""
        self._waiting = take

    def run(self) -> None:
        """What its goroutine does once it has been given a notification."""
        while self.pending:
            self.handler(self.pending.pop())
            if self._waiting is not None:
                take, self._waiting = self._waiting, None
                self.pending.append(take())
        self.receiving = True


def _look_away(_: Object) -> None:
    pass


class Informer(Burst):
    """The goroutines and the cache of one kind, and the burst in which its decoder decodes an event."""

    def __init__(self, process: Process, kind: str) -> None:
        self._process = process
        self._go = process.go
        self.cache = Cache(kind)
        self._handlers: list[Handler] = []
        self._before: list[Callable[[Object, bool], None]] = []
        self._orders: list[list[list[ProcessorListener]]] = []
        self._luck = process.streams.uniform(f"informer/{kind}", "handlers")
        self._decode_cpu = process.profile.watch.decode_cpu
        self._watch: Watch | None = None
        self._read: deque[WatchEvent] = deque()
        self._decoding = False
        self._blocked: WatchEvent | None = None  # decoded, and the reflector is not receiving
        self._handed: WatchEvent | None = None
        self._receiving = True
        self._queued = queue_of(process.client_go)()
        self._processing = False
        self._taken: deque[WatchEvent] = deque()  # out of the queue, and the listeners are yet to be told
        self._popped = False  # what was taken out of the queue is not all told
        self._locked_out = False  # the reflector waits until it is
        self._telling: Object  # whom the listeners in ``_untold`` are yet to be told of
        self._untold: list[ProcessorListener] = []  # in reverse order
        # Of the other kinds nobody asks how old a copy was.
        self._deliveries = process.listener.deliveries if kind == process.followed else None

    def add_handler(self, handler: Handler) -> None:
        """Call ``handler`` for each event, after the cache has it."""
        self._handlers.append(handler)

    def add_bystander(self) -> None:
        """Account for a listener that finds nothing to do: it takes its turn like the others."""
        self._handlers.append(_look_away)

    def add_index(self, update: Callable[[Object, bool], None]) -> None:
        """Call ``update(object, deleted)`` whenever the cache changes, before any handler."""
        self._before.append(update)

    def begin(self) -> None:
        """List what is there and watch from now on."""
        process = self._process
        process.server.watch(self.cache.kind, self._new_watch())
        self.fill(process.server.api.store.list(self.cache.kind))

    def _new_watch(self) -> Watch:
        process, kind = self._process, self.cache.kind
        lag = process.streams.latency("watch", kind, process.profile.watch.lag)
        self._watch = Watch(process.sim, lag, process.network, self.arrive)
        return self._watch

    def stop(self) -> None:
        """The process is killed: nothing arrives any more."""
        if self._watch is not None:
            self._watch.stopped = True

    def fill(self, objects: Iterable[Object]) -> None:
        """Fill the cache from a list, as at the start of a process."""
        for obj in objects:
            self._store(obj, False)

    def announce(self) -> None:
        """Tell the handlers of everything that is in the cache.

        Called once all of the process's informers are filled: no worker starts before (WaitForCacheSync).
        """
        for obj in list(self.cache.values()):
            for listener in self._next_order():
                listener.handler(obj)

    def arrive(self, event: WatchEvent) -> None:
        """A watch event reaches the socket."""
        process = self._process
        if not process.stopped:
            process.connection.arrive(self._frame, event)

    def _frame(self, event: WatchEvent, at_once: bool) -> Burst | None:
        self._read.append(event)
        if not self._decoding:
            self._decoding = True
            if at_once:
                self.demand = self._decode_cpu
                return self
            self._go.ready(self._decode)
        return None

    def _decode(self) -> Burst | None:
        """The decoder (StreamWatcher.receive): one event after the other."""
        if not self._read:
            self._decoding = False
            return None
        self.demand = self._decode_cpu
        return self

    def then(self) -> Burst | None:
        """The event is decoded: hand it to the reflector, or all the way where nobody waits."""
        event = self._read.popleft()
        if not self._read and self._receiving and not self._processing and self._go.quiet():
            self._decoding = False
            obj = event.object
            self._store(obj, event.deleted)
            for listener in self._next_order():
                listener.handler(obj)
            return None
        if not self._receiving:
            self._blocked = event
            return None
        self._receiving = False
        self._handed = event
        self._go.ready(self._reflect)
        return self._decode()

    def _reflect(self) -> None:
        """The reflector (watchHandler): from an unbuffered channel into the queue, once that takes anything in."""
        if self._popped and self._queued.locked:
            self._locked_out = True
            return
        event = self._handed
        while event is not None:
            self._queued.put(event)
            if not self._processing:
                self._processing = True
                self._go.ready(self._process_queue)
            event, self._blocked = self._blocked, None
            if event is not None:
                self._go.ready(self._decode)
        self._receiving = True

    def _process_queue(self) -> None:
        """``processLoop``: the cache first, then the listeners, waiting for each that is not receiving."""
        while True:
            untold = self._untold
            if untold:
                woken: list[Goroutine] = []
                while untold and (listener := untold[-1]).receiving:
                    untold.pop()
                    listener.receiving = False
                    listener.pending.append(self._telling)
                    woken.append(listener.run)
                self._go.ready_all(woken)
                if untold:
                    listener.wait(self._told)
                    return
            if not self._taken and not self._take():
                break
            event = self._taken.popleft()
            self._telling = event.object
            if not self._queued.batches:
                self._store(event.object, event.deleted)
            self._untold = self._next_order()[::-1]
        self._processing = False

    def _take(self) -> bool:
        """Take out of the queue what comes next; returns whether there is anything."""
        self._popped = False
        if self._locked_out:
            self._locked_out = False
            self._go.ready(self._reflect)
        if not self._queued:
            return False
        self._popped = True
        self._taken.extend(self._queued.pop())
        if self._queued.batches:
            for event in self._taken:
                self._store(event.object, event.deleted)
        return True

    def _told(self) -> Object:
        """The listener that ``processLoop`` waited for takes the notification."""
        self._untold.pop()
        self._go.ready(self._process_queue)
        return self._telling

    def untold(self) -> Iterator[Object]:
        """Yield the objects of events that have arrived and not every handler knows of, in no order."""
        events = [
            *self._read,
            *self._queued,
            *self._taken,
            self._blocked,
            self._handed if not self._receiving else None,
        ]
        yield from (event.object for event in events if event is not None)
        if self._untold:
            yield self._telling
        for listener in {each for orders in self._orders for order in orders for each in order}:
            yield from listener.pending

    def _store(self, obj: Object, deleted: bool) -> None:
        if deleted:
            self.cache.remove(obj.name)
        else:
            self.cache.put(obj)
            if self._deliveries is not None:
                self._deliveries.append((obj.name, obj.resource_version, self._process.sim.now))
        for update in self._before:
            update(obj, deleted)

    def _next_order(self) -> list[ProcessorListener]:
        """The listeners in the order of Go's map iteration.

        ``sharedProcessor.listeners`` is a map (client-go 0.26 and later). Within a bucket of eight a range
        visits the places in order, from an offset that is drawn anew each time.
        """
        if not self._orders:
            self._register()
        if self._process.client_go <= ORDERED_LISTENERS:
            return self._orders[0][0]
        luck = self._luck
        orders = self._orders[int(luck() * BUCKET)]
        return orders[int(luck() * len(orders))] if len(orders) > 1 else orders[0]

    def _register(self) -> None:
        """Put the listeners into the map, in the random order in which a process registers its controllers."""
        left = [ProcessorListener(handler) for handler in self._handlers]
        order = [left.pop(int(self._luck() * len(left))) for _ in range(len(left))]
        # Up to eight fit into one bucket; beyond, hashing spreads them over as many as are needed.
        buckets: list[list[ProcessorListener | None]] = [[] for _ in range(max(-(-len(order) // BUCKET), 1))]
        for listener in order:
            open_ones = [bucket for bucket in buckets if len(bucket) < BUCKET]
            open_ones[int(self._luck() * len(open_ones))].append(listener)
        for bucket in buckets:
            bucket.extend([None] * (BUCKET - len(bucket)))
        # All orders there are, by offset and first bucket.
        for offset in range(BUCKET):
            turned = [bucket[offset:] + bucket[:offset] for bucket in buckets]
            self._orders.append(
                [
                    [listener for bucket in turned[first:] + turned[:first] for listener in bucket if listener]
                    for first in range(len(buckets))
                ]
            )
