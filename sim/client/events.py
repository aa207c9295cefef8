"""Events: what a component records is sent later, one at a time, through the same token bucket.

client-go's tools/record (model.md section 2): each component has one sequential sender, so a throttled client
still sends Events when the last Certificate is Ready. The correlator decides what is sent:

* a repetition (same object, type, reason and message) is a PATCH of the first;
* from the 10th that differ only in their message within ten minutes they are aggregated into one;
* a component may send 25 about one object, refilled one in five minutes; more are dropped;
* the broadcaster holds 1,000 unsent ones and drops more.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sim.client.effects import Send
from sim.client.process import Process
from sim.client.rest import Request
from sim.client.throttle import TokenBucket
from sim.cluster.messages import Response
from sim.cluster.objects import Write
from sim.kernel.go import Burst
from sim.kernel.go import Compute as GoCompute
from sim.scenario.units import SECOND

MAX_QUEUED = 1000
AGGREGATE_FROM = 10
AGGREGATE_WITHIN = 600 * SECOND
SPAM_BURST = 25
SPAM_QPS = 1 / 300


class _Event(NamedTuple):
    kind: str
    name: str
    certificate: str
    type: str
    reason: str
    message: str


class EventRecorder:
    """The recorder and sender of one component."""

    def __init__(self, process: Process, component: str) -> None:
        self._process = process
        self._component = component
        self._queue: deque[_Event] = deque()
        self._sending = False
        self._seen: dict[tuple[str, ...], tuple[str, int]] = {}  # event key -> name and count
        self._similar: dict[tuple[str, ...], tuple[int, dict[str, None]]] = {}
        self._spam: dict[tuple[str, str], TokenBucket] = {}
        self.dropped = 0

    def event(
        self, kind: str, name: str, certificate: str, reason: str, message: str, type_: str = "Normal"
    ) -> None:
        """Record an event about an object; it is sent in the background."""
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append(_Event(kind, name, certificate, type_, reason, message))
        if not self._sending:
            self._sending = True
            self._process.go.ready(self._woken)

    def _woken(self) -> Burst:
        return GoCompute(self._process.request_cpu, self._next)

    def _next(self) -> Burst | None:
        """The sender's goroutine: send the next event that passes the correlator, or park."""
        while self._queue:
            event = self._queue.popleft()
            write = self._correlate(event)
            if write is None:
                self.dropped += 1
                continue
            self._send(write, event)
            return None
        self._sending = False
        return None

    def _send(self, write: Write, event: _Event) -> None:
        now = self._process.sim.now
        request = Request(self._process, self._component, Send(write, event.certificate), now, -1)
        request.start(lambda answer: self._sent(answer, event))

    def _sent(self, answer: Response, event: _Event) -> Burst | None:
        if answer.code == 404:
            # The first of a repetition was dropped by the spam filter, so there is nothing to patch: it is
            # created now (client-go's recordEvent).
            name = f"{event.name}.{self._component}.{self._process.sim.now:x}"
            self._seen[event.kind, event.name, event.type, event.reason, event.message] = (name, 1)
            self._send(Write("create", "Event", name, {"data": {"reason": event.reason, "count": 1}}), event)
            return None
        # Encoding the next event is part of what the burst that took the answer costs: the sender does one
        # right after the other.
        return self._next()

    def _correlate(self, event: _Event) -> Write | None:
        now: int = self._process.sim.now
        group = (event.kind, event.name, event.type, event.reason)
        key: tuple[str, ...] = (*group, event.message)
        since, messages = self._similar.get(group, (now, {}))
        if now - since > AGGREGATE_WITHIN:
            messages = {}
        messages[event.message] = None
        self._similar[group] = (now, messages)
        if len(messages) >= AGGREGATE_FROM:
            messages.pop(next(iter(messages)))  # client-go removes any one; here the oldest
            key = group
        seen = self._seen.get(key)
        if seen is None:
            name = f"{event.name}.{self._component}.{now:x}"
            self._seen[key] = (name, 1)
        else:
            self._seen[key] = (seen[0], seen[1] + 1)
        bucket = self._spam.get((event.kind, event.name))
        if bucket is None:
            bucket = self._spam[event.kind, event.name] = TokenBucket(SPAM_QPS, SPAM_BURST)
        if bucket.reserve(now, 0) is None:
            return None
        if seen is None:
            return Write("create", "Event", name, {"data": {"reason": event.reason, "count": 1}})
        return Write("merge-patch", "Event", seen[0], {"data": {"count": seen[1] + 1}})
