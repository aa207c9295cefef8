"""What each way to write, read and wake costs an operator, and what it loses: alternatives on the same random numbers.

Each alternative is one change of the scenario; replication i of it has the same arrivals, latencies and luck as
replication i of the operator as it stands, so that differences are paired. What looks best is run once more beside
it, on fresh replications: the best of many looks better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.budget import ELSEWHERE
from sim.analysis.endings import ending
from sim.analysis.measured import Measured, digest, digest_by_name
from sim.experiment.alternatives import Alternative, alternatives
from sim.scenario.metrics import FAMILIES, metrics_of

if TYPE_CHECKING:
    from sim.experiment.evaluate import Evaluator
    from sim.scenario.model import Scenario

CURRENT = "as it stands"

COSTS = ("requests.total", "time_to_ready.p95", "conflicts.total", ELSEWHERE, "errors_logged")
"""What an alternative may cost less or more of, where the scenario's family has it; ``ELSEWHERE`` where any are."""
LOSSES = ("lost_updates", "lost_updates.never_repaired", "duplicates", "overwritten")
"""What must not happen at all. ``overwritten`` counts only where lost updates are not followed."""
UNDONE = ("unfinished", "stuck")
"""Objects that are not settled at the end."""
LOOPS = "late_writes"
"""Writes that go on once all is settled: bad where there are more of them than as it stands."""


@dataclass(slots=True)
class Way:
    """An alternative, and what its replications came to; ``alternative`` is None for the operator as it stands."""

    name: str
    alternative: Alternative | None
    scenario: Scenario
    measured: list[Measured] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run: the operator as it stands first; ``left_out`` says why an alternative cannot be tried."""

    tried: tuple[Way, ...]
    left_out: Mapping[str, str]
    replications: int

    @property
    def expected(self) -> int:
        """About how many replications that takes, the fresh ones included."""
        return (len(self.tried) + 2) * self.replications


def plan(scenario: Scenario, operator: str | None, replications: int) -> Plan:
    """Return the alternatives to be tried; raises ``ValueError`` where there is no such operator."""
    from sim.scenario.errors import ScenarioError
    from sim.scenario.reading.loader import load

    text = scenario.to_yaml()
    tried, left_out = [Way(CURRENT, None, scenario)], {}
    for each in alternatives(scenario, operator):
        try:
            changed = load(text, tuple(f"{key}={value}" for key, value in each.settings.items()))
        except ScenarioError as error:
            left_out[each.name] = error.problems[0].message
            continue
        tried.append(Way(each.name, each, changed))
    return Plan(tuple(tried), left_out, replications)


class Advice:
    """What it came to. ``judged`` has every alternative by name, ``ranked`` their names, best first."""

    def __init__(self, planned: Plan, evaluator: Evaluator) -> None:
        many = planned.replications
        evaluator.expected = planned.expected
        evaluator.name({each.name: each.scenario for each in planned.tried})
        found = evaluator.evaluate((each.scenario, index) for index in range(many) for each in planned.tried)
        for place, each in enumerate(planned.tried):
            each.measured = [_own(each.scenario, one) for one in found[place :: len(planned.tried)]]
        self.plan = planned
        self.current = planned.tried[0]
        self.scenario = self.current.scenario
        known = metrics_of(self.scenario.family)
        any_elsewhere = any(figures.estimate(ELSEWHERE, each.measured).mean for each in planned.tried)
        self.costs = tuple(name for name in COSTS if name in known and (name != ELSEWHERE or any_elsewhere))
        losses = tuple(name for name in LOSSES if name in known)
        self.losses = tuple(name for name in losses if name != "overwritten") or losses
        self.loops = (LOOPS,) if LOOPS in known else ()
        self.undone = tuple(name for name in UNDONE if name in known)
        self.metrics = (*self.costs, *self.losses, *self.undone, *self.loops)
        self.judged = {each.name: self._judged(each) for each in planned.tried}
        self.ranked = sorted(self.judged, key=lambda name: self._place(self.judged[name]))
        self.fresh = self._fresh(evaluator)

    def _judged(self, one: Way) -> dict[str, Any]:
        base = self.current
        means = figures.estimates(one.measured, self.metrics)
        judged: dict[str, Any] = {
            "name": one.name,
            "metrics": {name: each.as_dict() for name, each in means.items()},
            "loses": {name: means[name].mean for name in self.losses if means[name].mean},
            "undone": sum(means[name].mean or 0 for name in self.undone),
            "ending": ending(one.scenario, one.measured),
            "digest": digest(one.measured),
            "violations": sum(len(each.violations) for each in one.measured),
            "current": one is base,
        }
        if one is base:
            return judged | {"difference": None, "better": [], "worse": [], "loops": False, "same": False}
        against = {name: figures.compared(name, each) for name, each in self._differences(one, base).items()}
        loops = any(against[name]["verdict"] == "higher" for name in self.loops)
        alternative = one.alternative
        assert alternative is not None
        return judged | {
            "whose": alternative.whose,
            "change": alternative.change,
            "settings": dict(alternative.settings),
            "go": alternative.go,
            "why": alternative.why,
            "caution": alternative.caution,
            "guarded": alternative.guarded,
            "difference": against,
            "better": self._verdicts(against, "lower"),
            "worse": self._verdicts(against, "higher"),
            "loops": loops,
            "same": all(
                figures.values(name, one.measured) == figures.values(name, base.measured) for name in self.metrics
            ),
        }

    def _differences(self, one: Way, base: Way) -> figures.ByName:
        return figures.differences(one.measured, base.measured, self.metrics)

    def _verdicts(self, against: Mapping[str, Mapping[str, Any]], verdict: str) -> list[str]:
        return [name for name in self.metrics if against[name]["verdict"] == verdict]

    def _place(self, judged: Mapping[str, Any]) -> tuple[Any, ...]:
        """What neither loses nor leaves work undone comes first; then what is decidedly better at most and worse at
        least; of those what is guarded, takes the fewest requests, and has no catch.
        """
        requests = judged["metrics"]["requests.total"]["mean"]
        balance = len(judged["worse"]) - len(judged["better"])
        guarded = judged.get("guarded", True)
        return bad(judged), balance, not guarded, requests, bool(judged.get("caution")), not judged["current"]

    def _ranked(self) -> list[dict[str, Any]]:
        """Return the alternatives with their ranks; where nothing that ranks them differs they share one."""
        found = [self.judged[name] for name in self.ranked]
        places = [self._place(each)[:-1] for each in found]
        return [{"rank": places.index(place) + 1, **each} for place, each in zip(places, found, strict=True)]

    @property
    def recommended(self) -> dict[str, Any] | None:
        """The first that loses nothing, is better at something, and is worse at nothing.

        Where the operator as it stands loses something, what loses nothing may be worse at the costs.
        """
        loses = bad(self.judged[CURRENT])
        for name in self.ranked:
            judged = self.judged[name]
            if judged["current"] or judged["same"] or bad(judged) or not judged["guarded"]:
                continue
            if loses or (judged["better"] and not judged["worse"]):
                return judged
        return None

    def _fresh(self, evaluator: Evaluator) -> dict[str, Any] | None:
        """The recommended one against the operator as it stands, on replications that did not choose it."""
        best = self.recommended
        if best is None:
            return None
        chosen = next(each for each in self.plan.tried if each.name == best["name"])
        many = self.plan.replications
        indices = range(many, 2 * many)
        both = [
            replace(each, measured=[_own(each.scenario, one) for one in evaluator.replications(each.scenario, indices)])
            for each in (chosen, self.current)
        ]
        judged = self._judged_fresh(*both)
        lost = bad(judged)
        held = not lost and (bad(self.judged[CURRENT]) or (bool(judged["better"]) and not judged["worse"]))
        return {"name": best["name"], "replications": many, "held": held, **judged}

    def _judged_fresh(self, one: Way, base: Way) -> dict[str, Any]:
        means, differences = figures.estimates(one.measured, self.metrics), self._differences(one, base)
        against = {name: figures.compared(name, each) for name, each in differences.items()}
        return {
            "metrics": {name: each.as_dict() for name, each in means.items()},
            "difference": against,
            "loses": {name: means[name].mean for name in self.losses if means[name].mean},
            "undone": sum(means[name].mean or 0 for name in self.undone),
            "loops": any(against[name]["verdict"] == "higher" for name in self.loops),
            "better": self._verdicts(against, "lower"),
            "worse": self._verdicts(against, "higher"),
        }

    @property
    def digest(self) -> str:
        """A hash over the digests of all replications: equal where two did the same."""
        return digest_by_name({each.name: each.measured for each in self.plan.tried})

    @property
    def ok(self) -> bool:
        """Whether no invariant was violated."""
        return not any(each["violations"] for each in self.judged.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the advice as plain data: what ``requeue advise --json`` prints and ``advise.json`` holds."""
        recommended = self.recommended
        return {
            "scenario": self.scenario.name,
            "kind": self.scenario.workload.kind,
            "objects": int(self.current.measured[0].metrics.get("certificates") or 0),
            "seed": self.scenario.seed,
            "replications": self.plan.replications,
            "digest": self.digest,
            "subject": FAMILIES[self.scenario.family].subject,
            "costs": list(self.costs),
            "losses": list(self.losses),
            "ranked": self._ranked(),
            "recommended": recommended["name"]
            if recommended is not None and self.fresh and self.fresh["held"]
            else None,
            "fresh": self.fresh,
            "left_out": [{"name": name, "reason": reason} for name, reason in self.plan.left_out.items()],
        }


def _own(scenario: Scenario, measured: Measured) -> Measured:
    """A replication in which the lost updates are those of the operators' own writes: what a user's blind edit takes
    away no controller can help."""
    names = [controller.name for operator in scenario.operators for controller in operator.controllers]
    own: dict[str, float | None] = {
        name: sum(measured.metrics.get(f"{name}.{who}") or 0 for who in names)
        for name in ("lost_updates", "lost_updates_never_repaired")
        if name in measured.metrics
    }
    return replace(measured, metrics=measured.metrics | own)


def bad(judged: Mapping[str, Any]) -> bool:
    """Whether something is lost, left undone, or goes on without an end."""
    return bool(judged["loses"] or judged["undone"] or judged["loops"])
