"""The metrics by name: every number that can be asked for, shown, expected or searched by.

``expect:``, ``--metric``, objectives and constraints, comparisons, sweeps, reports, ``Result.metrics`` in Python, the
JSON of every command and docs/figures.md go by these names; ``sim.scenario.metric_definitions`` defines each, and
``sim.analysis.figures`` turns the figures of replications into the numbers. A family that is described elsewhere hands
in ``Metric``s of its own, which all functions of ``sim.analysis.figures`` take.

Older spellings (``conflicts_per_certificate``) are aliases: accepted wherever a name is, printed nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.scenario.metric import AGGREGATES, QUANTILES, Metric
from sim.scenario.metric_definitions import EVERY, OF_CERTIFICATES, OF_CLIENTS, OF_OBJECTS
from sim.scenario.names import nearest

CERT_MANAGER = "cert-manager"
OPERATORS = "operators"
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class FamilyWords:
    """What a family's figures are about, in words."""

    name: str
    who: str
    """Who works: in ``a figure of ..., and there is none here``."""
    subject: str
    """One of the things that it works on, as a sentence says it: Certificate, client."""
    ranked: str
    """The metric that variants are ranked by where nothing is said."""
    own: tuple[Metric, ...]


FAMILIES: Mapping[str, FamilyWords] = {
    CERT_MANAGER: FamilyWords(
        CERT_MANAGER, "cert-manager's controllers", "Certificate", "conflicts.per_certificate", OF_CERTIFICATES
    ),
    OPERATORS: FamilyWords(OPERATORS, "operators", "object", "conflicts.per_object", OF_OBJECTS),
    PLAIN: FamilyWords(PLAIN, "contention", "client", "time", OF_CLIENTS),
}

_FIRST = (
    "conflicts.per_certificate",
    "conflicts.per_object",
    "conflicts.rate",
    "conflicts.total",
    *(f"time_to_ready.{q}" for q in QUANTILES),
    "time",
)
"""What tables begin with."""


def metrics_of(family: str) -> dict[str, Metric]:
    """Return the metrics of a family by name, in the order in which tables list them."""
    every = {each.name: each for each in (*EVERY, *FAMILIES[family].own)}
    first = {name: every[name] for name in _FIRST if name in every}
    return first | every


METRICS: Mapping[str, Metric] = metrics_of(OPERATORS) | metrics_of(CERT_MANAGER) | metrics_of(PLAIN)
"""All of them. A name means the same in every family that has it."""

ALIASES: Mapping[str, str] = {alias: each.name for each in METRICS.values() for alias in each.aliases}
"""Older spellings, and the names that they stand for."""


def families_with(metric: Metric) -> list[FamilyWords]:
    """Return the families that have a metric."""
    return [family for family in FAMILIES.values() if metric.name in metrics_of(family.name)]


def find(name: str) -> Metric:
    """Return the metric of a name or of an older spelling of it; raises ``ValueError`` where there is none."""
    found = METRICS.get(ALIASES.get(name, name))
    if found is None:
        near = nearest(name[:100], metrics_of(CERT_MANAGER)) or nearest(name[:100], METRICS)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"unknown metric {name[:60]!r}{hint}; allowed: {', '.join(METRICS)}")
    return found


def comparable(name: str, family: str | None = None) -> str:
    """Return the name of a metric that variants can be compared by, in one spelling.

    Raises ``ValueError`` where there is none of that name, where the ``family`` has no such figures, and for
    quantiles of all replications together: no replication has one of its own to be paired.
    """
    metric = find(name)
    if not metric.comparable:
        paired = metric.name.replace("_pooled", "")
        raise ValueError(f"{metric.name} is {AGGREGATES[metric.aggregate]} and cannot be paired; choose {paired}")
    if family is not None and metric.name not in metrics_of(family):
        raise ValueError(missing(metric, family))
    return metric.name


def missing(metric: Metric, family: str) -> str:
    """Return the sentence about a metric that a family does not have."""
    others = " or ".join(other.who for other in families_with(metric) if other.name != family)
    return f"{metric.name} is a figure of {others}, and there is none here"
