"""Strategies that propose schedules: at random, by PCT, and by mutating those that came to new abstract states.

What a strategy proposes is a function of its seed and of the outcomes so far, in the order of the runs: how many
processes carried them out does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from random import Random
from typing import Literal

from sim.experiment.perturbed import Change, Outcome, Points, Schedule, moved, number_of
from sim.experiment.replicate import AFTER_A_FAULT
from sim.scenario.faults import API_SERVER, ETCD, WATCH_CACHE, Messages, PlannedFault
from sim.scenario.faults import Point as At
from sim.scenario.properties import Perturbation
from sim.units import MS, SECOND

StrategyName = Literal["guided", "random", "pct", "seeds"]
STRATEGIES: tuple[StrategyName, ...] = ("guided", "random", "pct")
"""Those that search. ``seeds`` counts: it changes the seed alone, and goes on when something is broken."""

LADDER = (10 * MS, 50 * MS, 200 * MS, SECOND, 3 * SECOND, 10 * SECOND)
"""Delays in nanoseconds that are tried: from a slow request to a process that hung."""
MOST = 4
"""Perturbations of a proposed schedule."""
LONGEST_PAUSE = 30 * SECOND
"""Longer than a Lease of controller-runtime lasts, and than reflectors back off."""
LONGEST = MOST * LADDER[-1] + 3 * (AFTER_A_FAULT + LADDER[-1]) + LONGEST_PAUSE
"""Nanoseconds by which the changes of one run delay things in all, about: what follows is waited for."""
DEPTH = 3
"""Ordering points of PCT."""
_FAILS = 0.4
"""Share of the changes that are faults."""
_FAILURES = ("kill", "kill", "answer", "cut", "relist", "past", "past", "pause", "server", "etcd")
"""What a fault is, by lot."""
_FRESH = 0.25
"""Share of the guided proposals that come from nothing."""
_SEEDS = 1 << 31


class Explorer:
    """Proposes schedules, and learns from what they came to. ``first`` is the scenario's own seed."""

    def __init__(self, strategy: StrategyName, points: Points, seed: int, first: int) -> None:
        self.strategy = strategy
        self.points = points
        self._seed = seed
        self._first = first
        self._steps = list(points.steps())
        self.seen: set[int] = set()
        """The abstract states that were met."""
        self.corpus: list[tuple[int, Schedule]] = []
        """Schedules that met one first, each with the requests that its run took."""

    @property
    def bound(self) -> float:
        """The probability per run that PCT promises for ``DEPTH`` ordering points (Burckhardt et al., 2010)."""
        n, k = max(len(self.points.threads), 1), max(len(self._steps), 1)
        return 1.0 / float(n * k ** (DEPTH - 1))

    @property
    def said(self) -> str:
        """What PCT's bound is made of, in words."""
        n, k = len(self.points.threads), len(self._steps)
        return f"PCT: d = {DEPTH} ordering points, n = {n} threads, k = {k} steps: at least {self.bound:.2g} per run"

    def propose(self, number: int) -> Schedule:
        """Return the schedule of run ``number``, from 0; the first is the scenario as it stands."""
        if not number or self.strategy == "seeds":
            return Schedule(self._first + number)
        luck = Random(f"{self._seed}/{self.strategy}/{number}")
        if self.strategy == "pct":
            return self._by_priority(luck)
        if self.strategy == "guided" and self.corpus and luck.random() >= _FRESH:
            return self._mutated(luck, self._cheaper(luck))
        return self._fresh(luck)

    def learn(self, schedule: Schedule, outcome: Outcome) -> bool:
        """Take in an outcome; called in the order of the runs. Returns whether it met a new state."""
        new = [state for state in outcome.states if state not in self.seen]
        if new:
            self.seen.update(new)
            self.corpus.append((outcome.requests, schedule))
        return bool(new)

    def _cheaper(self, luck: Random) -> Schedule:
        """One that is drawn, or another where its run took more than twice the requests: a loop costs ten runs."""
        (one, first), (other, second) = luck.choice(self.corpus), luck.choice(self.corpus)
        return second if one > 2 * other else first

    def _fresh(self, luck: Random) -> Schedule:
        many = 1
        while many < MOST and luck.random() < 0.5:
            many += 1
        changes = [each for _ in range(many) for each in self._changes(luck)]
        return Schedule(luck.randrange(_SEEDS), tuple(changes[: MOST + 1]))

    def _changes(self, luck: Random) -> list[Change]:
        """Something that comes late, or something that fails."""
        processes = [name for name, senders in self.points.processes.items() if senders]
        if not processes or luck.random() >= _FAILS:
            return [self._perturbation(luck)]
        process = luck.choice(processes)
        when = self._write_of(luck, process)
        lasts = luck.choice((SECOND, 3 * SECOND, 10 * SECOND))
        match luck.choice(_FAILURES):
            case "kill":
                return [PlannedFault(after=when, kill=process, lasts=lasts)]
            case "answer":
                of = Messages(controller=luck.choice(self.points.processes[process]))
                return [PlannedFault(after=when, drop="answers", of=of, times=1)]
            case "cut":
                return [PlannedFault(after=when, cut=process, lasts=lasts)]
            case "relist":
                return [PlannedFault(after=when, cut=process, lasts=lasts, gone=True)]
            case "pause":
                return [PlannedFault(after=when, stop=process, lasts=luck.choice((lasts, LONGEST_PAUSE)))]
            case "server":
                return [PlannedFault(after=when, kill=API_SERVER, lasts=lasts)]
            case "etcd":
                return [PlannedFault(after=when, stop=ETCD, lasts=lasts)]
        # A second API server stands still, and the process finds that one after a restart: it sees the past.
        stops, later = self._write_of(luck, process), self._write_of(luck, process)
        return [
            PlannedFault(after=stops, stop=WATCH_CACHE, lasts=LONGEST_PAUSE),
            PlannedFault(after=later, kill=process, lasts=SECOND, to_other=True),
        ]

    def _write_of(self, luck: Random, process: str) -> At:
        """A write by anybody of a process; now and then a moment after it."""
        sender = luck.choice(self.points.processes[process])
        write = luck.randint(1, self.points.requests[sender, ""])
        return At(controller=sender, write=write, wait=luck.choice((0,) * 8 + LADDER[:4]))

    def _perturbation(self, luck: Random) -> Perturbation:
        points = self.points
        kinds = [
            *(["watch"] * 4 if points.watches else []),
            *(["request"] * 4 if points.requests else []),
            *(["draw"] if points.draws else []),
            *(["tie"] if points.ties else []),
        ]
        kind = luck.choice(kinds)
        if kind == "tie":
            return Perturbation(tie=luck.randint(1, points.ties), turn=luck.choice(("first", "last")))
        delay = luck.choice(LADDER)
        if kind == "request":
            actor, about = luck.choice(list(points.requests))
            number = luck.randint(1, points.requests[actor, about] + 1)
            return Perturbation(request=actor, of=about or None, number=number, delay=delay)
        streams = points.watches if kind == "watch" else points.draws
        stream = luck.choice(list(streams))
        return Perturbation(draw=stream, number=luck.randint(1, streams[stream]), delay=delay)

    def _mutated(self, luck: Random, schedule: Schedule) -> Schedule:
        seed, kept = schedule.seed, list(schedule.changes)
        move = luck.random()
        if move < 0.15:
            seed = luck.randrange(_SEEDS)
        elif move < 0.3 and len(kept) > 1:
            kept.pop(luck.randrange(len(kept)))
        elif move < 0.6 and kept:
            at = luck.randrange(len(kept))
            kept[at] = self._moved(luck, kept[at])
        elif move < 0.7:
            other = luck.choice(self.corpus)[1].changes
            kept = [*kept[: luck.randint(0, len(kept))], *other[luck.randint(0, len(other)) :]][:MOST]
        elif len(kept) < MOST:
            kept += self._changes(luck)
        else:
            kept[luck.randrange(len(kept))] = self._perturbation(luck)
        return Schedule(seed, tuple(kept))

    def _moved(self, luck: Random, one: Change) -> Change:
        """The same a few places later or earlier, or with another delay."""
        step = luck.choice((-3, -2, -1, 1, 2, 3))
        late = isinstance(one, Perturbation) and one.tie is None
        if late and (number_of(one) is None or luck.random() < 0.5):
            return one.model_copy(update={"delay": luck.choice(LADDER)})
        return moved(one, lambda number: number + step)

    def _by_priority(self, luck: Random) -> Schedule:
        """PCT: one thread is slower than all others from the start; at d - 1 steps whose step it is falls behind."""
        slow = luck.choice(self.points.threads)
        delay = luck.choice(LADDER)
        lowest = (
            Perturbation(draw=slow, delay=delay)
            if slow in self.points.watches
            else Perturbation(request=slow, delay=delay)
        )
        steps = (self._steps[luck.randrange(len(self._steps))] for _ in range(DEPTH - 1))
        changes = (
            Perturbation(draw=each.draw, request=each.request, number=each.number, delay=luck.choice(LADDER))
            for each in steps
        )
        return Schedule(luck.randrange(_SEEDS), (lowest, *islice(changes, DEPTH - 1)))


def first_broken(schedules: Sequence[Schedule], outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Return by broken property the place of the first run that broke it, in the order of the runs."""
    found: dict[str, int] = {}
    for place, outcome in enumerate(outcomes):
        for each in outcome.broken:
            found.setdefault(each.property, place)
    return found
