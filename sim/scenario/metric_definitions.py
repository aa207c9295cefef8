"""The definitions of all metrics: what each counts, in which unit, and what tables and sentences call it.

A family of controllers has those of ``EVERY`` and its own.
"""

from __future__ import annotations

from dataclasses import replace

from sim.scenario.metric import QUANTILES, Metric, quantiles

EVERY: tuple[Metric, ...] = (
    Metric(
        "conflicts.total",
        "conflicts",
        "writes of the workload's objects refused as stale (409 Conflict: another resourceVersion than the current "
        "one), of all writers: the controllers', and those of whoever else writes",
        figure="conflicts",
        aliases=("conflicts_total", "conflicts"),
    ),
    Metric(
        "conflicts.rate",
        "conflict rate",
        "share refused as stale of the writes of the workload's objects that carried a resourceVersion, of all writers",
        unit="share",
        figure="refused",
        over="attempts",
        aggregate="ratio of sums",
        aliases=("conflict_rate", "rate"),
        undefined="none attempted",
    ),
    Metric(
        "requests.total",
        "requests",
        "all requests that the API server answered: reads, those for events and those of other writers included",
        figure="requests",
        aliases=("requests_total", "requests"),
    ),
    Metric(
        "requests.by_controllers",
        "requests of the controllers",
        "without reads and without the writers outside the family's own processes, as recordings count them",
        listed=False,
    ),
    Metric(
        "requests.peak", "requests in the busiest second", "requests that the API server received in the busiest second"
    ),
    Metric(
        "amplification",
        "tries per accepted write",
        "writes that carried a resourceVersion, by those of them that were not refused as stale",
        unit="ratio",
        figure="attempts",
        over="accepted",
        aggregate="ratio of sums",
        undefined="none attempted",
    ),
    Metric("reconciles", "reconciles", "passes of all controllers"),
    Metric(
        "retries",
        "retries",
        "tries after a refusal or an error: passes that sent something or failed again (not those that found nothing "
        "left to do), and tries inside a pass",
    ),
    Metric(
        "gave_up",
        "gave up",
        "reconciles (of plain clients: jobs) that failed with no retry left, so that the key was dropped",
        called="given up",
        quiet=True,
    ),
    Metric(
        "budget_refusals",
        "refused by the budget",
        "retries that a retry budget did not allow",
        called="retries refused by the budget",
        quiet=True,
    ),
    Metric(
        "overwritten",
        "overwritten unseen",
        "writes without a resourceVersion that replaced fields which another had written since the copy was read",
        aliases=("overwritten.total",),
        called="writes that overwrite unseen",
    ),
    Metric(
        "field_conflicts",
        "field conflicts of applies",
        "applies refused because another manager owns a field (409 too, but no conflict in the sense above)",
        quiet=True,
    ),
    Metric("simulated", "simulated time", "length of a replication", unit="seconds", figure="ended_s", listed=False),
)
"""What every family has."""

_HOT_LOOPS = Metric(
    "late_writes",
    "writes per second of hot loops",
    "writes that changed something, per second, of controllers that write one object again and again until the end: "
    "ten times with no more than 5 s between two of them or after the last",
    unit="ratio",
    quiet=True,
)
_LOSSES: tuple[Metric, ...] = (
    Metric(
        "lost_updates",
        "lost updates",
        "fields that a write took away or turned back which another writer had changed since the copy that it was made "
        "from (made from none, since the object was created)",
    ),
    Metric(
        "lost_updates.never_repaired",
        "lost updates never repaired",
        "lost updates whose value nobody had written again at the end",
    ),
    Metric(
        "duplicates",
        "duplicates",
        "objects that a controller created for an owner for which it had created the same before",
    ),
)
"""Of what operators write, beside cert-manager too."""
_ELSEWHERE = Metric(
    "conflicts.elsewhere",
    "conflicts on other objects",
    "updates and patches of other objects than the workload's, such as those that controllers create, answered 409",
    quiet=True,
)
OF_CERTIFICATES: tuple[Metric, ...] = (
    _HOT_LOOPS,
    _ELSEWHERE,
    *(replace(each, quiet=True) for each in _LOSSES),
    Metric(
        "conflicts.per_certificate",
        "conflicts per Certificate",
        "conflicts.total by the number of Certificates",
        unit="ratio",
        figure="conflicts",
        over="certificates",
        aliases=("conflicts_per_certificate",),
        called="conflicts",
        per="per Certificate",
    ),
    Metric(
        "conflicts.per_issuance",
        "conflicts per issuance",
        "conflicts.total by the issuances that were finished, renewals included",
        unit="ratio",
        figure="conflicts",
        over="issued",
        aggregate="ratio of sums",
        undefined="nothing issued",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.total",
        "conflicts of the controllers",
        "of cert-manager's own controllers alone, as recordings count them",
        figure="conflicts_by_controllers",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.per_certificate",
        "conflicts of the controllers per Certificate",
        "conflicts.by_controllers.total by the number of Certificates",
        unit="ratio",
        figure="conflicts_by_controllers",
        over="certificates",
        called="conflicts of the controllers",
        per="per Certificate",
        listed=False,
    ),
    Metric(
        "conflicts.by_controllers.rate",
        "conflict rate of the controllers",
        "conflicts.rate of cert-manager's own controllers alone",
        unit="share",
        figure="refused_by_controllers",
        over="attempts_by_controllers",
        aggregate="ratio of sums",
        undefined="none attempted",
        listed=False,
    ),
    *quantiles(
        "time_to_ready",
        "time to Ready",
        "from an object's creation to its first Ready=True",
        "Ready",
        listed="p50 p95 p99",
    ),
    *(
        Metric(
            f"time_to_ready_pooled.{q}",
            f"time to Ready of all replications, {q}",
            f"from an object's creation to its first Ready=True, {words}",
            unit="seconds",
            figure=q,
            aggregate="pooled",
            listed=False,
        )
        for q, (words, _) in QUANTILES.items()
    ),
    Metric(
        "ready_share",
        "share Ready",
        "share of the objects that are Ready at the end",
        unit="share",
        figure="ready",
        over="certificates",
        better="higher",
        comparatives=("a smaller", "a larger"),
    ),
    Metric("stranded", "stranded Certificates", "Certificates not Ready, still Issuing or with a next key at the end"),
    Metric("unfinished", "still waiting", "objects that somebody would still have worked on at the end", listed=False),
    Metric("stuck", "stuck for good", "objects that nobody would have worked on again", listed=False),
    Metric("issued", "issuances", "issuances that were finished, renewals included", listed=False),
    Metric("renewed", "renewals", "issuances of a Certificate that were finished after its first", listed=False),
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
        "Certificates that at some time had only a certificate that had run out",
        quiet=True,
    ),
    Metric(
        "expired.longest",
        "longest time expired",
        "for how long the Certificate that was expired longest had only a certificate that had run out",
        unit="seconds",
        listed=False,
    ),
    *(
        Metric(
            f"margin.{name}",
            f"margin before expiry, {label}",
            "time that a certificate had left when the next one was there, the least of each Certificate; "
            f"{label} of a replication's",
            unit="seconds",
            better="higher",
            called="margin before expiry",
            comparatives=("a smaller", "a larger"),
            undefined="nothing renewed",
            signed=True,
            listed=False,
        )
        for name, label in (("least", "least"), ("p5", "5th percentile"), ("p50", "median"))
    ),
    Metric(
        "status_writes",
        "status writes",
        "successful writes to the status of the objects",
        aliases=("status_writes.total",),
    ),
    Metric(
        "ghost_reconciles", "ghost reconciles", "reconciles by the backoff after a conflict that found nothing to do"
    ),
    Metric(
        "wasted_cpu",
        "wasted core time",
        "recorded core time of refused passes, without keys and signing, of the server for their refused requests, "
        "and of ghost reconciles",
        unit="seconds",
        called="core time wasted",
        comparatives=("less", "more"),
    ),
    Metric(
        "hidden_retries",
        "retries inside the server",
        "how often the server read again and tried again inside a request",
        quiet=True,
    ),
    Metric("log_lines", "log lines", "lines of all kinds that the process logs at the scenario's verbosity"),
)

OF_CLIENTS: tuple[Metric, ...] = (
    Metric(
        "time", "time", "until the last answer (loop once), or mean time of a job that committed", unit="milliseconds"
    ),
    *quantiles("job_time", "time of a job", "from a job's start to its commit", "commit", "milliseconds"),
    Metric("work", "work", "writes sent", comparatives=("less", "more")),
    Metric("commits", "commits", "jobs that committed", better="higher"),
    Metric(
        "throughput",
        "commits per second",
        "jobs that committed, per second",
        unit="ratio",
        better="higher",
        listed=False,
    ),
    Metric("tries_per_job", "tries per job", "tries of a job that ended", unit="ratio"),
    Metric("timeouts", "time-outs", "tries whose answer was not waited for", quiet=True),
    Metric(
        "stale_again",
        "stale versions sent again",
        "writes that sent a version again which had just been refused",
        listed=False,
    ),
    Metric(
        "starved",
        "clients that committed nothing",
        "clients, of loops that are not open, that committed nothing",
        listed=False,
    ),
)


_ALSO_OF_OBJECTS = (
    *(f"time_to_ready{pooled}.{q}" for pooled in ("", "_pooled") for q in QUANTILES),
    *("ready_share", "unfinished", "stuck", "status_writes", "ghost_reconciles", "hidden_retries"),
)
"""Metrics of Certificates that mean the same of other objects, whose operators a scenario describes."""

OF_OBJECTS: tuple[Metric, ...] = (
    Metric(
        "conflicts.per_object",
        "conflicts per object",
        "conflicts.total by the number of the workload's objects",
        unit="ratio",
        figure="conflicts",
        over="certificates",
        called="conflicts",
        per="per object",
    ),
    _ELSEWHERE,
    *(each for each in OF_CERTIFICATES if each.name in _ALSO_OF_OBJECTS),
    *_LOSSES,
    Metric(
        "lost_updates.repaired.p95",
        "time to repair a lost update, p95",
        "from a lost update to the write that brought the value back, 95th percentile of a replication's",
        unit="seconds",
        undefined="none repaired",
        listed=False,
    ),
    Metric("already_exists", "creations of what is there", "creations refused with AlreadyExists", quiet=True),
    Metric(
        "writes_without_change", "writes that changed nothing", "writes that succeeded without a new resourceVersion"
    ),
    Metric(
        "stale_reconciles",
        "reconciles on stale copies",
        "passes that started from a copy of their object older than the one stored by then",
    ),
    Metric(
        "errors_logged",
        "Error lines",
        "passes that failed: controller-runtime logs each at Error level, conflicts included",
    ),
    _HOT_LOOPS,
    Metric(
        "most_failures",
        "longest run of failures",
        "how often in a row one key of one controller failed, at worst",
        listed=False,
    ),
)
