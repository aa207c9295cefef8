"""What those who were refused take for a conflict is what is counted as one."""

from __future__ import annotations

import pytest

from sim.cluster.objects import Write
from sim.experiment.replicate import family_of
from sim.families.certmanager.family import CERT_MANAGER
from sim.families.plain.family import PLAIN
from sim.recording.conflict import RESOURCES, is_conflict
from sim.scenario.metrics import FAMILIES
from sim.scenario.reading.loader import load
from tests.cluster.writes import KINDS, NAME, SPEC, cluster

READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
OTHER = {"spec": {**SPEC, "secretName": "other"}}
REFUSED = {
    "an old version": (Write("update", "Certificate", NAME, {"spec": SPEC}, "a", resource_version=1), True),
    "an old version of the status": (
        Write("update", "Certificate", NAME, READY, "a", subresource="status", resource_version=1),
        True,
    ),
    "a patch with an old version": (Write("merge-patch", "Certificate", NAME, OTHER, "a", resource_version=1), True),
    "an apply with an old version": (
        Write("apply", "Certificate", NAME, OTHER, "a", force=True, resource_version=1),
        True,
    ),
    "another object's UID": (Write("update", "Certificate", NAME, {"spec": SPEC}, "a", uid="another"), True),
    "a deletion by UID": (Write("delete", "Certificate", NAME, {}, "a", uid="another"), True),
    "a deletion by version": (Write("delete", "Certificate", NAME, {}, "a", resource_version=1), True),
    "an apply by UID to what is not there": (
        Write("apply", "Certificate", "nowhere", {"spec": SPEC}, "a", uid="another"),
        True,
    ),
    "somebody else's field": (Write("apply", "Certificate", NAME, OTHER, "a"), False),
    "what is there": (Write("create", "Certificate", NAME, {"spec": SPEC}, "a"), False),
    "what is not there": (Write("update", "Certificate", "nowhere", {"spec": SPEC}, "a"), False),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_acted_upon_as_a_conflict_is_counted_as_one(case: str):
    write, conflict = REFUSED[case]
    _, api = cluster()
    for value in ("1", "2"):
        api.handle(Write("merge-patch", "Certificate", NAME, {"metadata": {"annotations": {"a": value}}}, "b"), 2)
    response = api.handle(write, 3)
    assert response.code >= 400, response
    assert response.stale is conflict
    recorded = "FieldConflict" if response.field_conflict else response.reason  # as the recorder does
    assert is_conflict("certificates", response.code, recorded) is conflict


def test_resources_that_figures_are_about_are_those_of_the_families():
    kinds = {CERT_MANAGER.subject.kind, PLAIN.subject.kind}
    assert {KINDS[kind].resource.partition(".")[0] for kind in kinds} == set(RESOURCES)


def test_families_of_figures_are_the_families_of_controllers():
    """A scenario names the family of its figures, and the simulator chooses one of controllers: they are the same."""
    texts = ("name: x", "name: x\ncontention: {loop: once}", "name: x\nworkload: {kind: ConfigMap}")
    found = {}
    for text in texts:
        scenario = load(text)
        family = family_of(scenario)
        assert family.name == scenario.family
        found[family.name] = family.subject.kind
    assert set(found) == set(FAMILIES)
    assert FAMILIES[CERT_MANAGER.name].subject == found[CERT_MANAGER.name]
