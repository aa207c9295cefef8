"""What a long run holds: what lives, packed, and next to nothing of what is over."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest

from sim.client import throttle
from sim.cluster import apiserver, shelf
from sim.experiment.replicate import remains, replicate, world_of
from sim.recording import texts
from sim.scenario.model import Scenario

ISSUED: dict[str, Any] = {
    "workload": {"arrival": {"rate": "0.5/s"}},
    "certificate": {"private_key": {"algorithm": "ECDSA"}},
}
DELETED: dict[str, Any] = {
    "kinds": {"Job": {}},
    "workload": {"kind": "Job", "arrival": {"rate": "2/s"}, "ready": "has(self.status) && has(self.status.done)"},
    "operators": [
        {
            "name": "job-operator",
            "controllers": [
                {
                    "name": "job",
                    "for": "Job",
                    "owns": ["ConfigMap"],
                    "steps": [
                        {
                            "when": "!has(self.status) || !has(self.status.done)",
                            "do": [
                                {"create": {"kind": "ConfigMap", "name": "${name}", "data": {"a": "b"}}},
                                {"status": {"set": {"done": "yes"}}},
                                {"requeue_after": "20s"},
                            ],
                        },
                        {"do": [{"delete": {"kind": "ConfigMap"}}, {"delete": {}}]},
                    ],
                }
            ],
        }
    ],
    "until": {"settled_for": "60s"},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is bounded is bounded lower, as these runs are shorter."""
    for module, name, value in (
        (shelf, "NEWEST", 32),
        (shelf, "TOGETHER", 32),
        (shelf, "SOON", 0),
        (shelf, "_OPEN", 2),
        (apiserver, "EVENT_TTL", 60),
        (throttle, "REMEMBERED", 64),
        (texts, "MANY", 256),
    ):
        monkeypatch.setattr(module, name, value)


def of(size: str, many: int, document: dict[str, Any]) -> Scenario:
    workload = {**document["workload"], size: many}
    until = {"at_most": "100h", **document.get("until", {})}
    return Scenario.model_validate({"name": "held", **document, "workload": workload, "until": until})


def held(scenario: Scenario) -> int:
    """Bytes that are held at the end of a run."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        world = world_of(scenario, 0)
        world.run()
        assert world.settled
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
        world.take_apart()


def held_by_each(size: str, few: int, many: int, document: dict[str, Any]) -> float:
    """Bytes that one object more takes at the end."""
    replicate(of(size, many, document), 0)  # times and names that are kept for good
    more, less = held(of(size, many, document)), held(of(size, few, document))
    return (more - less) / (many - few)


def test_a_certificate_that_lives_takes_little():
    """So that a million fit into 4 GB."""
    assert held_by_each("certificates", 200, 500, ISSUED) < 3500


def test_of_an_object_that_was_deleted_its_times_are_left():
    assert held_by_each("objects", 300, 900, DELETED) < 600


def test_how_a_settled_run_ended_is_seen_without_unpacking_what_lives():
    world = world_of(of("certificates", 100, ISSUED), 0)
    world.run()
    objects = [each for kind in ("Certificate", "Secret") for each in world.api.store.list(kind)]
    packed = sum(isinstance(each, shelf.Packed) for each in objects)
    assert remains(world).faults() == []
    assert sum(isinstance(each, shelf.Packed) for each in objects) == packed > 50
    world.take_apart()
