"""Replications of many scenarios, each run once: what a sweep, a search and a budget are made of.

Everything that is asked for goes through ``Evaluator.evaluate``; what the journal has is not run again. A
procedure that decides only from what it gets here comes to the same end however often it was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sim.experiment.jobs import Job, perform
from sim.experiment.journal import Journal, kept, key_of
from sim.experiment.limits import Guard, Limits
from sim.experiment.progress import Progress, Underway

if TYPE_CHECKING:
    from array import array

    from sim.analysis.measured import Measured
    from sim.experiment.executor import Executor
    from sim.scenario.model import Scenario


@dataclass(frozen=True, slots=True)
class Piece:
    """Replication ``index`` of a scenario, which ``key`` identifies."""

    key: str
    scenario: Scenario
    index: int
    limits: Limits | None = None


def measured(piece: Piece) -> Measured:
    """Run a piece, and keep what a journal keeps of it."""
    from array import array

    done = perform(Job(piece.scenario, piece.index, limits=piece.limits)).measured
    nothing: array[float] = array("d")
    return replace(done, metrics=kept(done.metrics), times_to_ready=nothing)


class Evaluator:
    """Runs replications that are not known yet, and keeps them.

    ``expected`` is about how many will be asked for in all, and ``name`` says what scenarios are called, for the
    progress; ``ran`` is how many were run here. Beyond
    ``limits`` it raises ``LimitReached``; the journal has what is done.
    """

    def __init__(
        self,
        spread: Executor,
        journal: Journal | None = None,
        *,
        expected: int = 0,
        progress: Progress | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._spread = spread
        self._journal = journal
        self._known: dict[tuple[str, int], Measured] = dict(journal.found) if journal is not None else {}
        self._used: set[tuple[str, int]] = set()
        self._keys: dict[int, tuple[Scenario, str]] = {}
        self._names: dict[str, str] = {}
        self._so_far: dict[str, list[Measured]] = {}
        self.expected = expected
        self.ran = 0
        self._progress = progress
        self._limits = limits
        self._guard = Guard(limits) if limits is not None else None

    def key(self, scenario: Scenario) -> str:
        """Return the hash that identifies a scenario."""
        found = self._keys.get(id(scenario))
        if found is None:
            found = self._keys[id(scenario)] = (scenario, key_of(scenario))  # kept, so that its id stays its own
        return found[1]

    def name(self, scenarios: Mapping[str, Scenario]) -> None:
        """Say what scenarios are called; those without a name are no variant that somebody asked for."""
        self._names |= {self.key(scenario): name for name, scenario in scenarios.items()}

    def evaluate(self, wanted: Iterable[tuple[Scenario, int]]) -> list[Measured]:
        """Return the replication of every (scenario, index), in their order."""
        asked = [(self.key(scenario), scenario, index) for scenario, index in wanted]
        missing = list({(key, index): Piece(key, each, index, self._limits) for key, each, index in asked}.values())
        missing = [piece for piece in missing if (piece.key, piece.index) not in self._known]
        known = {(key, index) for key, _, index in asked} - {(piece.key, piece.index) for piece in missing}
        self._count(known)
        for position, outcome in self._spread.unordered(measured, missing):
            piece = missing[position]
            if self._journal is not None:
                self._journal.add(piece.key, outcome)
            self._known[piece.key, piece.index] = outcome
            self.ran += 1
            self._count({(piece.key, piece.index)})
            if self._guard is not None:
                self._guard.after(max(self.expected, len(asked)))
        return [self._known[key, index] for key, _, index in asked]

    def replications(self, scenario: Scenario, indices: Sequence[int]) -> list[Measured]:
        """Return these replications of one scenario."""
        return self.evaluate((scenario, index) for index in indices)

    def _count(self, done: set[tuple[str, int]]) -> None:
        for key, index in sorted(done - self._used):
            if key in self._names:
                self._so_far.setdefault(self._names[key], []).append(self._known[key, index])
        self._used |= done
        if self._progress is not None:
            self._progress(Underway(len(self._used), max(self.expected, len(self._used)), self._so_far))
