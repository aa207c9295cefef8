"""Operators of one's own as a family: processes beside others, which create nothing and are no figure's subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sim.client.manager import Manager
from sim.client.surroundings import Surroundings
from sim.families.operators.operator import Operator
from sim.families.operators.programs import programs


class OperatorsPopulation:
    """The processes of the operators, in one replication."""

    def __init__(self, surroundings: Surroundings, operators: Sequence[type[Operator]]) -> None:
        self.created: list[Callable[[], None]] = []
        self.done: list[Callable[[], None]] = []
        self._managers = [program.start(surroundings) for program in programs(operators)]

    def start(self) -> None:
        """They wait for events."""

    def unsettled(self) -> int:
        """Nobody waits for them."""
        return 0

    def quieten(self) -> None:
        """They go on, as controllers do."""

    def processes(self) -> Iterator[Manager]:
        """One for each program."""
        return iter(self._managers)

    def parts(self) -> Iterator[object]:
        """Everything that was built."""
        for manager in self._managers:
            yield from manager.everything()
