"""The validation ladder: what the simulator is held against, from the certain to the real.

Closed forms say that its parts compute what theory says; recorded answers, that its API server answers as the
real one; recorded runs, that the whole behaves as a real cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sim.units import counted

CONFORMANCE = Path(__file__).resolve().parents[2] / "tests" / "data" / "conformance"
"""Recorded answers of a real kube-apiserver, which come with the project's sources."""


class Rung(NamedTuple):
    """One rung: its figure in words, and the same as plain data."""

    name: str
    said: str
    figures: dict[str, Any]


def ladder(*summaries: Mapping[str, Any]) -> list[Rung]:
    """Return the rungs; ``summaries`` are those of the recorded runs, of one family of controllers each."""
    return [_closed_forms(), _recorded_answers(), *(_recorded_runs(summary) for summary in summaries)]


def as_list(rungs: list[Rung]) -> list[dict[str, Any]]:
    """Return the rungs as plain data."""
    return [{"rung": rung.name, "figure": rung.said, **rung.figures} for rung in rungs]


@cache  # what it says depends on the program alone
def _closed_forms() -> Rung:
    from sim.validation.closed_forms import checks
    from sim.validation.contention_forms import checks as contention_checks

    found = [*checks(), *contention_checks()]
    hold = sum(check.holds for check in found)
    largest = max(check.off for check in found)
    figures = {
        "hold": hold,
        "checks": [{**check._asdict(), "relative_error": check.off, "holds": check.holds} for check in found],
    }
    said = f"{hold} of {len(found)} hold within four standard errors; off by {largest:.1%} at most"
    return Rung("closed form", said, figures)


@cache
def _recorded_answers(folder: Path = CONFORMANCE) -> Rung:
    from sim.validation.conformance import Replay
    from sim.validation.sequences import read

    files = sorted(file for file in folder.glob("*.jsonl*")) if folder.is_dir() else []
    answers = sequences = equal = 0
    for file in files:
        for sequence in read(file):
            sequences += 1
            for step in Replay(sequence).run():
                answers += 1
                equal += not step.differs
    figures: dict[str, Any] = {"sequences": sequences, "answers": answers, "equal": equal}
    if not answers:
        return Rung("recorded answers", "not checked: the recorded sequences come with the sources", figures)
    share = f"{equal / answers:.1%}" if equal < answers else "all"
    said = f"{equal:,} of {answers:,} answers of a real API server are reproduced ({share})"
    return Rung("recorded answers", said, figures)


def _recorded_runs(summary: Mapping[str, Any]) -> Rung:
    error, coverage = summary["median_abs_rel_error_conflicts"], summary["coverage"]
    figures = {"cases": summary["cases"], "median_abs_rel_error_conflicts": error, "coverage": coverage}
    cases = counted(summary["cases"], "case")
    if error is None:
        said = f"{cases}, none an update with enough conflicts to say how far off"
    else:
        said = f"{cases}: conflicts off by {error:.1%} (median)"
    if coverage is not None:
        said += f"; {coverage:.0%} of conflicts by controller inside their interval"
    return Rung("recorded runs", said, figures)
