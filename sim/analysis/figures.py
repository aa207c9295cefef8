"""From the figures of replications to the numbers of ``sim.scenario.metrics``, with intervals, differences, ranks.

Every command, every report and Python come here, so a name has one number whoever asks. A metric is named by any of
its spellings, or handed in as a ``Metric``. Differences are replication by replication on the same random numbers,
but for the unpaired ones. Each interval stands for itself, at 95%: with many variants and many metrics one in twenty
of the true nulls looks decided, so a claim should rest on the metric chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sim.analysis.intervals import (
    Estimate,
    amount_interval,
    mean_interval,
    paired_difference,
    quantile_interval,
    ratio_difference,
    ratio_interval,
    unpaired_difference,
    unpaired_ratio_difference,
    verdict,
)
from sim.analysis.measured import Measured, series, totals
from sim.analysis.metrics import QUANTILES
from sim.scenario.metric import Metric
from sim.scenario.metrics import ALIASES, METRICS, find
from sim.scenario.names import did_you_mean


class ByName(dict[str, Estimate]):
    """Estimates by the name of their metric; an older spelling finds them too."""

    def __missing__(self, name: str) -> Estimate:
        current = ALIASES.get(name, name)
        if current not in self:
            there = f"there are {', '.join(self)}{did_you_mean(str(name), self)}"
            raise KeyError(f"no figure is called {name!r} here; {there}")
        return self[current]


def values(metric: str | Metric, replications: Sequence[Measured]) -> list[float | None]:
    """Return the metric of every replication; ``None`` where it is undefined.

    Raises ``ValueError`` for a metric that is of all replications together: none has one of its own.
    """
    about = _metric(metric)
    if not about.comparable:
        raise ValueError(f"{about.name} is of all replications together; no single one has it")
    if not about.over:
        return series(replications, about.figure)
    tops, bottoms = totals(replications, about.figure), totals(replications, about.over)
    return [top / bottom if bottom else None for top, bottom in zip(tops, bottoms, strict=True)]


def estimate(metric: str | Metric, replications: Sequence[Measured]) -> Estimate:
    """Return the metric over all replications, aggregated as the table says, with its 95% interval."""
    about = _metric(metric)
    match about.aggregate:
        case "pooled":
            return quantile_interval([each.times_to_ready for each in replications], QUANTILES[about.figure])
        case "ratio of sums":
            return ratio_interval(totals(replications, about.figure), totals(replications, about.over))
        case _ if about.signed:
            return mean_interval(values(about, replications), _luck(about, replications))
        case _:
            most = 1.0 if about.unit == "share" else bound(about.figure, replications)
            return amount_interval(values(about, replications), most, _luck(about, replications))


_OF_OBJECTS = frozenset({"ready", "stranded", "unfinished", "expired"})
"""Figures that count some of the workload's objects."""


def bound(figure: str, replications: Sequence[Measured]) -> float:
    """Return the most that a figure can be: of one that counts some of the objects, their number; else infinity."""
    if figure not in _OF_OBJECTS:
        return float("inf")
    return max(totals(replications, "certificates"), default=0) or float("inf")


def difference(metric: str | Metric, replications: Sequence[Measured], baseline: Sequence[Measured]) -> Estimate:
    """Return the paired difference from the baseline with its 95% interval.

    Replication i of both must have run on the same random numbers.
    """
    about = _metric(metric)
    if about.aggregate == "ratio of sums":
        return ratio_difference(*_sums(about, replications), *_sums(about, baseline))
    return paired_difference(values(about, replications), values(about, baseline), _luck(about, replications, baseline))


def unpaired(metric: str | Metric, replications: Sequence[Measured], baseline: Sequence[Measured]) -> Estimate:
    """Return the difference from a baseline that ran on other random numbers."""
    about = _metric(metric)
    if about.aggregate == "ratio of sums":
        return unpaired_ratio_difference(*_sums(about, replications), *_sums(about, baseline))
    return unpaired_difference(values(about, replications), values(about, baseline))


def average(metric: str | Metric, sides: Sequence[Sequence[Measured]]) -> Estimate:
    """Return the mean over several cells: each replication, as many as all have, contributes its mean over them."""
    about = _metric(metric)
    many = min(map(len, sides), default=0)
    sides = [each[:many] for each in sides]
    found = zip(*(values(about, each) for each in sides), strict=True)
    means = [None if None in each else sum(value or 0 for value in each) / len(each) for each in found]
    return amount_interval(means, controls=_luck(about, *sides) if many else ())


def estimates(replications: Sequence[Measured], metrics: Iterable[str | Metric]) -> ByName:
    """Return several metrics with their intervals, by name."""
    return ByName({_metric(each).name: estimate(each, replications) for each in metrics})


def differences(
    replications: Sequence[Measured], baseline: Sequence[Measured], metrics: Iterable[str | Metric]
) -> ByName:
    """Return the paired differences of several metrics, by name."""
    return ByName({_metric(each).name: difference(each, replications, baseline) for each in metrics})


def listed(metrics: Mapping[str, Metric], *first: str) -> tuple[str, ...]:
    """Return the names of ``metrics`` that tables list, after ``first``, each once."""
    names = [find(name).name for name in first]
    return tuple(dict.fromkeys((*names, *(name for name, about in metrics.items() if about.listed))))


def decided(metric: str | Metric, found: Estimate) -> str:
    """Return the verdict on a difference of a metric; where there is none, why: such as ``none attempted``."""
    return verdict(found) if found.mean is not None else _metric(metric).undefined


def compared(metric: str | Metric, found: Estimate) -> dict[str, float | str | None]:
    """Return a difference of a metric as plain data, with its verdict."""
    return {**found.as_dict(), "verdict": decided(metric, found)}


def ranking(found: Mapping[str, Mapping[str, Estimate]], metric: str | Metric) -> list[str]:
    """Return the variants from the best mean of the metric to the worst, those without one last.

    Those that let Certificates expire come after all others, however good they are otherwise.
    """
    about = _metric(metric)

    def place(variant: str) -> tuple[bool, bool, float]:
        mean = found[variant][about.name].mean
        return mean is None, lets_expire(found[variant]), sign(about) * (mean or 0.0)

    return sorted(found, key=place)


def ranks(
    ordered: Sequence[str],
    found: Mapping[str, Mapping[str, Estimate]],
    metric: str | Metric,
    apart: Callable[[str, str], Estimate],
) -> dict[str, int]:
    """Return the rank of each variant, which are in the order of ``ranking``.

    Whoever cannot be told from the first of a rank, because their difference (``apart``) is 0 or undecided, shares it;
    who comes after them has as many before it as there are.
    """
    about, made, first = _metric(metric), dict[str, int](), ""
    for place, name in enumerate(ordered, start=1):
        alike = False
        if first and lets_expire(found[name]) == lets_expire(found[first]):
            known = [found[each][about.name].mean is not None for each in (first, name)]
            alike = not any(known) or (all(known) and decided(about, apart(name, first)) in {"the same", "undecided"})
        first = first if alike else name
        made[name] = made[first] if alike else place
    return made


def lets_expire(found: Mapping[str, Estimate]) -> bool:
    """Whether any Certificate expired, in any replication."""
    return "expired" in found and bool(found["expired"].mean)


def sign(metric: str | Metric) -> int:
    """Return 1 for a metric that is better when lower, -1 for one that is better when higher."""
    return -1 if _metric(metric).better == "higher" else 1


def _metric(metric: str | Metric) -> Metric:
    return metric if isinstance(metric, Metric) else METRICS.get(metric) or find(metric)


def _luck(about: Metric, *sides: Sequence[Measured]) -> list[tuple[float, ...]]:
    """Return what is to be taken out of a time, by replication; nothing where the sides had different luck."""
    if about.unit not in {"seconds", "milliseconds"}:
        return []
    first, *others = [[each.luck for each in side] for side in sides]
    return first if all(first) and all(each == first for each in others) else []


def _sums(about: Metric, replications: Sequence[Measured]) -> tuple[list[float], list[float]]:
    return totals(replications, about.figure), totals(replications, about.over)
