"""Types of values as structured-merge-diff has them, and the paths of values that are typed.

structured-merge-diff v6.3 ``schema/elements.go``, ``typed/helpers.go`` and ``fieldpath/element.go``; kube-openapi
``pkg/schemaconv`` for what becomes of a schema.
"""

from __future__ import annotations

import json
from typing import Any

from sim.cluster import golang
from sim.cluster.fields import Path, Paths, Position
from sim.scenario.kinds.structural import ABSENT, Schema


class ListType:
    """A list: ``atomic``, or associative by ``keys``, or a set where there are none."""

    __slots__ = ("atomic", "element", "keys")

    def __init__(self, atomic: bool, keys: tuple[str, ...], element: Atom) -> None:
        self.atomic = atomic
        self.keys = keys
        self.element = element


class MapType:
    """A map: declared ``fields`` and the type of all others (``None``: there are none); ``defaults`` by field."""

    __slots__ = ("atomic", "defaults", "element", "fields")

    def __init__(
        self, atomic: bool, fields: dict[str, Atom], element: Atom | None, defaults: dict[str, Any] | None = None
    ) -> None:
        self.atomic = atomic
        self.fields = fields
        self.element = element
        self.defaults = defaults or {}


class Atom:
    """What a value may be: a scalar (``numeric``, ``string``, ``boolean``, ``untyped``), a list, a map."""

    __slots__ = ("forms", "list", "map", "scalar")

    def __init__(self, scalar: str = "", list_: ListType | None = None, map_: MapType | None = None) -> None:
        self.scalar = scalar
        self.list = list_
        self.map = map_
        self.forms = ("m" if map_ else "") + ("s" if scalar else "") + ("l" if list_ else "")

    def forms_of(self, value: Any) -> str:
        """Which of its forms a value has; all of them where it has none (``deduceAtom``)."""
        if isinstance(value, dict):
            return "m" if self.map else self.forms
        if isinstance(value, list):
            return "l" if self.list else self.forms
        if value is None or value is ABSENT:
            return self.forms
        return "s" if self.scalar else self.forms


def _anything() -> tuple[Atom, Atom]:
    untyped = Atom("untyped")
    untyped.list, untyped.map = ListType(True, (), untyped), MapType(True, {}, untyped)
    deduced = Atom("untyped")
    deduced.list, deduced.map = ListType(True, (), untyped), MapType(False, {}, deduced)
    untyped.forms = deduced.forms = "msl"
    return untyped, deduced


UNTYPED, DEDUCED = _anything()
STRING = Atom("string")
TEXT = Atom("untyped")  # a string with a format
NUMERIC = Atom("numeric")
BOOLEAN = Atom("boolean")


def _map_of(**fields: Atom) -> Atom:
    return Atom(map_=MapType(False, fields, None))


_STRINGS = Atom(map_=MapType(False, {}, STRING))
_OWNER = Atom(
    map_=MapType(
        True,
        {"apiVersion": STRING, "kind": STRING, "name": STRING, "uid": STRING,
         "controller": BOOLEAN, "blockOwnerDeletion": BOOLEAN},
        None,
    )
)  # fmt: skip
METADATA = _map_of(
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    selfLink=STRING,
    uid=STRING,
    resourceVersion=STRING,
    generation=NUMERIC,
    creationTimestamp=TEXT,
    deletionTimestamp=TEXT,
    deletionGracePeriodSeconds=NUMERIC,
    labels=_STRINGS,
    annotations=_STRINGS,
    finalizers=Atom(list_=ListType(False, (), STRING)),
    ownerReferences=Atom(list_=ListType(False, ("uid",), _OWNER)),
    managedFields=Atom(list_=ListType(True, (), UNTYPED)),
)
"""ObjectMeta."""


def atom_of(schema: Schema, preserve: bool = False) -> Atom:
    """The type of a schema's values (``schemaconv/openapi.go``); below ``preserve`` unknown fields are kept."""
    preserve = preserve or schema.preserve_unknown
    kind = "" if schema.int_or_string else schema.type
    if kind in {"integer", "number"}:
        return NUMERIC
    if kind == "boolean":
        return BOOLEAN
    if kind == "string":
        return STRING if schema.format in {"", "byte"} else TEXT
    list_ = map_ = None
    if kind in {"", "array"}:
        element = atom_of(schema.items, preserve) if schema.items is not None else UNTYPED
        list_ = ListType(schema.list_type in {"", "atomic"}, schema.list_keys, element)
    if kind in {"", "object"}:
        map_ = _map_type(schema, preserve)
    return Atom("" if kind else "untyped", list_, map_)


def _map_type(schema: Schema, preserve: bool) -> MapType:
    fields = {name: atom_of(below, preserve) for name, below in schema.properties.items()}
    if schema.embedded:
        fields |= {"apiVersion": STRING, "kind": STRING, "metadata": METADATA}
    element: Atom | None
    if isinstance(schema.additional, Schema):
        element = atom_of(schema.additional, preserve)
    elif schema.additional is None:
        element = DEDUCED if preserve or not fields else None
    else:
        element = DEDUCED if schema.additional else None
    defaults = {name: below.default for name, below in schema.properties.items() if below.default is not ABSENT}
    return MapType(schema.map_type == "atomic", fields, element, defaults)


class TypedPath(Path):
    """A path that knows the type of its values; what is below it is interned when it is first seen."""

    __slots__ = ("atom", "declared", "members", "rank")

    def __init__(self, position: Position, atom: Atom, declared: bool, rank: tuple[Any, ...]) -> None:
        super().__init__(position)
        self.atom = atom
        self.declared = declared
        self.members: dict[Any, TypedPath] = {}
        self.rank = rank
        self.ancestors = 0
        above = self.up
        while above is not None:
            assert isinstance(above, TypedPath)
            if above.declared:
                self.ancestors |= above.bit
            above = above.up

    def order(self) -> tuple[Any, ...]:
        """See ``Path.order``: fields by name, then list items by key, then those of sets by value."""
        key: list[Any] = [(0, self.rank)]
        above = self.up
        while isinstance(above, TypedPath):
            key.append((1, above.rank))
            above = above.up
        return tuple(reversed(key))


class Root:
    """The root of a kind's paths: it has no path of its own."""

    __slots__ = ("atom", "members", "paths")

    def __init__(self, paths: Paths, atom: Atom) -> None:
        self.paths = paths
        self.atom = atom
        self.members: dict[Any, TypedPath] = {}


Above = TypedPath | Root


def _below(up: Above, element: str, text: str, atom: Atom, declared: bool, rank: tuple[Any, ...]) -> TypedPath:
    position = Position(up.paths, up if isinstance(up, TypedPath) else None, element, text)
    return TypedPath(position, atom, declared, rank)


def field(up: Above, name: str) -> TypedPath:
    """The path of a map's field."""
    found = up.members.get(name)
    if found is None:
        kind = up.atom.map
        declared = kind is not None and name in kind.fields
        atom = kind.fields[name] if kind is not None and declared else kind.element if kind is not None else None
        found = _below(up, f"f:{name}", f".{name}", atom or UNTYPED, declared, (0, name))
        up.members[name] = found
    return found


class OddItemError(Exception):
    """An item that has no path: the message says why."""


def item_path(up: Above, item: Any) -> TypedPath:
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


def key_path(up: Above, keys: dict[str, Any]) -> TypedPath:
    """The path of the item with these keys."""
    text = golang.compact(keys)
    found = up.members.get(("k", text))
    if found is None:
        shown = ",".join(f"{name}={_value_text(keys[name])}" for name in sorted(keys))
        element = up.atom.list.element if up.atom.list is not None else UNTYPED
        rank = (1, tuple((name, _rank(keys[name])) for name in sorted(keys)))
        found = up.members["k", text] = _below(up, f"k:{_plain(keys)}", f"[{shown}]", element, False, rank)
    return found


def value_path(up: Above, value: Any) -> TypedPath:
    """The path of a set's item."""
    text = golang.compact(value)
    found = up.members.get(("v", text))
    if found is None:
        element = up.atom.list.element if up.atom.list is not None else UNTYPED
        place = f"[={_value_text(value)}]"
        found = up.members["v", text] = _below(up, f"v:{_plain(value)}", place, element, False, (2, _rank(value)))
    return found


def _plain(value: Any) -> str:
    return json.dumps(golang.whole_floats(value), separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _value_text(value: Any) -> str:
    """A value as paths show it (``value.ToString``)."""
    if isinstance(value, list):
        return "[" + ",".join(_value_text(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ";".join(f"{name}={_value_text(value[name])}" for name in sorted(value)) + "}"
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
