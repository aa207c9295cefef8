"""From a run that breaks a property to the smallest scenario that still does: delta debugging over everything in it.

What is tried, over and over until nothing more goes away: fewer perturbations (Zeller's ddmin), fewer objects, fewer
operators, controllers and writers, fewer workers, shorter delays, less time. Each try is a run; a smaller scenario is
kept where the same property is broken, of whatever object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from sim.experiment.perturbed import Change, Schedule, moved, number_of, play, renumbered
from sim.experiment.schedules import LADDER
from sim.scenario.model import Scenario
from sim.scenario.properties import Perturbation
from sim.units import SECOND

_T = TypeVar("_T")

TRIES = 600
"""Runs that shrinking may take."""
AIMS = 12
"""Numbers to either side at which a change is tried again, where fewer objects have moved it."""


@dataclass(slots=True)
class Shrinker:
    """Makes a failing schedule of a prepared scenario smaller; ``property`` is the name of what is broken."""

    scenario: Scenario
    schedule: Schedule
    property: str
    tries: int = 0

    def shrink(self) -> None:
        """Shrink ``scenario`` and ``schedule`` until nothing goes away any more, or the tries are used up."""
        while self.tries < TRIES:
            size = self._size()
            self._perturbations()
            for smaller in (self._fewer_objects, self._fewer_parts, self._fewer_workers):
                self._greedily(smaller)
            self._shorter_delays()
            if self._size() == size:
                break
        self._less_time()

    def _size(self) -> tuple[Any, ...]:
        workload = self.scenario.workload
        parts = sum(len(each.controllers) for each in self.scenario.operators) + len(self.scenario.writers)
        delays = sum(_delay(each) for each in self.schedule.changes)
        return len(self.schedule.changes), workload.total, parts, delays

    def _breaks(self, scenario: Scenario, schedule: Schedule) -> bool:
        """Whether the property is broken there; then that is what is shrunk further."""
        if self.tries >= TRIES:
            return False
        if scenario is not self.scenario and not _reads(scenario):
            return False
        if not self._broken(scenario, schedule):
            return False
        if scenario is not self.scenario and schedule.changes and self._broken(scenario, Schedule(schedule.seed)):
            return False  # it breaks whatever is changed: with one worker, or in less time, all is rightly not done yet
        self.scenario, self.schedule = scenario, schedule
        return True

    def _broken(self, scenario: Scenario, schedule: Schedule) -> bool:
        self.tries += 1
        return any(each.property == self.property for each in play(scenario, schedule).broken)

    def _perturbations(self) -> None:
        seed = self.schedule.seed

        def breaks(kept: Sequence[Change]) -> bool:
            return self._breaks(self.scenario, Schedule(seed, tuple(kept)))

        ddmin(self.schedule.changes, breaks)

    def _greedily(self, smaller: Callable[[], Iterator[Scenario]]) -> None:
        """Take the first smaller scenario that still breaks, again and again."""
        while self.tries < TRIES:
            for candidate in smaller():
                if self._breaks(candidate, self.schedule) or self._aims(candidate):
                    break
            else:
                return

    def _aims(self, scenario: Scenario) -> bool:
        """Fewer objects move the numbers of draws, requests and writes: try those near, one change at a time.

        The others stay where they are or, in a second round, are moved in proportion.
        """
        if scenario.workload.total == self.scenario.workload.total:
            return False
        share = scenario.workload.total / self.scenario.workload.total
        in_proportion = tuple(moved(each, lambda number: round(number * share)) for each in self.schedule.changes)
        for kept in dict.fromkeys((self.schedule.changes, in_proportion)):
            if kept is in_proportion and self._breaks(scenario, Schedule(self.schedule.seed, kept)):
                return True
            for place, one in enumerate(self.schedule.changes):
                for number in _near(one, share):
                    aimed = (*kept[:place], one.model_copy(update=number), *kept[place + 1 :])
                    if self._breaks(scenario, Schedule(self.schedule.seed, aimed)):
                        return True
        return False

    def _fewer_objects(self) -> Iterator[Scenario]:
        workload = self.scenario.workload
        count = workload.certificates
        if workload.already() is not None or hasattr(workload.arrival, "schedule"):
            return
        for fewer in dict.fromkeys((1, count // 2, count - 1)):
            if 0 < fewer < count:
                update: dict[str, Any] = {"certificates": fewer}
                if workload.objects is not None:
                    update["objects"] = fewer
                yield self._with(workload=workload.model_copy(update=update))

    def _fewer_parts(self) -> Iterator[Scenario]:
        """Without one operator, one controller, one writer."""
        operators = self.scenario.operators
        if len(operators) > 1:
            for n in range(len(operators)):
                yield self._with(operators=[*operators[:n], *operators[n + 1 :]])
        for n, operator in enumerate(operators):
            for c in range(len(operator.controllers)) if len(operator.controllers) > 1 else ():
                left = [*operator.controllers[:c], *operator.controllers[c + 1 :]]
                fewer = operator.model_copy(update={"controllers": left})
                yield self._with(operators=[*operators[:n], fewer, *operators[n + 1 :]])
        writers = self.scenario.writers
        for n in range(len(writers)):
            yield self._with(writers=[*writers[:n], *writers[n + 1 :]])

    def _fewer_workers(self) -> Iterator[Scenario]:
        controllers = self.scenario.controllers
        if not self.scenario.operators and controllers.workers > 1:
            for fewer in dict.fromkeys((1, controllers.workers // 2)):
                yield self._with(controllers=controllers.model_copy(update={"workers": fewer}))

    def _shorter_delays(self) -> None:
        for place in range(len(self.schedule.changes)):
            for delay in LADDER:
                kept = self.schedule.changes
                if delay >= _delay(kept[place]):
                    break
                key = "delay" if isinstance(kept[place], Perturbation) else "lasts"
                shorter = kept[place].model_copy(update={key: delay})
                aimed = (*kept[:place], shorter, *kept[place + 1 :])
                if self._breaks(self.scenario, Schedule(self.schedule.seed, aimed)):
                    break

    def _less_time(self) -> None:
        """End sooner: half of the time, as long as the property is broken by then.

        What does not settle with no change at all would not settle in any shorter time either, which says nothing.
        """
        if not self.schedule.changes and any(each.builtin == "settles" for each in self.scenario.properties):
            return
        until = self.scenario.until
        for settled_for in _halves(until.settled_for):
            shorter = until.model_copy(update={"settled_for": settled_for})
            if not self._breaks(self._with(until=shorter), self.schedule):
                break
        until = self.scenario.until
        for at_most in _halves(until.at_most):
            shorter = until.model_copy(update={"at_most": at_most, "at_least": min(until.at_least, at_most)})
            if not self._breaks(self._with(until=shorter), self.schedule):
                break

    def _with(self, **update: Any) -> Scenario:
        return self.scenario.model_copy(update=update)


def _reads(scenario: Scenario) -> bool:
    """Whether a file may say so: the operator that issues can't go, nor a fault come after the end."""
    try:
        Scenario.model_validate(scenario.resolved())
    except ValidationError:
        return False
    return True


def ddmin(items: Sequence[_T], breaks: Callable[[Sequence[_T]], bool]) -> list[_T]:
    """Return a subsequence that breaks and of which no single item can be left out (Zeller and Hildebrandt, 2002).

    ``items`` break, and their order is kept.
    """
    kept, chunks = list(items), 2
    if kept and breaks([]):
        return []
    while len(kept) > 1:
        size = -(-len(kept) // chunks)
        starts = range(0, len(kept), size)
        for start in starts:
            without = kept[:start] + kept[start + size :]
            if without and breaks(without):
                kept, chunks = without, max(chunks - 1, 2)
                break
        else:
            if size == 1:
                break
            chunks = min(chunks * 2, len(kept))
    return kept


def _delay(one: Change) -> int:
    """How long it holds something up, or lasts."""
    return (one.delay if isinstance(one, Perturbation) else one.lasts) or 0


def _near(one: Change, share: float) -> Iterator[dict[str, Any]]:
    """Where a change may be by now: as many places from the start in share, and those around."""
    if isinstance(one, Perturbation) and one.of is not None:
        yield {"of": None}
    number = number_of(one)
    if number is None:
        return
    middle = max(round(number * share), 1)
    for away in range(AIMS):
        for there in dict.fromkeys((middle + away, middle - away)):
            if there >= 1 and there != number:
                yield renumbered(one, there)


def _halves(time: int) -> Iterator[int]:
    while time > SECOND:
        time = max(time // 2 // SECOND * SECOND, SECOND)
        yield time
