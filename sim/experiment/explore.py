"""The search for a schedule that breaks a property: generations of runs, the first finding, and what it comes to."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import add
from random import Random
from typing import TYPE_CHECKING, Any

from sim.analysis.intervals import Estimate, share_interval
from sim.experiment.journal import Journal, hash_of
from sim.experiment.perturbed import (
    Batch,
    Change,
    Outcome,
    Schedule,
    as_entry,
    changes_of,
    from_entry,
    moved,
    play_batch,
    points_of,
    prepared,
    scheduled,
)
from sim.experiment.progress import Progress, Underway
from sim.experiment.replicate import replicate
from sim.experiment.result import Result
from sim.experiment.run import run
from sim.experiment.schedules import LONGEST, Explorer, StrategyName, first_broken
from sim.experiment.shrinking import Shrinker
from sim.recording.properties import Broken
from sim.scenario.model import Scenario
from sim.units import counted

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.executor import Executor

BATCH = 25
"""Runs that travel together."""
GENERATION = 8
"""Batches between two looks at what they came to: what is proposed next depends on them."""
FIX_TRIES = 200
"""Runs by which a finding is tried on a changed scenario."""
_ALIKE = re.compile(r"\b[a-z]\d{4}[\w-]*|\d[\d.]*(?: (?:[num]?s|min|h|d)\b(?: \d+ (?:s|min|h)\b)?)?")
"""Names, numbers and times, in which reasons of one kind differ."""
OF_CLIENTS = "explore is about controllers, and this scenario is about plain clients (contention)"
PLAIN = 200
"""Runs without perturbations by which a finding's odds are estimated."""


@dataclass(slots=True)
class Finding:
    """A broken property: ``scenario`` replays the shrunk run to ``result``; ``run`` found it, from 1."""

    name: str
    run: int
    found: Schedule
    scenario: Scenario
    broken: Broken
    result: Result
    tries: int
    without: list[tuple[Change, str]] = field(default_factory=list)
    """By change what happens without it: "" where the property is broken all the same, else what holds."""
    plain: Estimate | None = None
    """Share of runs without perturbations that break the property."""

    def __repr__(self) -> str:
        many = counted(len(changes_of(self.scenario)), "change")
        return f"<Finding: {self.name}, broken in run {self.run}, shrunk to {many}>"

    def _repr_html_(self) -> str:
        # As results do: what a finding looks like is the report's business.
        from sim.report.html.cell import finding_cell

        return finding_cell(self)

    @property
    def requests(self) -> pd.DataFrame:
        """The requests about its object, in the order in which the server decided them; of no object, all of them."""
        from sim.analysis.lives import whose

        rows, about = self.result.requests, self.broken.object
        mine = rows[rows["certificate"] == whose(rows, about)] if about else rows
        return mine[mine["resource"] != "events"].sort_values("decided_at", kind="stable")

    def still_broken(self, other: Scenario, tries: int = 20) -> int:
        """Return in how many of ``tries`` runs of a changed scenario its property is broken: its schedule, and near."""
        return fix_check([self], other, tries)[0][1]

    @property
    def digest(self) -> str:
        """The digest that ``requeue run`` comes to."""
        return str(self.result.summary["digest"])


class Exploration:
    """One search of one scenario; runs are carried out by ``spread`` and kept in ``journal``."""

    def __init__(
        self,
        scenario: Scenario,
        strategy: StrategyName,
        seed: int,
        spread: Executor,
        journal: Journal | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.scenario = prepared(scenario, LONGEST)
        self.explorer = Explorer(strategy, points_of(self.scenario), seed, self.scenario.seed)
        self._spread = spread
        self._journal = journal
        self._progress = progress
        self.runs = 0
        self.broken: dict[str, tuple[int, Schedule]] = {}
        """By property: the number of the first run that broke it, from 1, and its schedule."""
        self.counted: Counter[str] = Counter()
        """By property how many runs broke it."""
        self.first: dict[str, Broken] = {}
        """By property what the first run that broke it says."""
        self.whys: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """By property how many runs broke it why, without names and numbers."""
        self._newest = 0  # the run that met a new state last

    def search(self, runs: int | None = None, seconds: float | None = None) -> None:
        """Run until a property is broken, unless runs are counted, or so many runs or seconds are over."""
        counts = self.explorer.strategy == "seeds"
        end = None if seconds is None else time.monotonic() + seconds
        self._tell("", runs or 0, end)
        while (counts or not self.broken) and (runs is None or self.runs < runs):
            if end is not None and time.monotonic() >= end:
                break
            most = GENERATION * BATCH if runs is None else min(GENERATION * BATCH, runs - self.runs)
            # The very first alone: it shows the states of the scenario as it stands.
            numbers = range(self.runs, self.runs + (1 if not self.runs else most))
            schedules = [self.explorer.propose(number) for number in numbers]
            outcomes = self._carry_out(schedules, lambda done: self._tell("", runs or 0, end, done))
            for number, schedule, outcome in zip(numbers, schedules, outcomes, strict=True):
                if self.explorer.learn(schedule, outcome):
                    self._newest = number + 1
                self.counted.update({each.property for each in outcome.broken})
                for each in outcome.broken:
                    self.first.setdefault(each.property, each)
                for name, why in {(each.property, _ALIKE.sub("#", each.why)) for each in outcome.broken}:
                    self.whys[name][why] += 1
            for name, place in first_broken(schedules, outcomes).items():
                self.broken.setdefault(name, (numbers[place] + 1, schedules[place]))
            self.runs += len(schedules)
            self._tell("", runs or 0, end)

    def _tell(self, now: str, most: int = 0, end: float | None = None, beyond: int = 0) -> None:
        """Say how far it is: ``beyond`` are runs that are done, and not looked at yet."""
        if self._progress is None:
            return
        best = "nothing broken yet"
        if self.broken:
            name, (number, schedule) = min(self.broken.items(), key=lambda each: (len(each[1][1].changes), each[1][0]))
            many = len(schedule.changes)
            best = f"best so far: {name}, in run {number} by {counted(many, 'change')}"
        states = f"{len(self.explorer.seen)} abstract states, the newest in run {self._newest}"
        left = None if end is None else end - time.monotonic()
        self._progress(Underway(self.runs + beyond, most, said=f"{best}; {states}{now}", left_s=left))

    def _carry_out(self, schedules: Sequence[Schedule], tell: Callable[[int], None]) -> list[Outcome]:
        """Return the outcomes in order: batches that the journal has are not run again.

        ``tell`` is told after each batch but the last how many runs are done.
        """
        batches = [tuple(schedules[at : at + BATCH]) for at in range(0, len(schedules), BATCH)]
        keys = [hash_of([each.plain() for each in batch]) for batch in batches]
        known = self._journal.pieces if self._journal is not None else {}
        done = {n: from_entry(known[key]) for n, key in enumerate(keys) if key in known}
        missing = [n for n in range(len(batches)) if n not in done]
        pieces = [Batch(self.scenario, batches[n]) for n in missing]
        for place, outcomes in self._spread.unordered(play_batch, pieces):
            done[missing[place]] = outcomes
            if self._journal is not None:
                self._journal.keep(keys[missing[place]], as_entry(outcomes))
            if len(done) < len(batches):
                tell(sum(map(len, done.values())))
        return [outcome for n in range(len(batches)) for outcome in done[n]]

    def finding(self, name: str, plain: int = PLAIN) -> Finding:
        """Shrink what broke a property, and say what each perturbation is worth and how likely it is without any."""
        number, schedule = self.broken[name]
        self._tell(f"; shrinking what broke: {name}")
        asked = [each for each in self.scenario.properties if each.name == name]
        alone = self.scenario.model_copy(update={"properties": asked})
        shrinker = Shrinker(alone, schedule, name)
        shrinker.shrink()
        found = replayable(shrinker.scenario, shrinker.schedule)
        first = replicate(found, 0).broken[0]
        finding = Finding(name, number, schedule, found, first, run(found, jobs=1), shrinker.tries)
        bare, changes = unchanged(found), shrinker.schedule.changes
        for place, each in enumerate(changes):
            left = Schedule(found.seed, (*changes[:place], *changes[place + 1 :]))
            finding.without.append((each, "" if replicate(scheduled(bare, left), 0).broken else "it holds"))
        finding.plain = self.odds(found, plain)
        return finding

    def odds(self, found: Scenario, plain: int) -> Estimate:
        """Return the share of plain runs of a finding's scenario in which its property is broken."""
        schedules = [Schedule(number) for number in range(1, plain + 1)]
        pieces = [Batch(unchanged(found), tuple(schedules[at : at + BATCH])) for at in range(0, plain, BATCH)]
        broken = 0
        for _, outcomes in self._spread.unordered(play_batch, pieces):
            broken += sum(bool(each.broken) for each in outcomes)
        return share_interval(broken, plain)


def replayable(scenario: Scenario, schedule: Schedule) -> Scenario:
    """Return the scenario of a schedule as ``requeue run`` reads it from its file."""
    data: dict[str, Any] = scheduled(scenario, schedule).resolved()
    return Scenario.model_validate(data | {"replications": 1, "expect": {}, "recording": None})


def fix_check(findings: Sequence[Finding], other: Scenario, tries: int) -> list[tuple[Finding, int]]:
    """Try findings on a changed scenario: return each with how many of ``tries`` runs still break its property.

    The first is its very schedule; then come other seeds and numbers near by, as a change moves them.
    """
    found = []
    for each in findings:
        properties = each.scenario.properties
        judged = {"properties": properties}
        changed = prepared(other.model_copy(update=judged), LONGEST).model_copy(update=judged)
        outcomes = play_batch(Batch(changed, tuple(_near_schedules(each.scenario, tries))))
        found.append((each, sum(bool(outcome.broken) for outcome in outcomes)))
    return found


def _near_schedules(scenario: Scenario, tries: int) -> list[Schedule]:
    changes = changes_of(scenario)
    schedules = [Schedule(scenario.seed, changes)]
    for n in range(1, tries):
        luck = Random(f"{scenario.seed}/near/{n}")
        near = tuple(moved(each, partial(add, luck.randint(-2, 2))) for each in changes)
        schedules.append(Schedule(scenario.seed if n % 2 else luck.randrange(1 << 31), near))
    return schedules


def unchanged(scenario: Scenario) -> Scenario:
    """Return a finding's scenario without its changes."""
    return scenario.model_copy(update={"perturbations": [], "faults": []})
