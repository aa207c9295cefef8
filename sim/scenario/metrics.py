"""The metrics: every number that can be asked for, shown, expected or searched by has one name and one definition.

This is the only table of them. ``expect:``, ``--metric``, objectives and constraints, comparisons, sweeps, reports,
``Result.metrics`` in Python, the JSON of every command and docs/figures.md go by it; ``sim.analysis.figures`` turns
the figures of replications into the numbers. A family of controllers has the metrics of ``EVERY`` and its own; one
that is described elsewhere hands in ``Metric``s of its own, which all functions of ``sim.analysis.figures`` take.

Older spellings (``conflicts_per_certificate``) are aliases: accepted wherever a name is, printed nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sim.scenario.names import nearest

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

CERT_MANAGER = "cert-manager"
OPERATORS = "operators"
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``figure`` is what a replication counts (``sim.analysis.metrics``), divided by the figure ``over`` where there is
    one. ``fewer`` and ``more`` are how a sentence says a difference ("apply has fewer conflicts than update"),
    ``per`` stands after the amount. ``undefined`` is what a verdict says where there is no number. ``listed`` ones
    are in every table; the others where they are asked for.
    """

    name: str
    label: str
    unit: Unit
    definition: str
    figure: str
    over: str = ""
    aggregate: Aggregate = "mean"
    better: Literal["lower", "higher"] = "lower"
    aliases: tuple[str, ...] = ()
    said: tuple[str, str] | None = None
    per: str = ""
    undefined: str = "no figures"
    signed: bool = False
    """It may be less than 0."""
    listed: bool = True
    quiet: bool = False
    """Listed only where there is any of it."""

    @property
    def fewer(self) -> str:
        """Words for a lower number."""
        return self.said[0] if self.said else f"{_WORDS[self.unit][0]} {self.label}"

    @property
    def more(self) -> str:
        """Words for a higher number."""
        return self.said[1] if self.said else f"{_WORDS[self.unit][1]} {self.label}"

    @property
    def comparable(self) -> bool:
        """Whether every replication has a number of its own, so that variants can be compared by it."""
        return self.aggregate != "pooled"


_WORDS: Mapping[Unit, tuple[str, str]] = {
    "count": ("fewer", "more"),
    "ratio": ("fewer", "more"),
    "share": ("a lower", "a higher"),
    "seconds": ("a shorter", "a longer"),
    "milliseconds": ("a shorter", "a longer"),
}
_QUANTILES = {
    "p50": ("median", "a shorter median time to {0}", "a longer median time to {0}"),
    "p95": ("95th percentile", "a shorter 95th percentile of the time to {0}", "a longer one"),
    "p99": ("99th percentile", "a shorter 99th percentile of the time to {0}", "a longer one"),
}


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
            unit,
            f"{what}, {words} of a replication's",
            f"{name}_{q}",
            aliases=(f"{name}_{q}",),
            said=(fewer.format(state), more.replace("one", f"{words} of the time to {state}").format(state)),
            listed=q in listed,
        )
        for q, (words, fewer, more) in _QUANTILES.items()
    ]


EVERY: tuple[Metric, ...] = (
    Metric(
        "conflicts.total",
        "conflicts",
        "count",
        "writes refused as stale (409 Conflict: another resourceVersion than the current one), of all writers: the "
        "controllers', and those of whoever else writes",
        "conflicts",
        aliases=("conflicts_total", "conflicts"),
    ),
    Metric(
        "conflicts.rate",
        "conflict rate",
        "share",
        "share refused as stale of the writes that carried a resourceVersion, of all writers",
        "refused",
        "attempts",
        "ratio of sums",
        aliases=("conflict_rate", "rate"),
        undefined="none attempted",
    ),
    Metric(
        "requests.total",
        "requests",
        "count",
        "all requests that the API server answered: reads, those for events and those of other writers included",
        "requests",
        aliases=("requests_total", "requests"),
    ),
    Metric(
        "requests.by_controllers",
        "requests of the controllers",
        "count",
        "without reads and without the writers outside the family's own processes, as recordings count them",
        "requests_by_controllers",
        listed=False,
    ),
    Metric(
        "requests.peak",
        "requests in the busiest second",
        "count",
        "requests that the API server received in the busiest second",
        "requests_peak",
    ),
    Metric(
        "amplification",
        "tries per accepted write",
        "ratio",
        "writes that carried a resourceVersion, by those of them that were not refused as stale",
        "attempts",
        "accepted",
        "ratio of sums",
        undefined="none attempted",
    ),
    Metric("reconciles", "reconciles", "count", "passes of all controllers", "reconciles"),
    Metric("retries", "retries", "count", "tries after a refusal or an error", "retries"),
    Metric(
        "gave_up",
        "gave up",
        "count",
        "reconciles (of plain clients: jobs) that failed with no retry left, so that the key was dropped",
        "gave_up",
        said=("fewer given up", "more given up"),
        quiet=True,
    ),
    Metric(
        "budget_refusals",
        "refused by the budget",
        "count",
        "retries that a retry budget did not allow",
        "budget_refusals",
        said=("fewer retries refused by the budget", "more retries refused by the budget"),
        quiet=True,
    ),
    Metric(
        "overwritten",
        "overwritten unseen",
        "count",
        "writes without a resourceVersion that replaced fields which another had written since the copy was read",
        "overwritten",
        aliases=("overwritten.total",),
        said=("fewer writes that overwrite unseen", "more writes that overwrite unseen"),
    ),
    Metric(
        "field_conflicts",
        "field conflicts of applies",
        "count",
        "applies refused because another manager owns a field (409 too, but no conflict in the sense above)",
        "field_conflicts",
        quiet=True,
    ),
    Metric(
        "simulated",
        "simulated time",
        "seconds",
        "length of a replication",
        "ended_s",
        listed=False,
    ),
)
"""What every family has."""

_HOT_LOOPS = Metric(
    "late_writes",
    "writes per second of hot loops",
    "ratio",
    "writes that changed something, per second, of controllers that write one object again and again until the end: "
    "ten times with no more than 5 s between two of them or after the last",
    "late_writes",
    quiet=True,
)
_LOSSES: tuple[Metric, ...] = (
    Metric(
        "lost_updates",
        "lost updates",
        "count",
        "fields that a write took away or turned back which another writer had changed since the copy that it was made "
        "from",
        "lost_updates",
    ),
    Metric(
        "lost_updates.never_repaired",
        "lost updates never repaired",
        "count",
        "lost updates whose value nobody had written again at the end",
        "lost_updates_never_repaired",
    ),
    Metric(
        "duplicates",
        "duplicates",
        "count",
        "objects that a controller created for an owner for which it had created the same before",
        "duplicates",
    ),
)
"""Of what operators write, beside cert-manager too."""
_OF_CERTIFICATES: tuple[Metric, ...] = (
    _HOT_LOOPS,
    *(replace(each, quiet=True) for each in _LOSSES),
    Metric(
        "conflicts.per_certificate",
        "conflicts per Certificate",
        "ratio",
        "conflicts.total by the number of Certificates",
        "conflicts",
        "certificates",
        aliases=("conflicts_per_certificate",),
        said=("fewer conflicts", "more conflicts"),
        per="per Certificate",
    ),
    Metric(
        "conflicts.per_issuance",
        "conflicts per issuance",
        "ratio",
        "conflicts.total by the issuances that were finished, renewals included",
        "conflicts",
        "issued",
        "ratio of sums",
        undefined="nothing issued",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.total",
        "conflicts of the controllers",
        "count",
        "of cert-manager's own controllers alone, as recordings count them",
        "conflicts_by_controllers",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.per_certificate",
        "conflicts of the controllers per Certificate",
        "ratio",
        "conflicts.by_controllers.total by the number of Certificates",
        "conflicts_by_controllers",
        "certificates",
        said=("fewer conflicts of the controllers", "more conflicts of the controllers"),
        per="per Certificate",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.rate",
        "conflict rate of the controllers",
        "share",
        "conflicts.rate of cert-manager's own controllers alone",
        "refused_by_controllers",
        "attempts_by_controllers",
        "ratio of sums",
        undefined="none attempted",
        listed=False,
    ),
    *quantiles(
        "time_to_ready",
        "time to Ready",
        "from a Certificate's creation to its first Ready=True",
        "Ready",
        listed="p50 p95 p99",
    ),
    *(
        Metric(
            f"time_to_ready_pooled.{q}",
            f"time to Ready of all replications, {q}",
            "seconds",
            f"from a Certificate's creation to its first Ready=True, {words}",
            q,
            aggregate="pooled",
            listed=False,
        )
        for q, (words, *_) in _QUANTILES.items()
    ),
    Metric(
        "ready_share",
        "share Ready",
        "share",
        "share of the objects that are Ready at the end",
        "ready",
        "certificates",
        better="higher",
        said=("a smaller share Ready", "a larger share Ready"),
    ),
    Metric(
        "stranded",
        "stranded Certificates",
        "count",
        "Certificates not Ready, still Issuing or with a next key at the end",
        "stranded",
    ),
    Metric(
        "unfinished",
        "still waiting",
        "count",
        "objects that somebody would still have worked on at the end",
        "unfinished",
        listed=False,
    ),
    Metric(
        "stuck",
        "stuck for good",
        "count",
        "objects that nobody would have worked on again",
        "stuck",
        listed=False,
    ),
    Metric("issued", "issuances", "count", "issuances that were finished, renewals included", "issued", listed=False),
    Metric(
        "renewed",
        "renewals",
        "count",
        "issuances of a Certificate that were finished after its first",
        "renewed",
        listed=False,
    ),
    *quantiles(
        "time_to_renewed",
        "time to renewed",
        "from the write that begins a renewal (Issuing=True of a Certificate that was issued before) to the one that "
        "counts its revision",
        "renewed",
    ),
    Metric(
        "expired",
        "Certificates expired",
        "count",
        "Certificates that at some time had only a certificate that had run out",
        "expired",
        said=("fewer Certificates expired", "more Certificates expired"),
        quiet=True,
    ),
    Metric(
        "expired.longest",
        "longest time expired",
        "seconds",
        "for how long the Certificate that was expired longest had only a certificate that had run out",
        "expired_longest",
        listed=False,
    ),
    *(
        Metric(
            f"margin.{name}",
            f"margin before expiry, {label}",
            "seconds",
            "time that a certificate had left when the next one was there, the least of each Certificate; "
            f"{label} of a replication's",
            f"margin_{name}",
            better="higher",
            said=("a smaller margin before expiry", "a larger margin before expiry"),
            undefined="nothing renewed",
            signed=True,
            listed=False,
        )
        for name, label in (("least", "least"), ("p5", "5th percentile"), ("p50", "median"))
    ),
    Metric(
        "status_writes",
        "status writes",
        "count",
        "successful writes to the status of the objects",
        "status_writes",
        aliases=("status_writes.total",),
    ),
    Metric(
        "ghost_reconciles",
        "ghost reconciles",
        "count",
        "reconciles by the backoff after a conflict that found nothing to do",
        "ghost_reconciles",
    ),
    Metric(
        "wasted_cpu",
        "wasted core time",
        "seconds",
        "recorded core time of refused passes, without keys and signing, of the server for their refused requests, "
        "and of ghost reconciles",
        "wasted_cpu",
        said=("less core time wasted", "more core time wasted"),
    ),
    Metric(
        "hidden_retries",
        "retries inside the server",
        "count",
        "how often the server read again and tried again inside a request",
        "hidden_retries",
        quiet=True,
    ),
    Metric(
        "log_lines",
        "log lines",
        "count",
        "lines of all kinds that the process logs at the scenario's verbosity",
        "log_lines",
    ),
)

_OF_CLIENTS: tuple[Metric, ...] = (
    Metric(
        "time",
        "time",
        "milliseconds",
        "until the last answer (loop once), or mean time of a job that committed",
        "time",
    ),
    *quantiles("job_time", "time of a job", "from a job's start to its commit", "commit", "milliseconds"),
    Metric("work", "work", "count", "writes sent", "work", said=("less work", "more work")),
    Metric("commits", "commits", "count", "jobs that committed", "commits", better="higher"),
    Metric(
        "throughput",
        "commits per second",
        "ratio",
        "jobs that committed, per second",
        "throughput",
        better="higher",
        listed=False,
    ),
    Metric("tries_per_job", "tries per job", "ratio", "tries of a job that ended", "tries_per_job"),
    Metric(
        "timeouts",
        "time-outs",
        "count",
        "tries whose answer was not waited for",
        "timeouts",
        quiet=True,
    ),
    Metric(
        "stale_again",
        "stale versions sent again",
        "count",
        "writes that sent a version again which had just been refused",
        "stale_again",
        listed=False,
    ),
    Metric(
        "starved",
        "clients that committed nothing",
        "count",
        "clients, of loops that are not open, that committed nothing",
        "starved",
        listed=False,
    ),
)


_ALSO_OF_OBJECTS = (
    *(f"time_to_ready{pooled}.{q}" for pooled in ("", "_pooled") for q in _QUANTILES),
    *("ready_share", "unfinished", "stuck", "status_writes", "ghost_reconciles", "hidden_retries"),
)
"""Metrics of Certificates that mean the same of other objects, whose operators a scenario describes."""

_OF_OBJECTS: tuple[Metric, ...] = (
    Metric(
        "conflicts.per_object",
        "conflicts per object",
        "ratio",
        "conflicts.total by the number of the workload's objects",
        "conflicts",
        "certificates",
        said=("fewer conflicts", "more conflicts"),
        per="per object",
    ),
    *(each for each in _OF_CERTIFICATES if each.name in _ALSO_OF_OBJECTS),
    *_LOSSES,
    Metric(
        "lost_updates.repaired.p95",
        "time to repair a lost update, p95",
        "seconds",
        "from a lost update to the write that brought the value back, 95th percentile of a replication's",
        "lost_updates_repaired_p95",
        undefined="none repaired",
        listed=False,
    ),
    Metric(
        "already_exists",
        "creations of what is there",
        "count",
        "creations refused with AlreadyExists",
        "already_exists",
        quiet=True,
    ),
    Metric(
        "writes_without_change",
        "writes that changed nothing",
        "count",
        "writes that succeeded without a new resourceVersion",
        "writes_without_change",
    ),
    Metric(
        "stale_reconciles",
        "reconciles on stale copies",
        "count",
        "passes that started from a copy of their object older than the one stored by then",
        "stale_reconciles",
    ),
    Metric(
        "errors_logged",
        "Error lines",
        "count",
        "passes that failed: controller-runtime logs each at Error level, conflicts included",
        "errors_logged",
    ),
    _HOT_LOOPS,
    Metric(
        "most_failures",
        "longest run of failures",
        "count",
        "how often in a row one key of one controller failed, at worst",
        "most_failures",
        listed=False,
    ),
)


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
        CERT_MANAGER, "cert-manager's controllers", "Certificate", "conflicts.per_certificate", _OF_CERTIFICATES
    ),
    OPERATORS: FamilyWords(OPERATORS, "operators", "object", "conflicts.per_object", _OF_OBJECTS),
    PLAIN: FamilyWords(PLAIN, "contention", "client", "time", _OF_CLIENTS),
}

_FIRST = (
    "conflicts.per_certificate",
    "conflicts.per_object",
    "conflicts.rate",
    "conflicts.total",
    *(f"time_to_ready.{q}" for q in _QUANTILES),
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
