"""Sets predictions against recordings: simulates what each case was asked, and says how far off that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.client.parts import Parts
from sim.client.standard import STANDARD
from sim.experiment.executor import Executor
from sim.experiment.progress import Progress, Underway
from sim.scenario.profile import Profile
from sim.units import counted
from sim.validation.cases import Case, Run
from sim.validation.faults import close
from sim.validation.figures import CONTROLLERS, PHASES, Figures, Observation
from sim.validation.observed import observe_run
from sim.validation.operators.asked import MARK
from sim.validation.operators.observed import observe_run as observe_operator
from sim.validation.operators.predicted import predict as predict_operator
from sim.validation.predicted import PredictedRun, predict
from sim.validation.scores import (
    Prediction,
    conflict_errors,
    interval_score,
    median,
    rank_agreement,
    wasserstein,
)
from sim.validation.scores import predict as set_against

REPLICATIONS = 20
"""Simulated runs of a case: the t quantile is then within 7% of the normal one."""
ENOUGH_CONFLICTS = 30
"""Recorded conflicts from which on a relative error says something: the standard deviation of a count of 30
is 18% of it already."""


@dataclass(slots=True)
class CaseResult:
    """A case: its recorded and its simulated runs in figures, and each figure's prediction."""

    case: Case
    recorded: list[Observation]
    simulated: list[Observation]
    predictions: dict[str, Prediction] = field(init=False)

    def __post_init__(self) -> None:
        self.predictions = _predictions(self.recorded, self.simulated)

    @property
    def name(self) -> str:
        """The case's name."""
        return self.case.name

    @property
    def certificates(self) -> int:
        """How many were created."""
        return self.case.asked.scenario.workload.certificates

    @property
    def updates(self) -> bool:
        """Whether the controllers write by update, so that they may be refused; else by apply."""
        return self.case.asked.scenario.strategy == "update"

    @property
    def counts(self) -> bool:
        """Whether the case enters the errors of conflicts: an update with enough of them recorded."""
        return self.updates and (self["conflicts"].recorded or 0) >= ENOUGH_CONFLICTS

    @property
    def distance_s(self) -> float | None:
        """Wasserstein distance of the times to Ready, recorded and simulated, in seconds."""
        return wasserstein(
            [time for run in self.recorded for time in run.times],
            [time for run in self.simulated for time in run.times],
        )

    @property
    def notes(self) -> list[str]:
        """What a reader must know: what was not understood, damaged logs, broken invariants."""
        notes = [*self.case.asked.notes, *(note for run in self.recorded for note in run.notes)]
        broken = [note for run in self.simulated for note in run.notes]
        if broken:
            notes.append(f"{counted(len(broken), 'invariant')} violated in simulation, such as: {broken[0]}")
        return notes

    def __getitem__(self, figure: str) -> Prediction:
        return self.predictions.get(figure, _NOTHING)

    def family(self, name: str) -> dict[str, Prediction]:
        """The predictions of ``name.KEY``, by key."""
        start = f"{name}."
        return {key.removeprefix(start): value for key, value in self.predictions.items() if key.startswith(start)}

    def by_controller(self) -> dict[str, Prediction]:
        """Conflicts of each controller that may conflict or did."""
        found = self.family("conflicts")
        return {name: found[name] for name in sorted(found) if name in CONTROLLERS or found[name].recorded}

    def back(self) -> dict[str, Prediction]:
        """Seconds from each fault to each controller's first accepted write, as ``FAULT.CONTROLLER``."""
        found = self.family("back")
        return {name: each for name, each in found.items() if each.recorded is not None and each.predicted is not None}

    def unfinished(self) -> dict[str, float | None]:
        """Shares of Certificates and of runs that were left unfinished, recorded and predicted."""
        shares: dict[str, float | None] = {}
        for side, runs in (("recorded", self.recorded), ("predicted", self.simulated)):
            counts = [run.figures["unfinished"] for run in runs if "unfinished" in run.figures]
            many = len(counts)
            shares[f"{side}_share"] = sum(counts) / (many * self.certificates) if many else None
            shares[f"{side}_runs"] = sum(count > 0 for count in counts) / many if many else None
        return shares


_NOTHING = Prediction(None, None, None, None)


def validate(
    cases: Sequence[Case],
    profile: Profile,
    *,
    executor: Executor,
    replications: int = REPLICATIONS,
    progress: Progress | None = None,
    reader: Executor | None = None,
) -> list[CaseResult]:
    """Read and simulate all cases, each ``replications`` times.

    ``reader`` reads the recordings, where ``executor`` is on machines that don't have them.
    Raises ``CaseError`` where a recording can't be used.
    """
    runs = [run for case in cases for run in case.runs]
    jobs = _jobs(cases, profile, replications, STANDARD)
    if reader is None:
        found = iter(perform_all([*runs, *jobs], executor, progress))
    else:
        found = iter([*perform_all(runs, reader, None), *perform_all(jobs, executor, progress)])
    recorded = [[next(found) for _ in case.runs] for case in cases]
    simulated = [[next(found) for _ in range(replications)] for _ in cases]
    return [CaseResult(*parts) for parts in zip(cases, recorded, simulated, strict=True)]


def simulate(
    cases: Sequence[Case],
    profile: Profile,
    *,
    executor: Executor,
    replications: int,
    parts: Parts = STANDARD,
    progress: Progress | None = None,
) -> list[list[Observation]]:
    """Return the simulated runs of each case alone, with controllers built from ``parts``."""
    found = iter(perform_all(_jobs(cases, profile, replications, parts), executor, progress))
    return [[next(found) for _ in range(replications)] for _ in cases]


def _jobs(cases: Iterable[Case], profile: Profile, replications: int, parts: Parts) -> list[PredictedRun]:
    return [PredictedRun(case.asked.scenario, index, profile, parts) for case in cases for index in range(replications)]


def perform_all(
    items: Sequence[Run | PredictedRun], executor: Executor, progress: Progress | None
) -> list[Observation]:
    """Return what comes of each item, in their order.

    The longest are begun first, so that no core is left with one when the others have nothing more to do.
    """
    order = sorted(range(len(items)), key=lambda place: -_work(items[place]))
    found: dict[int, Observation] = {}
    for done, outcome in enumerate(executor.map(perform, [items[place] for place in order]), start=1):
        if progress is not None:
            progress(Underway(done, len(items)))
        found[order[done - 1]] = outcome
    return [found[place] for place in range(len(items))]


def _work(item: Run | PredictedRun) -> int:
    """About how long an item takes, in Certificates; reading a recording is little."""
    return item.scenario.workload.certificates if isinstance(item, PredictedRun) else 0


def perform(item: Run | PredictedRun) -> Observation:
    """Read a recorded run, or simulate one; in the process that does it."""
    if isinstance(item, Run):
        return observe_operator(item) if MARK in item.asked else observe_run(item)
    return predict_operator(item) if item.scenario.operators else predict(item)


_COUNTED = ("conflicts.", "elsewhere.", "phase.", "status_writes.", "requests.", "lost.")
"""Families in which what is not listed did not happen."""


def _predictions(recorded: list[Observation], simulated: list[Observation]) -> dict[str, Prediction]:
    keys = dict.fromkeys(key for run in (*recorded, *simulated) for key in run.figures)
    return {key: set_against(values_of(recorded, key), values_of(simulated, key)) for key in sorted(keys)}


def values_of(runs: Sequence[Observation], key: str) -> list[float]:
    """The figure in each run that has it: 0 where the run counts its family and has nothing under the key."""
    family = next((prefix for prefix in _COUNTED if key.startswith(prefix)), None)
    values = []
    for run in runs:
        if key in run.figures:
            values.append(float(run.figures[key]))
        elif family is not None and _has_family(run.figures, family):
            values.append(0.0)
    return values


def _has_family(figures: Figures, family: str) -> bool:
    return any(key.startswith(family) for key in figures)


# The summary. Conflict errors, their maximum and rank cover the update cases with enough recorded conflicts;
# apply cases must predict 0 and enter no median.


def summarise(cases: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the figures over all cases, None where there is nothing to compute one from."""
    enough = [case for case in cases if case.counts]
    updates = [case for case in cases if case.updates]
    controllers = [each for case in updates for each in case.by_controller().values() if each.inside is not None]
    widths = [
        (each.high - each.low) / each.recorded
        for each in controllers
        if each.recorded and each.high is not None and each.low is not None
    ]
    scores = [
        score / each.recorded for each in controllers if each.recorded and (score := interval_score(each)) is not None
    ]
    applies = [case for case in cases if not case.updates]
    return {
        "cases": len(cases),
        **conflict_errors([case["conflicts"] for case in enough]),
        "coverage": coverage(controllers),
        "median_interval_width": median(widths),
        "median_abs_rel_error_time_to_ready": median(errors(updates, P50)),
        "rank_agreement_conflicts": ranks(enough, "conflicts", by_object),
        "rank_agreement_time_to_ready": ranks(cases, P50),
        "cases_with_enough_conflicts": len(enough),
        "apply_cases": len(applies),
        "apply_cases_with_conflicts": sum(bool(case["conflicts"].predicted) for case in applies),
        "median_interval_score": median(scores),
        "median_recorded_spread": _spread(updates, "recorded_spread"),
        "median_predicted_spread": _spread(updates, "predicted_spread"),
        "median_abs_rel_error_requests": median(errors(cases, "requests")),
        "max_abs_rel_error_requests": max(errors(cases, "requests"), default=None),
        "median_abs_rel_error_status_writes_apply": median(errors(applies, "status_writes")),
        "median_abs_rel_error_time_to_ready_apply": median(errors(applies, P50)),
        **_recoveries(cases),
    }


def _recoveries(cases: Iterable[CaseResult]) -> dict[str, int]:
    """Of how many controllers it is said how long after a fault they are back, and for how many closely enough."""
    found = [_close(each) for case in cases for each in case.back().values()]
    return {"recoveries": len(found), "recoveries_close": sum(found)}


def _close(each: Prediction) -> bool:
    return each.recorded is not None and each.predicted is not None and close(each.recorded, each.predicted)


P50, P95 = "time_to_ready.p50", "time_to_ready.p95"


def coverage(parts: Iterable[Prediction]) -> float | None:
    """Return which share of predictions has the recorded figure inside, of those of which that is known."""
    known = [each.inside for each in parts if each.inside is not None]
    return sum(known) / len(known) if known else None


def errors(cases: Iterable[CaseResult], figure: str) -> list[float]:
    """Return the absolute relative errors of a figure, of the cases that have one."""
    return [abs(error) for case in cases if (error := case[figure].error) is not None]


def _spread(cases: Iterable[CaseResult], side: str) -> float | None:
    """The median over conflicts by controller of a run's standard deviation over the recorded mean.

    Over cases that were recorded more than once: the two spreads are of the same figures.
    """
    return median(
        [
            getattr(each, side) / each.recorded
            for case in cases
            for each in case.by_controller().values()
            if each.recorded and each.recorded_spread is not None and getattr(each, side) is not None
        ]
    )


def by_object(case: CaseResult) -> float:
    """What makes a figure of a case one of each object."""
    return 1 / case.certificates


def ranks(
    cases: Iterable[CaseResult], figure: str, scale: Callable[[CaseResult], float] = lambda _: 1.0
) -> float | None:
    """Return how well the predicted order of the cases by a figure agrees with the recorded one."""
    pairs = [
        (each.recorded * scale(case), each.predicted * scale(case))
        for case in cases
        if (each := case[figure]).recorded is not None and each.predicted is not None
    ]
    return rank_agreement([recorded for recorded, _ in pairs], [predicted for _, predicted in pairs])


def as_dict(case: CaseResult) -> dict[str, Any]:
    """Return what ``--json`` says of a case."""
    return {
        "name": case.name,
        "repetitions": len(case.recorded),
        "conflicts": case["conflicts"].as_dict(),
        "by_controller": {name: each.as_dict() for name, each in case.by_controller().items()},
        "requests": case["requests"].as_dict(),
        "time_to_ready_p50": case[P50].as_dict(),
        "time_to_ready_p95": case[P95].as_dict(),
        "strategy": case.case.asked.scenario.strategy,
        "certificates": case.certificates,
        "by_phase": {phase: full(case[f"phase.{phase}"]) for phase in PHASES if f"phase.{phase}" in case.predictions},
        "spread": {name: _spreads(case[name]) for name in ("conflicts", "requests", P50)},
        "status_writes": full(case["status_writes"]),
        "reconciles": {
            name: full(each)
            for name, each in case.family("reconciles").items()
            if each.recorded is not None and each.predicted is not None
        },
        "requests_by_kind": {name: full(each) for name, each in case.family("requests").items()},
        "elsewhere": _elsewhere(case),
        "time_to_ready_max": full(case["time_to_ready.max"]),
        "time_to_ready_wasserstein_s": case.distance_s,
        "unfinished": case.unfinished(),
        "back": {name: {**full(each), "close": _close(each)} for name, each in case.back().items()},
        "notes": case.notes,
    }


def _elsewhere(case: CaseResult) -> dict[str, Any]:
    """Conflicts on other kinds than Certificates, by resource and controller, where a recording counts them."""
    if case["elsewhere"].recorded is None:
        return {}
    return {name: full(each) for name, each in case.family("elsewhere").items()}


def full(each: Prediction) -> dict[str, Any]:
    """Return a prediction as plain data, and whether the recorded figure is inside."""
    return {**each.as_dict(), "inside": each.inside}


def _spreads(each: Prediction) -> dict[str, float | None]:
    return {"recorded": each.recorded_spread, "predicted": each.predicted_spread}


def calibrated_on(provenance: Mapping[str, Any]) -> set[str]:
    """Return the names of the cases that a profile was measured on, from its provenance."""
    observed = provenance.get("observed")
    named = observed.get("recordings", ()) if isinstance(observed, Mapping) else ()
    return {str(name).rsplit("/", 1)[0] for name in named}
