"""Figures of a run read part by part are those of the run read whole, in memory that its length adds little to."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.analysis.metrics import measure
from sim.experiment.replicate import replicate
from sim.recording import alike, chunks, texts
from sim.recording.replication import Replication
from tests.analysis.test_streamed import histories
from tests.recorded_rows import replication

SCENARIOS = {
    "a burst": ("recorded/burst-50-update", ["workload.certificates=25"]),
    "given up": ("recorded/burst-50-update", ["workload.certificates=25", "retry.policy=resend"]),
    "renewals": ("recorded/renew-20-update", []),
    "blind writes": ("recorded/gitops-patch-50-update", ["workload.certificates=25"]),
    "twenty workers": ("recorded/fast-w20-80-update", ["workload.certificates=25"]),
    "operators": ("operators/three-controllers-one-status", []),
    "hot loops": ("operators/two-managers-one-list", []),
    "two leaders": ("faults/old-leader", []),
}


def in_parts(run: Replication, size: int) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike, "PART", size)
        return measure(run, verbosity=2)


@pytest.mark.parametrize("what", SCENARIOS)
def test_the_parts_of_a_run_add_up_to_the_whole(what: str):
    name, overrides = SCENARIOS[what]
    run = replicate(sim.load(name, overrides), 0)
    whole = measure(run, verbosity=2)
    assert all(in_parts(run, size) == whole for size in (50, 333))


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(1, 12))
def test_the_parts_of_any_history_add_up_to_the_whole(found: dict[str, Any], size: int):
    run = replication(requests=found["requests"], reconciles=found["reconciles"], refusals=found["refusals"])
    assert in_parts(run, size) == measure(run, verbosity=2)


def test_what_figures_take_hardly_grows_with_the_run(monkeypatch: pytest.MonkeyPatch):
    for module, name, value in (
        (alike, "PART", 512),
        (chunks, "CHUNK", 256),
        (chunks, "TOGETHER", 2),
        (chunks, "MERGED", 1),
        (texts, "MANY", 256),
    ):
        monkeypatch.setattr(module, name, value)
    peaks = {}
    for many in (200, 600):
        run = replicate(sim.load("recorded/steady-60-update", [f"workload.certificates={many}"]), 0)
        tracemalloc.start()
        measure(run, verbosity=2)
        peaks[many] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[600] < 1.1 * peaks[200]
