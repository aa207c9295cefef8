"""What every shipped scenario does, as a digest: a change of behaviour shows here and is named in the CHANGELOG.

``python -m tests.simulation.test_fingerprints`` writes today's digests to ``tests/data/fingerprints.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim import load
from sim.experiment.replicate import replicate

PROJECT = Path(__file__).parents[2]
FINGERPRINTS = PROJECT / "tests" / "data" / "fingerprints.json"
SCENARIOS = sorted(
    path.relative_to(PROJECT / "scenarios").with_suffix("").as_posix()
    for path in (PROJECT / "scenarios").rglob("*.yaml")
    if "profiles" not in path.parts
)


def fingerprint(name: str) -> str:
    return replicate(load(PROJECT / "scenarios" / f"{name}.yaml"), 0).digest


def test_every_scenario_has_a_fingerprint():
    assert sorted(json.loads(FINGERPRINTS.read_text())) == SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_does_what_it_did(name: str):
    assert fingerprint(name) == json.loads(FINGERPRINTS.read_text())[name]


if __name__ == "__main__":
    FINGERPRINTS.write_text(json.dumps({name: fingerprint(name) for name in SCENARIOS}, indent=1) + "\n")
