"""The path of one request: token, sending, server, answer.

The body is encoded and the cached copy read *before* the wait for a token (client-go, rest/request.go): a
saturated bucket widens every conflict window (model.md section 2).
"""

from __future__ import annotations

from collections.abc import Callable

from sim.client.effects import Send
from sim.client.process import Process
from sim.cluster.messages import Response
from sim.kernel.bursts import Burst

Answered = Callable[[Response], "Burst | None"]
"""Continues the goroutine that waits: returns its next burst, or None."""


def _cleaned_up() -> None:
    """What the request's own goroutine does once its stream has ended: as good as nothing."""


class Request(Burst):
    """One request under way, and the burst that takes its answer.

    The times are those of ``sim.recording.columns.REQUESTS``.
    """

    __slots__ = (
        "actor",
        "answered",
        "asked_ns",
        "back",
        "base",
        "before",
        "cpu",
        "out",
        "process",
        "read_ns",
        "received",
        "reconcile",
        "response",
        "retries",
        "send",
        "sent_ns",
    )

    def __init__(self, process: Process, actor: str, send: Send, read_ns: int, reconcile: int) -> None:
        self.process = process
        self.actor = actor
        self.send = send
        self.read_ns = read_ns
        self.reconcile = reconcile
        message = process.message
        self.out = message()
        self.back = process.network
        self.answered: Answered  # set by start, as are the times
        self.asked_ns: int
        self.sent_ns: int
        # The server's (sim.cluster.server.InFlight).
        self.received: int
        self.base: int
        self.before: int
        self.cpu: int
        self.retries: int

    def start(self, answered: Answered, longest_wait: int | None = None) -> bool:
        """Ask for a token and send as soon as it is there; the goroutine parks until the answer.

        The request is encoded by then: whoever calls this has used ``request_cpu`` before. Returns False where
        the token would come after ``longest_wait`` nanoseconds: then nothing is sent and no token taken.
        """
        process = self.process
        self.asked_ns = now = process.sim.now
        self.answered = answered
        throttle = process.throttle
        wait = throttle.reserve(self.send.write, now, longest_wait) if throttle is not None else 0
        if wait is None:
            return False
        if wait:
            process.go.wake_in(wait, self._resume)
        else:
            self.sent_ns = now
            process.send(self)
        return True

    def _resume(self) -> None:
        """The token is there and the goroutine has a processor again."""
        process = self.process
        send = self.send
        if send.cached is not None:
            send.read_again()
            self.read_ns = process.sim.now
        self.sent_ns = process.sim.now
        process.send(self)

    @property
    def sent(self) -> bool:
        """Whether its token was there; until then it has not left the client."""
        return hasattr(self, "sent_ns")

    def arrive(self, response: Response) -> None:
        """The answer reaches the client's socket."""
        process = self.process
        if not process.stopped:
            process.connection.arrive(self._frame, response)

    def _frame(self, response: Response, at_once: bool) -> Burst | None:
        """The answer is read: its headers wake the caller, its end the request's own goroutine.

        That one (golang.org/x/net/http2, clientStream.doRequest) is woken last and so runs next; the caller goes
        behind whoever waits for the processor already, even where nobody else was woken with it.
        """
        self.response = response
        if at_once:  # as _received does, without the call
            process = self.process
            self.demand = process.response_cpu
            if response.object is not None:
                self.demand += process.object_cpu
            return self
        ready = self.process.go.ready
        ready(self._received)
        ready(_cleaned_up)
        return None

    def _received(self) -> Burst:
        process = self.process
        self.demand = process.response_cpu
        if self.response.object is not None:
            self.demand += process.object_cpu
        return self

    def then(self) -> Burst | None:
        """The answer is decoded: the goroutine that waited goes on."""
        return self.answered(self.response)
