"""What a write changed of an object, told from the bodies of an audit log.

A change is named by its part and path: ``("condition", "Ready", "True")``, ``("status", "phase")``,
``("finalizer", "example.com/clean")``, ``("annotation", "example.com/seen")``, ``("label", ...)``, ``("spec", ...)``,
``("data", ...)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Change = tuple[str, ...]
_DEEPEST = 6
_MAPS = {"annotation": "annotations", "label": "labels"}


class State(NamedTuple):
    """An object's stored version, as far as drafts need it."""

    generation: int
    holds: frozenset[str]  # types of conditions that are True
    values: Mapping[Change, Any]  # of each part and path


def state_of(body: Mapping[str, Any]) -> State:
    """Return what a whole body says."""
    values = dict(_changes(body))
    holds = frozenset(path[1] for path in values if path[0] == "condition" and path[2] == "True")
    generation = _map(body, "metadata").get("generation")
    return State(generation if isinstance(generation, int) else 0, holds, values)


def changed(sent: Mapping[str, Any], base: State | None) -> dict[Change, Any]:
    """Return what a body asks for that the base does not have; a finalizer that a whole body lacks is not told.

    Of a condition the time of its transition and the message count for nothing.
    """
    before = base.values if base is not None else {}
    return {path: value for path, value in _changes(sent) if path not in before or before[path] != value}


def asked_by_json_patch(operations: list[Any]) -> dict[Change, Any]:
    """Return what a JSON patch adds or replaces."""
    document: dict[str, Any] = {}
    for each in operations:
        if not isinstance(each, dict) or each.get("op") not in {"add", "replace"}:
            continue
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in str(each.get("path", "")).split("/")[1:]]
        value = each.get("value")
        if above and above[-1] == "conditions" and isinstance(value, dict):
            document.setdefault("status", {}).setdefault("conditions", []).append(value)
            continue
        if any(part.isdigit() or part == "-" for part in (*above, last)):
            continue
        at = document
        for part in above:
            below = at.setdefault(part, {})
            at = below if isinstance(below, dict) else {}
        at[last] = value
    return dict(_changes(document))


def _changes(body: Mapping[str, Any]) -> Iterator[tuple[Change, Any]]:
    metadata, status = _map(body, "metadata"), _map(body, "status")
    finalizers = metadata.get("finalizers")
    for name in finalizers if isinstance(finalizers, list) else ():
        yield ("finalizer", str(name)), True
    for part, key in _MAPS.items():
        for name, value in _map(metadata, key).items():
            yield (part, str(name)), value
    for part in ("spec", "data"):
        for path, value in _leaves(_map(body, part), ()):
            yield (part, *path), value
    for name, value in status.items():
        if name == "conditions" and isinstance(value, list):
            for each in value:
                if isinstance(each, dict) and isinstance(each.get("type"), str):
                    yield (
                        ("condition", each["type"], str(each.get("status"))),
                        (each.get("reason"), each.get("observedGeneration")),
                    )
        else:
            for path, leaf in _leaves({name: value}, ()):
                yield ("status", *path), leaf


def _leaves(value: Mapping[str, Any], path: Change) -> Iterator[tuple[Change, Any]]:
    for name, below in value.items():
        if isinstance(below, dict) and below and len(path) < _DEEPEST:
            yield from _leaves(below, (*path, str(name)))
        else:
            yield (*path, str(name)), below


def _map(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key)
    return found if isinstance(found, dict) else {}
