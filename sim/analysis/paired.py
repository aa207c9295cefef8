"""Variants of a scenario against a baseline, replication by replication on the same random numbers.

Every metric here is better when lower. Each interval stands for itself, at 95%: with many variants and many
metrics one in twenty of the true nulls looks decided, so a claim should rest on the metric chosen
beforehand. The time to Ready is compared by the quantile of each replication, because that is what can be
paired; a run's summary has that of all replications together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sim.analysis.intervals import (
    Estimate,
    mean_interval,
    paired_difference,
    ratio_difference,
    unpaired_difference,
    unpaired_ratio_difference,
)
from sim.analysis.summary import Measured, per_certificate, rate, series, totals


class Metric(NamedTuple):
    """What is compared: a name for tables, words for sentences, and how its numbers are written."""

    label: str
    fewer: str  # as in "apply has fewer conflicts than update"
    more: str
    per: str = ""  # as in "-2.1 per Certificate"
    kind: str = "count"  # count, share or seconds


METRICS: Mapping[str, Metric] = {
    "conflicts_per_certificate": Metric(
        "conflicts per Certificate", "fewer conflicts", "more conflicts", "per Certificate"
    ),
    "rate": Metric("conflict rate", "a lower conflict rate", "a higher conflict rate", kind="share"),
    "conflicts": Metric("conflicts", "fewer conflicts", "more conflicts"),
    "requests": Metric("requests", "fewer requests", "more requests"),
    "status_writes": Metric("status writes", "fewer status writes", "more status writes"),
    "time_to_ready_p50": Metric(
        "time to Ready, p50", "a shorter time to Ready", "a longer time to Ready", kind="seconds"
    ),
    "time_to_ready_p95": Metric(
        "time to Ready, p95", "a shorter 95th percentile of time to Ready", "a longer one", kind="seconds"
    ),
    "log_lines": Metric("log lines", "fewer log lines", "more log lines"),
    "ghost_reconciles": Metric("ghost reconciles", "fewer ghost reconciles", "more ghost reconciles"),
    "reconciles": Metric("reconciles", "fewer reconciles", "more reconciles"),
    "overwritten": Metric("overwritten unseen", "fewer writes that overwrite unseen", "more of them"),
    "stranded": Metric("stranded Certificates", "fewer stranded Certificates", "more stranded Certificates"),
}
"""The metrics of a comparison, in the order in which they are shown."""

DEFAULT_METRIC = "conflicts_per_certificate"


def estimates(replications: Sequence[Measured]) -> dict[str, Estimate]:
    """Return every metric of one variant with its interval."""
    return {
        name: rate(replications) if name == "rate" else mean_interval(_values(replications, name)) for name in METRICS
    }


def differences(replications: Sequence[Measured], baseline: Sequence[Measured]) -> dict[str, Estimate]:
    """Return every metric's difference from the baseline with its interval.

    Replication i of both must have run on the same random numbers. The rate is a ratio of sums, and its
    difference has a jackknife interval; the others are means of paired differences.
    """
    found = {}
    for name in METRICS:
        if name == "rate":
            found[name] = ratio_difference(
                totals(replications, "refused"),
                totals(replications, "attempts"),
                totals(baseline, "refused"),
                totals(baseline, "attempts"),
            )
        else:
            found[name] = paired_difference(_values(replications, name), _values(baseline, name))
    return found


def unpaired_differences(replications: Sequence[Measured], baseline: Sequence[Measured]) -> dict[str, Estimate]:
    """Return every metric's difference from a baseline that ran on other random numbers."""
    return {
        name: unpaired_ratio_difference(
            totals(replications, "refused"),
            totals(replications, "attempts"),
            totals(baseline, "refused"),
            totals(baseline, "attempts"),
        )
        if name == "rate"
        else unpaired_difference(_values(replications, name), _values(baseline, name))
        for name in METRICS
    }


def ranking(found: Mapping[str, Mapping[str, Estimate]], metric: str) -> list[str]:
    """Return the variants from the lowest mean of ``metric`` to the highest, those without one last."""

    def place(name: str) -> tuple[bool, float]:
        mean = found[name][metric].mean
        return mean is None, mean or 0.0

    return sorted(found, key=place)


def _values(replications: Sequence[Measured], name: str) -> list[float | None]:
    if name == "conflicts_per_certificate":
        return per_certificate(replications, "conflicts")
    return series(replications, name)
