"""What a family of controllers brings into a simulated cluster.

A ``Family`` is what is the same in all replications: its kinds, what its figures are about, how its requests are
timed. Its ``populate`` builds one replication's ``Population``: the objects that are there from the start, the
processes, who creates, who else writes. The world runs populations and knows no family by name; the recorder and
the figures know a family by its ``Subject`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from sim.client.manager import Manager
from sim.client.surroundings import Surroundings
from sim.cluster.kinds import Kind
from sim.cluster.objects import Object
from sim.cluster.requesttimes import ServiceClass
from sim.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class Subject:
    """The objects that figures are about, all of one kind, and when one of them is done.

    ``ready`` says whether an object, as stored, is what its creator waits for; ``settled`` whether nobody has
    anything left to do about it: a replication ends when all are settled.
    """

    kind: str
    ready: Callable[[Object], bool]
    settled: Callable[[Object], bool]
    fields: tuple[str, ...] = ()
    """The parts of it that attribution tells apart, a bit of a mask each, from the lowest: ``status.NAME``,
    ``status.conditions[TYPE]``, and what is left over as ``status (other)``, ``spec``, ``metadata``."""


class Population(Protocol):
    """What a family has put into one simulated cluster."""

    created: list[Callable[[], None]]
    """Called, in order, once everything that the workload asks for has been created."""

    done: list[Callable[[], None]]
    """Called, in order, once nobody has anything left to do; of a family that is ``listed`` nobody calls them."""

    def start(self) -> None:
        """Begin, at time 0."""

    def unsettled(self) -> int:
        """How many of the subjects still have something to be done about them, or jobs are not done."""

    def quieten(self) -> None:
        """The end is near: other writers begin nothing new. Controllers go on."""

    def processes(self) -> Iterable[Manager]:
        """The processes of controllers that live."""

    @property
    def leader(self) -> str:
        """The replica that works, where one is elected; "" where none is, or none works now."""

    def kill(self, name: str, down_for: int) -> bool:
        """Kill a process, which is started again after ``down_for`` nanoseconds; False where there is none to kill."""

    def parts(self) -> Iterable[object]:
        """Everything that was built, to be taken apart after the end: the parts refer to each other in circles."""


class Family(Protocol):
    """A family of controllers."""

    name: str
    subject: Subject

    listed: bool
    """Whether the end is looked for as the recordings did, by listing the subjects once a second."""

    @property
    def service_class(self) -> ServiceClass:
        """The class of service times that a request is timed by."""

    def kinds(self, scenario: Scenario) -> Iterable[Kind]:
        """The kinds that it brings along, beside those that every cluster has; for one run of a scenario."""

    def populate(self, surroundings: Surroundings) -> Population:
        """Build this family's part of one replication, before time 0."""
