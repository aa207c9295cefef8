"""Who creates the objects of a workload: one client, by any arrival, objects of any kind."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from sim.client import writes
from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.client.surroundings import Surroundings
from sim.cluster.messages import Response
from sim.scenario.workload import OtherObjects, RateArrival, ScheduleArrival, Workload
from sim.units import SECOND


class Creator(OutsideClient):
    """Creates objects of one kind, as the workload asks; ``body(name)`` is what each of them is created with.

    Between an answer and the next creation it computes, on the cores that it shares with everybody else: while keys
    are generated the recorded client took three times as long as on an idle machine.
    """

    actor = "lab"

    def __init__(
        self,
        surroundings: Surroundings,
        workload: Workload | OtherObjects,
        kind: str,
        name: Callable[[int], str],
        body: Callable[[str], writes.Body],
    ) -> None:
        super().__init__(surroundings.simulation, surroundings.server)
        self._machine = surroundings.machine
        self._create_cpu = surroundings.profile.create_cpu
        self._arrival = workload.arrival
        self._count = workload.objects if isinstance(workload, OtherObjects) else workload.certificates
        self._drawn = f"arrivals/{kind}" if isinstance(workload, OtherObjects) else "arrivals"
        self._kind = kind
        self._name = name
        self._body = body
        self._created = 0
        self._answered = 0
        self.finished: list[Callable[[], None]] = []
        """Called, in order, once the last creation is answered."""

    def start(self) -> None:
        """Begin at time 0."""
        arrival, count = self._arrival, self._count
        if not count:
            self.sim.call_in(0, self._finish)
        elif arrival == "one-after-the-other":
            self._create()
        elif arrival == "at-once":
            for _ in range(count):
                self._create()
        elif isinstance(arrival, RateArrival):
            self._by_rate(arrival, count)
        else:
            assert isinstance(arrival, ScheduleArrival)
            self.sim.series(arrival.schedule[:count], self._create)

    def _by_rate(self, arrival: RateArrival, count: int) -> None:
        if arrival.poisson:
            draw = self.sim.streams.exponential(self.actor, self._drawn, SECOND / arrival.rate)
            self.sim.series(accumulate(draw() for _ in range(count)), self._create)
        else:
            self.sim.series((round(k * SECOND / arrival.rate) for k in range(count)), self._create)

    def _create(self) -> None:
        name = self._name(self._created)
        self._created += 1
        self.submit(Send(writes.create(self._kind, name, self._body(name), manager=self.actor), name), self._next)

    def _computed(self) -> None:
        if self._machine.finished(self):
            self._create()

    def _next(self, _: Response) -> None:
        self._answered += 1
        if self._arrival == "one-after-the-other" and self._created < self._count:
            self._machine.run(self._create_cpu, Creator._computed, self)
        if self._answered == self._count:
            self._finish()

    def _finish(self) -> None:
        for finished in self.finished:
            finished()
