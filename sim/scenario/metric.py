"""What a metric is: a number with one name and one definition. ``sim.scenario.metric_definitions`` has them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "ratio", "share", "seconds", "milliseconds"]
"""How a number is written and what a condition may compare it with: a time takes durations, a share is from 0 to 1."""

Aggregate = Literal["mean", "ratio of sums", "pooled"]
"""From many replications to one number: the mean of each one's number; the sum of all numerators over the sum of all
denominators, where a replication with few should not weigh as much as one with many; or a quantile of all
replications' observations together, which cannot be paired and so cannot be compared."""

AGGREGATES: Mapping[Aggregate, str] = {
    "mean": "mean of each one's",
    "ratio of sums": "sum by sum",
    "pooled": "of all replications together",
}

COMPARATIVES: Mapping[Unit, tuple[str, str]] = {
    "count": ("fewer", "more"),
    "ratio": ("fewer", "more"),
    "share": ("a lower", "a higher"),
    "seconds": ("a shorter", "a longer"),
    "milliseconds": ("a shorter", "a longer"),
}
"""Words for a lower and a higher number, before what it is called."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``figure`` is what a replication counts (``sim.analysis.metrics``), by default of the metric's own name with
    underscores, divided by the figure ``over`` where there is one. ``label`` is what tables call it, ``called`` what a
    sentence does, where that differs: "apply has fewer writes that overwrite unseen", with ``comparatives`` other than
    its unit's ("less core time wasted"); ``per`` stands after the amount. ``undefined`` is what a verdict says where
    there is no number. ``listed`` ones are in every table; the others where they are asked for.
    """

    name: str
    label: str
    definition: str
    unit: Unit = "count"
    figure: str = ""
    over: str = ""
    aggregate: Aggregate = "mean"
    better: Literal["lower", "higher"] = "lower"
    aliases: tuple[str, ...] = ()
    """Older spellings."""
    called: str = ""
    comparatives: tuple[str, str] | None = None
    per: str = ""
    undefined: str = "no figures"
    signed: bool = False
    """It may be less than 0."""
    listed: bool = True
    quiet: bool = False
    """Listed only where there is any of it."""

    def __post_init__(self) -> None:
        if not self.figure:
            object.__setattr__(self, "figure", self.name.replace(".", "_"))  # frozen, and not yet anybody's

    @property
    def fewer(self) -> str:
        """Words for a lower number."""
        return f"{(self.comparatives or COMPARATIVES[self.unit])[0]} {self.called or self.label}"

    @property
    def more(self) -> str:
        """Words for a higher number."""
        return f"{(self.comparatives or COMPARATIVES[self.unit])[1]} {self.called or self.label}"

    @property
    def comparable(self) -> bool:
        """Whether every replication has a number of its own, so that variants can be compared by it."""
        return self.aggregate != "pooled"


QUANTILES: Mapping[str, tuple[str, str]] = {
    "p50": ("median", "median time"),
    "p95": ("95th percentile", "95th percentile of the time"),
    "p99": ("99th percentile", "99th percentile of the time"),
}
"""Which quantiles of a time are metrics: in words, and as a sentence says them of a time."""


def quantiles(
    name: str, label: str, what: str, state: str, unit: Unit = "seconds", *, listed: str = ""
) -> list[Metric]:
    """Return the metrics ``NAME.p50``, ``.p95`` and ``.p99`` of an observed time: ``what`` in words.

    ``state`` completes "a longer median time to ..."; ``listed`` names those that tables list.
    """
    return [
        Metric(
            f"{name}.{q}",
            f"{label}, {q}",
            f"{what}, {words} of a replication's",
            unit,
            aliases=(f"{name}_{q}",),
            called=f"{of_time} to {state}",
            listed=q in listed,
        )
        for q, (words, of_time) in QUANTILES.items()
    ]
