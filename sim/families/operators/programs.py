"""The processes of operators: which controllers share one, what is refused, and how one is started."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import get_args

from sim.client.manager import Manager
from sim.client.priorityqueue import PriorityQueue
from sim.client.process import Process
from sim.client.standard import STANDARD
from sim.client.surroundings import Surroundings
from sim.client.throttle import BucketPerKind, OneBucket, Throttle
from sim.families.operators.operator import Operator
from sim.scenario.machinery import is_own
from sim.scenario.model import Scenario
from sim.scenario.names import did_you_mean
from sim.scenario.operators import OperatorClient
from sim.scenario.runtimes import Runtime, built_with
from sim.scenario.values import Strategy


@dataclass(frozen=True, slots=True)
class Program:
    """One process of operators: a manager and its controllers, all of one runtime.

    ``client`` are its limits where the controllers' classes do not say; ``sender`` is who sends its events; ``queue``
    is the kind of its queues where that is not the runtime's; ``replica`` is which it is of those that work at once.
    """

    name: str
    controllers: tuple[type[Operator], ...]
    client: OperatorClient | None = None
    sender: str = ""
    queue: str | None = None
    replica: int = 1

    def start(self, surroundings: Surroundings) -> Manager:
        """Start the process, with a client and luck of its own: adding one does not change anybody else's."""
        return self.work(self.process(surroundings))

    def process(self, surroundings: Surroundings) -> Process:
        """The process before its manager: a replica that does not lead."""
        runtime = built_with(self.controllers[0].runtime, self.queue)
        process = Process(
            surroundings,
            self._throttle(runtime),
            name=self.name,
            streams=surroundings.simulation.streams.of(self.name),
            parts=replace(STANDARD, queue=PriorityQueue) if runtime.priority_queue else STANDARD,
            followed=self.controllers[0].kind if surroundings.scenario.workload.kind != "Certificate" else "",
        )
        process.client_go = runtime.client_go
        process.replica = self.replica
        return process

    def work(self, process: Process) -> Manager:
        """Let a process work: its manager and its controllers."""
        runtime = built_with(self.controllers[0].runtime, self.queue)
        sender = (self.sender or self.name) if runtime.one_event_sender else ""
        manager = Manager(process, sender, self.client is not None and self.client.read_your_writes)
        manager.controllers += [controller(manager) for controller in self.controllers]
        manager.start()
        return manager

    def _throttle(self, runtime: Runtime) -> Throttle | None:
        if self.client is None:
            qps, burst = self.controllers[0].qps, self.controllers[0].burst
        elif self.client.unlimited:
            qps, burst = None, 1
        else:
            qps = self.client.qps if self.client.qps is not None else runtime.qps
            burst = self.client.burst if self.client.burst is not None else runtime.burst
        if qps is None:
            return None
        return BucketPerKind(qps, burst) if runtime.bucket_per_kind else OneBucket(qps, burst)


def programs(operators: Iterable[type[Operator]]) -> list[Program]:
    """The processes of these operators, in the order in which they are first named."""
    found: dict[str, list[type[Operator]]] = {}
    for each in operators:
        found.setdefault(each.program or each.name, []).append(each)
    return [Program(name, tuple(controllers)) for name, controllers in found.items()]


def check(
    operators: Iterable[type[Operator]], scenario: Scenario, kinds: Collection[str]
) -> tuple[type[Operator], ...]:
    """Return the operators as a tuple; raises ``ValueError`` where one cannot run beside the scenario's others.

    ``kinds`` are those that the run's API server serves.
    """
    found = tuple(operators)
    taken = {"lab", "external-issuer", *(writer.name for writer in scenario.writers)}
    taken |= {controller.name for operator in scenario.operators for controller in operator.controllers}
    for each in found:
        if not (isinstance(each, type) and issubclass(each, Operator)):
            raise ValueError(f"{each!r} is no subclass of sim.controllers.Operator")
        if not each.name:
            raise ValueError(f"{each.__name__} has no name; give its class one, such as name = 'my-operator'")
        if each.writes not in get_args(Strategy):
            hint = did_you_mean(str(each.writes), get_args(Strategy))
            choices = ", ".join(get_args(Strategy))
            raise ValueError(f"{each.name} writes by {each.writes!r}; choose from {choices}{hint}")
        if not isinstance(each.concurrency, int) or each.concurrency < 1:
            raise ValueError(f"{each.name} has concurrency {each.concurrency!r}; it is a whole number, at least 1")
        if is_own(each.name):
            raise ValueError(f"{each.name!r} begins like the name of one of cert-manager's own controllers")
        if each.name in taken:
            raise ValueError(f"two writers are called {each.name!r}; give each a name of its own")
        unknown = [kind for kind in (each.kind, *(each.watches or ())) if kind not in kinds]
        if unknown:
            raise ValueError(f"{each.name} cannot watch {unknown[0]!r}; choose from {', '.join(sorted(kinds))}")
        taken.add(each.name)
    return found
