"""When Certificates were issued and how much time the certificates before had left, from the frames of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.metrics import ISSUED_FIELD
from sim.recording.recorder import NO_MARGIN

if TYPE_CHECKING:
    from sim.analysis.frames import Analysed


def issuances(result: Analysed) -> list[float]:
    """Return the seconds from the start at which an issuance was finished, of all replications together."""
    rows = result.requests
    done = rows[(rows["resource"] == "certificates") & (rows["written_version"] > 0)]
    done = done[(done["fields"].astype("int64") & ISSUED_FIELD) != 0]
    return [float(each) for each in done["decided_at"].dt.total_seconds()]


def least_margins(result: Analysed) -> list[float]:
    """Return each Certificate's least margin in seconds, of those that were renewed or ran out."""
    margins = result.certificates["least_margin_s"]
    return [float(each) for each in margins[margins != NO_MARGIN]]
