"""The search for a better configuration: trials proposed by Optuna, raced against the best on shared seeds.

Trial 0 is the scenario as it stands. Every trial runs the same replications, in rounds, and is given up as soon
as a finished trial is better in every objective (Wilcoxon's signed-rank test on the paired replications, as in
Optuna's WilcoxonPruner, which knows one objective only). The search is a function of the scenario and of the
replications' figures: started again, it asks the same questions in the same order, and the journal answers those
that were answered before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sim.analysis import figures
from sim.analysis.figures import sign
from sim.experiment.goals import Constraint
from sim.experiment.naming import short_keys
from sim.experiment.space import Dimension, changed, current

if TYPE_CHECKING:
    from optuna import Study, Trial

    from sim.analysis.measured import Measured
    from sim.experiment.evaluate import Evaluator
    from sim.scenario.model import Scenario

State = Literal["complete", "raced out", "infeasible", "impossible"]

ROUNDS = 3
"""A trial may be given up after each third of its replications but the last."""
P_THRESHOLD = 0.1
"""As in Optuna's WilcoxonPruner."""
STARTUP = 10
"""Trials drawn at random before the sampler models anything: Optuna's default, fewer where there are few trials."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to search: in which space, for what, how long."""

    scenario: Scenario
    space: Sequence[Dimension]
    objectives: Sequence[str]
    constraints: Sequence[Constraint]
    trials: int
    replications: int


@dataclass(slots=True)
class Tried:
    """One trial: its settings, the scenario, what its replications came to, and how it ended."""

    number: int
    settings: dict[str, str]
    scenario: Scenario | None
    measured: list[Measured] = field(default_factory=list)
    state: State = "complete"

    def values(self, objective: str) -> list[float | None]:
        """Return the objective of every replication."""
        return figures.values(objective, self.measured)


def search(question: Question, evaluator: Evaluator) -> list[Tried]:
    """Return all trials, in their order; the first is the current configuration."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    base = question.scenario
    tried = [Tried(0, current(base, [each.key for each in question.space]), base)]
    study = _study(question)
    inside = all(each.has(tried[0].settings[each.key]) for each in question.space)
    if inside:
        study.enqueue_trial({each.key: each.parameter(tried[0].settings[each.key]) for each in question.space})
    first = study.ask() if inside else None
    if first is not None:
        for each in question.space:
            each.suggest(first)
    _measure(tried[0], [], question, evaluator)
    if first is not None:
        _tell(study, first, tried[0], tried[0], question)
    for number in range(1, question.trials):
        trial = study.ask()
        one = tried_with(number, {each.key: each.suggest(trial) for each in question.space}, base)
        if one.scenario is not None:
            _measure(one, tried, question, evaluator)
        tried.append(one)
        _tell(study, trial, one, tried[0], question)
    return tried


def _study(question: Question) -> Study:
    from warnings import catch_warnings, simplefilter

    import optuna

    directions: list[Literal["minimize", "maximize"]] = [
        "maximize" if sign(each) < 0 else "minimize" for each in question.objectives
    ]
    with catch_warnings():
        simplefilter("ignore")  # constraints are called experimental, as they have been for years
        sampler = optuna.samplers.TPESampler(
            seed=question.scenario.seed % 2**32,
            n_startup_trials=min(STARTUP, max(2, question.trials // 3)),
            constraints_func=_violations,
        )
    return optuna.create_study(sampler=sampler, directions=directions)


def _violations(trial: Any) -> Sequence[float]:
    found: list[float] = trial.user_attrs.get("violations", [])
    return found


def tried_with(number: int, settings: dict[str, str], base: Scenario) -> Tried:
    """Return a trial that has not run yet; impossible where the settings make no valid scenario."""
    from sim.scenario.errors import ScenarioError

    try:
        return Tried(number, settings, changed(base, settings))
    except ScenarioError:  # such as a longest wait below the first
        return Tried(number, settings, None, state="impossible")


def _measure(one: Tried, before: Sequence[Tried], question: Question, evaluator: Evaluator) -> None:
    """Run a trial round by round, until it is done or beaten."""
    assert one.scenario is not None
    many = question.replications
    short = short_keys(one.settings)
    called = ", ".join(f"{short[key]}={value}" for key, value in one.settings.items()) if before else "as it stands"
    evaluator.name({called: one.scenario})
    ends = sorted({-(-many * part // ROUNDS) for part in range(1, ROUNDS + 1)})
    if not before:
        ends = [many]
    for end in ends:
        one.measured += evaluator.replications(one.scenario, range(len(one.measured), end))
        if end < many:
            if _hopeless(one, question):
                one.state = "infeasible"
                return
            if any(_beats(other, one, question) for other in before if other.state == "complete"):
                one.state = "raced out"
                return
    if any(each.violation(one.measured) > 0 for each in question.constraints):
        one.state = "infeasible"


def _hopeless(one: Tried, question: Question) -> bool:
    """Whether a constraint is violated by every single replication so far."""
    return any(all(each.violation([measured]) > 0 for measured in one.measured) for each in question.constraints)


def _beats(other: Tried, one: Tried, question: Question) -> bool:
    return all(
        _worse(one.values(objective), other.values(objective), sign(objective)) for objective in question.objectives
    )


def _worse(values: Sequence[float | None], best: Sequence[float | None], way: int) -> bool:
    """Whether ``values`` are worse than the first of ``best``, pair by pair (Wilcoxon, one-sided)."""
    pairs = [(a, b) for a, b in zip(values, best, strict=False) if a is not None and b is not None]
    differences = [way * (a - b) for a, b in pairs]
    if not any(differences):
        return False
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences, alternative="greater", zero_method="zsplit").pvalue) < P_THRESHOLD


def _tell(study: Study, trial: Trial, one: Tried, base: Tried, question: Question) -> None:
    import optuna

    values = [adjusted(one, base, objective) for objective in question.objectives]
    known = [value for value in values if value is not None]
    if one.scenario is None or len(known) < len(values):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    violations = [each.violation(one.measured) for each in question.constraints]
    trial.set_user_attr("violations", [min(violation, 1e12) for violation in violations])
    study.tell(trial, known)


def adjusted(one: Tried, base: Tried, objective: str) -> float | None:
    """Return a trial's objective as if it had run all replications.

    Of one that was given up: the current configuration's mean plus the mean difference on the replications that
    both ran, so that easy or hard replications count for neither.
    """
    series, reference = one.values(objective), base.values(objective)
    whole = figures.estimate(objective, base.measured).mean
    if len(series) == len(reference) or whole is None:
        return figures.estimate(objective, one.measured).mean
    pairs = [(a, b) for a, b in zip(series, reference, strict=False) if a is not None and b is not None]
    return whole + sum(a - b for a, b in pairs) / len(pairs) if pairs else None


def front(tried: Sequence[Tried], objectives: Sequence[str]) -> list[Tried]:
    """Return the finished trials that hold the constraints and that no other such trial beats (Pareto front)."""
    done = [one for one in tried if one.state == "complete"]
    points = {one.number: _point(one, objectives) for one in done}
    found: dict[tuple[float, ...], Tried] = {}
    for one in done:
        point = points[one.number]
        if point is None or point in found:
            continue
        others = (other for other in points.values() if other is not None and other != point)
        if not any(all(a <= b for a, b in zip(other, point, strict=True)) for other in others):
            found[point] = one
    return list(found.values())


def _point(one: Tried, objectives: Sequence[str]) -> tuple[float, ...] | None:
    means = [figures.estimate(objective, one.measured).mean for objective in objectives]
    known = [sign(objective) * mean for objective, mean in zip(objectives, means, strict=True) if mean is not None]
    return tuple(known) if len(known) == len(means) else None


def chosen(tried: Sequence[Tried], objectives: Sequence[str]) -> Tried:
    """Return the trial of the front whose objectives improve most on the current ones, as shares and in sum.

    The current configuration itself where nothing holds the constraints.
    """
    base = tried[0]
    reference = _point(base, objectives)

    def gain(one: Tried) -> tuple[float, int]:
        point = _point(one, objectives)
        assert point is not None
        if reference is None:
            return sum(point), one.number
        shares = [(a - b) / (abs(b) or 1.0) for a, b in zip(point, reference, strict=True)]
        return sum(shares), one.number

    return min(front(tried, objectives), key=gain, default=base)
