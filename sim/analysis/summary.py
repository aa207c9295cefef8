"""From the figures of many replications to means with intervals: the object that ``--json`` prints.

Every figure is per replication. A group ``{mean, low, high}`` is a mean with its 95% interval over the
replications (``sim.analysis.intervals``); with one replication ``low`` and ``high`` are null. Times are in
seconds. ``time_to_ready`` is of the Certificates that became Ready, all replications together; an end of its
interval is null where it lies beyond all that was observed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.analysis.intervals import Estimate, mean_interval, quantile_interval, ratio_interval
from sim.analysis.metrics import WRITING_CONTROLLERS, Metrics

if TYPE_CHECKING:
    from array import array

    from sim.scenario.model import Scenario

CONTENTION_FIGURES = ("time", "work", "commits", "throughput", "tries_per_job", "timeouts", "stale_again", "starved")
"""What a contention has besides, see ``sim.analysis.contention``."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one replication came to: its figures and, per Certificate that became Ready, how long it took."""

    index: int
    seed: int
    digest: str
    metrics: Metrics
    times_to_ready: array[float]
    violations: tuple[str, ...] = field(default=())


def series(replications: Sequence[Measured], key: str) -> list[float | None]:
    """Return the figure ``key`` of every replication; a part that a replication does not list is 0 in it."""
    default = 0 if "." in key else None
    return [each.metrics.get(key, default) for each in replications]


def totals(replications: Sequence[Measured], key: str) -> list[float]:
    """Return the counts ``key`` of every replication."""
    return [value or 0 for value in series(replications, key)]


def parts(replications: Sequence[Measured], name: str) -> list[str]:
    """Return the parts of the figure ``name`` that any replication has: the N of ``requests.code.N``."""
    prefix = f"{name}."
    return sorted({key[len(prefix) :] for each in replications for key in each.metrics if key.startswith(prefix)})


def estimate(replications: Sequence[Measured], key: str) -> Estimate:
    """Return the mean of the figure ``key`` with its interval."""
    return mean_interval(series(replications, key))


def per_certificate(replications: Sequence[Measured], key: str) -> list[float | None]:
    """Return the figure ``key`` by the number of Certificates, of every replication."""
    pairs = zip(totals(replications, key), totals(replications, "certificates"), strict=True)
    return [value / count if count else None for value, count in pairs]


def rate(replications: Sequence[Measured], suffix: str = "") -> Estimate:
    """Return refused over attempted conditional writes; ``suffix`` is ``.NAME`` for those of one writer."""
    return ratio_interval(totals(replications, f"refused{suffix}"), totals(replications, f"attempts{suffix}"))


def digest(replications: Sequence[Measured]) -> str:
    """Return one hash over the digests of all replications, in their order."""
    return hashlib.sha256("\n".join(each.digest for each in replications).encode()).hexdigest()


def summarise(scenario: Scenario, replications: Sequence[Measured]) -> dict[str, Any]:
    """Return the summary of a run as plain data, ready for JSON: no NaN and no infinity in it."""
    first = replications[0].metrics
    times = {
        name: quantile_interval([each.times_to_ready for each in replications], q) for name, q in QUANTILES.items()
    }
    events = ratio_interval(totals(replications, "events"), totals(replications, "requests"))
    return {
        "scenario": scenario.name,
        "strategy": scenario.strategy,
        "replications": len(replications),
        "seed": scenario.seed,
        "digest": digest(replications),
        "certificates": int(first["certificates"] or 0),
        "ready": estimate(replications, "ready").as_dict(),
        "stranded": estimate(replications, "stranded").as_dict(),
        "settled": int(sum(totals(replications, "settled"))),
        "requests": {
            "total": _mean(replications, "requests"),
            "by_code": _means_by_part(replications, "requests.code"),
            "by_controllers": _mean(replications, "requests_by_controllers"),
            "events_share": events.mean,
            "by_kind": _means_by_part(replications, "requests.kind"),
        },
        "log_lines": _mean(replications, "log_lines"),
        "conflicts": conflicts(replications, [writer.name for writer in scenario.writers]),
        "field_conflicts": estimate(replications, "field_conflicts").as_dict(),
        "overwritten": _by_part(replications, "overwritten"),
        "status_writes": _by_part(replications, "status_writes"),
        "reconciles": _by_part(replications, "reconciles"),
        "ghost_reconciles": _by_part(replications, "ghost_reconciles"),
        "hidden_retries": estimate(replications, "hidden_retries").as_dict(),
        "gave_up": estimate(replications, "gave_up").as_dict(),
        "retries": estimate(replications, "retries").as_dict(),
        "budget_refusals": estimate(replications, "budget_refusals").as_dict(),
        "duplicates": {
            "secret_applies": estimate(replications, "duplicate_secret_applies").as_dict(),
            "requests": estimate(replications, "duplicate_requests").as_dict(),
        },
        "managed_fields_bytes": _mean(replications, "managed_fields_bytes"),
        "time_to_ready": {name: found.mean for name, found in times.items()},
        "time_to_ready_intervals": {name: found.as_dict() for name, found in times.items()},
        "violations": [
            {"replication": each.index + 1, "violation": violation}
            for each in replications
            for violation in each.violations
        ],
    }


def conflicts(replications: Sequence[Measured], others: Sequence[str] = ()) -> dict[str, Any]:
    """Return conflicts in all, per Certificate and by writer, the rate beside every count.

    The four writing controllers and ``others`` are listed always, who else tried a conditional write as well.
    """
    writers = [
        *WRITING_CONTROLLERS,
        *others,
        *parts(replications, "attempts"),
        *parts(replications, "conflicts"),
    ]
    everyone = rate(replications)
    return {
        "total": estimate(replications, "conflicts").as_dict(),
        "per_certificate": mean_interval(per_certificate(replications, "conflicts")).as_dict(),
        "rate": None if everyone.mean is None else everyone.as_dict(),
        "attempted": _mean(replications, "attempts"),
        "by_controller": {name: _refusals(replications, f".{name}") for name in dict.fromkeys(writers)},
        "by_cert_manager": {
            **_refusals(replications, "_by_controllers"),
            "per_certificate": mean_interval(per_certificate(replications, "conflicts_by_controllers")).mean,
        },
    }


def conflicts_of(replications: Sequence[Measured], writer: str) -> dict[str, float | None]:
    """Return the conflicts of one writer, with their rate beside them."""
    return _refusals(replications, f".{writer}")


def _refusals(replications: Sequence[Measured], suffix: str) -> dict[str, float | None]:
    """Return the conflicts of some writers, with their rate beside them."""
    share = rate(replications, suffix)
    return {
        **estimate(replications, f"conflicts{suffix}").as_dict(),
        "rate": share.mean,
        "rate_low": share.low,
        "rate_high": share.high,
        "attempted": _mean(replications, f"attempts{suffix}"),
    }


def expected_values(summary: dict[str, Any]) -> dict[str, float | None]:
    """Return the value of every metric of ``sim.scenario.expectations``, from a summary.

    Those count what cert-manager's controllers did, as recordings do, and not other writers' part.
    """
    own = summary["conflicts"]["by_cert_manager"]
    ready, count = summary["ready"]["mean"], summary["certificates"]
    contended = {name: summary[name]["mean"] for name in CONTENTION_FIGURES if name in summary}
    if contended.get("time") is not None:
        contended["time"] *= 1e-3
    return {
        **contended,
        "conflicts_total": own["mean"],
        "conflicts_per_certificate": own["per_certificate"],
        "conflict_rate": own["rate"],
        "ready_share": ready / count if count and ready is not None else None,
        **{f"time_to_ready_{name}": summary["time_to_ready"][name] for name in QUANTILES},
        "requests_total": summary["requests"]["by_controllers"],
        "status_writes": summary["status_writes"]["total"]["mean"],
        "ghost_reconciles": summary["ghost_reconciles"]["total"]["mean"],
        "log_lines": summary["log_lines"],
        "stranded": summary["stranded"]["mean"],
        "gave_up": summary["gave_up"]["mean"],
        "retries": summary["retries"]["mean"],
        "budget_refusals": summary["budget_refusals"]["mean"],
    }


def _mean(replications: Sequence[Measured], key: str) -> float | None:
    return estimate(replications, key).mean


def _means_by_part(replications: Sequence[Measured], name: str) -> dict[str, float | None]:
    return {part: _mean(replications, f"{name}.{part}") for part in parts(replications, name)}


def _by_part(replications: Sequence[Measured], name: str) -> dict[str, Any]:
    return {
        "total": estimate(replications, name).as_dict(),
        "by_controller": {
            part: estimate(replications, f"{name}.{part}").as_dict() for part in parts(replications, name)
        },
    }
