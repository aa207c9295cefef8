"""Who listens to the server: what it is told of each request, once, when the request is decided."""

from __future__ import annotations

from typing import Protocol

from sim.cluster.kinds import Kind
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.cluster.requests import Sent


class Listener(Protocol):
    """Listens to a server, and changes nothing."""

    def request(
        self,
        sent: Sent,
        kind: Kind,
        response: Response,
        before: Object | None,
        received: int,
        decided: int,
        answered: int,
        retries: int,
        cpu: int,
    ) -> None:
        """The server has decided: ``before`` is the object as it was then, ``answered`` when it will answer.

        ``retries`` counts how often it read again inside, ``cpu`` is the core time that it has used.
        """
