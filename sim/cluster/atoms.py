"""Types of values as structured-merge-diff has them, and what type a schema's values have.

structured-merge-diff v6.3 ``schema/elements.go`` and ``typed/helpers.go``; kube-openapi ``pkg/schemaconv``.
"""

from __future__ import annotations

from typing import Any

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
