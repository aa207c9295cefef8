"""Operators described in a scenario: what each action and pattern sends, what wakes, and what is refused in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
from sim.cli.app import app
from sim.experiment.replicate import replicate
from sim.recording.columns import LOSSES, RECONCILES, REQUESTS
from sim.recording.replication import Replication
from sim.scenario.actions import VARIABLES, Pattern
from sim.scenario.errors import ScenarioError
from sim.scenario.expressions import EvaluationError, compiled
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MS

READY = {"status": {"conditions": {"Ready": {}}}}


def run(steps: list[dict[str, Any]], **more: Any) -> Replication:
    """One controller of one kind, with these steps, and one object."""
    controller = {"name": "one", "for": "Widget", "owns": ["ConfigMap"], "steps": steps, **more.pop("controller", {})}
    operator = {"name": "operator", "controllers": [controller, *more.pop("others", [])], **more.pop("operator", {})}
    workload = {"kind": "Widget", "objects": 1, "spec": {"replicas": 2}, **more.pop("workload", {})}
    scenario = {
        "name": "described",
        "kinds": {"Widget": {}},
        "workload": workload,
        "operators": [operator],
        "until": {"settled_for": "2s", "at_most": "20s"},
        **more,
    }
    return replicate(Scenario.model_validate(scenario), 0)


def sent(found: Replication, actor: str = "one") -> list[tuple[Any, ...]]:
    """Verb, resource with subresource, and answer of what somebody sent."""
    rows = [dict(zip(REQUESTS, row, strict=True)) for row in found.requests]
    return [
        (row["verb"], row["resource"] + ("/status" if row["subresource"] else ""), row["code"])
        for row in rows
        if row["actor"] == actor
    ]


def passes(found: Replication) -> list[dict[str, Any]]:
    return [dict(zip(RECONCILES, row, strict=True)) for row in found.reconciles]


def test_the_first_due_step_runs_and_goes_on_with_what_the_server_returned():
    found = run(
        [
            {"when": "!has(self.status.phase)", "do": [{"status": {"set": {"phase": "a"}}}, READY]},
            {"do": [{"fail": "only the first due step runs"}]},
        ]
    )
    assert sent(found)[:2] == [("update", "widgets/status", 200)] * 2
    assert passes(found)[0]["outcome"] == "ok"


def test_a_read_of_the_cache_behind_ones_own_write_may_give_the_old_copy():
    slow_watch = Profile.model_validate({"watch": {"lag": {"p50": 50 * MS, "p90": 51 * MS}}})
    steps = [{"when": "!('Ready' in holds)", "do": [{"status": {"set": {"phase": "a"}}}, {"read": "cache"}, READY]}]
    scenario = {
        "name": "scaffold",
        "kinds": {"Widget": {}},
        "workload": {"kind": "Widget", "objects": 1},
        "operators": [{"name": "o", "controllers": [{"name": "one", "for": "Widget", "steps": steps}]}],
    }
    found = replicate(Scenario.model_validate(scenario), 0, slow_watch)
    assert sent(found)[:2] == [("update", "widgets/status", 200), ("update", "widgets/status", 409)]
    assert "conflict" in {each["outcome"] for each in passes(found)}


VERBS: dict[Pattern, list[str]] = {
    "update": ["update"],
    "merge-patch": ["patch"],
    "merge-patch-lock": ["patch"],
    "json-patch": ["patch"],
    "apply": ["apply"],
    "retry": ["update"],
    "retry-live": ["get", "update"],
}


@pytest.mark.parametrize("pattern", VERBS)
def test_each_pattern_sends_its_request(pattern: Pattern):
    found = run([{"when": "!('Ready' in holds)", "do": [READY]}], controller={"writes": pattern})
    assert [verb for verb, *_ in sent(found)] == VERBS[pattern]
    row = next(row for row in found.requests if row[1] == "one" and row[2] != "get")
    conditional = row[REQUESTS.index("conditional")]
    assert bool(conditional) is (pattern not in {"merge-patch", "json-patch", "apply"})


def test_a_json_patch_changes_what_it_names_and_nothing_else():
    steps = [
        {"when": "!has(self.status.a)", "do": [{"status": {"set": {"a.x": 1, "a.y": 2}}}]},
        {"when": "self.status.a.x == 1", "do": [
            {"write": {"labels": {"example.com/team": "a"}, "spec": {"replicas": 3}}},
            {"status": {"set": {"a.x": 3}, "conditions": {"Ready": {}}}},
        ]},
    ]  # fmt: skip
    found = run(steps, controller={"writes": "json-patch"})
    assert sent(found) == [
        ("patch", "widgets/status", 200),
        ("patch", "widgets", 200),
        ("patch", "widgets/status", 200),
    ]
    assert found.settled


def test_retry_on_conflict_tries_five_times_within_the_pass():
    steps = [{"when": "!('Ready' in holds)", "do": [READY]}]
    writers = [{"name": "busy", "rate": "900/s", "start": "0s", "lasts": "1s"}]
    found = run(steps, controller={"writes": "retry"}, writers=writers)
    first = next(each for each in passes(found) if each["requests"])
    assert 1 <= first["requests"] <= 5


def test_children_are_owned_and_wake_their_owner():
    found = run(
        [
            {"when": "size(owned.ConfigMap) < self.spec.replicas", "do": [
                {"create": {
                    "kind": "ConfigMap", "generate_name": "${name}-", "data": {"n": "${size(owned.ConfigMap)}"}
                }},
            ]},
            {"when": "!('Ready' in holds)", "do": [READY]},
        ]
    )  # fmt: skip
    assert sent(found) == [("create", "configmaps", 201)] * 2 + [("update", "widgets/status", 200)]
    assert not found.duplicates


def test_requeue_after_comes_back_and_forgets_failures():
    found = run([{"when": "!('Ready' in holds)", "do": [{"requeue_after": "1s"}]}], until={"at_most": "5s"})
    woken = [each for each in passes(found) if each["cause"] == "requeue"]
    assert len(woken) >= 4
    assert {each["failures"] for each in woken} == {0}


def test_an_error_takes_the_back_off_and_is_counted():
    found = run([{"do": [{"fail": "no"}]}], until={"at_most": "2s"})
    failing = [each["failures"] for each in passes(found)]
    assert failing == sorted(failing)
    assert failing[-1] >= 5


def test_generation_changed_drops_status_events():
    steps = [{"when": "self.spec.replicas == 2", "do": [{"status": {"set": {"count": "${generation}"}}}]}]
    awake = run(steps, until={"at_most": "3s"})
    asleep = run(steps, until={"at_most": "3s"}, controller={"predicates": ["generation-changed"]})
    assert len(passes(asleep)) == 1 < len(passes(awake))


def test_a_merge_patch_from_a_stale_copy_loses_what_another_wrote():
    slow = {"work": {"mean": "40ms"}}
    steps = [{"when": "!('A' in holds)", "do": [slow, {"status": {"conditions": {"A": {}}}}]}]
    other = {
        "name": "two",
        "for": "Widget",
        "steps": [{"when": "!('Ready' in holds)", "do": [{"work": {"mean": "20ms"}}, READY]}],
    }
    settled = {"settled": "'A' in holds && 'Ready' in holds"}
    lost = run(
        steps, others=[{**other, "writes": "merge-patch"}], controller={"writes": "merge-patch"}, workload=settled
    )
    kept = run(steps, others=[other], workload=settled)
    row = dict(zip(LOSSES, lost.losses[0], strict=True))
    assert (row["field"], row["by"], row["of"]) == ("status.conditions[Ready]", "one", "two")
    assert (row["repaired_ns"] > row["lost_ns"], row["repaired_by"]) == (True, "two")
    assert len(lost.losses) == 1
    assert not kept.losses
    assert ("update", "widgets/status", 409) in sent(kept)


@pytest.mark.parametrize("runtime", ["controller-runtime-0.17", "controller-runtime-0.25", "client-go"])
def test_every_runtime_gets_there_and_is_deterministic(runtime: str):
    steps = [{"when": "!('Ready' in holds)", "do": [READY]}]
    runs = [run(steps, operator={"runtime": runtime}, workload={"objects": 20}) for _ in range(2)]
    assert runs[0].settled
    assert runs[0].digest == runs[1].digest


HEAD = """\
name: x
kinds: {Widget: {}}
workload: {kind: Widget, objects: 2}
operators:
- name: o
  runtime: controller-runtime-0.24
  controllers:
  - name: a
    for: Widget
"""
STEPS = "operators.0.controllers.0.steps"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("steps: [{when: 'self.spec.x ==', do: []}]", f"10:20: {STEPS}.0.when: column 15 of 'self.spec.x =='"),
        ("steps: [{when: 'sefl.spec.x == 1', do: []}]", "there is no variable sefl; did you mean self?"),
        ("steps: [{do: [{status: {set: {x: '${name +}'}}}]}]", f"{STEPS}.0.do.0.status.set.x"),
        ("steps: [{do: [{}]}]", "an action has exactly one key; this one has none"),
        ("steps: [{do: [{read: cache, requeue: true}]}]", "an action has exactly one key; this one has read, requeue"),
        ("steps: [{do: [{create: {kind: Pod}}]}]", "there is no kind 'Pod'"),
        ("owns: [ConfigMao]\n    steps: [{do: []}]", "there is no kind 'ConfigMao'; did you mean ConfigMap?"),
        ("stepz: []", "did you mean steps?"),
        ("writes: ssa\n    steps: [{do: []}]", "operators.0.controllers.0.writes"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(line: str, says: str):
    with pytest.raises(ScenarioError) as error:
        sim.load(f"{HEAD}    {line}\n")
    assert says in str(error.value)


def test_what_is_not_there_is_left_out_of_a_map_and_nothing_in_a_text():
    found = run(
        [
            {
                "when": "!has(self.status.phase)",
                "do": [
                    {
                        "status": {
                            "set": {"phase": "a", "port": "${self.spec.port}"},
                            "conditions": {"Ready": {"message": "port ${self.spec.port} of ${name.upperAscii()}"}},
                        }
                    },
                    {"when": "self.status.conditions[0].message == 'port  of W0000'", "status": {"set": {"told": 1}}},
                    {"when": "has(self.status.port)", "fail": "a field without a value is left out"},
                ],
            }
        ]
    )
    assert sent(found) == [("update", "widgets/status", 200)] * 2


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("self.metadata.name > 3", "'self.metadata.name > 3' has no value: No such overload"),
        ("self.metadata.name", None),  # not true: the step is not due
    ],
)
def test_an_expression_without_a_value_is_named_with_its_key(when: str, says: str | None):
    if says is None:
        assert sent(run([{"when": when, "do": [{"fail": "due"}]}])) == []
        return
    with pytest.raises(EvaluationError) as error:
        run([{"do": [{"when": when, "fail": "due"}]}])
    assert str(error.value).startswith(f"described: operators.0.controllers.0.steps.0.do.0.when: {says}")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("self.a == 1 &&\n  && true", "line 2, column 3 of "),
        ("1 +", "column 4 of '1 +': Syntax error"),
        ("name.frobnicate()", "column 6 of 'name.frobnicate()': frobnicate() is no function of CEL that is simulated"),
        ("'x' in hold", "column 8 of \"'x' in hold\": there is no variable hold; did you mean holds?"),
        ("[1].exists(n, n == m)", "column 20 of '[1].exists(n, n == m)': there is no variable m"),
    ],
)
def test_an_error_of_cel_says_where_in_the_expression(source: str, says: str):
    with pytest.raises(ValueError, match="of") as error:
        compiled(source, VARIABLES)
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("true and false", "; CEL writes &&"),
        ("true\n  OR false", "; CEL writes ||"),
        ("self.spec.a = 1", "; CEL writes =="),
        ("not (true)", "not() is no function of CEL that is simulated; CEL writes !"),
        ("len(self.spec.a) > 1", "len() is no function of CEL that is simulated; CEL writes size(...)"),
        ("Ready", "there is no variable Ready; of a condition write 'Ready' in holds"),
        ("status.phase == 1", "there is no variable status; did you mean self.status?"),
    ],
)
def test_an_error_of_cel_says_what_cel_writes_for_it(source: str, says: str):
    with pytest.raises(ValueError, match="of") as error:
        compiled(source, VARIABLES)
    assert str(error.value).endswith(says)


def test_read_your_writes_needs_the_release_that_has_it():
    text = HEAD.replace("  controllers:", "  client: {read_your_writes: true}\n  controllers:")
    with pytest.raises(ScenarioError, match=r"it came with controller-runtime-0\.25"):
        sim.load(f"{text}    steps: [{{do: []}}]\n")


def test_every_command_takes_a_run_of_operators(tmp_path: Path):
    scenario = "scenarios/operators/ten-workers.yaml"
    main = CliRunner()
    small = ["--set", "workload.objects=6"]
    for words in (
        ["run", scenario, *small, "--replications", "2", "--out", str(tmp_path / "out")],
        ["explain", str(tmp_path / "out")],
        ["metrics", str(tmp_path / "out")],
        ["compare", scenario, *small, "--vary", "operators.0.controllers.0.workers=1,10", "--replications", "2"],
    ):
        result = main.invoke(app, words)
        assert result.exit_code == 0, result.output


class Made(Mapping[str, Any]):
    """An object as expressions see it: made anew for each, often where the one before was."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __getitem__(self, name: str) -> Any:
        return {"replicas": self._number}

    def __iter__(self) -> Iterator[str]:
        return iter(("spec",))

    def __len__(self) -> int:
        return 1


def test_what_reads_a_whole_object_is_not_told_of_another_that_was_at_its_place():
    whole = compiled("self['spec'].replicas", VARIABLES)
    assert [whole.value({"self": Made(number)}) for number in range(50)] == list(range(50))


CHILD = """
name: child
kinds: {App: {}, Child: {}}
workload: {kind: App, objects: 1}
operators:
- name: o
  controllers:
  - name: app
    for: App
    owns: [KIND]
    steps:
    - when: size(owned.KIND) == 0
      do: [{create: {kind: KIND, spec: {replicas: 2}}}]
    - when: "!('Ready' in holds)"
      do: [{status: {conditions: {Ready: {}}}}]
    - when: "owned.KIND.exists(each, each.spec.replicas != 2)"
      do: [{create: {kind: KIND, exists: update, spec: {replicas: 2}}}]
  - name: child
    for: Child
    steps:
    - when: "!('x.io/f' in self.metadata.finalizers)"
      do: [{write: {add_finalizer: x.io/f}}]
writers:
- {name: other, kind: KIND, rate: 2/s, action: ACTION, set: {spec.replicas: 7}, lasts: 4s}
until: {settled_for: 1s, at_least: 4s, at_most: 10s}
"""


@pytest.mark.parametrize("action", ["update", "patch"])
@pytest.mark.parametrize("kind", ["Deployment", "Child"])  # both take the long way: by its schema, by its finalizer
def test_a_child_that_others_write_still_wakes_its_owner(kind: str, action: str):
    found = replicate(sim.load(CHILD.replace("KIND", kind).replace("ACTION", action)), 0)
    resource = f"{kind.lower()}s" if kind == "Deployment" else "childs"
    assert [each[2] for each in sent(found, "app") if each[:2] == ("create", resource)] == [201]
    assert ("update", resource, 200) in sent(found, "app")


@pytest.mark.parametrize(
    ("part", "empty"),
    [("metadata.finalizers", []), ("metadata.labels", {}), ("metadata.annotations", {}), ("status", {}), ("spec", {})],
)
def test_a_part_that_is_empty_is_not_there(part: str, empty: Any):
    def seen(value: Any) -> dict[str, Any]:
        for name in reversed(part.split(".")):
            value = {name: value}
        return {"self": value, "owned": {"Child": [value]}}

    for there, value in ((False, empty), (True, ["a"] if empty == [] else {"a": "b"})):
        assert compiled(f"has(self.{part})", VARIABLES).holds(seen(value)) is there
        assert compiled(f"!has(self.{part})", VARIABLES).holds(seen(value)) is not there
        assert compiled(f"owned.Child.exists(c, has(c.{part}))", VARIABLES).holds(seen(value)) is there
    assert compiled("has(self.spec.status)", VARIABLES).holds({"self": {"spec": {"status": {}}}})


def test_labels_and_annotations_are_texts():
    write = {"write": {"labels": {"g": "${generation}"}, "annotations": {"on": "${generation == 1}", "off": None}}}
    create = {"create": {"kind": "ConfigMap", "labels": {"g": "${generation}"}, "data": {"n": "${generation}"}}}
    found = run([{"when": "!('g' in self.metadata.labels)", "do": [write, create, READY]}])
    assert sent(found) == [
        ("update", "widgets", 200), ("create", "configmaps", 201), ("update", "widgets/status", 200)
    ]  # fmt: skip
