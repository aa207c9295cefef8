"""What a limit on tries would lose, read off one simulation without any: no run per limit is needed.

A write that took N tries would have been given up by every limit below N. That assumes that giving up changes
nothing for the others, although a write that is no longer tried takes no version away from them; and it counts a
dropped key as lost, although the next watch event brings it back. Both make the figures an upper bound of what
a limit loses.

A write is one of the workload's objects. A pass that is refused over another object (``ELSEWHERE``) takes a retry of
its key too and is no try of a write here: how often one key failed in a row, at worst, is told beside it.

Shares have exact intervals (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934). Where nothing of n is lost the
one-sided 95% bound is 1 - .05^(1/n), about 3/n (the rule of three: J. A. Hanley and A. Lippman-Hand, JAMA 249,
1983). Writes of one run depend on each other, so the bound on runs stands beside the one on writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.distributions import beta_quantile
from sim.analysis.intervals import LEVEL, Estimate
from sim.analysis.measured import Measured, totals
from sim.extras import require
from sim.scenario.metrics import metrics_of
from sim.units import counted

if TYPE_CHECKING:
    import pandas as pd

ELSEWHERE = "conflicts.elsewhere"
METRICS = ("amplification", "conflicts.rate", "conflicts.per_certificate", ELSEWHERE, "ghost_reconciles", "wasted_cpu")
"""What is told beside the tries; of them what the scenario's family has."""

ASSUMES = (
    "giving up one write changes nothing for the others",
    "a key that is dropped stays dropped, although the next watch event normally brings it back",
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a limit of so many tries would lose."""

    tries: int
    lost: int
    share: Estimate

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data; ``retries`` is what ``retry.limit`` says."""
        return {"tries": self.tries, "retries": self.tries - 1, "lost": self.lost, "share": self.share.as_dict()}


@dataclass(frozen=True, slots=True, repr=False)
class EnoughTries:
    """What the writes of all replications took. ``tries`` is a histogram; ``allowed`` one entry for each limit."""

    replications: int
    tries: Mapping[int, int]
    unfinished: int
    allowed: Sequence[Allowed]
    figures: Mapping[str, Estimate]
    most_failures: int | None = None
    """How often in a row one key failed, at worst, whatever failed; None where that is not counted."""

    def __repr__(self) -> str:
        tries, writes = counted(self.enough or 0, "try"), counted(self.writes, "write")
        return f"<EnoughTries: {tries} would have lost none of {writes}>"

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each limit: tries, retries, how many writes it would have lost, their share, its interval."""
        require("pandas")
        import pandas as pd

        rows = [
            each.as_dict() | {"share": each.share.mean, "low": each.share.low, "high": each.share.high}
            for each in self.allowed
        ]
        return pd.DataFrame(rows, columns=["tries", "retries", "lost", "share", "low", "high"])

    @property
    def writes(self) -> int:
        """Writes that ended well."""
        return sum(self.tries.values())

    @property
    def enough(self) -> int | None:
        """The fewest tries with which none of these writes would have been lost; ``None`` without a write."""
        return max(self.tries, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        enough = self.enough
        return {
            "writes": self.writes,
            "unfinished": self.unfinished,
            "tries": {str(count): number for count, number in self.tries.items()},
            "given_up": [each.as_dict() for each in self.allowed],
            "budget": None
            if enough is None
            else {
                "tries": enough,
                "retries": enough - 1,
                "confidence": LEVEL,
                "writes_lost_at_most": none_lost(self.writes),
                "runs_with_a_loss_at_most": none_lost(self.replications),
            },
            "most_failures": self.most_failures,
            **{name: None if each.mean is None else each.as_dict() for name, each in self.figures.items()},
            "assumes": list(ASSUMES),
        }


def budget(replications: Sequence[Measured], family: str) -> EnoughTries:
    """Return the budget of replications of a ``family`` that ran without a limit."""
    counted: Counter[int] = Counter()
    for each in replications:
        for key, value in each.metrics.items():
            name, dot, count = key.partition(".")
            if name == "tries" and dot:
                counted[int(count)] += int(value or 0)
    histogram = dict(sorted(counted.items()))
    writes = sum(histogram.values())
    allowed = []
    for limit in range(1, max(histogram, default=0) + 1):
        lost = sum(number for count, number in histogram.items() if count > limit)
        allowed.append(Allowed(limit, lost, share(lost, writes)))
    return EnoughTries(
        len(replications),
        histogram,
        int(sum(totals(replications, "tries_unfinished"))),
        allowed,
        figures.estimates(replications, [name for name in METRICS if name in metrics_of(family)]),
        int(max(totals(replications, "most_failures"), default=0)) if "most_failures" in metrics_of(family) else None,
    )


def share(count: int, of: int, level: float = LEVEL) -> Estimate:
    """Return ``count / of`` with its exact (Clopper-Pearson) interval; nothing of nothing has no share."""
    if of == 0:
        return Estimate(None, None, None, 0)
    tail = (1 - level) / 2
    low = beta_quantile(count, of - count + 1, tail) if count else 0.0
    high = beta_quantile(count + 1, of - count, 1 - tail) if count < of else 1.0
    return Estimate(count / of, low, high, of)


def none_lost(of: int, level: float = LEVEL) -> float:
    """Return the one-sided upper bound of a share of which nothing was seen among ``of``."""
    return float(1 - (1 - level) ** (1 / of)) if of else 1.0
