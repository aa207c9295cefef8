"""Other writers: a GitOps controller, an autoscaler or a user who writes objects of any kind now and then."""

from __future__ import annotations

from collections.abc import Callable

from sim.client import writes
from sim.client.effects import Get, Send
from sim.client.outside import OutsideClient
from sim.client.surroundings import Surroundings
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.scenario.values import Strategy
from sim.scenario.workload import Writer
from sim.units import SECOND

Change = Callable[[str, str], writes.Body]
"""The fields that a writer sets: from the object's name and a value of six digits, drawn for each write."""


class OtherWriter(OutsideClient):
    """At Poisson times picks one of ``count`` objects at random and writes it."""

    def __init__(
        self,
        surroundings: Surroundings,
        writer: Writer,
        kind: str,
        name: Callable[[int], str],
        count: int,
        change: Change,
    ) -> None:
        simulation = surroundings.simulation
        super().__init__(simulation, surroundings.server, writer.name)
        self._action = writer.action
        self._holds = writer.wait
        self._kind = kind
        self._name = name
        self._count = count
        self._change = change
        self._wait = simulation.streams.exponential(self.actor, "times", SECOND / writer.rate)
        self._pick = simulation.streams.uniform(self.actor, "certificates")  # whatever the kind: a stream's name
        self._value = simulation.streams.uniform(self.actor, "values")
        self.begins = writer.start
        self.stopped = False

    def start(self) -> None:
        """Begin writing."""
        self.sim.call_in(self._wait(), self._act)

    def _act(self) -> None:
        if self.stopped:
            return
        self.sim.call_in(self._wait(), self._act)
        name = self._name(int(self._pick() * self._count))
        fields = self._change(name, f"{int(self._value() * 1_000_000):06d}")
        if self._action == "update":
            asked = self.now
            get = Get(writes.get(self._kind, name), name)
            self.submit(get, lambda answer: self._read(fields, answer, asked))
            return
        how: Strategy = "apply" if self._action == "apply" else "merge-patch-unconditional"
        write = writes.set_fields(
            how,
            fields,
            manager=self.actor,
            kind=self._kind,
            name=name,
            subresource=_subresource(fields),
            force=False,
        )
        self.submit(Send(write, name))

    def _read(self, fields: writes.Body, answer: Response, asked: int) -> None:
        if answer.object is not None:
            self.sim.call_in(self._holds, self._update, fields, answer.object, asked)

    def _update(self, fields: writes.Body, read: Object, asked: int) -> None:
        """A PUT of the copy that was read, changed; refused if it is stale, and not tried again."""
        write = writes.set_fields("update", fields, manager=self.actor, read=read, subresource=_subresource(fields))
        self.submit(Send(write, read.name, read), read_ns=asked)


def _subresource(fields: writes.Body) -> str:
    return "status" if "status" in fields else ""
