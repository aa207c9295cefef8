"""Other writers: a GitOps controller, an autoscaler or a user who writes objects of any kind now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from sim.client import writes
from sim.client.effects import Get, Send
from sim.client.outside import OutsideClient
from sim.client.surroundings import Surroundings
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.scenario.expressions import template
from sim.scenario.values import Strategy
from sim.scenario.writer import Writer
from sim.units import SECOND

Change = Callable[[str, str], writes.Body]
"""The fields that a writer sets: from the object's name and a value of six digits, drawn for each write."""


class OtherWriter(OutsideClient):
    """At Poisson times picks one of some objects at random and writes it.

    ``count()`` is how many there are, ``name(n)`` the name of one; a time at which there are none passes.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        writer: Writer,
        kind: str,
        name: Callable[[int], str],
        count: Callable[[], int],
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
        self._wait: Callable[[], int]
        self._pick: Callable[[], int]
        self._value: Callable[[], int]
        if writer.seed is None:
            streams = simulation.streams
            pick = streams.uniform(self.actor, "certificates")  # whatever the kind: a stream's name
            value = streams.uniform(self.actor, "values")
            self._wait = streams.exponential(self.actor, "times", SECOND / writer.rate)
            self._pick = lambda: int(pick() * count())
            self._value = lambda: int(value() * 1_000_000)
        else:
            # One stream for all three, in the order in which they are asked for: time, object, value.
            drawn = Random(writer.seed)
            self._wait = lambda: round(drawn.expovariate(writer.rate) * SECOND)
            self._pick = lambda: drawn.randrange(count())
            self._value = lambda: drawn.randrange(1_000_000)
        self.begins = writer.start
        self.lasts = writer.lasts
        self.through = False
        """Whether it has written for as long as it was to."""
        self.stopped = False

    def start(self) -> None:
        """Begin writing."""
        if self.lasts is not None:
            self.sim.call_in(self.lasts, self._end)
        self.sim.call_in(self._wait(), self._act)

    def _end(self) -> None:
        self.stopped = self.through = True

    def _act(self) -> None:
        if self.stopped:
            return
        if not self._count():
            self.sim.call_in(self._wait(), self._act)
            return
        name = self._name(self._pick())
        fields = self._change(name, f"{self._value():06d}")
        self.sim.call_in(self._wait(), self._act)
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
            subresource=subresource(fields),
            force=False,
        )
        self.submit(Send(write, name))

    def _read(self, fields: writes.Body, answer: Response, asked: int) -> None:
        if answer.object is not None:
            self.sim.call_in(self._holds, self._update, fields, answer.object, asked)

    def _update(self, fields: writes.Body, read: Object, asked: int) -> None:
        """A PUT of the copy that was read, changed; refused if it is stale, and not tried again."""
        write = writes.set_fields("update", fields, manager=self.actor, read=read, subresource=subresource(fields))
        self.submit(Send(write, read.name, read), read_ns=asked)


def subresource(fields: writes.Body) -> str:
    """The part of an object that fields are written through."""
    return "status" if "status" in fields else ""


def writer_of(surroundings: Surroundings, writer: Writer, kind: str) -> OtherWriter:
    """Another writer of objects of a kind other than Certificate: the workload's, those beside it, or what there is.

    Who writes what controllers create picks among what is stored when it writes.
    """
    workload = surroundings.scenario.workload
    fields = writer.set or {"metadata.annotations": {"gitops/revision": "${value}"}}
    change = change_of(fields)
    beside = next((each.objects for each in workload.beside if each.kind == kind), None)
    if kind == workload.kind:
        count = workload.certificates
        return OtherWriter(surroundings, writer, kind, partial(object_name, kind), lambda: count, change)
    if beside is not None:
        return OtherWriter(surroundings, writer, kind, partial(beside_name, kind), lambda: beside, change)
    stored = surroundings.server.api.store.objects[kind]
    return OtherWriter(surroundings, writer, kind, lambda number: sorted(stored)[number], lambda: len(stored), change)


def object_name(kind: str, number: int) -> str:
    """The name of the workload's object number ``number``, from 0."""
    return f"{kind[0].lower()}{number:04d}"


def beside_name(kind: str, number: int) -> str:
    """The name of an object beside the workload's: unlike any of those."""
    return f"{kind.lower()}-{number:04d}"


class OtherWriters:
    """All other writers of a population: begun when each is to, counted while they are to go on."""

    def __init__(self, surroundings: Surroundings, writers: list[OtherWriter]) -> None:
        self._surroundings = surroundings
        self._writers = writers
        for writer in writers:
            if isinstance(writer.begins, int):
                surroundings.simulation.call_in(writer.begins, writer.start)

    def __bool__(self) -> bool:
        return bool(self._writers)

    def created(self) -> None:
        """The last object was created."""
        for writer in self._writers:
            if writer.begins == "after-creation":
                writer.start()
        waiting = [writer for writer in self._writers if writer.begins == "when-settled"]
        if waiting:
            self._surroundings.simulation.call_in(SECOND, self._look, waiting)

    def _look(self, waiting: list[OtherWriter]) -> None:
        """Once a second all objects are listed, as the recordings did."""
        if self._surroundings.listener.unsettled:
            self._surroundings.simulation.call_in(SECOND, self._look, waiting)
        else:
            for writer in waiting:
                writer.start()

    def going_on(self) -> int:
        """How many are to write for a time that is not over yet."""
        return sum(writer.lasts is not None and not writer.through for writer in self._writers)

    def stop(self) -> None:
        """They begin nothing new."""
        for writer in self._writers:
            writer.stopped = True


def change_of(fields: Mapping[str, Any]) -> Change:
    """The change that sets dotted fields to what their templates say."""
    made = template(dict(fields), ("name", "value"))

    def change(name: str, value: str) -> writes.Body:
        body: writes.Body = {}
        for path, what in made({"name": name, "value": value}).items():
            *above, last = path.split(".")
            into = body
            for part in above:
                into = into.setdefault(part, {})
            into[last] = what
        return body

    return change
