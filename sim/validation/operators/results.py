"""Predictions of the recorded operator against its recordings: each case, and a summary over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.validation.operators.asked import CANNOT_CONFLICT
from sim.validation.scores import Prediction, conflict_errors, median
from sim.validation.validate import ENOUGH_CONFLICTS, CaseResult, by_object, coverage, errors, full, ranks

MAIN = (
    "conflicts",
    "status_writes",
    "reconciles",
    "requests",
    "time_to_ready.p50",
    "time_to_all.p50",
    "edit_to_seen.p50",
    "lost",
    "lost.never_repaired",
    "lost_repaired_after.p50",
    "unchanged",
    "unfinished",
)
"""The figures of a case that are shown, in order."""
READY = "time_to_ready.p50"


def of_operator(case: CaseResult) -> bool:
    """Whether a case is a recording of an operator."""
    return bool(case.case.asked.scenario.operators)


def may_conflict(case: CaseResult) -> bool:
    """Whether any controller writes by a pattern that can be refused."""
    return any(pattern not in CANNOT_CONFLICT for pattern in _patterns(case))


def _patterns(case: CaseResult) -> list[str]:
    return list(case.case.runs[0].asked["patterns"].values())


def _counts(case: CaseResult) -> bool:
    return may_conflict(case) and (case["conflicts"].recorded or 0) >= ENOUGH_CONFLICTS


def lost_as_recorded(case: CaseResult) -> bool:
    """Whether lost updates are inside the interval, and none where none was recorded."""
    lost = case["lost"]
    return (not lost.predicted) if not lost.recorded else lost.inside is not False


def summarise(cases: Sequence[CaseResult]) -> dict[str, Any]:
    """Return the figures over all cases of an operator; None where there is nothing to compute one from.

    Errors of conflicts cover the cases with patterns that can be refused and at least ``ENOUGH_CONFLICTS`` recorded.
    """
    counted = [case for case in cases if _counts(case)]
    refused = [case for case in cases if may_conflict(case)]
    never = [case for case in cases if not may_conflict(case)]
    parts = [each for case in refused for each in case.family("conflicts").values()]
    found: dict[str, Any] = {
        "cases": len(cases),
        "cases_with_enough_conflicts": len(counted),
        **conflict_errors([case["conflicts"] for case in counted]),
        "coverage": coverage(parts),
        "cases_that_cannot_conflict": len(never),
        "of_them_predicted_with_conflicts": sum(bool(case["conflicts"].predicted) for case in never),
        "lost_as_recorded": sum(lost_as_recorded(case) for case in cases),
        "rank_agreement_conflicts": ranks(cases, "conflicts", by_object),
        "rank_agreement_patterns": _patterns_ranked(cases),
    }
    for key in ("status_writes", "reconciles", "requests", READY, "time_to_all.p50"):
        off = errors(cases, key)
        found[f"median_abs_rel_error_{key}"] = median(off)
        found[f"max_abs_rel_error_{key}"] = max(off, default=None)
    return found


def _patterns_ranked(cases: Sequence[CaseResult]) -> dict[str, float | None]:
    """Kendall's tau over conflicts, within each group of cases that differ in the pattern alone."""
    groups: dict[str, list[CaseResult]] = {}
    for case in cases:
        asked = {key: value for key, value in case.case.runs[0].asked.items() if key != "patterns"}
        groups.setdefault(repr(sorted(asked.items(), key=lambda item: item[0])), []).append(case)
    found = {}
    for group in groups.values():
        if len(group) > 2:
            names = [case.name for case in group]
            found[_common(names)] = ranks(group, "conflicts")
    return found


def _common(names: Sequence[str]) -> str:
    """What the names of a group begin with."""
    first = min(names)
    end = next((n for n in range(len(first), 0, -1) if all(name.startswith(first[:n]) for name in names)), 0)
    return f"{first[:end]}*"


def as_dict(case: CaseResult) -> dict[str, Any]:
    """Return what ``--json`` says of a case."""
    return {
        "name": case.name,
        "repetitions": len(case.recorded),
        "objects": case.certificates,
        "patterns": sorted(set(_patterns(case))),
        "runtime": case.case.runs[0].asked["controller_runtime"],
        "may_conflict": may_conflict(case),
        "figures": {key: _full(case[key]) for key in MAIN if key in case.predictions},
        "conflicts_by_controller": _each(case, "conflicts"),
        "status_writes_by_controller": _each(case, "status_writes"),
        "reconciles_by_controller": _each(case, "reconciles"),
        "lost_by_kind": {key: value for key, value in _each(case, "lost").items() if key != "never_repaired"},
        "requests_by_kind": _each(case, "requests"),
        "time_to_ready_wasserstein_s": case.distance_s,
        "lost_as_recorded": lost_as_recorded(case),
        "notes": case.notes,
    }


def _each(case: CaseResult, name: str) -> dict[str, Any]:
    return {key: _full(value) for key, value in case.family(name).items()}


def _full(each: Prediction) -> dict[str, Any]:
    return {
        **full(each),
        "recorded_spread": each.recorded_spread,
        "predicted_spread": each.predicted_spread,
    }
