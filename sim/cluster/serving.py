"""A request in the server, and the work behind decisions: what the API server's and etcd's goroutines compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.cluster.requests import InFlight
from sim.kernel.bursts import Burst
from sim.kernel.goserver import GoServer
from sim.units import MS

CHUNK = MS
"""Work behind decisions is done in bursts of at most so many nanoseconds, between which others have their turn."""

CYCLE = 180 * MS
"""What a cycle of the API server's garbage collector computes. Measured: kube-apiserver 1.34.4 on two cores marked 31
times, for 180 ms of its processors' time in the mean, while four times 100 Certificates were issued by a fast client
(GODEBUG=gctrace=1; docs/tried.md). Go sees to it that marking is done before the heap has doubled: where more
than a cycle is owed, whoever allocates has to mark as well (runtime/mgcpacer.go; mgcmark.go: gcAssistAlloc). Without
that limit an operator without a client limit is served 35 to 46% too fast in bursts.
"""

GARBAGE = 0.44
"""The collector's share of the work behind decisions, which comes a cycle at a time; all else (watch events, audit,
etcd's apply) is done as it comes. In the same runs there was a cycle for every 356 requests: .51 ms a request, of the
1.16 ms behind a decision that lab.json shows (``server.cpu_behind``).
"""

STEPS = 3
"""How often news of a write waits for a processor in a busy API server: with the goroutine that reads etcd's news and
decodes them (storage/etcd3/watcher.go), the cacher's that hands them out (storage/cacher), and the one that writes the
connection's frames. By two facts that pull either way: after the last key, with 15 requests and more in the server,
recorded controllers see news 90 and 180 ms after the answer (medians of two cases with 20 workers; one step: 0 and 200,
two 30 and 270, three 60 and 450); and in fast bursts 46 to 70% of issuing's passes right after its own status write
still find the copy from before, and apply the Secret again (one: 53 to 73%, two 56 to 74, three 65 to 85).
"""


class Serving(Burst):
    """A request in the server: its goroutine's next burst, there or in etcd."""

    __slots__ = (
        "answered",
        "answering",
        "before",
        "committing",
        "computing",
        "decided",
        "request",
        "response",
        "rest",
        "sent",
        "start",
        "step",
        "waits",
    )

    def __init__(self, request: InFlight, start: int) -> None:
        self.request = request
        self.start = start
        """Of which start of the API server it is: one that has been killed since answers nobody."""
        self.step: Callable[[Serving], None]
        self.computing: int
        self.waits: int
        self.committing: int
        self.rest: int
        """Waiting between the decision and the making of the answer."""
        self.answering: int
        self.sent: int
        """When it was sent to etcd."""
        self.response: Response
        self.before: Object | None
        """What was stored before the decision."""
        self.decided: int
        self.answered: int
        """-1: not yet."""

    def then(self) -> Burst | None:
        """It has computed."""
        self.step(self)
        return None


class Behind(Burst):
    """What the API server computes while nobody waits for it: watch events, audit, etcd's apply, garbage."""

    __slots__ = ("_garbage", "_going", "_process", "owed")

    def __init__(self, process: GoServer) -> None:
        self._process = process
        self.owed = 0
        """Nanoseconds that are due."""
        self._garbage = 0  # nanoseconds that will be, with the next cycle
        self._going = False

    def owe(self, computing: int) -> None:
        """Compute so many nanoseconds, some now and some with the next cycle, while others have their turn as well."""
        garbage = round(computing * GARBAGE)
        self._garbage += garbage
        self.owed += computing - garbage
        if self._garbage >= CYCLE:
            self.owed += self._garbage
            self._garbage = 0
        if not self._going and self.owed:
            self._going = True
            self._process.compute(self)

    def assist(self, computing: int) -> int:
        """Return how much of what is beyond a cycle, at most ``computing``, a request has to do first."""
        share = min(computing, self.owed - CYCLE)
        self.owed -= share
        return share

    def has_processor(self) -> Burst:
        """It has a processor."""
        self.demand = chunk = self.owed if self.owed < CHUNK else CHUNK
        self.owed -= chunk
        return self

    def then(self) -> Burst | None:
        """A part of it is done; others have their turn before the next."""
        if not self.owed:
            self._going = False
            return None
        if self._process.gives_way(self.has_processor):
            return None
        return self.has_processor()


class Relay(Burst):
    """A goroutine of the API server that hands on what it is given, in that order, when it has had its turn.

    What it computes is part of the work behind decisions. Where nobody waits for a processor it hands on at once.
    """

    __slots__ = ("_going", "_held", "_next", "_process")

    def __init__(self, process: GoServer, following: Relay | None = None) -> None:
        self.demand = 0
        self._process = process
        self._next = following
        self._held: list[tuple[Callable[[Any], object], Any]] = []
        self._going = False

    def hand(self, function: Callable[[Any], object], argument: Any) -> None:
        """Let the last in the chain call ``function(argument)``."""
        process = self._process
        if process.stopped:  # killed with what it held: whoever still listens is no connection of its
            self.flush()
        if not self._going and not process.crowded():
            self._on(function, argument)
            return
        self._held.append((function, argument))
        if not self._going:
            self._going = True
            process.queue(self.has_processor)

    def then(self) -> Burst | None:
        """It has had its turn."""
        self.flush()
        return None

    def flush(self) -> None:
        """Hand on all that is held."""
        held, self._held = self._held, []
        self._going = False
        for function, argument in held:
            self._on(function, argument)

    def _on(self, function: Callable[[Any], object], argument: Any) -> None:
        if self._next is None:
            function(argument)
        else:
            self._next.hand(function, argument)
