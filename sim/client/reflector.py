"""The reflector of an informer whose watch may break: when that is noticed, and how it is fresh again.

client-go tools/cache/reflector.go v0.27 (ListAndWatch, watch, watchHandler):

* a watch that ends is begun again at once where it stopped;
* that a connection is refused, or an answer of 429, is waited out with a back-off (initConnBackoffManager), and the
  watch begun again where it stopped;
* any other answer, and 410 Gone, ends the round: after a back-off (backoffManager) it lists, which replaces the cache,
  and watches from there. Objects that are gone from the list are told to the handlers as deletions, late.

Both back-offs are 0.8 s, doubling to 30 s, times 1 to 2, and start anew after 2 min. A list draws a token of the
client's bucket, a watch none but when it is sent again after a Retry-After.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sim.client import writes
from sim.client.informer import Informer
from sim.client.link import DIAL_TIMEOUT, HOST, REFUSED, UNEXPECTED_EOF, Link
from sim.client.listener import ERROR
from sim.client.process import Process
from sim.cluster.messages import Later
from sim.cluster.objects import Object
from sim.cluster.watch import WatchEvent
from sim.cluster.watchcache import WatchCache
from sim.kernel.bursts import BurstThen
from sim.units import MINUTE, MS, SECOND

_FIRST, _LONGEST, _ANEW = 800 * MS, 30 * SECOND, 2 * MINUTE
MAX_RETRIES = 10


class _Backoff:
    """wait.NewExponentialBackoffManager(800ms, 30s, 2min, 2.0, 1.0)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._next = _FIRST
        self._last = -_ANEW

    def wait(self, now: int) -> int:
        if now - self._last > _ANEW:
            self._next = _FIRST
        self._last = now
        base = self._next
        self._next = min(2 * base, _LONGEST)
        return round(base * (1 + self._draw()))


class Reflector(Informer):
    """The informer of a kind, with what it does when its watch breaks."""

    def __init__(self, process: Process, kind: str) -> None:
        super().__init__(process, kind)
        assert isinstance(process.link, Link)
        self._link = process.link
        self._sim = process.sim
        draw = process.streams.uniform(f"informer/{kind}", "backoff")
        self._connecting, self._listing = _Backoff(draw), _Backoff(draw)
        self._place = 0  # in the server's history: how far it has come
        self._round = 0  # what is asked for; an answer to what was asked before a break counts for nothing
        self._asks = ""  # what is under way: "watch", "list" or nothing
        self._tries = 0
        self._list_request = writes.get(kind, "")

    def begin(self) -> None:
        """The first list and watch; a process that starts waits for it. A list has used a token."""
        if self._sim.now and self._process.throttle is not None:
            self._process.throttle.reserve(self._list_request, self._sim.now)
        self._link.reflectors.append(self)
        objects, self._place = self._cache_there.list(self.cache.kind)
        self._subscribe()
        self.fill(objects)

    @property
    def _cache_there(self) -> WatchCache:
        """The watch cache of the server that it is connected to."""
        return self._link.network.outages.caches[self._link.server]

    def _subscribe(self) -> bool:
        watch = self._new_watch()
        watch.owner = self._link.name
        return self._cache_there.watch(self.cache.kind, watch, self._place)

    def arrive(self, event: WatchEvent) -> None:
        """A watch event reaches the socket."""
        self._link.through(self._arrived, event)

    def _arrived(self, event: WatchEvent) -> None:
        if not self._process.stopped:
            self._place = self._cache_there.position(event)
            super().arrive(event)

    # What breaks, and what comes then.

    def broken(self, error: str) -> None:
        """The connection broke: the watch ends, or what is asked for fails."""
        asked, self._asks = self._asks, ""
        self._round += 1
        assert self._watch is not None
        if not self._watch.stopped:
            self._watch.stopped = True
            if error == UNEXPECTED_EOF:  # of a reset nothing is logged (net.IsProbableEOF)
                text = f"Unexpected EOF during watch stream event decoding: {error}"
                self._process.listener.log(self._sim.now, 0, "reflector", "", "streamwatcher.go:111", text)
            self._process.go.wake_in(self._link.handshake() if not self._link.refusal() else 0, self._connect)
        elif asked:
            self._fails(error, listing=asked == "list")

    def ended(self) -> None:
        """The server ended the watch: it is begun again at once."""
        if self._watch is not None and not self._watch.stopped:
            self._watch.stopped = True
            self._process.go.wake_in(0, self._connect)

    def _connect(self) -> None:
        """Begin the watch where it stopped."""
        error = self._link.refusal()
        if error == REFUSED:
            self._wait(self._connecting, self._connect)
        elif error:
            self._process.go.wake_in(DIAL_TIMEOUT, lambda: self._fails(error, listing=False))
        else:
            self._tries = 0
            self._ask("watch")

    def _ask(self, what: str) -> None:
        self._asks = what
        self._sim.after(self._process.message() + self._link.handshake(), self._asked, self._round)

    def _asked(self, number: int) -> None:
        """The server takes what was asked."""
        if number != self._round or self._process.stopped:
            return
        kind = self.cache.kind
        held = self._link.network.outages.admits(kind) if not self._link.server else 0
        if isinstance(held, Later):
            if self._tries < MAX_RETRIES:
                self._tries += 1
                self._process.go.wake_in(held.retry_after, self._ask_again)
            else:
                self._fails(held.message, listing=self._asks == "list")
        elif held:
            self._sim.after(held, self._asked, number)
        elif self._asks == "list":
            self._asks = ""
            objects, self._place = self._cache_there.list(kind)
            cost = self._decode_cpu * max(len(objects), 1)
            self._sim.after(self._process.network, self._listed, (objects, cost))
        elif self._subscribe():
            self._asks = ""
        else:  # 410: too old resource version
            assert self._watch is not None
            self._watch.stopped = True
            self._asks = ""
            self._wait(self._listing, self._list)

    def _ask_again(self) -> None:
        """After a Retry-After, with another token; unless the connection broke meanwhile."""
        if self._asks:
            number = self._round
            self._with_token(lambda: self._ask(self._asks) if number == self._round else None)

    def _list(self) -> None:
        self._tries = 0
        self._with_token(self._send_list)

    def _send_list(self) -> None:
        error = self._link.refusal()
        if error:
            wait = 0 if error == REFUSED else DIAL_TIMEOUT
            self._process.go.wake_in(wait, lambda: self._fails(error, listing=True))
        else:
            self._ask("list")

    def _with_token(self, then: Callable[[], None]) -> None:
        process = self._process
        throttle = process.throttle
        wait = throttle.reserve(self._list_request, self._sim.now) if throttle is not None else 0
        process.go.wake_in(wait or 0, then)

    def _listed(self, answer: tuple[list[Object], int]) -> None:
        objects, cost = answer
        if not self._process.stopped:
            self._process.go.network_ready(lambda: BurstThen(cost, lambda: self._replace(objects)))

    def _replace(self, objects: list[Object]) -> None:
        """The queue's Replace: what differs is told, what is gone is deleted; then the watch goes on from there."""
        known = {obj.name: obj for obj in self.cache.values()}
        for event in self._under_way():
            if event.deleted:
                known.pop(event.object.name, None)
            else:
                known[event.object.name] = event.object
        for obj in objects:
            before = known.pop(obj.name, None)
            if before is None or before.resource_version != obj.resource_version:
                self._queued.put(WatchEvent(obj, False))
        for obj in known.values():
            self._queued.put(WatchEvent(obj, True))
        if self._queued and not self._processing:
            self._processing = True
            self._go.ready(self._process_queue)
        self._connect()

    def _under_way(self) -> Iterator[WatchEvent]:
        """Events that have come and are not in the cache yet, in order."""
        if not self._queued.batches:  # else they are
            yield from self._taken
        yield from self._queued
        if self._handed is not None and not self._receiving:
            yield self._handed
        if self._blocked is not None:
            yield self._blocked
        yield from self._read

    def _fails(self, error: str, *, listing: bool) -> None:
        """The round ends, and another begins after a back-off."""
        self._asks = ""
        if listing:
            self._log(error)
        self._wait(self._listing, self._list)

    def _wait(self, backoff: _Backoff, then: Callable[[], None]) -> None:
        self._process.go.wake_in(backoff.wait(self._sim.now), then)

    def _log(self, error: str) -> None:
        process, kind = self._process, self.cache.kind
        described = process.server.api.kinds[kind]
        called = f'Get "https://{HOST}/apis/{described.api_version}/{described.plural}": {error}'
        text = f"k8s.io/client-go/informers/factory.go: Failed to watch *v1.{kind}: failed to list *v1.{kind}: {called}"
        process.listener.log(process.sim.now, ERROR, "reflector", "", "reflector.go:148", text)
