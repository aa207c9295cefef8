"""Clients outside any process of controllers: what they send goes to the server at once.

They have no token bucket and share no cores with anybody: their computing is not modelled.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.client.effects import Send
from sim.cluster.messages import Response
from sim.cluster.server import Server
from sim.kernel.simulation import Simulation


class OutsideRequest:
    """A request of a client that neither waits for a token nor shares the controllers' cores."""

    __slots__ = (
        "_answered",
        "actor",
        "asked_ns",
        "back",
        "base",
        "before",
        "cpu",
        "out",
        "read_ns",
        "received",
        "reconcile",
        "retries",
        "send",
        "sent_ns",
    )

    def __init__(
        self,
        actor: str,
        send: Send,
        now: int,
        answered: Callable[[Response], object],
        read_ns: int | None = None,
    ) -> None:
        self.actor = actor
        self.send = send
        self.read_ns = now if read_ns is None else read_ns
        self.asked_ns = self.sent_ns = now
        self.out = self.back = 0  # on the API server's machine, or near it
        self.reconcile = -1
        self._answered = answered
        # The server's (sim.cluster.server.InFlight).
        self.received: int
        self.base: int
        self.before: int
        self.cpu: int
        self.retries: int

    def arrive(self, response: Response) -> None:
        """The answer is there."""
        self._answered(response)


def _nothing(_: Response) -> None:
    pass


class OutsideClient:
    """Sends requests straight to the server."""

    actor = ""

    def __init__(self, simulation: Simulation, server: Server, actor: str = "") -> None:
        self.sim = simulation
        self.server = server
        if actor:
            self.actor = actor

    @property
    def now(self) -> int:
        """Simulated time in nanoseconds."""
        return self.sim.now

    def submit(self, send: Send, answered: Callable[[Response], object] = _nothing, read_ns: int | None = None) -> None:
        """Send now."""
        self.server.receive(OutsideRequest(self.actor, send, self.now, answered, read_ns))
