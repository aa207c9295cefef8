"""When Certificates were issued and how much time the certificates before had left, from the frames of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.metrics import ISSUED_FIELD
from sim.recording.recorder import NO_MARGIN
from sim.scenario.acme import Limit
from sim.scenario.deeds import certificate_name
from sim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.frames import Analysed


def issuances(result: Analysed) -> list[float]:
    """Return the seconds from the start at which an issuance was finished, of all replications together."""
    return [float(each) for each in _issued(result)["decided_at"].dt.total_seconds()]


def _issued(result: Analysed) -> pd.DataFrame:
    """The writes that count an issuance, in the order of their decisions."""
    rows = result.requests
    done = rows[(rows["resource"] == "certificates") & (rows["written_version"] > 0)]
    return done[(done["fields"].astype("int64") & ISSUED_FIELD) != 0]


def least_margins(result: Analysed) -> list[float]:
    """Return each Certificate's least margin in seconds, of those that were renewed or ran out."""
    margins = result.certificates["least_margin_s"]
    return [float(each) for each in margins[margins != NO_MARGIN]]


SAME_NAMES = "certificates of the same names"
"""The limit that renewals count for, whatever the others exempt."""


def limits_used(result: Analysed) -> dict[str, tuple[float, int]]:
    """Return, by limit of the ACME server, how many were used at once at most, and how many are allowed.

    What counts are finished issuances, of the name or domain with most of them, mean of the replications; a bucket that
    is refilled evenly, as ``sim.scenario.acme.Limit``. Refused and failed orders are not in it. Empty without limits.
    """
    scenario = result.scenario
    if scenario.issuer.type != "acme":
        return {}
    limits = scenario.issuer.server.limited()
    allowed = {
        label: limit
        for label, limit in (
            ("new orders", limits.orders),
            ("certificates of a domain", limits.certificates_per_domain),
            (SAME_NAMES, limits.duplicates),
        )
        if limit is not None
    }
    domains = scenario.certificate.registered_domains
    most: dict[str, list[float]] = {label: [] for label in allowed}
    for _, rows in _issued(result).groupby("replication"):
        known = {certificate_name(n) for n in range(scenario.workload.total - scenario.workload.certificates)}
        used: dict[tuple[str, str], Used] = {}
        for name, at in zip(rows["object"].astype(str), rows["decided_at"].dt.total_seconds(), strict=True):
            new = not (limits.renewals_exempt and name in known)
            known.add(name)
            about = {"certificates of a domain": str(int(name[1:]) % domains), SAME_NAMES: name}
            for label, limit in allowed.items():
                if new or label == SAME_NAMES:
                    used.setdefault((label, about.get(label, "")), Used(limit)).one(at)
        for label, each in most.items():
            each.append(max((one.most for (of, _), one in used.items() if of == label), default=0.0))
    return {label: (sum(most[label]) / max(len(most[label]), 1), limit.count) for label, limit in allowed.items()}


class Used:
    """How many tokens of a bucket are gone, and how many were at most."""

    def __init__(self, limit: Limit) -> None:
        self._per_second = limit.count / (limit.per / SECOND)
        self._now, self._last = 0.0, 0.0
        self.most = 0.0

    def one(self, at: float) -> None:
        """One more is taken, so many seconds from the start."""
        self._now = max(self._now - (at - self._last) * self._per_second, 0.0) + 1
        self._last = at
        self.most = max(self.most, self._now)
