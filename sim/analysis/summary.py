"""From the figures of many replications to means with intervals: the object that ``--json`` prints.

``metrics`` has every metric of ``sim.scenario.metrics`` that the scenario's family has, by name. The rest says more of
some of them, by writer and kind. Every figure is per replication. A group ``{mean, low, high}`` is a mean with its 95%
interval over the replications (``sim.analysis.intervals``); with one replication ``low`` and ``high`` are null. Times
are in seconds. ``time_to_ready`` is the mean of the replications' quantiles, as everywhere;
``time_to_ready_pooled`` that of all their Certificates together, and an end of its interval is null where it lies
beyond all that was observed. ``rejected`` is there where a write was refused for what it says (422 and the like): by
writer, request and code the server's own words to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.hazards import HAZARDS
from sim.analysis.intervals import NOTHING, Estimate, amount_interval, ratio_interval
from sim.analysis.measured import Measured, digest, parts, series, totals
from sim.analysis.metrics import QUANTILES, WRITING_CONTROLLERS
from sim.scenario.machinery import is_own
from sim.scenario.metrics import CERT_MANAGER, metrics_of

if TYPE_CHECKING:
    from sim.scenario.model import Scenario


def estimate(replications: Sequence[Measured], key: str) -> Estimate:
    """Return the mean of the figure ``key`` with its interval."""
    return amount_interval(series(replications, key), figures.bound(key, replications))


def summarise(scenario: Scenario, replications: Sequence[Measured]) -> dict[str, Any]:
    """Return the summary of a run as plain data, ready for JSON: no NaN and no infinity in it."""
    first = replications[0].metrics
    found = figures.estimates(replications, metrics_of(scenario.family))
    times = {q: found.get(f"time_to_ready.{q}", NOTHING) for q in QUANTILES}
    pooled = {q: found.get(f"time_to_ready_pooled.{q}", NOTHING) for q in QUANTILES}
    events = ratio_interval(totals(replications, "events"), totals(replications, "requests"))
    elsewhere = _elsewhere(replications)
    broken = [{"replication": each.index + 1, "property": one} for each in replications for one in each.broken]
    rejected = {what: said for each in reversed(replications) for what, said in each.rejected.items()}
    return {
        "scenario": scenario.name,
        "strategy": scenario.strategy,
        "replications": len(replications),
        "seed": scenario.seed,
        "digest": digest(replications),
        "certificates": int(first["certificates"] or 0),
        "kind": scenario.workload.kind,
        "metrics": {name: each.as_dict() for name, each in found.items()},
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
        "conflicts": conflicts(replications, _writers(scenario), scenario.family == CERT_MANAGER),
        "field_conflicts": estimate(replications, "field_conflicts").as_dict(),
        "overwritten": _by_part(replications, "overwritten"),
        "written": _by_part(replications, "written", [writer.name for writer in scenario.writers]),
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
        "time_to_ready": {q: each.mean for q, each in times.items()},
        "time_to_ready_intervals": {q: each.as_dict() for q, each in times.items()},
        "time_to_ready_pooled": {q: each.as_dict() for q, each in pooled.items()},
        "hazards": _hazards(replications),
        "violations": [
            {"replication": each.index + 1, "violation": violation}
            for each in replications
            for violation in each.violations
        ],
        **({"broken": broken} if broken else {}),
        **({"rejected": rejected} if rejected else {}),
        **({"conflicts_on_other_resources": elsewhere} if elsewhere else {}),
    }


def _elsewhere(replications: Sequence[Measured]) -> dict[str, dict[str, float | None]]:
    """Return the refused writes of other resources than the subjects, by resource and writer, as recordings have it."""
    found: dict[str, dict[str, float | None]] = {}
    for part in parts(replications, "conflicts_on"):
        resource, _, writer = part.partition(".")  # a resource is a DNS label, a writer any text
        found.setdefault(resource, {})[writer] = _mean(replications, f"conflicts_on.{part}")
    return found


def _hazards(replications: Sequence[Measured]) -> dict[str, Any]:
    """Return what went wrong beyond the 409, by controller; who did nothing of it is left out.

    Of cert-manager's own controllers that is who goes round in a hot loop, and whose updates got lost: what else there
    is of them has figures of its own.
    """
    found = {}
    for name in HAZARDS:
        everybody = name.startswith(("late_writes", "lost_updates"))
        parts = {who: each for who, each in _by_part(replications, name)["by_controller"].items() if each["mean"]}
        parts = {who: each for who, each in parts.items() if everybody or not is_own(who)}
        found.update({name: parts} if parts else {})
    return found


def _writers(scenario: Scenario) -> list[str]:
    """Who writes the subjects besides cert-manager: controllers of operators that are described, and others."""
    described = [
        controller.name
        for operator in scenario.operators
        for controller in operator.controllers
        if controller.kind == scenario.workload.kind
    ]
    return [*described, *(writer.name for writer in scenario.writers)]


def conflicts(
    replications: Sequence[Measured], others: Sequence[str] = (), cert_manager: bool = True
) -> dict[str, Any]:
    """Return conflicts in all, per Certificate and by writer, the rate beside every count.

    The four writing controllers and ``others`` are listed always, who else tried a conditional write as well.
    """
    writers = [
        *(WRITING_CONTROLLERS if cert_manager else ()),
        *others,
        *parts(replications, "attempts"),
        *parts(replications, "conflicts"),
    ]
    everyone = figures.estimate("conflicts.rate", replications)
    each_one = figures.estimate("conflicts.per_certificate", replications)
    return {
        "total": figures.estimate("conflicts.total", replications).as_dict(),
        "per_certificate": each_one.as_dict(),
        "rate": None if everyone.mean is None else everyone.as_dict(),
        "attempted": _mean(replications, "attempts"),
        "by_controller": {name: _refusals(replications, f".{name}") for name in dict.fromkeys(writers)},
        "by_cert_manager": {
            **_refusals(replications, "_by_controllers"),
            "per_certificate": figures.estimate("conflicts.by_controllers.per_certificate", replications).mean,
        },
    }


def conflicts_of(replications: Sequence[Measured], writer: str) -> dict[str, float | None]:
    """Return the conflicts of one writer, with their rate beside them."""
    return _refusals(replications, f".{writer}")


def _refusals(replications: Sequence[Measured], suffix: str) -> dict[str, float | None]:
    """Return the conflicts of some writers, with their rate beside them."""
    share = ratio_interval(totals(replications, f"refused{suffix}"), totals(replications, f"attempts{suffix}"))
    return {
        **estimate(replications, f"conflicts{suffix}").as_dict(),
        "rate": share.mean,
        "rate_low": share.low,
        "rate_high": share.high,
        "attempted": _mean(replications, f"attempts{suffix}"),
    }


def expected_values(summary: dict[str, Any]) -> dict[str, float | None]:
    """Return the value of every metric that a scenario's ``expect`` may name, from a summary."""
    return {name: group["mean"] for name, group in summary["metrics"].items()}


def _mean(replications: Sequence[Measured], key: str) -> float | None:
    return estimate(replications, key).mean


def _means_by_part(replications: Sequence[Measured], name: str) -> dict[str, float | None]:
    return {part: _mean(replications, f"{name}.{part}") for part in parts(replications, name)}


def _by_part(replications: Sequence[Measured], name: str, always: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "total": estimate(replications, name).as_dict(),
        "by_controller": {
            part: estimate(replications, f"{name}.{part}").as_dict()
            for part in dict.fromkeys((*always, *parts(replications, name)))
        },
    }
