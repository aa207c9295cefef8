"""Operators as a family: processes beside others and, where they are what a scenario is about, its objects too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from sim.client.election import Elector, first_lease
from sim.client.manager import Manager
from sim.client.process import Process
from sim.client.surroundings import Surroundings
from sim.cluster.described import DescribedKind
from sim.cluster.kinds import Kind
from sim.cluster.objects import Object
from sim.families.certmanager.kinds import brought as certmanager_kinds
from sim.families.certmanager.service import service_class
from sim.families.creator import Creator
from sim.families.family import Subject
from sim.families.operators.described import described
from sim.families.operators.fields import fields_of
from sim.families.operators.operator import Operator
from sim.families.operators.programs import Program, programs
from sim.families.operators.views import Seen
from sim.families.otherwriter import OtherWriters, beside_name, object_name, writer_of
from sim.scenario.expressions import compiled, template
from sim.scenario.kinds import KindSettings
from sim.scenario.model import Scenario
from sim.scenario.operators import OperatorSettings
from sim.scenario.workload import OtherObjects, Workload

READY = "'Ready' in holds"
"""When an object is ready that a scenario says nothing of."""


def subject(scenario: Scenario) -> Subject:
    """What the figures of a scenario are about whose workload is of another kind than Certificate."""
    workload = scenario.workload
    ready = _asked(workload.ready or READY)
    settled = _asked(workload.settled) if workload.settled is not None else ready
    return Subject(workload.kind, ready, settled, fields_of(scenario))


def _asked(source: str) -> Callable[[Object], bool]:
    expression = compiled(source, Seen.VARIABLES)
    return lambda obj: expression.holds(Seen(obj))


def brought(kinds: Mapping[str, KindSettings]) -> Iterable[Kind]:
    """Return the kinds that a scenario describes, for one run."""
    for name, settings in kinds.items():
        yield DescribedKind(settings.description(name))


class OperatorsPopulation:
    """The processes of operators, described or written in Python, in one replication."""

    def __init__(self, surroundings: Surroundings, operators: Sequence[type[Operator]] = ()) -> None:
        self._surroundings = surroundings
        scenario, self._sim = surroundings.scenario, surroundings.simulation
        self.created: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []
        self._creator: Creator | None = None
        if scenario.workload.kind != "Certificate":
            self._creator = _creator(surroundings, scenario.workload, object_name)
            self.created = self._creator.finished
            writers = [writer_of(surroundings, each, each.kind or scenario.workload.kind) for each in scenario.writers]
            self._writers = OtherWriters(surroundings, writers)
            self.created.append(self._writers.created)
        self._beside = [_creator(surroundings, each, beside_name) for each in scenario.workload.beside]
        self._managers: list[Manager] = []
        self._programs: dict[str, tuple[Program, OperatorSettings]] = {}
        self._processes: dict[str, Process] = {}  # the latest run of each program
        for program in programs(operators):
            self._managers.append(program.start(surroundings))
        for settings in scenario.operators:
            controllers = tuple(described(settings))
            for replica in range(settings.replicas):
                name = settings.name if not replica else f"{settings.name}-{replica + 1}"
                number = replica + 1 if settings.leader_election is None else 1
                program = Program(name, controllers, settings.client, settings.name, settings.queue, number)
                self._programs[name] = (program, settings)
                if settings.leader_election is not None and not replica:
                    now_s = self._sim.unix_seconds
                    surroundings.server.api.handle(first_lease(name, name, settings.leader_election, now_s), now_s)
                self._start(name, leads=not replica)
                for at in settings.restarts:
                    self._sim.call_in(at, self.kill, name, 0)

    def _start(self, name: str, *, leads: bool = False) -> None:
        """Start a replica: it works at once or, where one is elected, when it holds the Lease."""
        wait = self._surroundings.heard_in()
        if wait:
            self._sim.call_in(wait, self._start, name)
            return
        program, settings = self._programs[name]
        process = self._processes[name] = program.process(self._surroundings)
        if settings.leader_election is None:
            self._managers.append(program.work(process))
            return
        elector = Elector(
            process,
            settings.name,
            settings.leader_election,
            elected=lambda: self._managers.append(program.work(process)),
            lost=lambda: self.kill(name, 0),
        )
        elector.start(leads=leads)

    @property
    def leader(self) -> str:
        """The replica that works, of the first operator that elects one; "" where none does."""
        elected = (each.process.name for each in reversed(self._managers) if not each.process.stopped)
        return next((name for name in elected if self._elects(name)), "")

    def _elects(self, name: str) -> bool:
        return name in self._programs and self._programs[name][1].leader_election is not None

    def kill(self, name: str, down_for: int) -> bool:
        """Kill a process, which is started again after ``down_for`` nanoseconds; False where there is none to kill."""
        process = self._processes.get(name)
        if process is None or process.stopped:
            return False
        running = next((each for each in self._managers if each.process is process), None)
        if running is not None:
            running.stop()
        else:
            process.stop()
        self._sim.call_in(down_for + self._programs[name][1].restart_takes, self._start, name)
        return True

    def start(self) -> None:
        """Begin to create what the workload asks for; the processes wait for events."""
        for creator in self._beside:
            creator.start()
        if self._creator is not None:
            self._creator.start()

    def unsettled(self) -> int:
        """How many of the objects are not settled and other writers not through, where the figures are about them."""
        if self._creator is None:
            return 0
        return len(self._surroundings.listener.unsettled) + self._writers.going_on()

    def quieten(self) -> None:
        """Controllers go on; other writers begin nothing new."""
        if self._creator is not None:
            self._writers.stop()

    def processes(self) -> Iterator[Manager]:
        """One for each program that lives."""
        return (manager for manager in self._managers if not manager.process.stopped)

    def parts(self) -> Iterator[object]:
        """Everything that was built."""
        for manager in self._managers:
            yield from manager.everything()


def _creator(surroundings: Surroundings, workload: Workload | OtherObjects, name: Callable[[str, int], str]) -> Creator:
    spec, digits = template(workload.spec, ("name", "number")), re.compile(r"\d+$")

    def body(name: str) -> dict[str, object]:
        number = digits.search(name)
        assert number is not None
        return {"spec": spec({"name": name, "number": int(number[0])})}

    return Creator(surroundings, workload, workload.kind, partial(name, workload.kind), body)


class OperatorsFamily:
    """Operators that act on a kind which the scenario brings along: they are what its figures are about."""

    name = "operators"
    listed = True

    def __init__(self, scenario: Scenario, operators: Sequence[type[Operator]] = ()) -> None:
        self.subject = subject(scenario)
        self._operators = tuple(operators)

    def service_class(self, verb: str, kind: str, subresource: str) -> str:
        """What a profile says of Certificates goes for the subjects, what it says of Secrets for ConfigMaps."""
        if kind == self.subject.kind:
            kind = "Certificate"
        elif kind == "ConfigMap":
            kind = "Secret"
        return service_class(verb, kind, subresource)

    def kinds(self, _: Scenario) -> Iterable[Kind]:
        """cert-manager's, which operators may write too; the scenario's are handed to the world."""
        return certmanager_kinds()

    def populate(self, surroundings: Surroundings) -> OperatorsPopulation:
        """Build the operators' part of one replication."""
        return OperatorsPopulation(surroundings, self._operators)
