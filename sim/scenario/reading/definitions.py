"""Reads CustomResourceDefinitions from files: those that a scenario names, and one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.kinds.crd import Description, description_of
from sim.scenario.kinds.structural import SchemaError
from sim.scenario.reading.document import DEEPEST_DEFINITION, YamlNode, dotted, parse
from sim.scenario.reading.parts import read_text


def read_definition(path: Path) -> Description:
    """Return the kind that a file describes. Raises ``ScenarioError`` with the place of what cannot be used."""
    content = _definition(path)
    try:
        return description_of(content.plain())
    except SchemaError as error:
        node = content
        for step in error.path:
            below = node.value
            if isinstance(below, dict) and step in below:
                node = below[str(step)]
            elif isinstance(below, list) and isinstance(step, int) and step < len(below):
                node = below[step]
            else:
                break
        raise ScenarioError([Problem(*node.place, dotted(error.path), str(error))]) from None


def with_definitions(tree: YamlNode, folder: Path) -> YamlNode:
    """Return a scenario's tree with the content of the files that ``kinds.*.crd`` names, in their place.

    They are sought beside the scenario, in ``folder``, or from here where an override names them.
    """
    kinds = tree.value.get("kinds") if isinstance(tree.value, dict) else None
    if kinds is None or not isinstance(kinds.value, dict):
        return tree
    made = {name: _with_definition(node, folder, ("kinds", name, "crd")) for name, node in kinds.value.items()}
    assert isinstance(tree.value, dict)
    return replace(tree, value={**tree.value, "kinds": replace(kinds, value=made)})


def _with_definition(source: YamlNode, folder: Path, key: tuple[str, ...]) -> YamlNode:
    crd = source.value.get("crd") if isinstance(source.value, dict) else None
    if crd is None or not isinstance(crd.value, str):
        return source
    try:
        content = _definition((folder if crd.place.line else Path()) / crd.value)
    except ScenarioError as error:
        message = str(error.problems[0]).partition("; requeue scenarios lists")[0]
        raise ScenarioError([Problem(*crd.place, ".".join(key), message)]) from None
    assert isinstance(source.value, dict)
    return replace(source, value={**source.value, "crd": content})


def _definition(path: Path) -> YamlNode:
    """A file's content, without what a cluster adds to it."""
    text, file = read_text(path)
    content = parse(text, file, deepest=DEEPEST_DEFINITION)
    if content is None or not isinstance(content.value, dict):
        raise ScenarioError([Problem(file, 1, 1, "", "holds no CustomResourceDefinition")])
    kept = {name: node for name, node in content.value.items() if name in {"apiVersion", "kind", "spec"}}
    return replace(content, value=kept)
