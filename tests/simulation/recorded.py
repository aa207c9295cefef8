"""Scenarios of recorded cases, run once for all the tests that look at them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.experiment.replicate import replicate
from sim.recording.columns import LOGS, OBJECTS, RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.scenario.reading.loader import load

FOLDER = Path(__file__).parents[2] / "scenarios" / "recorded"


@lru_cache(maxsize=256)
def replication(case: str, index: int = 0, *overrides: str) -> Replication:
    """Replication ``index`` of a recorded case's scenario, with overrides as ``--set`` takes them."""
    return replicate(load(FOLDER / f"{case}.yaml", overrides), index)


def requests(recorded: Replication) -> list[dict[str, Any]]:
    """Requests by column."""
    return [dict(zip(REQUESTS, row, strict=True)) for row in recorded.requests]


def reconciles(recorded: Replication) -> list[dict[str, Any]]:
    """Reconciles by column."""
    return [dict(zip(RECONCILES, row, strict=True)) for row in recorded.reconciles]


def certificates(recorded: Replication) -> list[dict[str, Any]]:
    """Certificates by column."""
    return [dict(zip(OBJECTS, row, strict=True)) for row in recorded.objects]


def lines(recorded: Replication) -> list[dict[str, Any]]:
    """Log lines by column."""
    return [dict(zip(LOGS, row, strict=True)) for row in recorded.logs]


def conflicts(recorded: Replication) -> int:
    """Writes of Certificates that were refused as stale."""
    return sum(
        row["code"] == 409 and row["reason"] == "Conflict" and row["resource"] == "certificates"
        for row in requests(recorded)
    )
