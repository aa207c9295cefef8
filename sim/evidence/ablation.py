"""What each mechanism is worth: the errors with it left out of the model, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sim.evidence.cases import Case
from sim.evidence.validate import CaseResult, Progress, simulate, summarise
from sim.experiment.executor import Executor
from sim.scenario.profile import Profile

KEYS = (
    "median_abs_rel_error_conflicts",
    "max_abs_rel_error_conflicts",
    "coverage",
    "median_abs_rel_error_time_to_ready",
    "rank_agreement_conflicts",
)
"""The figures of a summary that an ablation is judged by."""


class Ablation(NamedTuple):
    """A mechanism, and how to leave it out: changes of the scenario and of the profile, as nested keys."""

    name: str
    scenario: dict[str, Any]
    profile: dict[str, Any]


ABLATIONS = (
    Ablation("everything", {}, {}),
    Ablation("the copy read after the wait for a token", {"client": {"read_after_wait": True}}, {}),
    Ablation("no client throttle", {"client": {"throttle": False}}, {}),
    Ablation("free CPU", {"cpu": {"cores": None}}, {}),
    Ablation("plain round-robin instead of Go's scheduler", {}, {"go": {"fair": False}}),
    Ablation(
        "no watch latency",
        {},
        {"watch": {"lag": {"p50": 1, "p90": 2}, "decode_cpu": 0}, "server": {"delivery": None}},
    ),
)
"""What can be left out, after the whole model itself."""


class Outcome(NamedTuple):
    """What the errors become: ``conflicts`` are the predicted conflicts by case."""

    name: str
    summary: dict[str, Any]
    conflicts: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"without": self.name, **{key: self.summary[key] for key in KEYS}, "conflicts": self.conflicts}


def ablate(
    results: Sequence[CaseResult],
    profile: Profile,
    *,
    executor: Executor,
    replications: int,
    progress: Callable[[str], Progress | None] | None = None,
) -> list[Outcome]:
    """Return what the errors of these cases become without each mechanism, the whole model first."""
    outcomes = []
    for ablation in ABLATIONS:
        if ablation.scenario or ablation.profile:
            cases = [changed(result.case, ablation) for result in results]
            runs = simulate(
                cases,
                _merged(profile, ablation.profile),
                executor=executor,
                replications=replications,
                progress=progress(ablation.name) if progress else None,
            )
            found = [
                CaseResult(case, result.recorded, simulated)
                for case, result, simulated in zip(cases, results, runs, strict=True)
            ]
        else:
            found = list(results)
        conflicts = {case.name: case["conflicts"].predicted for case in found}
        outcomes.append(Outcome(ablation.name, summarise(found), conflicts))
    return outcomes


def changed(case: Case, ablation: Ablation) -> Case:
    """Return the case with the scenario changed."""
    scenario = _merged(case.asked.scenario, ablation.scenario)
    return case._replace(asked=case.asked._replace(scenario=scenario))


def _merged(part: Any, changes: dict[str, Any]) -> Any:
    """Return a scenario or profile with nested keys replaced, validated again."""
    return type(part).model_validate(_deep(part.model_dump(), changes)) if changes else part


def _deep(tree: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {**tree, **{k: _deep(tree[k], v) if isinstance(v, dict) else v for k, v in changes.items()}}
