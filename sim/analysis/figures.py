"""The figures that a sweep ranks by, a search minimises and a precision is asked of, by name.

A name with an underscore is one of ``expect:`` and means the same as there; a name with a dot is where
``requeue run --json`` has the figure. Every figure is one number per replication; times to Ready are the quantile
of each replication, because that is what can be paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sim.analysis.intervals import Estimate, mean_interval, paired_difference, ratio_difference, ratio_interval
from sim.analysis.summary import Measured, per_certificate, series, totals
from sim.scenario.names import did_you_mean


class Figure(NamedTuple):
    """A figure: words for tables, and how its number comes from the figures of ``sim.analysis.metrics``.

    ``over`` is the denominator of a share or a quotient; ``kind`` says how the number is written: a count, a
    share or seconds. ``higher`` marks the few that are better when higher.
    """

    label: str
    key: str
    over: str = ""
    kind: str = "count"
    higher: bool = False


_READY = {
    f"time_to_ready{dot}p{q}": Figure(f"time to Ready, p{q}", f"time_to_ready_p{q}", kind="seconds")
    for q in (50, 95, 99)
    for dot in "._"
}
FIGURES: Mapping[str, Figure] = {
    **_READY,
    "conflicts.total": Figure("conflicts", "conflicts"),
    "conflicts.per_certificate": Figure("conflicts per Certificate", "conflicts", "certificates"),
    "conflicts.rate": Figure("conflict rate", "refused", "attempts", "share"),
    "conflicts_total": Figure("conflicts", "conflicts_by_controllers"),
    "conflicts_per_certificate": Figure("conflicts per Certificate", "conflicts_by_controllers", "certificates"),
    "conflict_rate": Figure("conflict rate", "refused_by_controllers", "attempts_by_controllers", "share"),
    "requests.total": Figure("requests", "requests"),
    "requests.peak": Figure("requests in the busiest second", "requests_peak"),
    "requests_total": Figure("requests", "requests_by_controllers"),
    "status_writes": Figure("status writes", "status_writes"),
    "reconciles": Figure("reconciles", "reconciles"),
    "ghost_reconciles": Figure("ghost reconciles", "ghost_reconciles"),
    "wasted_cpu": Figure("wasted core time", "wasted_cpu", kind="seconds"),
    "amplification": Figure("tries per accepted write", "attempts", "accepted"),
    "log_lines": Figure("log lines", "log_lines"),
    "overwritten": Figure("overwritten unseen", "overwritten"),
    "hidden_retries": Figure("retries inside the server", "hidden_retries"),
    "gave_up": Figure("gave up", "gave_up"),
    "stranded": Figure("stranded Certificates", "stranded"),
    "ready_share": Figure("share of Certificates Ready", "ready", "certificates", "share", higher=True),
}
"""Every name that can be asked for."""

SHOWN = (
    "time_to_ready.p50",
    "time_to_ready.p95",
    "time_to_ready.p99",
    "conflicts.per_certificate",
    "conflicts.rate",
    "requests.total",
    "requests.peak",
    "ghost_reconciles",
    "wasted_cpu",
    "amplification",
    "log_lines",
    "gave_up",
    "stranded",
)
"""The figures that reports list, in their order."""


def check(name: str) -> str:
    """Return ``name``; raises ``ValueError`` with the nearest names where there is no such figure."""
    if name not in FIGURES:
        known = ", ".join(FIGURES)
        raise ValueError(f"unknown metric {name[:60]!r}{did_you_mean(name, FIGURES)}; allowed: {known}")
    return name


def values(name: str, replications: Sequence[Measured]) -> list[float | None]:
    """Return the figure of every replication; ``None`` where it is undefined."""
    figure = FIGURES[name]
    if not figure.over:
        return series(replications, figure.key)
    if figure.over == "certificates":
        return per_certificate(replications, figure.key)
    tops, bottoms = _parts(figure, replications)
    return [top / bottom if bottom else None for top, bottom in zip(tops, bottoms, strict=True)]


def estimate(name: str, replications: Sequence[Measured]) -> Estimate:
    """Return the mean of the figure with its 95% interval; a ratio of sums where it is a quotient."""
    figure = FIGURES[name]
    if _quotient(figure):
        return ratio_interval(*_parts(figure, replications))
    return mean_interval(values(name, replications))


def difference(name: str, replications: Sequence[Measured], baseline: Sequence[Measured]) -> Estimate:
    """Return the figure's paired difference from the baseline with its 95% interval.

    Replication i of both must have run on the same random numbers.
    """
    figure = FIGURES[name]
    if _quotient(figure):
        return ratio_difference(*_parts(figure, replications), *_parts(figure, baseline))
    return paired_difference(values(name, replications), values(name, baseline))


def estimates(replications: Sequence[Measured], names: Sequence[str]) -> dict[str, Estimate]:
    """Return several figures with their intervals."""
    return {name: estimate(name, replications) for name in names}


def shown(*names: str) -> tuple[str, ...]:
    """Return these figures, then those that reports list, each once."""
    return tuple(dict.fromkeys((*names, *SHOWN)))


def _quotient(figure: Figure) -> bool:
    return bool(figure.over) and figure.over != "certificates"


def _parts(figure: Figure, replications: Sequence[Measured]) -> tuple[list[float], list[float]]:
    tops = totals(replications, figure.key)
    if figure.over != "accepted":
        return tops, totals(replications, figure.over)
    refused = totals(replications, "refused")
    return tops, [attempts - lost for attempts, lost in zip(tops, refused, strict=True)]
