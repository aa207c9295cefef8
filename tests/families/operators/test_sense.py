"""Warnings about operators: what can hardly be meant is said when a scenario is run, with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
from sim.cli.app import app
from sim.families.warnings import warnings_of

HEAD = """
name: small
kinds: {{Widget: {{{kind}}}, Gadget: {{}}}}
workload: {{kind: Widget, objects: 2, spec: {{a: 1}}}}
operators:
- name: o
  controllers:
  - name: c
    for: {of}
    {more}
    steps: {steps}
"""
READY = "{status: {conditions: {Ready: {}}}}"
PHASE = "{status: {set: {phase: a}}}"
NOT_YET = "!has(self.status.phase) || self.status.phase != 'a'"
SPEC_WITH_DEFAULT = (
    "openapi: {type: object, properties: {spec: {type: object, properties: {b: {type: integer, default: 1}}}, "
    "status: {type: object, x-kubernetes-preserve-unknown-fields: true}}}"
)
SCHEMA = "openapi: {type: object, properties: {status: {type: object, properties: {phase: {type: string}}}}}"


def said(steps: str, more: str = "workers: 1", of: str = "Widget", kind: str = "") -> list[str]:
    more, _, settled = more.partition("\nworkload.settled: ")
    settings = [f"workload.settled={settled}"] if settled else []
    scenario: Any = sim.load(HEAD.format(steps=steps, more=more, of=of, kind=kind), settings)
    return [warning.removeprefix("operators.0.controllers.0").lstrip(".: ") for warning in warnings_of(scenario)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": f"[{{do: [{READY}]}}]"}, None),
        (
            {"steps": f"[{{do: [{READY}]}}, {{when: self.spec.a == 1, do: [{READY}]}}]"},
            "steps.1: can never run: step 0 comes before it and is always due",
        ),
        ({"steps": f"[{{do: [{READY}]}}, {{when: self.spec.a == 1, do: [{READY}]}}]", "more": "all_due: true"}, None),
        (
            {"steps": f"[{{when: self.a==1, do: [{READY}]}}, {{when: self.a==1, do: [{READY}]}}]"},
            "steps.1: can never run: step 0 comes before it and is due whenever it is",
        ),
        ({"steps": f"[{{when: 1 == 2, do: [{READY}]}}]"}, "steps.0.when: '1 == 2' never holds, so the step can never"),
        (
            {"steps": f"[{{when: \"'Redy' in holds && self.a == 1\", do: [{READY}]}}]"},
            "steps.0.when: nobody writes the condition Redy, so the step can never run; did you mean Ready?",
        ),
        ({"steps": f"[{{when: \"'Redy' in holds || self.a == 1\", do: [{READY}]}}]"}, None),
        (
            {"steps": f"[{{when: has(self.status.phase), do: [{READY}]}}]"},
            "steps.0.when: nobody writes status.phase, so the step can never run",
        ),
        (
            {"steps": f"[{{do: [{READY}, {{requeue_after: 1s}}, {READY}]}}]"},
            "steps.0.do.2: can never run: requeue_after before it ends the reconcile",
        ),
        ({"steps": f"[{{do: [{READY}, {{when: self.a == 1, requeue_after: 1s}}, {READY}]}}]"}, None),
        (
            {"steps": "[{do: [{status: {conditions: {Ready: {}, Opne: {}}}}]}]"},
            "c writes the condition Opne, which no expression reads",
        ),
        (
            {"steps": "[{do: [{status: {set: {seen: 1}, conditions: {Ready: {}}}}]}]"},
            "c writes status.seen, which no expression reads",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "of": "Gadget"},
            "for: no object of kind Gadget is ever created, so nothing wakes c",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "more": "owns: [Gadget]"},
            "no object of kind Gadget is ever created, so none wakes c",
        ),
        (
            {"steps": f"[{{when: size(owned.ConfigMap) == 0, do: [{{create: {{kind: ConfigMap}}}}, {READY}]}}]"},
            "c reads owned.ConfigMap, and no event about a ConfigMap wakes it; name ConfigMap under owns",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "more": "predicates: ['false']"},
            "predicates: one of them never holds, so nothing wakes c",
        ),
        (
            {"steps": "[{do: [{status: {set: {phse: a}}}]}]", "kind": SCHEMA},
            "steps.0.do.0.status.set.phse: the schema of Widget has no field phse there, so the server drops it",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "kind": "status: false, " + SCHEMA},
            "steps.0.do.0: Widget has no status subresource; the server answers 404",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "kind": "status: false"},
            "steps.0.do.0: Widget has no status subresource; the server answers 404",
        ),
        (
            {"steps": "[{do: [{status: {conditions: {Redy: {}}}}]}]"},
            "workload.ready: nobody writes the condition Ready, so no Widget is ever Ready; did you mean Redy?",
        ),
        (
            {"steps": f"[{{do: [{READY}]}}]", "more": "workers: 1\nworkload.settled: has(self.status.phase)"},
            "workload.settled: nobody writes status.phase, so no Widget is ever settled",
        ),
        (
            {"steps": f"[{{when: \"self.status.phase != 'a'\", do: [{PHASE}, {READY}]}}]"},
            "steps.0.when: no Widget has status.phase before that, and nothing holds of what is not there, so the step "
            "can never run; begin it with !has(self.status.phase) ||",
        ),
        (
            {"steps": f"[{{when: \"!(self.status.phase == 'a')\", do: [{PHASE}, {READY}]}}]"},
            "steps.0.when: no Widget has status.phase before that",
        ),
        (
            {"steps": f"[{{when: conditions.Ready.status != 'True', do: [{READY}]}}]"},
            "steps.0.when: no Widget has the condition Ready before that, and nothing holds of what is not there, so "
            "the step can never run; begin it with !('Ready' in conditions) ||",
        ),
        (
            {"steps": f"[{{when: \"'Ready' in holds\", do: [{READY}]}}]"},
            "workload.ready: no step that can run writes the condition Ready, so no Widget is ever Ready",
        ),
        # What another step writes first is there; a step that waits for one that never runs never runs either.
        ({"steps": f"[{{when: self.status.phase == 'a', do: [{READY}]}}, {{do: [{PHASE}]}}]"}, None),
        (
            {"steps": f"[{{when: self.status.phase == 'a', do: [{READY}]}}, {{when: self.spec.b > 1, do: [{PHASE}]}}]"},
            "steps.0.when: no Widget has status.phase before that",
        ),
        ({"steps": f'[{{when: "{NOT_YET}", do: [{PHASE}, {READY}]}}]'}, None),
        (
            {"steps": f"[{{when: self.spec.aa.enabled, do: [{READY}]}}]"},
            "steps.0.when: no Widget has spec.aa, so the step can never run; did you mean a?",
        ),
        ({"steps": f"[{{when: self.spec.b == 1, do: [{READY}]}}]", "kind": SPEC_WITH_DEFAULT}, None),
        (
            {"steps": f"[{{do: [{{when: has(self.spec.b), event: {{reason: a}}}}, {READY}]}}]"},
            "steps.0.do.0.when: no Widget has spec.b, so it is never done",
        ),
        (
            {"steps": f"[{{do: [{{write: {{spec: {{a: self.spec.a}}}}}}, {READY}]}}]"},
            "steps.0.do.0.write.spec.a: writes the text 'self.spec.a'; for the value write ${self.spec.a}",
        ),
        (
            {"steps": "[{do: [{status: {conditions: {Ready: {message: now}}}}]}]"},
            "steps.0.do.0.status.conditions.Ready.message: writes the text 'now'; for the value write ${now}",
        ),
        ({"steps": "[{do: [{status: {conditions: {Ready: {message: 'it is ${now}'}}}}]}]"}, None),
        (
            {"steps": f"[{{do: [{{create: {{kind: ConfigMap}}}}, {READY}]}}]"},
            "steps.0.do.0.create: each pass creates the ConfigMap again, and from the second on fails with Already",
        ),
        ({"steps": f"[{{do: [{{create: {{kind: ConfigMap, exists: ignore}}}}, {READY}]}}]"}, None),
        ({"steps": f"[{{do: [{{create: {{kind: ConfigMap, generate_name: a}}}}, {READY}]}}]"}, None),
        ({"steps": f"[{{when: \"!('Ready' in holds)\", do: [{{create: {{kind: ConfigMap}}}}, {READY}]}}]"}, None),
    ],
)
def test_what_can_hardly_be_meant_is_said_with_its_key(given: dict[str, str], says: str | None):
    found = said(**given)
    if says is None:
        assert found == []
    else:
        assert any(warning.startswith(says) for warning in found), found


def test_a_field_is_not_taken_for_a_condition_that_is_asked_for():
    steps = "[{when: '!has(self.status.ready)', do: [{status: {set: {ready: 1, replicas: 1}}}]}]"
    assert "c writes status.replicas, which no expression reads" in said(steps)


def test_the_command_says_it(tmp_path: Path):
    file = tmp_path / "small.yaml"
    file.write_text(
        HEAD.format(steps=f"[{{do: [{READY}]}}, {{do: [{READY}]}}]", more="workers: 1", of="Widget", kind="")
    )
    done = CliRunner().invoke(app, ["run", str(file), "--replications", "1", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "warning: operators.0.controllers.0.steps.1: can never run" in done.output
