"""Overrides from the command line: ``--set key.path=value``, written into the tree before it is validated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

from pydantic import BaseModel

from sim.scenario.errors import Path, Problem, ScenarioError
from sim.scenario.reading.document import MAX_DEPTH, Place, YamlNode, dotted, parse
from sim.scenario.shapes import shape_at
from sim.units import quoted


def override(tree: YamlNode, text: str, model: type[BaseModel]) -> YamlNode:
    """Return the tree with ``key.path=value`` applied; the value is YAML, and lists are addressed by index.

    What is missing on the way is created; an index one past a list's end appends. Dots in the keys of a mapping of
    plain values, such as ``expect.conflicts.total``, are the keys' own. Raises ``ScenarioError``
    that names the override where it cannot be read; whether the key exists is for the validation to say.
    """
    shown = text if len(text) <= 100 else text[:97] + "..."
    place = Place(f"--set {shown}", 0, 0)
    key, equals, written = text.partition("=")
    steps = [step.strip() for step in key.split(".")]
    if not equals or not all(steps):
        _refuse(place, "", "an override has the form key.path=value, such as workload.certificates=100")
    if len(steps) > MAX_DEPTH:
        _refuse(place, "", f"a key path has at most {MAX_DEPTH} parts")
    value = parse(written, place.file, fixed=place, at=tuple(steps)) or YamlNode(place, None)
    return _Override(place, value, model).put(tree, (), steps)


def settings(given: str | Iterable[str] | Mapping[str, object]) -> list[str]:
    """Return overrides as ``--set`` takes them; they may come one by one, in a list, or by key with Python's values."""
    if isinstance(given, str):
        return [given]
    return [f"{key}={written(value)}" for key, value in given.items()] if isinstance(given, Mapping) else list(given)


def written(value: object) -> str:
    """Return a Python value as ``--set`` takes it: YAML on one line."""
    import yaml

    if isinstance(value, str):
        return value
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...").strip()


class _Override:
    def __init__(self, place: Place, value: YamlNode, model: type[BaseModel]) -> None:
        self._place = place
        self._value = value
        self._model = model

    def put(self, node: YamlNode | None, done: Path, steps: list[str]) -> YamlNode:
        """Return ``node``, which is at ``done``, with the value at ``steps`` below it."""
        if not steps:
            return self._value
        shape = shape_at(self._model, done)
        if (shape is not None and shape.kind == "list") or (node is not None and isinstance(node.value, list)):
            return self._put_item(node, done, steps)
        if shape is not None and shape.kind == "table" and shape.item is not None and not shape.item.holds():
            steps = [
                ".".join(steps)
            ]  # nothing is below a value there: the dots belong to the key, as in a metric's name
        step, *rest = steps
        known = node is not None and isinstance(node.value, dict)
        below = dict(node.value) if node is not None and isinstance(node.value, dict) else {}
        keys = dict(node.keys) if node is not None and known else {}
        if not rest or step not in below:
            keys[step] = self._place
        below[step] = self.put(below.get(step), (*done, step), rest)
        # A scalar in the way gives way: workload.arrival.rate=5/s replaces arrival: at-once.
        return (
            replace(node, value=below, keys=keys)
            if node is not None and known
            else YamlNode(self._place, below, keys=keys)
        )

    def _put_item(self, node: YamlNode | None, done: Path, steps: list[str]) -> YamlNode:
        step, *rest = steps
        items = list(node.value) if node is not None and isinstance(node.value, list) else []
        index = int(step) if step.isascii() and step.isdigit() and len(step) < 6 else -1
        if not 0 <= index <= len(items):
            entries = "1 entry" if len(items) == 1 else f"{len(items)} entries"
            where = f"{dotted(done)}.0" if not items else f"{dotted(done)}.0 to {dotted(done)}.{len(items)}"
            what = f"{quoted(step)} is no index of {dotted(done)}, a list with {entries}; write {where}"
            _refuse(self._place, dotted((*done, step)), f"{what} (the last one appends)")
        old = items[index] if index < len(items) else None
        items[index : index + 1] = [self.put(old, (*done, index), rest)]
        return (
            replace(node, value=items)
            if node is not None and isinstance(node.value, list)
            else YamlNode(self._place, items)
        )


def _refuse(place: Place, key: str, message: str) -> NoReturn:
    raise ScenarioError([Problem(*place, key, message)])
