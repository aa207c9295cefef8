"""The attribution of a run, summed up: the object that ``requeue attribution --json`` prints.

Counts are of all replications together; times are in seconds; a mean of nothing is null.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sim.analysis.attribution import elsewhere, ordered
from sim.analysis.plain import records

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Analysed


def reasons(result: Analysed, *, rows: bool = False) -> dict[str, Any]:
    """Return why the conflicts of ``result`` happened, and what happened without any.

    With ``rows`` every conflict is listed as well (``sim.recording.dictionary``, times ``*_s`` in seconds).
    """
    made = result.attribution
    count = len(made)
    found: dict[str, Any] = {
        "scenario": result.scenario.name,
        "kind": result.scenario.workload.kind,
        "contention": result.scenario.contention is not None,
        "strategy": result.scenario.strategy,
        "seed": result.scenario.seed,
        "replications": len(result.measured),
        "conflicts": count,
        "true_conflicts": int(made["true_conflict"].sum()),
        "lost_to_itself": int((made["controller"].astype("object") == made["winner"].astype("object")).sum()),
        "blame": matrix(result.blame),
        "staleness": _staleness(result.staleness),
        "age_s": _mean(made["age"]),
        "retried_by": _counts(made["retried_by"]),
        "wasted": {
            "requests": int(made["wasted_requests"].sum()),
            "cpu_s": _sum(made["wasted_cpu"]),
            "ready_delay_s": _mean(made["ready_delay"]),
        },
        "by_controller": _by_controller(made),
        "field_conflicts": _counts(result.field_conflicts["controller"]),
        "overwritten": _overwritten(result.overwritten),
        "hidden_retries": _hidden(result.hidden_retries),
        "elsewhere": records(elsewhere(result)),
        "lost_updates": _lost(result.losses),
        "duplicates": _counts(result.duplicates["by"]),
    }
    if rows:
        found["rows"] = records(made)
    return found


def matrix(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return a loser-by-winner matrix as nested dictionaries; pairs without any conflict are left out."""
    return {
        str(loser): {str(winner): int(count) for winner, count in row.items() if count}
        for loser, row in frame.iterrows()
    }


def _by_controller(made: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = {}
    for name in ordered(str(each) for each in made["controller"].unique()):
        mine = made[made["controller"] == name]
        found[name] = {
            "conflicts": len(mine),
            "true_conflicts": int(mine["true_conflict"].sum()),
            "age_s": _mean(mine["age"]),
            "wasted_requests": int(mine["wasted_requests"].sum()),
            "ready_delay_s": _mean(mine["ready_delay"]),
        }
    return found


def _staleness(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    plain = records(frame.reset_index())
    return {str(row.pop("part")): row for row in plain}


def _overwritten(frame: pd.DataFrame) -> dict[str, Any]:
    pairs: dict[str, dict[str, int]] = {}
    if len(frame):
        both = zip(frame["controller"].astype("object"), frame["victim"].astype("object"), strict=True)
        for (who, victim), count in Counter(both).most_common():
            pairs.setdefault(str(who), {})[str(victim)] = count
    return {"total": len(frame), "by": pairs}


def _lost(frame: pd.DataFrame) -> dict[str, Any]:
    """Lost updates by who took them away, and of those each by whose they were; and when they were repaired."""
    never = frame["repaired_at"].isna()
    pairs: dict[str, dict[str, int]] = {}
    if len(frame):
        for (by, of), count in Counter(
            zip(frame["by"].astype(str), frame["of"].astype(str), strict=True)
        ).most_common():
            pairs.setdefault(by, {})[of] = count
    fields = Counter(frame["field"].astype(str)).most_common()
    repaired = (frame["repaired_at"] - frame["lost_at"])[~never]
    return {
        "total": len(frame),
        "never_repaired": int(never.sum()),
        "repaired_after_s": _mean(repaired),
        "by": pairs,
        "fields": dict(fields),
    }


def _hidden(frame: pd.DataFrame) -> dict[str, Any]:
    totals = frame.groupby("actor", observed=True)["hidden_retries"].sum()
    return {"total": int(totals.sum()), "by": {str(name): int(count) for name, count in totals.items()}}


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in column.value_counts().items() if count}


def _sum(column: pd.Series[Any]) -> float:
    return float(column.dt.total_seconds().sum())


def _mean(column: pd.Series[Any]) -> float | None:
    known = column.dropna().dt.total_seconds()
    return float(known.mean()) if len(known) else None
