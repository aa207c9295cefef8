"""Predictions as decisions: of two recorded clusters that differ in one thing asked, which one was better?

Who tunes a cluster does not ask how many conflicts there will be but what a setting changes. Cases are paired that
differ in one such setting and in nothing else; the predicted difference is held against the recorded one by its sign,
and what is recommended by what it would have cost on the recorded cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, NamedTuple

from sim.analysis.intervals import paired_difference
from sim.experiment.diff import dotted
from sim.families.without_effect import within
from sim.validation.validate import CaseResult, values_of

FIGURES = ("conflicts", "time_to_ready.p50", "time_to_ready.p95", "requests")
"""What a decision is judged by; less is better of each."""
SETTINGS = ("preset", "strategy", "client", "controllers.workers", "retry")
"""What people decide about; cases that differ in anything else as well are not compared."""
ASIDE = ("name", "description", "recording", "expect", "seed", "replications", "until", "profile")
"""Keys that change what is looked at, not what happens."""
SLACK = 2.0
"""Standard errors that a recorded difference must be away from 0 to be clear, with two runs or more of each."""


class Judged(NamedTuple):
    """One figure of a pair: differences are of the second case from the first."""

    figure: str
    recorded: float
    recorded_error: float | None  # standard error of the recorded difference; None where a case was recorded once
    predicted: float
    low: float | None
    high: float | None
    regret: float  # recorded figure of the recommended case over the better one's, in percent; 0 where it is better

    @property
    def clear(self) -> bool | None:
        """Whether the recorded difference is clear of its spread; None where nothing tells the spread."""
        return None if self.recorded_error is None else abs(self.recorded) > SLACK * self.recorded_error

    @property
    def sign_right(self) -> bool:
        """Whether the predicted difference points the way of the recorded one; 0 points where 0 does."""
        return (self.recorded > 0) - (self.recorded < 0) == (self.predicted > 0) - (self.predicted < 0)


class Pair(NamedTuple):
    """Two cases that differ in ``setting`` alone."""

    one: str
    other: str
    setting: str
    figures: list[Judged]


def decisions(cases: Sequence[CaseResult]) -> list[Pair]:
    """Return all pairs of cases, recorded in one batch, that differ in one setting."""
    asked = [_asked(case) for case in cases]
    found = []
    for (one, first), (other, second) in combinations(zip(cases, asked, strict=True), 2):
        differing = {_setting(key) for key in first.keys() | second.keys() if first.get(key) != second.get(key)}
        if len(differing) == 1 and differing <= set(SETTINGS) and _batch(one) == _batch(other):
            found.append(Pair(one.name, other.name, differing.pop(), list(_judged(one, other))))
    return found


def as_dict(pair: Pair) -> dict[str, Any]:
    """Return what ``--json`` says of a pair."""
    return {
        **pair._asdict(),
        "figures": [{**each._asdict(), "clear": each.clear, "sign_right": each.sign_right} for each in pair.figures],
    }


def _asked(case: CaseResult) -> dict[str, Any]:
    resolved = case.case.asked.scenario.resolved()
    return dotted({key: value for key, value in resolved.items() if key not in ASIDE})


def _setting(key: str) -> str:
    return next((name for name in SETTINGS if within(key, name)), key)


def _batch(case: CaseResult) -> bool:
    """Whether a case is of the later recordings, which were made on a faster machine and have a ``lab.json``."""
    return any((run.folder / "lab.json").is_file() for run in case.case.runs)


def _judged(one: CaseResult, other: CaseResult) -> Iterator[Judged]:
    for figure in FIGURES:
        before, after = values_of(one.recorded, figure), values_of(other.recorded, figure)
        first, second = values_of(one.simulated, figure), values_of(other.simulated, figure)
        if not (before and after and first and second) or len(first) != len(second):
            continue
        predicted = paired_difference(second, first)
        assert predicted.mean is not None
        recorded = fmean(after) - fmean(before)
        chosen, best = (fmean(after) if predicted.mean < 0 else fmean(before)), min(fmean(after), fmean(before))
        regret = 100 * (chosen / best - 1) if best else 0.0
        error = None
        if len(before) > 1 and len(after) > 1:
            error = (stdev(before) ** 2 / len(before) + stdev(after) ** 2 / len(after)) ** 0.5
        yield Judged(figure, recorded, error, predicted.mean, predicted.low, predicted.high, regret)


def summary(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return over all pairs: how many differences are clear, in how many the sign is right, and the regret."""
    judged = [each for pair in pairs for each in pair.figures]
    clear = [each for each in judged if each.clear]
    return {
        "pairs": len(pairs),
        "differences": len(judged),
        "clear": len(clear),
        "clear_and_sign_right": sum(each.sign_right for each in clear),
        "clear_max_regret_percent": max((each.regret for each in clear), default=None),
    }
