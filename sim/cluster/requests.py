"""Requests as the server meets them: what their clients say of them, and what it keeps of them meanwhile."""

from __future__ import annotations

from typing import Any, Protocol

from sim.cluster.messages import Response


class Sent(Protocol):
    """What a client says of its request; times in nanoseconds.

    ``send`` holds the ``write`` and what it was made from; ``back`` is how long the answer takes to the client.
    """

    actor: str
    send: Any
    read_ns: int
    asked_ns: int
    sent_ns: int
    back: int
    reconcile: int


class InFlight(Sent, Protocol):
    """A request under way; ``out`` and ``back`` are how long it and its answer travel, in nanoseconds.

    The rest is the server's own, kept here to save an object for each request.
    """

    out: int
    back: int
    received: int
    """When the server took it."""
    base: int
    """The version that the server read."""
    before: int
    """How long it has been with etcd when it is decided, in nanoseconds."""
    cpu: int
    """Nanoseconds of computing."""
    retries: int

    def arrive(self, response: Response) -> None:
        """The answer reaches the client."""
