from __future__ import annotations

from importlib import import_module

import pytest

from sim.scenario.model import Scenario
from tests.recorded_rows import random_replication


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """A scenario whose replications are made up, in this process, so that a test takes milliseconds."""
    import_module("sim.experiment.explore")  # takes replicate by name, and would keep this one for good
    monkeypatch.setattr("sim.experiment.replicate.replicate", random_replication)
    return Scenario.model_validate({"name": "made-up", "replications": 6, "workload": {"certificates": 12}})
