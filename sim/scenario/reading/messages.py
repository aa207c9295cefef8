"""From pydantic's errors to problems in the user's terms: the place, the key, one sentence.

Nothing of pydantic's own wording is passed on: an error's type and location are looked up in the model and in
the document, and the sentence says what was found, what is allowed, and the nearest right name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any

from pydantic import BaseModel, ValidationError

from sim.scenario.errors import LISTED, Impossible, Path, Problem
from sim.scenario.names import MUCH_ALIKE, did_you_mean, nearest, synonym
from sim.scenario.reading.document import Place, YamlNode, dotted
from sim.scenario.shapes import Shape, shape_at, shape_of
from sim.scenario.workload import TAGS
from sim.units import quoted

WORDED = 2 * LISTED
"""So many problems, the first in the file, are explained in full."""
_UNWORDED = {"missing": "missing", "extra_forbidden": "unknown key"}
_ODD_NUMBER = re.compile(r"[-+]?(0[xob]?[0-9a-fA-F_]+|[0-9][0-9_:.]*|[0-9.]+[eE][-+]?[0-9]+)")

_PLAIN_VALUES = {
    "int": re.compile(r"-?(0|[1-9][0-9]*)"),
    "float": re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"),
    "bool": re.compile(r"true|false"),
}
_NOTHING = re.compile(r"(?!)")


def problems(error: ValidationError, tree: YamlNode, model: type[BaseModel]) -> list[Problem]:
    """Return what is wrong with the document ``tree`` that did not validate as ``model``, in its order."""
    errors = error.errors(include_url=False)
    # Beyond those that are shown, hints are left out: each is a search through all keys that there are.
    worded = {id(one) for one in sorted(errors, key=lambda one: _rank(tree, _without_tags(one["loc"])))[:WORDED]}
    found = [problem for one in errors for problem in _problems(one, tree, model, hints=id(one) in worded)]
    return sorted(dict.fromkeys(found), key=lambda problem: (problem.file, problem.line, problem.column))


def _rank(tree: YamlNode, path: Path) -> tuple[str, int, int]:
    return _place(tree, path, at_key=True)


def _problems(error: Mapping[str, Any], tree: YamlNode, model: type[BaseModel], *, hints: bool) -> Iterator[Problem]:
    path = _without_tags(error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Impossible):
        for fault in cause.faults:
            paths = [(*path, *below) for below in fault.paths]
            yield _problem(tree, _culprit(tree, paths), fault.message, at_key=fault.at_key)
        return
    if not hints:
        yield _problem(tree, path, _UNWORDED.get(error["type"], "not allowed here"), at_key=True)
        return
    shape = shape_at(model, path)
    node = _node(tree, path)
    match error["type"]:
        case "missing":
            yield _problem(tree, path, _missing(path, shape))
        case "extra_forbidden":
            yield _problem(tree, path, _unknown_key(str(path[-1]), tree, path[:-1], model), at_key=True)
        case "value_error":
            yield _problem(tree, path, str(cause))
        case _:
            # Every duration and rate has bounds, worth a word only where they are what is wrong.
            bound = error["type"].startswith(("greater_than", "less_than"))
            yield _problem(tree, path, _wrong_value(node, shape, path, bound=bound))


def _culprit(tree: YamlNode, paths: list[Path]) -> Path:
    """Return the first path that an override wrote, else the first that the file has, else the first."""
    written = [(path, node) for path in paths if (node := _node(tree, path)) is not None]
    overridden = [path for path, node in written if not node.place.line]
    return next(iter([*overridden, *(path for path, _ in written), *paths]))


def _without_tags(loc: Path) -> Path:
    path: list[str | int] = []
    for step in loc:
        if not (path and isinstance(path[-1], str) and step in TAGS.get(path[-1], ())):
            path.append(step)
    return tuple(path)


def _problem(tree: YamlNode, path: Path, message: str, *, at_key: bool = False) -> Problem:
    return Problem(*_place(tree, path, at_key=at_key), dotted(path), message)


def _node(tree: YamlNode, path: Path) -> YamlNode | None:
    node: YamlNode | None = tree
    for step in path:
        node = _below(node, step) if node else None
    return node


def _below(node: YamlNode, step: str | int) -> YamlNode | None:
    if isinstance(node.value, dict) and isinstance(step, str):
        return node.value.get(step)
    if isinstance(node.value, list) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    return None


def _place(tree: YamlNode, path: Path, *, at_key: bool) -> Place:
    """Return the place of the value at ``path`` or of its key; where it is missing, of what it belongs to."""
    node, place = tree, tree.place
    for step in path:
        below = _below(node, step)
        if below is None:
            return place
        place = node.keys.get(str(step), below.place)
        node = below
    return place if at_key else node.place


def _missing(path: Path, shape: Shape | None) -> str:
    if path == ("name",):
        return "the name is missing; write a line such as name: my-scenario"
    return f"{path[-1]} is missing; write {shape.wanted() if shape else 'it'}"


def _unknown_key(key: str, tree: YamlNode, parent: Path, model: type[BaseModel]) -> str:
    shape = shape_at(model, parent)
    allowed = tuple(_keys(shape)) if shape else ()
    if key in allowed:  # a key of another alternative, such as rate beside schedule
        node = _node(tree, parent)
        others = [name for name in (node.keys if node else ()) if name != key and name in allowed]
        return f"{key} does not go together with {' and '.join(others)}; remove one of them"
    elsewhere = _paths(model)
    meant = synonym(key, allowed)
    name = nearest(key, allowed)
    exact = _near(elsewhere.get(key, ()), parent)
    same = name is not None and name.replace("_", "") == key.lower().replace("-", "").replace("_", "")
    # The right key in the wrong block is likelier than another key with a similar name.
    if exact and meant is None and not same:
        hint = f"; did you mean {exact}?"
    elif name:
        hint = f"; did you mean {name}?"
    else:
        other = nearest(key, elsewhere, MUCH_ALIKE)
        place = _near(elsewhere[other], parent) if other else None
        hint = f"; did you mean {place}?" if place else "; a field goes under set" if "set" in allowed else ""
    return f"unknown key {quoted(key)}{hint}; allowed: {', '.join(allowed) or 'none'}"


def _near(paths: Iterable[str], parent: Path) -> str | None:
    """Return the nearest of the places where a key may stand; None where they are far from where it was found.

    Near is what is in the same block, or in one of two names, such as client.qps.
    """

    def shared(path: str) -> int:
        pairs = zip(path.split("."), map(str, parent), strict=False)
        return len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])

    def steps(path: str) -> tuple[int, int]:
        """From where the key was found up to the block that both are in and down again; and how long the path is."""
        long = path.count(".")
        return long - 2 * shared(path), long

    best = min(paths, key=steps, default=None)
    return best if best is not None and (shared(best) or best.count(".") <= 1) else None


def _keys(shape: Shape) -> Iterator[str]:
    if shape.part:
        yield from shape.part.model_fields
    for member in shape.members:
        yield from _keys(member)


@lru_cache(maxsize=8)
def _paths(model: type[BaseModel]) -> dict[str, list[str]]:
    """Return, for each key anywhere in the model, the paths to it, the shortest first."""
    found: dict[str, list[str]] = {}
    todo: list[tuple[str, type[BaseModel]]] = [("", model)]
    for prefix, part in todo:  # grows while it is read: breadth first, so the shortest path comes first
        for key in part.model_fields:
            path = f"{prefix}{key}"
            found.setdefault(key, []).append(path)
            shape = shape_of(part, key)
            index = ".0" if shape.kind == "list" else ""
            todo.extend((f"{path}{index}.", below) for below in shape.parts())
    return found


def _wrong_value(node: YamlNode | None, shape: Shape | None, path: Path, *, bound: bool) -> str:
    found = _found(node)
    if shape is None:
        return f"found {found}, which cannot stand here"
    range_ = shape.range() if bound or shape.kind in {"int", "float"} else ""
    wanted = ", ".join(part for part in (shape.wanted(), range_) if part)
    if path[:-1] == ("expect",):
        wanted = 'a condition in quotes, such as "== 1"'
        if node is not None and isinstance(node.value, dict):
            below = next(iter(node.value), "total")
            return f'found {found}; a metric is one key, dots and all: {path[-1]}.{below}: "== 1"'
    elif shape.kind == "text" and node is not None and not isinstance(node.value, list | dict | None):
        wanted = f'text, so put it in quotes: "{node.written[:40]}"'
    return f"found {found}; write {wanted}{_hint(node, shape)}"


def _found(node: YamlNode | None) -> str:
    if node is None or node.value is None:
        return "nothing"
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list" if node.value else "an empty list"
    return quoted(node.value) if isinstance(node.value, str) else node.written[:40]


def _hint(node: YamlNode | None, shape: Shape) -> str:
    if node is None or node.value is None:
        return ", or remove the key to have the default"
    hint = ", or null" if shape.nullable else ""
    if isinstance(node.value, list | dict):
        return hint
    choices = [*shape.choices, *(choice for member in shape.members for choice in member.choices)]
    if choices:
        return hint + did_you_mean(node.written, choices)
    text = node.value
    if not isinstance(text, str):
        return hint
    if _PLAIN_VALUES.get(shape.kind, _NOTHING).fullmatch(text):
        return f"{hint}, without quotes"  # it would have been read as one
    if shape.kind in {"int", "float"} and _ODD_NUMBER.fullmatch(text):
        plain = ", as decimal digits without leading 0, _, : or e"
        return hint + (plain if node.written == text else "")
    if shape.kind == "bool":
        return hint + (" (yes, no, on and off are text)" if text.lower() in {"yes", "no", "on", "off"} else "")
    choices = [*shape.choices, *(choice for member in shape.members for choice in member.choices)]
    return hint + did_you_mean(text, choices)
