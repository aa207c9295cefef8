"""The tables of one replication, whoever it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.recording import contended
from sim.recording.frames import table
from sim.recording.replication import Replication

if TYPE_CHECKING:
    import pyarrow as pa


def tables(replication: Replication) -> dict[str, pa.Table]:
    """Return the rows of one replication as tables, a tenth the size of the rows themselves."""
    number = replication.index + 1
    if replication.contended is not None:
        return contended.tables(replication.contended, number)
    return {
        "requests": table("requests", replication.requests, number),
        "reconciles": table("reconciles", replication.reconciles, number),
        "certificates": table("certificates", replication.objects, number),
        "refusals": table("refusals", replication.refusals, number),
        "deliveries": table("deliveries", replication.deliveries, number),
        "losses": table("losses", replication.losses, number),
        "duplicates": table("duplicates", replication.duplicates, number),
    }
