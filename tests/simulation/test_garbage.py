"""A replication leaves nothing behind that only the garbage collector would find, which is off while many run."""

from __future__ import annotations

import gc
import warnings

import pytest

from sim.experiment.replicate import replicate
from sim.recording.texts import Aside
from sim.scenario.reading.catalogue import resolve_scenario
from sim.scenario.reading.loader import load


@pytest.mark.parametrize(
    "name",
    ["tutorial", "recorded/burst-50-update", "contention/aws-backoff", "faults/bad-hour", "bugs/kuberay-715"],
)
def test_nothing_is_left_in_circles(name: str):
    scenario = load(resolve_scenario(name))
    replicate(scenario, 0)  # what is kept for good is made now
    gc.collect()
    gc.disable()
    try:
        replicate(scenario, 1)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("sim.")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()
    assert left == set()


def test_a_file_in_a_circle_is_closed_before_it_is_finalized():
    """Freezing and unfreezing, as after each replication, puts what is young before what is old."""
    aside = Aside()
    gc.collect()
    aside.put(b"x")
    gc.freeze()
    gc.unfreeze()
    circle: list[object] = [aside]
    circle.append(circle)
    del aside, circle
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gc.collect()
    assert not said
