"""How long requests take in the idle server: drawn by actor and class, and longer where it is cold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sim.cluster.requests import InFlight
from sim.kernel.streams import Streams
from sim.scenario.profile import ServerCosts

ServiceClass = Callable[[str, str, str], str]
"""The class of a request, by its verb, kind and subresource: the name of the profile's service time.

The verb is ``refused`` for a write that is already stale when it is taken; the other two are empty then.
"""


class RequestTimes:
    """The service times of the profile, and how much of each comes after the decision."""

    def __init__(self, streams: Streams, costs: ServerCosts, service_class: ServiceClass) -> None:
        self._streams = streams
        self._costs = costs
        self._service_class = service_class
        self._by_class = costs.times.by_class()
        self._times: dict[tuple[str, str, str, str], Callable[[], int]] = {}
        self._answers: dict[str, Callable[[], int]] = {}
        self._cold_after = costs.cold_after
        self._cold_factor = costs.cold_factor
        self.start()

    def start(self) -> None:
        """The server has been started: it is cold."""
        costs = self._costs
        self._taken = deque([-costs.cold_after] * costs.cold_requests, costs.cold_requests)

    def draw(self, request: InFlight, stale: bool) -> tuple[int, int]:
        """Return how long a request takes that has just been taken, and how long of it after the decision.

        In nanoseconds. ``stale``: it is a write that will be refused.
        """
        write, actor = request.send.write, request.actor
        key = (actor, "refused", "", "") if stale else (actor, write.verb, write.kind, write.subresource)
        service = (self._times.get(key) or self._new_times(key))()
        received = request.received
        if received - self._taken[0] > self._cold_after:
            service = round(service * self._cold_factor)
        self._taken.append(received)
        after = (self._answers.get(actor) or self._new_answers(actor))()
        return service, after if after < service else service

    def _new_times(self, key: tuple[str, str, str, str]) -> Callable[[], int]:
        actor, verb, kind, subresource = key
        name = self._service_class(verb, kind, subresource)
        draw = self._times[key] = self._streams.latency(actor, f"service/{name}", self._by_class[name])
        return draw

    def _new_answers(self, actor: str) -> Callable[[], int]:
        draw = self._answers[actor] = self._streams.latency(actor, "answer", self._costs.answer)
        return draw
