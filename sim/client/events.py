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
from functools import lru_cache
from typing import Any

from sim.client import writes
from sim.client.effects import Send
from sim.client.process import Process
from sim.client.throttle import Recent, TokenBuckets
from sim.cluster.messages import Response
from sim.cluster.objects import Write
from sim.kernel.bursts import Burst
from sim.units import SECOND

MAX_QUEUED = 1000
AGGREGATE_FROM = 10
AGGREGATE_WITHIN = 600 * SECOND
SPAM_BURST = 25
SPAM_QPS = 1 / 300

_Event = tuple[str, str, str, str, str, str]
"""What is recorded: kind and name of the object, the subject that it is about, type, reason, message."""


@lru_cache
def _body(reason: str) -> dict[str, Any]:
    """The body of a new Event. Bodies are never changed, so all with the same reason share one."""
    return {"data": {"reason": reason, "count": 1}}


class EventRecorder(Burst):
    """The recorder of one component, and its sender: a goroutine, of whose first event this is the burst."""

    __slots__ = (
        "_component",
        "_event",
        "_process",
        "_queue",
        "_seen",
        "_sending",
        "_similar",
        "_spam",
        "dropped",
    )

    def __init__(self, process: Process, component: str) -> None:
        self._process = process
        self._component = component
        self._queue: deque[_Event] = deque()
        self._sending = False
        self._event: _Event  # the one that is being sent
        self._seen = Recent()  # group and message, or a group that is aggregated -> name; of more than one with count
        self._similar = Recent()  # group: kind, name, type and reason -> time and messages
        self._spam = TokenBuckets(SPAM_QPS, SPAM_BURST)
        self.dropped = 0

    def event(self, kind: str, name: str, about: str, reason: str, message: str, type_: str = "Normal") -> None:
        """Record an event on an object, which is about a subject; it is sent in the background."""
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append((kind, name, about, type_, reason, message))
        if not self._sending:
            self._sending = True
            self._process.go.ready(self._woken)

    def _woken(self) -> Burst:
        self.demand = self._process.request_cpu
        return self

    def then(self) -> Burst | None:
        """The sender goes on: it sends the next event that passes the correlator, or parks."""
        while self._queue:
            self._event = event = self._queue.popleft()
            write = self._correlate(event)
            if write is not None:
                self._send(write)
                return None
            self.dropped += 1
        self._sending = False
        return None

    def _send(self, write: Write) -> None:
        process = self._process
        send = Send(write, self._event[2])
        process.parts.request(process, self._component, send, process.sim.now, -1).start(self._sent)

    def _sent(self, answer: Response) -> Burst | None:
        if answer.code == 404:
            # The first of a repetition was dropped by the spam filter, so there is nothing to patch: it is
            # created now (client-go's recordEvent).
            kind, on, _, type_, reason, message = self._event
            name = f"{on}.{self._component}.{self._process.sim.now:x}"
            key = ((kind, on, type_, reason), message)
            self._seen.pop(key, None)
            self._seen.note(key, name)
            self._send(writes.create("Event", name, _body(reason)))
            return None
        # Encoding the next event is part of what the burst that took the answer costs: the sender does one
        # right after the other.
        return self.then()

    def _correlate(self, event: _Event) -> Write | None:
        now: int = self._process.sim.now
        kind, on, _, type_, reason, message = event
        group = (kind, on, type_, reason)
        key: tuple[Any, ...] = (group, message)
        similar = self._similar.pop(group, None)
        messages = similar[1:] if similar is not None and now - similar[0] <= AGGREGATE_WITHIN else ()
        if message not in messages:
            messages = (*messages, message)
        if len(messages) >= AGGREGATE_FROM:
            messages = messages[1:]  # client-go removes any one; here the oldest
            key = group
        self._similar.note(group, (now, *messages))
        seen = self._seen.pop(key, None)
        if seen is None:
            name, count = f"{on}.{self._component}.{now:x}", 0
        else:
            name, count = (seen, 1) if type(seen) is str else seen
        self._seen.note(key, (name, count + 1) if count else name)
        if not self._spam.take((kind, on), now):
            return None
        if not count:
            return writes.create("Event", name, _body(reason))
        count_one_more = {"data": {"count": count + 1}}
        return writes.set_fields("merge-patch-unconditional", count_one_more, manager="", kind="Event", name=name)
