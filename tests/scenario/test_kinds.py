"""The scenario's key ``kinds``: definitions from files, kinds in a few words, and what is wrong with either."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import yaml

from sim import load
from sim.cluster.builtin import registry
from sim.cluster.described import DescribedKind
from sim.families.certmanager.kinds import brought as cert_manager
from sim.families.operators.family import brought
from sim.scenario.errors import ScenarioError
from sim.scenario.kinds import EVERYWHERE, OF_CERT_MANAGER
from sim.scenario.model import Scenario

CRDS = json.loads((Path(__file__).parent.parent / "data" / "conformance" / "custom" / "crds.json").read_text())


def described(scenario: Scenario) -> list[DescribedKind]:
    kinds = list(brought(scenario.kinds))
    assert all(isinstance(kind, DescribedKind) for kind in kinds)
    return kinds  # type: ignore[return-value]


def definition(name: str) -> str:
    """A definition as ``kubectl get crd -o yaml`` prints it: with what the cluster adds."""
    crd = CRDS[name]
    metadata = {**crd["metadata"], "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "1", "generation": 1}
    status = {"acceptedNames": {}, "conditions": [], "storedVersions": ["v1"]}
    return yaml.safe_dump({**crd, "metadata": metadata, "status": status})


def written(folder: Path, kinds: str, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    path = folder / "scenario.yaml"
    path.write_text(f"name: a\nkinds:\n  {kinds}\n")
    return path


def test_a_definition_beside_the_scenario_is_read_and_kept_with_it(tmp_path: Path) -> None:
    scenario = load(written(tmp_path, "Gadget: {crd: gadget.yaml}", gadget=definition("gadget")))
    (kind,) = described(scenario)
    assert (kind.name, kind.plural, kind.api_version) == ("Gadget", "gadgets", "example.com/v1")
    assert kind.has_status
    assert kind.namespaced
    again = load(scenario.to_yaml())  # which names no file
    assert again == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_every_recorded_definition_can_be_used(tmp_path: Path) -> None:
    for name, crd in CRDS.items():
        kind = crd["spec"]["names"]["kind"]
        scenario = load(written(tmp_path, f"{kind}: {{crd: one.yaml}}", one=definition(name)))
        assert described(scenario)[0].name == kind


def test_a_kind_in_a_few_words() -> None:
    scenario = load("name: a\nkinds: {Widget: {}, Big: {group: x.io, version: v2, scope: Cluster, status: false}}")
    widget, big = (DescribedKind(settings.description(name)) for name, settings in scenario.kinds.items())
    assert (widget.resource, widget.api_version, widget.has_status) == ("widgets.example.com", "example.com/v1", True)
    assert (big.resource, big.api_version, big.has_status, big.namespaced) == ("bigs.x.io", "x.io/v2", False, False)


def test_names_that_are_taken_are_those_of_every_cluster() -> None:
    assert {*EVERYWHERE, *OF_CERT_MANAGER} == set(registry(cert_manager())) - {"PlainConfigMap"}


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ("W: {openapi: {type: object, properties: {spec: {type: strng}}}}", "kinds.W.openapi.properties.spec.type: fo"),
        ("W: {openapi: {type: object, properties: {spec: {}}}}", "has no type; a structural schema needs one"),
        ("W: {openapi: {type: object, properties: {spec: {type: array}}}}", "is an array without items"),
        ("W: {openapi: {type: string}}", "found 'string'; allowed at the root is object"),
        ("W: {openapi: {type: object, properties: {spec: {type: string, pattern: '['}}}}", "which cannot be used"),
        ("W: {openapi: {type: object, $ref: x}}", "found the key '$ref', which a structural schema does not have"),
        ("W: {openapi: {type: object, x-kubernetes-validations: [{rule: self ===}]}}", "rule: is no CEL: 1:8"),
        (
            "W: {openapi: {type: object, x-kubernetes-validations: [{rule: quantity(self.a) == 1}]}}",
            "uses quantity(), a function of CEL that is not simulated",
        ),
        (
            "W: {openapi: {type: object, x-kubernetes-validations: [{rule: slef.a == 1}]}}",
            "speaks of slef; a rule knows self and oldSelf",
        ),
        ("Big Widget: {}", "kinds.Big Widget: found 'Big Widget'; allowed is letters, digits and hyphens"),
        ("_Widget: {}", "kinds._Widget: found '_Widget'; allowed is letters"),
        ("W: {plural: Gadgets}", "kinds.W.plural: found 'Gadgets'; allowed is lower-case letters"),
        ("W: {version: v 1}", "kinds.W.version: found 'v 1'; allowed is lower-case letters"),
        ("W: {group: example}", "kinds.W.group: found 'example'; allowed is a domain in lower case with at least one"),
        ("Gadget: {crd: spaced.yaml}", "spec.names.kind: found 'Big Gadget'; allowed is letters"),
        ("W: {crdd: x}", "kinds.W.crdd: unknown key 'crdd'; did you mean crd?"),
        ("Secret: {}", "kinds.Secret: every cluster here has a Secret already"),
        ("Gadget: {crd: none.yaml}", "scenario.yaml:3:17: kinds.Gadget.crd: "),
        ("Gadget: {crd: gadget.yaml, status: false}", "kinds.Gadget.status: the CustomResourceDefinition says this"),
        ("Other: {crd: gadget.yaml}", "the CustomResourceDefinition describes Gadget; write kinds.Gadget"),
        ("Gadget: {crd: scenario.yaml}", "scenario.yaml:1:1: kinds.Gadget.crd: kind is missing; write all of the Cust"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(tmp_path: Path, kinds: str, words: str) -> None:
    spaced = definition("gadget").replace("kind: Gadget\n", "kind: Big Gadget\n")
    with pytest.raises(ScenarioError) as error:
        load(written(tmp_path, kinds, gadget=definition("gadget"), spaced=spaced))
    assert words in str(error.value)
    assert error.value.line > 0


def test_a_fault_in_a_definition_is_at_its_place_in_that_file(tmp_path: Path) -> None:
    text = definition("gadget").replace("x-kubernetes-list-type: map", "x-kubernetes-list-type: mop", 1)
    with pytest.raises(ScenarioError) as error:
        load(written(tmp_path, "Gadget: {crd: gadget.yaml}", gadget=text))
    assert error.value.file == str(tmp_path / "gadget.yaml")
    assert error.value.line == text[: text.index("mop")].count("\n") + 1
    assert error.value.key.endswith("properties.ports.x-kubernetes-list-type")


def test_in_python_the_content_is_given() -> None:
    scenario = Scenario.model_validate({"name": "a", "kinds": {"Gadget": {"crd": CRDS["gadget"]}}})
    assert described(scenario)[0].name == "Gadget"
    with pytest.raises(ValueError, match=r"sim\.load reads files"):
        Scenario.model_validate({"name": "a", "kinds": {"Gadget": {"crd": "gadget.yaml"}}})


READING = """
name: a
kinds: {{Widget: {{}}, Gear: {{}}}}
workload: {{kind: Widget, objects: 1, ready: has(self.status.seen)}}
operators:
- name: op
  controllers:
  - name: w
    for: Widget
    owns: [Gear]
    predicates: [{predicate}]
    steps:
    - when: {when}
      do: [{{status: {{set: {{seen: {set}}}}}}}]
properties: [{{name: p, {judged}}}]
"""


@pytest.mark.parametrize(
    ("key", "changed", "where"),
    [
        ("when", "size(owned.Gaer) == 0", "operators.0.controllers.0: it reads owned.Gaer"),
        ("when", "size(owned['Gaer']) == 0", "operators.0.controllers.0: it reads owned.Gaer"),
        ("set", "'${string(size(owned.Gaer))}'", "operators.0.controllers.0: it reads owned.Gaer"),
        ("predicate", "size(owned.Gaer) == 0", "operators.0.controllers.0: it reads owned.Gaer"),
        ("judged", "of: Gaer, never: 'false'", "properties.0.of"),
        ("judged", "never: size(objects.Gaer) > 0", "properties.0.never"),
        ("judged", "always: 'objects[\"Gaer\"].all(each, true)'", "properties.0.always"),
        ("judged", "eventually: size(owned.Gaer) == 1, within: 1s", "properties.0.eventually"),
    ],
)
def test_kinds_that_expressions_list_are_served(key: str, changed: str, where: str) -> None:
    given = {"when": "size(owned.Gear) == 0", "set": "'1'", "judged": "never: size(objects.Gear) > 0"}
    given["predicate"] = "generation-changed"
    load(READING.format(**given))
    load(READING.format(**given | {key: changed.replace("Gaer", "Gear")}))
    with pytest.raises(ScenarioError) as error:
        load(READING.format(**given | {key: changed}))
    [problem] = error.value.problems
    assert where in str(problem)
    assert "there is no kind 'Gaer'; did you mean Gear?" in str(problem)


@pytest.mark.parametrize("when", ["owned.exists(kind, true)", "self.owned.Gaer == 1", "size(self.objects.Gaer) == 1"])
def test_macros_and_fields_of_the_same_names_are_no_kinds(when: str) -> None:
    load(READING.format(when=when, set="'1'", judged="never: 'false'", predicate="generation-changed"))


def test_properties_are_about_objects() -> None:
    with pytest.raises(ScenarioError, match="properties do not go together with contention"):
        load("name: a\ncontention: {clients: 2, think: {mean: 1s}}\nproperties: [{name: p, never: 'false'}]\n")
