"""A run's summary, with what the scenario expects and the recording that it names beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.analysis.contention import summarise as summarise_contention
from sim.analysis.endings import ending
from sim.analysis.measured import Measured
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
    summary["ending"] = ending(scenario, measured)
    summary["warnings"] = warnings_of(scenario)
    outcomes = check(scenario.expect, expected_values(summary))
    summary["expectations"] = [outcome._asdict() for outcome in outcomes]
    settled = steady_times(scenario, measured)
    if settled is not None:
        summary["steady"] = settled
    summary["recorded"] = None
    if scenario.recording:
        from sim.scenario.reading.recorded import load_recorded

        summary["recorded"] = load_recorded(scenario.recording)
    return summary


def steady_times(scenario: Scenario, measured: list[Measured]) -> dict[str, Any] | None:
    """Return the time to Ready once a long run has settled; None for a scenario that is no such run.

    One in which Certificates arrive at a rate, and ``LONG`` or more became Ready in every replication.
    """
    from sim.analysis.steady import steady

    rated = hasattr(scenario.workload.arrival, "rate")
    if not rated or min(len(each.times_to_ready) for each in measured) < LONG:
        return None
    return {"time_to_ready": steady([each.times_to_ready for each in measured]).as_dict()}
