"""Shapes of values, from which the schemas of kinds are built.

A shape builds the node of a field once the field's place is known (``sim.cluster.schema.Shape``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from sim.cluster.fields import Paths, Position
from sim.cluster.keyed import FreeMap, ListMap
from sim.cluster.schema import IrregularError, Leaf, Node, Shape, Struct

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.\d+)?(z|[+-]\d\d:\d\d)", re.ASCII)


class Rule:
    """What a leaf's value must satisfy beyond its type.

    ``name`` is the OpenAPI format, ``values`` the enumeration, ``item`` the node of each item of a list.
    """

    __slots__ = ("item", "name", "regular", "values")

    def __init__(
        self,
        regular: Callable[[Any], bool],
        name: str = "",
        values: tuple[str, ...] = (),
        item: Node | None = None,
    ) -> None:
        self.regular = regular
        self.name = name
        self.values = values
        self.item = item


class _DateTimes(dict[str, bool]):
    """Remembers which strings are times: the same few are written again and again."""

    def __missing__(self, text: str) -> bool:
        if len(self) > 1 << 16:
            self.clear()
        valid = self[text] = _is_date_time(text)
        return valid


def _is_date_time(text: str) -> bool:
    """Whether ``text`` has the OpenAPI format date-time (kube-openapi ``strfmt/time.go``, ``IsDateTime``)."""
    day, *rest = text.lower().split("t")
    if not rest or not _DAY.fullmatch(day) or not _TIME_OF_DAY.fullmatch(rest[0]):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def leaf(type_: type | None, rule: Rule | None = None) -> Shape:
    """A scalar of this type, or any value where there is none."""
    return lambda place: Leaf(place, type_, rule)


def enum(*values: str) -> Shape:
    """One of these strings."""
    return leaf(str, Rule(frozenset(values).__contains__, values=values))


def array(item: Shape) -> Shape:
    """An atomic list of such items."""
    node = detached(item)
    if isinstance(node, Leaf) and node.type is str and node.rule is None:
        return leaf(list, Rule(_all_strings, item=node))

    def regular(value: list[Any]) -> bool:
        try:
            for one in value:
                node.adopt(one, False)
        except (IrregularError, TypeError):
            return False
        return True

    return leaf(list, Rule(regular, item=node))


def _all_strings(values: list[Any]) -> bool:
    return all(type(value) is str for value in values)


def detached(shape: Shape) -> Node:
    """A node of this shape that belongs to no kind."""
    return shape(Position(Paths(), None, "f:", ""))


def struct(required: tuple[str, ...] = (), **shapes: Shape) -> Shape:
    """A map with these fields, each owned on its own."""
    return lambda place: Struct(place, shapes, required)


def free_map(shape: Shape, **declared: Shape) -> Shape:
    """A map from any key to values of this shape; ``declared`` keys have shapes of their own."""
    return lambda place: FreeMap(place, shape, declared)


def list_map(key: str, item: Shape) -> Shape:
    """A list of maps, each owned on its own under the value of its field ``key``."""

    def build(up: ListMap, value: str | None) -> Node:
        quoted = json.dumps(value, ensure_ascii=False)
        return item(Position(up.paths, up, f'k:{{"{key}":{quoted}}}', f"[{key}={quoted}]"))

    return lambda place: ListMap(place, key, build)


STRING = leaf(str)
BOOLEAN = leaf(bool)
INTEGER = leaf(int)
DATE_TIME = leaf(str, Rule(_DateTimes().__getitem__, "date-time"))
ANY = leaf(None)
STRINGS = array(STRING)
STRING_MAP = free_map(STRING)
