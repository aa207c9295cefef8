"""From a finished search to an answer: the budget to paste, what it improves, and how sure that is.

The settings that turned out not to be worth tuning go back to what they were, unless that is decidedly worse; what
is left is set against the current configuration on fresh replications, which no trial saw. The best of many
trials looks better on the replications that chose it than it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.endings import ending
from sim.analysis.figures import sign
from sim.analysis.intervals import verdict
from sim.analysis.measured import digest
from sim.experiment.screening import Effect, Worth, pieces, screen, verdicts
from sim.experiment.space import same
from sim.experiment.tune import Question, Tried, adjusted, chosen, front, search, tried_with
from sim.experiment.unlimited import FRESH
from sim.scenario.metrics import OPERATORS, metrics_of
from sim.units import counted

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.measured import Measured
    from sim.experiment.evaluate import Evaluator
    from sim.scenario.model import Scenario

ALWAYS = {"retry": ("base", "max"), "client": ("qps", "burst")}
"""What a recommended budget names in any case."""
FLAT = 2
"""Round figures to each side of the recommended one that are tried, to say where the curve is flat."""
NEAR = 0.05
"""A recommended value this close to an end of its range, as a share of it, may be better still beyond."""


@dataclass(slots=True, repr=False)
class Tuned:
    """What tuning came to. ``fresh`` has the fresh replications of the current and the recommended configuration."""

    question: Question
    tried: list[Tried]
    recommended: Tried
    trial: int
    reset: list[str]
    effects: Mapping[str, Mapping[str, Effect]]
    worth: Mapping[str, Worth]
    fresh: tuple[list[Measured], list[Measured]]
    flat: Mapping[str, tuple[str, str]]
    """By key from where to where no tried value is decidedly worse, the others as recommended."""

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in self.recommended.settings.items())
        return f"<Tuned in {counted(len(self.tried), 'trial')}: {settings or 'as it stands'}>"

    @property
    def ok(self) -> bool:
        """Whether no invariant was violated anywhere."""
        everything = [*self.fresh, *(one.measured for one in self.tried)]
        return not any(each.violations for measured in everything for each in measured)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per trial: settings, how it ended, objectives with intervals."""
        from sim.experiment.tables import trials_table

        return trials_table(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain data: what ``requeue tune --json`` prints and ``tune.json`` holds."""
        question = self.question
        base = self.tried[0]
        assert self.recommended.scenario is not None
        on_front = {one.number for one in front(self.tried, question.objectives)}
        of_worth = {each: [key for key, worth in self.worth.items() if worth == each] for each in _WORTHS}
        return {
            "scenario": question.scenario.name,
            "seed": question.scenario.seed,
            "replications": question.replications,
            "objectives": list(question.objectives),
            "expect": dict(question.scenario.expect),
            "constraints": [each.text for each in question.constraints],
            "space": {each.key: str(each) for each in question.space},
            "trials": [self._trial(one, base, one.number in on_front) for one in self.tried],
            "front": sorted(on_front),
            "without_value": [] if on_front else self.without_value(),
            "recommended": {
                "trial": self.trial,
                "settings": self.recommended.settings,
                "changes": self.changes(),
                "back_to_current": self.reset,
                "at_the_edge": self.at_the_edge(),
                "flat": {key: list(ends) for key, ends in self.flat.items()},
                "fragment": fragment(self.recommended.scenario, [each.key for each in question.space]),
                "constraints": {each.text: each.violation(self.fresh[1]) <= 0 for each in question.constraints},
                "ending": ending(self.recommended.scenario, self.fresh[1]),
            },
            "current": {"ending": ending(question.scenario, self.fresh[0])},
            "improvement": self._improvement(),
            "fresh_replications": {"first": FRESH + 1, "count": len(self.fresh[1])},
            "sensitivity": {
                name: {key: effect.as_dict() for key, effect in found.items()} for name, found in self.effects.items()
            },
            "worth_tuning": of_worth["worth tuning"],
            "not_worth_tuning": of_worth["not worth tuning"],
            "undecided": of_worth["undecided"],
            "digest": digest([each for one in self.tried for each in one.measured] + self.fresh[0] + self.fresh[1]),
        }

    def without_value(self) -> list[str]:
        """Return the objectives, and the metrics of constraints, that no trial has a value of."""
        question = self.question
        names = dict.fromkeys((*question.objectives, *(each.metric for each in question.constraints)))
        run = [one.measured for one in self.tried if one.measured]
        means = {name: [figures.estimate(name, measured).mean for measured in run] for name in names}
        return [name for name, found in means.items() if set(found) == {None}]

    def changes(self) -> dict[str, list[str]]:
        """Return [current, recommended] of the settings that the recommendation changes."""
        base = self.tried[0].settings
        return {
            each.key: [base[each.key], self.recommended.settings[each.key]]
            for each in self.question.space
            if not same(each, base[each.key], self.recommended.settings[each.key])
        }

    def at_the_edge(self) -> list[str]:
        """Return the changed settings whose value is at an end of what was searched."""
        changes = self.changes()
        found = []
        for each in self.question.space:
            if each.range is None or each.key not in changes:
                continue
            number = each.range.number(self.recommended.settings[each.key])
            share = (number - each.range.low) / (each.range.high - each.range.low)
            if not NEAR < share < 1 - NEAR:
                found.append(each.key)
        return found

    def _improvement(self) -> dict[str, Any]:
        current, recommended = self.fresh
        found = {}
        for name in figures.listed(metrics_of(self.question.scenario.family), *self.question.objectives):
            difference = figures.difference(name, recommended, current)
            better = {"lower": sign(name) > 0, "higher": sign(name) < 0}.get(verdict(difference))
            found[name] = {
                "current": figures.estimate(name, current).as_dict(),
                "recommended": figures.estimate(name, recommended).as_dict(),
                "difference": figures.compared(name, difference) | {"better": better},
            }
        return found

    def _trial(self, one: Tried, base: Tried, on_front: bool) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name in self.question.objectives:
            if one.measured:
                values[name] = figures.estimate(name, one.measured).as_dict() | {"adjusted": adjusted(one, base, name)}
            else:
                values[name] = None
        return {
            "trial": one.number,
            "settings": one.settings,
            "state": one.state,
            "replications": len(one.measured),
            "values": values,
            "front": on_front,
            "current": one.number == 0,
        }


_WORTHS: tuple[Worth, ...] = ("worth tuning", "not worth tuning", "undecided")


def expected(question: Question, fresh: int) -> int:
    """Return about how many replications ``tune`` takes."""
    return question.trials * question.replications + question.replications + pieces(question.space) + 2 * fresh


def tune(question: Question, evaluator: Evaluator, fresh: int) -> Tuned:
    """Search, screen, recommend, and try the recommendation on ``fresh`` replications."""
    tried = search(question, evaluator)
    best = chosen(tried, question.objectives)
    current = {name: figures.estimate(name, tried[0].measured).mean for name in question.objectives}
    effects = screen(question.scenario, question.space, question.objectives, current, evaluator)
    worth = verdicts(effects, [each.key for each in question.space])
    recommended, reset = _simplified(best, tried[0], worth, question, evaluator)
    recommended, flat = _rounded(recommended, tried[0], question, evaluator)
    assert recommended.scenario is not None
    indices = range(FRESH, FRESH + fresh)
    evaluator.expected = 0  # what was saved by giving up is known now
    both = evaluator.evaluate((each, index) for each in (question.scenario, recommended.scenario) for index in indices)
    both_sides = (both[:fresh], both[fresh:])
    return Tuned(question, tried, recommended, best.number, reset, effects, worth, both_sides, flat)


def _simplified(
    best: Tried, base: Tried, worth: Mapping[str, Worth], question: Question, evaluator: Evaluator
) -> tuple[Tried, list[str]]:
    """Return ``best`` with what is not worth tuning as it was, if that is not decidedly worse; and those keys."""
    useless = [
        each.key
        for each in question.space
        if worth[each.key] == "not worth tuning" and not same(each, best.settings[each.key], base.settings[each.key])
    ]
    if not useless:
        return best, []
    one = _as_good(best.settings | {key: base.settings[key] for key in useless}, best, question, evaluator)
    return (one, useless) if one is not None else (best, [])


def _as_good(settings: dict[str, str], best: Tried, question: Question, evaluator: Evaluator) -> Tried | None:
    """Return other settings on the replications of ``best``; None where they are not allowed or decidedly worse."""
    one = tried_with(best.number, settings, question.scenario)
    if one.scenario is None:
        return None
    one.measured = evaluator.replications(one.scenario, range(len(best.measured)))
    if any(each.violation(one.measured) > 0 for each in question.constraints):
        return None
    for name in question.objectives:
        difference = figures.difference(name, one.measured, best.measured)
        if verdict(difference) == ("higher" if sign(name) > 0 else "lower"):
            return None
    return one


def _rounded(
    best: Tried, base: Tried, question: Question, evaluator: Evaluator
) -> tuple[Tried, dict[str, tuple[str, str]]]:
    """Return ``best`` with round figures where these are not decidedly worse, and where the curve is flat around them.

    Key by key, those that the recommendation changes: the nearest round figure, then ``FLAT`` more to each side.
    """
    flat: dict[str, tuple[str, str]] = {}
    for each in question.space:
        if each.range is None or same(each, best.settings[each.key], base.settings[each.key]):
            continue
        near = each.round_ones(best.settings[each.key])
        rounder = _as_good(best.settings | {each.key: near[0]}, best, question, evaluator) if near else None
        if rounder is None:
            continue
        best, number = rounder, each.range.number(near[0])
        ends = []
        for side in (-1, 1):
            end = near[0]
            beyond = (value for value in near if side * (each.range.number(value) - number) > 0)
            for value in itertools.islice(beyond, FLAT):
                if _as_good(best.settings | {each.key: value}, best, question, evaluator) is None:
                    break
                end = value
            ends.append(end)
        if ends[0] != ends[1]:
            flat[each.key] = (ends[0], ends[1])
    return best, flat


def fragment(scenario: Scenario, keys: Sequence[str]) -> str:
    """Return the YAML to paste in place of a scenario's own ``retry:`` and ``client:``, and what else was tuned.

    Operators that their scenario is about have no use for those two.

    Each section is whole: it names what the scenario has there beside the defaults, so nothing else is lost.
    """
    import yaml

    resolved, defaults = scenario.resolved(), type(scenario)(name=scenario.name).resolved()
    given = scenario.model_dump(mode="json", exclude_defaults=True)
    always = ALWAYS if scenario.family != OPERATORS else {}
    sections = dict.fromkeys((*always, *(key.partition(".")[0] for key in keys)))
    found: dict[str, Any] = {}
    for section in sections:
        value = resolved[section]
        if not isinstance(value, Mapping):
            found[section] = given.get(section, value)
            continue
        tuned = {key.split(".")[1] for key in keys if key.startswith(f"{section}.")}
        kept = {*always.get(section, ()), *tuned}
        found[section] = {
            key: _plain(each)
            for key, each in value.items()
            if key in kept or each != (defaults[section] or {}).get(key)
        }
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
