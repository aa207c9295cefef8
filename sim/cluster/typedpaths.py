"""The paths of typed values: fields, items by key, items of sets, each made when it is first seen.

structured-merge-diff v6.3 ``fieldpath/element.go`` and ``typed/helpers.go``.
"""

from __future__ import annotations

import json
from typing import Any

from sim.cluster import golang
from sim.cluster.atoms import UNTYPED, Atom
from sim.cluster.fields import Path, Paths, Position


class Root:
    """The root of a kind's paths: it has no path of its own."""

    __slots__ = ("atom", "members", "paths")

    def __init__(self, paths: Paths, atom: Atom) -> None:
        self.paths = paths
        self.atom = atom
        self.members: dict[Any, Path] = {}

    def position(self, name: str) -> Position:
        """The place of a field."""
        kind = self.atom.map
        assert kind is not None
        atom = kind.fields.get(name) or kind.element or UNTYPED
        return Position(self.paths, None, f"f:{name}", f".{name}", atom, name in kind.fields, (0, name))

    def new_field(self, name: str) -> Path:
        """Make the path of a field."""
        return Path(self.position(name))

    def new_item(self, keys: Any, position: Position) -> Path:
        """Make the path of a list item."""
        return Path(position)


Above = Path | Root


def field(up: Above, name: str) -> Path:
    """The path of a map's field."""
    found = up.members.get(name)
    if found is None:
        found = up.members[name] = up.new_field(name)
    return found


class OddItemError(Exception):
    """An item that has no path: the message says why."""


def item_path(up: Above, item: Any) -> Path:
    """The path of a list's item. Raises ``OddItemError`` where it can have none (``listItemToPathElement``)."""
    kind = up.atom.list
    assert kind is not None
    if not kind.keys:
        if isinstance(item, dict):
            raise OddItemError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise OddItemError("not supported: associative list with lists as elements")
        if item is None:
            raise OddItemError("associative list without keys has an element that's an explicit null")
        return value_path(up, item)
    if item is None:
        raise OddItemError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise OddItemError("associative list with keys may not have non-map elements")
    keys = {}
    for name in kind.keys:
        if name in item:
            keys[name] = item[name]
        elif kind.element.map is None:
            raise OddItemError(f"couldn't find default value for {name}: associative list may not have non-map types")
        elif (default := kind.element.map.defaults.get(name)) is not None:
            keys[name] = default
    if not keys:
        names = " ".join(golang.quoted(name) for name in kind.keys)
        raise OddItemError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return key_path(up, keys)


def key_position(up: Above, keys: dict[str, Any]) -> Position:
    """The place of the item with these keys."""
    shown = ",".join(f"{name}={_value_text(keys[name])}" for name in sorted(keys))
    atom = up.atom.list.element if up.atom.list is not None else UNTYPED
    rank = (1, tuple((name, _rank(keys[name])) for name in sorted(keys)))
    return Position(up.paths, _above(up), f"k:{_plain(keys)}", f"[{shown}]", atom, declared=False, rank=rank)


def key_path(up: Above, keys: dict[str, Any]) -> Path:
    """The path of the item with these keys."""
    text = golang.compact(keys)
    found = up.members.get(("k", text))
    if found is None:
        found = up.members["k", text] = up.new_item(keys, key_position(up, keys))
    return found


def value_path(up: Above, value: Any) -> Path:
    """The path of a set's item."""
    text = golang.compact(value)
    found = up.members.get(("v", text))
    if found is None:
        atom = up.atom.list.element if up.atom.list is not None else UNTYPED
        place = f"[={_value_text(value)}]"
        rank = (2, _rank(value))
        position = Position(up.paths, _above(up), f"v:{_plain(value)}", place, atom, declared=False, rank=rank)
        found = up.members["v", text] = Path(position)
    return found


def _above(up: Above) -> Path | None:
    return up if isinstance(up, Path) else None


def _plain(value: Any) -> str:
    return json.dumps(golang.whole_floats(value), separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _value_text(value: Any) -> str:
    """A value as paths show it (``value.ToString``)."""
    if isinstance(value, list):
        return "[" + ",".join(_value_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(value[name])}" for name in sorted(value))
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return golang.shown(value)


def _rank(value: Any) -> tuple[Any, ...]:
    """Sort key of values (``value.Compare``): numbers, strings, booleans, lists, maps, null."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (3, tuple(_rank(item) for item in value))
    if isinstance(value, dict):
        return (4, tuple((name, _rank(value[name])) for name in sorted(value)))
    return (5,)
