"""Runs of a scenario under perturbed schedules: one run, a batch of them, and the points at which one can be bent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sim.cluster.holding import HeldRequests, Point, held_requests
from sim.experiment.replicate import bends_of, held_of, monitoring, played, undisturbed, world_of
from sim.families.certmanager.properties import PROPERTIES
from sim.kernel.perturbing import TIES, Bends
from sim.recording.properties import Broken
from sim.recording.states import StateSignatures
from sim.scenario.faults import CONTROLLERS, PlannedFault
from sim.scenario.metrics import CERT_MANAGER
from sim.scenario.model import Scenario
from sim.scenario.properties import Perturbation, Property
from sim.units import SECOND

BUILT_IN = (
    Property(name="everything settles", builtin="settles"),
    Property(name="no lost write", builtin="no-lost-write"),
    Property(name="no duplicate", builtin="no-duplicate"),
    Property(name="no hot loop", builtin="no-hot-loop"),
    Property(name="no two leaders writing", builtin="one-leader"),
)
"""What explore looks for in every scenario."""


Change = Perturbation | PlannedFault
"""What is changed in one run: something comes late, or something fails."""


class Schedule(NamedTuple):
    """What decides a run of a scenario: its luck, and what is changed of it."""

    seed: int
    changes: tuple[Change, ...] = ()

    def plain(self) -> list[Any]:
        """As plain data."""
        return [self.seed, [each.model_dump(mode="json", exclude_defaults=True) for each in self.changes]]


class Outcome(NamedTuple):
    """What a run came to: broken properties in order, abstract states, and how many requests it took."""

    broken: tuple[Broken, ...]
    states: tuple[int, ...]
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Points:
    """Where a run can be bent: durations that were drawn (and how many), requests by who sent them about what, ties.

    ``steps`` are the requests and the events of watches, as (stream or actor, about, number), for PCT.
    """

    watches: Mapping[str, int] = field(default_factory=dict)
    draws: Mapping[str, int] = field(default_factory=dict)
    requests: Mapping[Point, int] = field(default_factory=dict)
    ties: int = 0
    processes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each process that can fail: those of its controllers that send requests."""

    @property
    def threads(self) -> list[str]:
        """Who goes on by himself: each watch, and each sender of requests."""
        return [*self.watches, *dict.fromkeys(actor for actor, about in self.requests if not about)]

    def steps(self) -> Iterator[Perturbation]:
        """Yield every request and every event of a watch, as a perturbation without a delay."""
        for stream, count in self.watches.items():
            yield from (Perturbation.model_construct(draw=stream, number=n) for n in range(1, count + 1))
        for (actor, about), count in self.requests.items():
            if not about:
                yield from (Perturbation.model_construct(request=actor, number=n) for n in range(1, count + 1))


def prepared(scenario: Scenario, longest: int) -> Scenario:
    """Return a scenario as explore runs it: with all properties, one replication, and time to see them broken.

    ``longest`` is how many nanoseconds the perturbations of one run delay things in all, about.
    """
    mine = {each.name for each in scenario.properties}
    families = PROPERTIES if scenario.family == CERT_MANAGER else ()
    properties = [*scenario.properties, *(each for each in (*families, *BUILT_IN) if each.name not in mine)]
    patience = max([each.longest for each in properties if each.eventually is not None], default=0) + longest
    until = scenario.until
    changed = until.model_copy(
        update={
            "settled_for": max(until.settled_for, patience + SECOND),
            "at_most": max(until.at_most, 2 * patience + until.at_least),
        }
    )
    return scenario.model_copy(update={"properties": properties, "until": changed, "replications": 1})


def scheduled(scenario: Scenario, schedule: Schedule) -> Scenario:
    """Return the scenario that replays a schedule; its own perturbations and faults stay."""
    late = [each for each in schedule.changes if isinstance(each, Perturbation)]
    failing = [each for each in schedule.changes if not isinstance(each, Perturbation)]
    changes = {
        "seed": schedule.seed,
        "perturbations": [*scenario.perturbations, *late],
        "faults": [*scenario.faults, *failing],
    }
    return scenario.model_copy(update=changes)


def changes_of(scenario: Scenario) -> tuple[Change, ...]:
    """Return all that is changed in a scenario."""
    return (*scenario.perturbations, *scenario.faults)


def number_of(one: Change) -> int | None:
    """Return which draw, request, tie or write a change is at; None where it is at each."""
    if isinstance(one, Perturbation):
        return one.tie if one.tie is not None else one.number
    return one.after.write if one.after is not None else None


def renumbered(one: Change, number: int) -> dict[str, Any]:
    """Return what of a change says where it is, with another number."""
    if isinstance(one, Perturbation):
        return {"tie" if one.tie is not None else "number": number}
    assert one.after is not None
    return {"after": one.after.model_copy(update={"write": number})}


def moved(one: Change, to: Callable[[int], int]) -> Change:
    """Return a change with the number that ``to`` makes of its own, at least 1; itself where it has none."""
    number = number_of(one)
    return one if number is None else one.model_copy(update=renumbered(one, max(to(number), 1)))


def play(scenario: Scenario, schedule: Schedule) -> Outcome:
    """Run a schedule of a prepared scenario, without the tables and digests that nobody reads here."""
    with undisturbed():
        world = world_of(scheduled(scenario, schedule), 0)
        states = StateSignatures(world.api.store, world.processes)
        monitor = monitoring(world)
        replication = played(world, 0, brief=True, monitor=monitor)
        found = Outcome(tuple(replication.broken), tuple(states.found), len(replication.requests))
        world.take_apart()
    return found


def points_of(scenario: Scenario) -> Points:
    """Run a prepared scenario as it stands, and count where it could be bent."""
    bends, held = bends_of(scenario.perturbations) or Bends(), held_of(scenario.perturbations) or held_requests(())
    bends.counting = True
    world = world_of(scenario, 0, bends=bends, held=held)
    world.run()
    senders = {actor for actor, about in held.sent if not about}
    processes = {
        each.process.name or CONTROLLERS: tuple(one.name for one in each.controllers if one.name in senders)
        for each in world.processes()
    }
    world.take_apart()
    return _points(bends, held, processes)


def _points(bends: Bends, held: HeldRequests, processes: Mapping[str, tuple[str, ...]]) -> Points:
    watches, draws = {}, {}
    for stream, count in sorted(bends.drawn.items()):
        actor, _, purpose = stream.rpartition("/")
        if actor == "watch" or actor.endswith("/watch"):
            watches[stream] = count
        elif stream != TIES and purpose != "work" and "/service/" not in stream:
            draws[stream] = count
    return Points(watches, draws, dict(sorted(held.sent.items())), bends.drawn[TIES], processes)


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs that travel together to a worker."""

    scenario: Scenario
    schedules: tuple[Schedule, ...]


def play_batch(batch: Batch) -> list[Outcome]:
    """Run a batch; of states only those are kept that are new in it."""
    seen: set[int] = set()
    outcomes = []
    for schedule in batch.schedules:
        outcome = play(batch.scenario, schedule)
        new = tuple(state for state in outcome.states if state not in seen)
        seen.update(new)
        outcomes.append(outcome._replace(states=new))
    return outcomes


def as_entry(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return outcomes as plain data for a journal."""
    return [[[list(each) for each in one.broken], list(one.states), one.requests] for one in outcomes]


def from_entry(entry: Sequence[Any]) -> list[Outcome]:
    """Return what ``as_entry`` made plain."""
    return [
        Outcome(tuple(Broken(*each) for each in broken), tuple(states), requests) for broken, states, requests in entry
    ]
