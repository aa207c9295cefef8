"""What each mechanism is worth: the errors with it left out of the model, one at a time.

A mechanism is left out by a change of the scenario, of the profile, or of the parts that the controllers' process is
built from (``sim.validation.without``): one entry of ``ABLATIONS`` each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sim.client.parts import Parts
from sim.client.standard import STANDARD
from sim.experiment.executor import Executor
from sim.experiment.progress import Progress
from sim.scenario.profile import Profile
from sim.validation import without
from sim.validation.cases import Case
from sim.validation.scores import median
from sim.validation.validate import CaseResult, simulate, summarise

KEYS = (
    "median_abs_rel_error_conflicts",
    "max_abs_rel_error_conflicts",
    "coverage",
    "median_abs_rel_error_time_to_ready",
    "rank_agreement_conflicts",
)
"""The figures of a summary that an ablation is judged by."""


class Ablation(NamedTuple):
    """A mechanism, and how to leave it out.

    Changes of the scenario and of the profile are nested keys; ``parts`` are other parts of the controllers' process.
    """

    name: str
    scenario: Mapping[str, Any] = {}
    profile: Mapping[str, Any] = {}
    parts: Parts = STANDARD

    @property
    def changes(self) -> bool:
        """Whether anything is left out."""
        return self != Ablation(self.name)


WHOLE = "everything"
"""What the model itself is called among its ablations."""

ABLATIONS = (
    Ablation(WHOLE),
    # What a copy is worth when it is sent.
    Ablation("the copy read after the wait for a token", scenario={"client": {"read_after_wait": True}}),
    Ablation("no client throttle", scenario={"client": {"throttle": False}}),
    Ablation("no Events", parts=replace(STANDARD, events=without.NoEvents)),
    Ablation(
        "no watch latency",
        profile={"watch": {"lag": {"p50": 1, "p90": 2}, "decode_cpu": 0}, "server": {"delivery": None}},
    ),
    # Queues.
    Ablation("a plain queue instead of client-go's", parts=replace(STANDARD, queue=without.PlainQueue)),
    Ablation("no deduplication in the queues", parts=replace(STANDARD, queue=without.EveryAddCounts)),
    Ablation("no dirty set", parts=replace(STANDARD, queue=without.NothingWhileProcessed)),
    Ablation(
        "no retry by the watch, only by back-off",
        parts=replace(STANDARD, queue=without.Forgetful, workers=without.BackoffAlone),
    ),
    # Processors and goroutines.
    Ablation("free CPU", scenario={"cpu": {"cores": None}}),
    Ablation("a server that computes nothing behind its decisions", profile={"server": {"cpu_behind": 0.0}}),
    Ablation("news that wait for nobody in a busy API server", parts=replace(STANDARD, informer=without.NewsAtOnce)),
    Ablation("plain round-robin instead of Go's scheduler", profile={"go": {"fair": False}}),
    Ablation("socket to cache in one goroutine", parts=replace(STANDARD, informer=without.OneGoroutine)),
    Ablation("informers' queues open at any time", parts=replace(STANDARD, informer=without.OpenQueue)),
    Ablation("handlers in a fixed order", parts=replace(STANDARD, informer=without.InOrder)),
    Ablation("no listeners that find nothing to do", parts=replace(STANDARD, informer=without.NoBystanders)),
    Ablation("no goroutine of a request's own", parts=replace(STANDARD, request=without.NoOwnGoroutine)),
    # The machine.
    Ablation(
        "decoding keys and objects costs nothing",
        profile={"controllers": {"parse_cpu": 0, "issue_cpu": 0, "object_cpu": 0}},
    ),
    Ablation("who creates needs no core", profile={"create_cpu": 0}),
    Ablation("no cold caches", profile={"server": {"cold_factor": 1.0}}),
    Ablation("an equally fast machine in all runs", profile={"speed_spread": 0.0}),
)
"""What can be left out, after the whole model itself."""


class Outcome(NamedTuple):
    """What the errors become, and the predicted over the recorded conflicts of each case."""

    name: str
    summary: dict[str, Any]
    bias: float | None  # median over the cases of predicted over recorded conflicts, less 1
    conflicts: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "without": self.name,
            **{key: self.summary[key] for key in KEYS},
            "median_rel_error_conflicts": self.bias,
            "conflicts": self.conflicts,
        }


def ablate(
    results: Sequence[CaseResult],
    profile: Profile,
    *,
    executor: Executor,
    replications: int,
    progress: Callable[[str], Progress | None] | None = None,
) -> list[Outcome]:
    """Return what the errors of these cases become without each mechanism, the whole model first.

    Taken over the updates with enough recorded conflicts, in the first ``replications`` of each.
    """
    counted = [result for result in results if result.counts]
    return [
        _outcome(
            ablation.name,
            _without(ablation, counted, profile, executor, replications, progress)
            if ablation.changes
            else [CaseResult(each.case, each.recorded, each.simulated[:replications]) for each in counted],
        )
        for ablation in ABLATIONS
    ]


def _without(
    ablation: Ablation,
    results: Sequence[CaseResult],
    profile: Profile,
    executor: Executor,
    replications: int,
    progress: Callable[[str], Progress | None] | None,
) -> list[CaseResult]:
    cases = [changed(result.case, ablation) for result in results]
    runs = simulate(
        cases,
        _merged(profile, ablation.profile),
        executor=executor,
        replications=replications,
        parts=ablation.parts,
        progress=progress(ablation.name) if progress else None,
    )
    return [
        CaseResult(case, result.recorded, simulated)
        for case, result, simulated in zip(cases, results, runs, strict=True)
    ]


def _outcome(name: str, found: Sequence[CaseResult]) -> Outcome:
    errors = [error for case in found if (error := case["conflicts"].error) is not None]
    conflicts = {case.name: case["conflicts"].predicted for case in found}
    return Outcome(name, summarise(found), median(errors), conflicts)


def changed(case: Case, ablation: Ablation) -> Case:
    """Return the case with the scenario changed."""
    scenario = _merged(case.asked.scenario, ablation.scenario)
    return case._replace(asked=case.asked._replace(scenario=scenario))


def _merged(part: Any, changes: Mapping[str, Any]) -> Any:
    """Return a scenario or profile with nested keys replaced, validated again."""
    return type(part).model_validate(_deep(part.model_dump(), changes)) if changes else part


def _deep(tree: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {**tree, **{k: _deep(tree[k], v) if isinstance(v, Mapping) else v for k, v in changes.items()}}
