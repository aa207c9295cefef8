"""The short way for kinds that a schema describes: nodes of the shapes that most fields have.

What has another shape, or a value that is not regular, goes the long way (``sim.cluster.answering``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from sim.cluster import decoding, openapi
from sim.cluster.fields import Position
from sim.cluster.formats import check_of
from sim.cluster.keyed import ListMap
from sim.cluster.schema import IrregularError, Leaf, Node, Shape, Struct
from sim.cluster.typedpaths import key_position
from sim.scenario.kinds.structural import ABSENT, Schema

_TYPES: dict[str, type] = {"string": str, "boolean": bool, "integer": int, "number": int}
"""Numbers with a point are not regular: to some of the server's rules 1.0 is 1, to others it is not."""
_PLAIN = {name: Schema(type=name) for name in _TYPES}
_MOST = 4096


class Odd(Node):
    """A field of any other shape: only to be left as it is."""

    __slots__ = ()

    def adopt(self, value: Any, lenient: bool) -> tuple[int, int]:
        """See ``Node.adopt``."""
        raise IrregularError

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """See ``Node.merge``."""
        raise IrregularError

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """See ``Node.compare``."""
        if old is new:
            return 0, 0
        raise IrregularError

    def remove(self, value: Any, paths: int) -> Any:
        """See ``Node.remove``."""
        raise IrregularError


class FreeLeaf(Leaf):
    """What nobody has declared: a scalar, or a list as a whole; maps below are fields of their own, and odd here."""

    __slots__ = ()
    leaf = False  # its own ways are taken

    def __init__(self, place: Position) -> None:
        super().__init__(place, object)

    def admit(self, value: Any, lenient: bool) -> None:
        """See ``Leaf.admit``."""
        if value is None or isinstance(value, dict | float) or (isinstance(value, list) and _is_rich(value)):
            raise IrregularError

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """See ``Node.merge``."""
        self.admit(live, False)
        return super().merge(live, config)

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """See ``Node.compare``."""
        if old is new:
            return 0, 0
        self.admit(old, False)
        return super().compare(old, new)


def _is_rich(items: list[Any]) -> bool:
    """Whether a list holds anything but strings, whole numbers and booleans."""
    return any(isinstance(item, dict | list | float) or item is None for item in items)


def shape_of(schema: Schema) -> Shape:
    """The shape of a schema's values."""
    if schema.preserve_unknown:
        return _preserving(schema)
    if _is_odd(schema):
        return Odd
    if schema.type in _TYPES:
        return _scalar(schema)
    if schema.type == "array":
        return _list(schema)
    if isinstance(schema.additional, Schema):
        value = schema.additional
        return _free(value) if not _is_odd(value) and value.type in _TYPES else Odd
    if not schema.properties:
        return Odd
    return _struct(schema)


def _is_odd(schema: Schema) -> bool:
    counted = (schema.min_properties, schema.max_properties)
    return (
        schema.int_or_string
        or schema.embedded
        or schema.nullable
        or schema.map_type == "atomic"
        or schema.list_type == "set"
        or bool(schema.rules or schema.all_of or schema.any_of or schema.one_of or schema.not_)
        or any(limit is not None for limit in counted)
        or schema.additional is True
        or schema.type not in {*_TYPES, "array", "object"}
        or (schema.type in {"array", "object"} and schema.enum is not None)
        or (schema.type == "object" and any(name not in schema.properties for name in schema.required))
    )


def _scalar(schema: Schema) -> Shape:
    bare = schema if schema.default is ABSENT else replace(schema, default=ABSENT)
    check: Callable[[Any], bool] | None = None
    if bare.enum and bare == Schema(type="string", enum=bare.enum) and _all_strings(bare.enum):
        check = frozenset(bare.enum).__contains__
    elif bare.format and bare == Schema(type="string", format=bare.format):
        check = _format(bare.format)
    elif bare != _PLAIN[bare.type]:
        check = _Remembered(partial(_is_valid, schema)).__getitem__
    return lambda place: Leaf(place, _TYPES[schema.type], check)


@cache
def _format(name: str) -> Callable[[str], bool] | None:
    """Whether a text has a format; None where all have."""
    check = check_of(name)
    return _Remembered(check).__getitem__ if check is not None else None


class _Remembered(dict[Any, bool]):
    """Remembers which scalars are valid: the same few are written again and again."""

    def __init__(self, check: Callable[[Any], bool]) -> None:
        super().__init__()
        self._check = check

    def __missing__(self, value: Any) -> bool:
        if len(self) > _MOST:
            self.clear()
        valid = self[value] = self._check(value)
        return valid


def _is_valid(schema: Schema, value: Any) -> bool:
    return not openapi.Validator().causes(schema, value)


def _list(schema: Schema) -> Shape:
    items = schema.items
    assert items is not None
    if schema.list_type != "map":
        if items == _PLAIN["string"] and schema == Schema(type="array", items=items, list_type=schema.list_type):
            return lambda place: Leaf(place, list, _all_strings)
        return lambda place: Leaf(place, list, partial(is_regular, schema))
    counted = (schema.min_items, schema.max_items)
    if len(schema.list_keys) != 1 or any(limit is not None for limit in counted) or schema.unique_items:
        return Odd
    if _is_odd(items) or items.type != "object" or not items.properties:
        return Odd
    key = schema.list_keys[0]
    if items.properties[key].type != "string" or items.properties[key].default is not ABSENT:
        return Odd
    item = _struct(items)
    return lambda place: ListMap(place, key, lambda up, value: item(key_position(up, {key: value})))


def _all_strings(values: Iterable[Any]) -> bool:
    return all(type(value) is str for value in values)


def is_regular(schema: Schema, value: Any) -> bool:
    """Whether decoding leaves a value as it is, and nothing is invalid about it."""
    unknown: list[str] = []
    read = decoding.defaulted(decoding.without_nulls(decoding.pruned(value, schema, unknown), schema), schema)
    if unknown or read != value or _has_point(value) or not _is_typed(schema, value):
        return False
    return _is_valid(schema, value) and not any(openapi.duplicates(schema, value))


def _is_typed(schema: Schema, value: Any) -> bool:
    """Whether all in a value is of its JSON type: validation lets a list pass for a text with a format."""
    if schema.type in _TYPES:
        return isinstance(value, _TYPES[schema.type]) and isinstance(value, bool) == (schema.type == "boolean")
    if isinstance(value, list):
        return schema.items is None or all(_is_typed(schema.items, item) for item in value)
    if isinstance(value, dict):
        every = schema.additional if isinstance(schema.additional, Schema) else None
        below = ((schema.properties.get(name, every), item) for name, item in value.items())
        return all(inner is None or _is_typed(inner, item) for inner, item in below)
    return True


def _has_point(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_point(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_point(item) for item in value)
    return isinstance(value, float)


def _free(value: Schema) -> Shape:
    shape = shape_of(value)
    return lambda place: Struct(place, {}, rest=shape)


def _preserving(schema: Schema) -> Shape:
    """A map whose unknown fields are kept, beside those that are declared."""
    if (
        _is_odd(replace(schema, preserve_unknown=False, type="object"))
        or schema.additional is not None
        or schema.required
    ):
        return Odd
    if any(below.default is not ABSENT for below in schema.properties.values()):
        return Odd
    declared = {name: shape_of(below) for name, below in schema.properties.items()}
    return lambda place: Struct(place, declared, rest=FreeLeaf)


def _struct(schema: Schema) -> Shape:
    shapes = {name: shape_of(below) for name, below in schema.properties.items()}
    defaulted = [name for name, below in schema.properties.items() if below.default is not ABSENT]
    required = tuple(dict.fromkeys((*schema.required, *defaulted)))

    def build(place: Position) -> Node:
        return Struct(place, shapes, required)

    return build
