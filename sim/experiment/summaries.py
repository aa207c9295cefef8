"""A run's summary, with what the scenario expects and the recording that it names beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from sim.analysis.contention import summarise as summarise_contention
from sim.analysis.distributions import student_quantile
from sim.analysis.endings import ending
from sim.analysis.intervals import quantile
from sim.analysis.measured import Measured, totals
from sim.analysis.summary import expected_values, summarise

if TYPE_CHECKING:
    from sim.scenario.model import Scenario

LONG = 200
"""Certificates in a replication from which on a rate of arrivals counts as a steady run."""


def complete_summary(scenario: Scenario, measured: list[Measured]) -> dict[str, Any]:
    """Return the summary with the scenario's expectations and the recording that it names beside it."""
    from sim.families.warnings import warnings_of
    from sim.scenario.expectations import check

    summary = summarise(scenario, measured)
    if scenario.contention is not None:
        summary = summarise_contention(scenario, measured, summary)
    summary["control_variates"] = bool(measured[0].luck)
    summary["ending"] = ending(scenario, measured)
    summary["warnings"] = warnings_of(scenario)
    outcomes = check(scenario.expect, expected_values(summary))
    summary["expectations"] = [outcome._asdict() for outcome in outcomes]
    if scenario.contention is None:
        summary["profile"] = about_profile(scenario)
    settled = steady_times(scenario, measured)
    if settled is not None:
        summary["steady"] = settled
    summary["recorded"] = None
    if scenario.recording:
        from sim.scenario.reading.recorded import load_recorded

        summary["recorded"] = load_recorded(scenario.recording)
    return summary


def about_profile(scenario: Scenario) -> dict[str, Any]:
    """Return what is known of how far predictions with the scenario's profile are off: its provenance says."""
    from sim.scenario.reading.profile_file import provenance_of

    name = scenario.profile
    provenance = provenance_of(name) if name is not None else {}
    kept = {key: provenance.get(key) for key in ("elsewhere", "here") if isinstance(provenance.get(key), dict)}
    observed = provenance.get("observed")
    return {"name": name, "cores": observed.get("cores") if isinstance(observed, dict) else None, **kept}


def on_a_cluster(measured: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Return the 95% interval of one run of a real cluster, from replications with drawn profiles, by figure.

    That of one more observation (Hahn and Meeker, *Statistical Intervals*, section 4.7), of logarithms where all are
    positive: counts and times that differ by a factor.
    """
    ready = [each.times_to_ready for each in measured if len(each.times_to_ready)]
    figures = {
        "conflicts.total": totals(measured, "conflicts"),
        "time_to_ready.p50": [quantile(times, 0.5) or 0.0 for times in ready],
        "time_to_ready.p95": [quantile(times, 0.95) or 0.0 for times in ready],
        "requests.by_controllers": totals(measured, "requests_by_controllers"),
    }
    found = {}
    for figure, values in figures.items():
        if len(values) < 2:
            continue
        positive = min(values) > 0
        seen = [log(value) for value in values] if positive else values
        half = student_quantile(len(seen) - 1, 0.975) * stdev(seen) * sqrt(1 + 1 / len(seen))
        low, high = fmean(seen) - half, fmean(seen) + half
        found[figure] = {
            "mean": fmean(values),
            "low": exp(low) if positive else max(low, 0.0),
            "high": exp(high) if positive else high,
        }
    return found


def steady_times(scenario: Scenario, measured: list[Measured]) -> dict[str, Any] | None:
    """Return the time to Ready once a long run has settled; None for a scenario that is no such run.

    One in which Certificates arrive at a rate, and ``LONG`` or more became Ready in every replication.
    """
    from sim.analysis.steady import steady

    rated = hasattr(scenario.workload.arrival, "rate")
    if not rated or min(len(each.times_to_ready) for each in measured) < LONG:
        return None
    return {"time_to_ready": steady([each.times_to_ready for each in measured]).as_dict()}
