"""Workloads of several kinds in one scenario, and writers of any kind: the workload's, those beside it, any other."""

from __future__ import annotations

import pytest

import sim
from sim.scenario.errors import ScenarioError

BOTH = """
name: both
kinds: {Widget: {}, Gadget: {}}
workload:
  kind: Widget
  objects: 4
  beside:
  - {kind: Gadget, objects: 3, arrival: {rate: 10/s}, spec: {n: "${number}"}}
  - {kind: ConfigMap, objects: 2}
operators:
- name: o
  controllers:
  - name: widget
    for: Widget
    owns: [Secret]
    steps:
    - when: "size(owned.Secret) == 0"
      do: [{create: {kind: Secret, exists: ignore}}]
    - {when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}
  - {name: gadget, for: Gadget, steps: [{when: "!('Ready' in holds)", do: [{status: {conditions: {Ready: {}}}}]}]}
writers:
- {name: on-widgets, rate: 20/s, lasts: 2s}
- {name: on-gadgets, kind: Gadget, rate: 20/s, lasts: 2s, action: update, set: {spec.m: "${value}"}}
- {name: on-secrets, kind: Secret, rate: 20/s, lasts: 2s, action: apply, set: {data.k: "${value}"}}
"""
CERTIFICATES = """
name: certificates
workload: {certificates: 2, beside: [{kind: ConfigMap, objects: 3}]}
writers: [{name: w, kind: ConfigMap, rate: 5/s, set: {data.k: "${value}"}, start: 1s, lasts: 2s}]
"""


def test_several_kinds_are_created_and_written():
    requests = sim.run(sim.load(BOTH), replications=1).requests
    made = requests[(requests["verb"] == "create") & (requests["actor"] == "lab")].groupby("resource", observed=True)
    assert {kind: sorted(rows["object"]) for kind, rows in made} == {
        "widgets": ["w0000", "w0001", "w0002", "w0003"],
        "gadgets": ["gadget-0000", "gadget-0001", "gadget-0002"],
        "configmaps": ["configmap-0000", "configmap-0001"],
    }
    stored = requests[requests["written_version"] > 0]
    for writer, resource in (("on-widgets", "widgets"), ("on-gadgets", "gadgets"), ("on-secrets", "secrets")):
        assert set(stored[stored["actor"] == writer]["resource"]) == {resource}
    assert stored[stored["actor"] == "gadget"]["object"].nunique() == 3


def test_beside_certificates_too():
    requests = sim.run(sim.load(CERTIFICATES), replications=1).requests
    assert len(requests[(requests["resource"] == "configmaps") & (requests["verb"] == "create")]) == 3
    assert set(requests[requests["actor"] == "w"]["resource"]) == {"configmaps"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            BOTH.replace("kind: Gadget, objects", "kind: Gadgt, objects"),
            "there is no kind 'Gadgt'; did you mean Gadget?",
        ),
        (BOTH.replace("kind: ConfigMap, objects", "kind: Gadget, objects"), "Gadget is created already"),
        (BOTH.replace("kind: Gadget, rate", "kind: Gadgt, rate"), "writers.1.kind: there is no kind 'Gadgt'"),
        (BOTH.replace("{rate: 10/s}", "{schedule: [1s]}"), "has 1 time for 3 objects"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(text: str, says: str):
    with pytest.raises(ScenarioError) as error:
        sim.load(text)
    assert says in str(error.value)
