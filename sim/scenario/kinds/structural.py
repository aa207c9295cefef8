"""Structural schemas: the values that a custom resource may have, as its CustomResourceDefinition describes them.

apiextensions-apiserver ``pkg/apiserver/schema/structural.go`` and ``convert.go``: the spine (properties, items,
additional properties) with its Kubernetes extensions, and what values must satisfy beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

ABSENT: Any = object()
"""Stands for a field that is not there, as ``None`` stands for null."""


class SchemaError(ValueError):
    """A schema that cannot be used: ``path`` says where in it (keys and indices), the message what is wrong."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(slots=True)
class ValidationRule:
    """One of ``x-kubernetes-validations``."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool = False
    program: Any = None
    """The rule, compiled (see ``sim.scenario.kinds.cel``)."""
    message_program: Any = None


@dataclass(slots=True)
class Schema:
    """One node of a structural schema; also one of its ``allOf``, ``anyOf``, ``oneOf`` and ``not``."""

    type: str = ""
    nullable: bool = False
    default: Any = ABSENT
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | bool | None = None
    items: Schema | None = None
    preserve_unknown: bool = False
    int_or_string: bool = False
    embedded: bool = False
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""
    format: str = ""
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] | None = None
    pattern: str = ""
    maximum: float | None = None
    exclusive_maximum: bool = False
    minimum: float | None = None
    exclusive_minimum: bool = False
    multiple_of: float | None = None
    max_length: int | None = None
    min_length: int | None = None
    max_items: int | None = None
    min_items: int | None = None
    unique_items: bool = False
    max_properties: int | None = None
    min_properties: int | None = None
    all_of: tuple[Schema, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    not_: Schema | None = None
    rules: tuple[ValidationRule, ...] = ()
    has_rules: bool = False
    """Whether it, or anything below it, has rules."""

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types of its values; none: any."""
        if self.int_or_string:
            return ("integer", "string")
        return (self.type,) if self.type else ()

    def below(self, name: str) -> Schema | None:
        """The schema of a field, ``None`` where nothing is said of it."""
        found = self.properties.get(name)
        if found is None and isinstance(self.additional, Schema):
            return self.additional
        return found

    def children(self) -> Iterator[Schema]:
        """Everything directly below on the spine."""
        yield from self.properties.values()
        if isinstance(self.additional, Schema):
            yield self.additional
        if self.items is not None:
            yield self.items


_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "type": ("type", (str,)),
    "nullable": ("nullable", (bool,)),
    "format": ("format", (str,)),
    "pattern": ("pattern", (str,)),
    "maximum": ("maximum", (int, float)),
    "exclusiveMaximum": ("exclusive_maximum", (bool,)),
    "minimum": ("minimum", (int, float)),
    "exclusiveMinimum": ("exclusive_minimum", (bool,)),
    "multipleOf": ("multiple_of", (int, float)),
    "maxLength": ("max_length", (int,)),
    "minLength": ("min_length", (int,)),
    "maxItems": ("max_items", (int,)),
    "minItems": ("min_items", (int,)),
    "uniqueItems": ("unique_items", (bool,)),
    "maxProperties": ("max_properties", (int,)),
    "minProperties": ("min_properties", (int,)),
    "x-kubernetes-preserve-unknown-fields": ("preserve_unknown", (bool,)),
    "x-kubernetes-int-or-string": ("int_or_string", (bool,)),
    "x-kubernetes-embedded-resource": ("embedded", (bool,)),
    "x-kubernetes-list-type": ("list_type", (str,)),
    "x-kubernetes-map-type": ("map_type", (str,)),
}
_SPOKEN_OF = {"description", "title", "example", "externalDocs", "$schema", "id"}
_ALLOWED = {
    "type": _TYPES,
    "x-kubernetes-list-type": ("atomic", "set", "map"),
    "x-kubernetes-map-type": ("granular", "atomic"),
}
_RULE = {
    "rule": ("rule", str),
    "message": ("message", str),
    "messageExpression": ("message_expression", str),
    "reason": ("reason", str),
    "fieldPath": ("field_path", str),
    "optionalOldSelf": ("optional_old_self", bool),
}
_REASONS = ("", "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate")
_WORDS = {str: "text", bool: "true or false", int: "a number", float: "a number"}


def read_schema(given: Any, path: tuple[str | int, ...] = (), *, nested: bool = False) -> Schema:
    """Return the schema that ``given``, an ``openAPIV3Schema``, describes.

    ``nested`` says that it is part of a value validation (``allOf`` and so on), where no type is needed. Raises
    ``SchemaError`` where it is no structural schema, or has something that is not simulated.
    """
    if not isinstance(given, Mapping):
        raise SchemaError(path, f"found {_found(given)}; a schema is a map")
    made = Schema()
    for key, value in given.items():
        here = (*path, key)
        if key in _SCALARS:
            slot, kinds = _SCALARS[key]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise SchemaError(here, f"found {_found(value)}; allowed is {_WORDS[kinds[0]]}")
            if key in _ALLOWED and value not in _ALLOWED[key] and value != "":
                raise SchemaError(here, f"found {_found(value)}; allowed are {', '.join(_ALLOWED[key])}")
            setattr(made, slot, value)
        elif key == "properties":
            made.properties = {
                name: read_schema(below, (*here, name), nested=nested) for name, below in _map(value, here).items()
            }
        elif key == "items":
            made.items = read_schema(value, here, nested=nested)
        elif key == "additionalProperties":
            made.additional = value if isinstance(value, bool) else read_schema(value, here, nested=nested)
        elif key in {"allOf", "anyOf", "oneOf"}:
            parts = tuple(
                read_schema(part, (*here, number), nested=True) for number, part in enumerate(_list(value, here))
            )
            setattr(made, {"allOf": "all_of", "anyOf": "any_of", "oneOf": "one_of"}[key], parts)
        elif key == "not":
            made.not_ = read_schema(value, here, nested=True)
        elif key == "required":
            made.required = _texts(value, here)
        elif key == "x-kubernetes-list-map-keys":
            made.list_keys = _texts(value, here)
        elif key == "enum":
            made.enum = tuple(_list(value, here))
        elif key == "default":
            made.default = value
        elif key == "x-kubernetes-validations":
            made.rules = tuple(_rule(rule, (*here, number)) for number, rule in enumerate(_list(value, here)))
        elif key not in _SPOKEN_OF:
            raise SchemaError(here, f"found the key {key!r}, which a structural schema does not have")
    if made.list_type == "map" and not made.list_keys:
        raise SchemaError(path, "x-kubernetes-list-type is map, so x-kubernetes-list-map-keys is needed")
    if not nested:
        _check_spine(made, path)
    made.has_rules = bool(made.rules) or any(below.has_rules for below in (*made.children(), *made.all_of))
    return made


def _check_spine(made: Schema, path: tuple[str | int, ...]) -> None:
    """What makes a schema structural (``pkg/apiserver/schema/validation.go``), as far as reading needs it."""
    if not made.type and not made.int_or_string and not made.preserve_unknown:
        raise SchemaError(
            path,
            "has no type; a structural schema needs one, or x-kubernetes-int-or-string or -preserve-unknown-fields",
        )
    if made.type == "array" and made.items is None:
        raise SchemaError(path, "is an array without items")
    if made.properties and made.additional not in {None, False} and isinstance(made.additional, Schema):
        raise SchemaError(path, "has both properties and additionalProperties")
    if made.list_type == "map" and made.items is not None:
        unknown = [key for key in made.list_keys if key not in made.items.properties]
        if unknown:
            raise SchemaError(path, f"x-kubernetes-list-map-keys names {unknown[0]}, which its items don't have")


def _rule(given: Any, path: tuple[str | int, ...]) -> ValidationRule:
    made = ValidationRule("")
    for key, value in _map(given, path).items():
        if key not in _RULE:
            raise SchemaError((*path, key), f"found the key {key!r}; allowed are {', '.join(_RULE)}")
        slot, kind = _RULE[key]
        if not isinstance(value, kind):
            raise SchemaError((*path, key), f"found {_found(value)}; allowed is {_WORDS[kind]}")
        setattr(made, slot, value)
    if made.reason not in _REASONS:
        raise SchemaError((*path, "reason"), f"found {made.reason!r}; allowed are {', '.join(_REASONS[1:])}")
    return made


def _map(value: Any, path: tuple[str | int, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SchemaError(path, f"found {_found(value)}; allowed is a map")
    return value


def _list(value: Any, path: tuple[str | int, ...]) -> list[Any]:
    if not isinstance(value, list):
        raise SchemaError(path, f"found {_found(value)}; allowed is a list")
    return value


def _texts(value: Any, path: tuple[str | int, ...]) -> tuple[str, ...]:
    for number, text in enumerate(_list(value, path)):
        if not isinstance(text, str):
            raise SchemaError((*path, number), f"found {_found(text)}; allowed is text")
    return tuple(value)


def _found(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_PIECES = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\$", re.DOTALL)


@lru_cache(1024)
def compiled_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of Go's regexp. Raises ``re.error`` where it is none that can be used here."""
    return re.compile(_PIECES.sub(_translated, pattern), re.ASCII)


def _translated(match: re.Match[str]) -> str:
    """A piece of a pattern, in Python's words: ``$`` is the end, and classes such as ``[:alpha:]`` are written out."""
    piece = match[0]
    if piece in {"$", r"\z"}:
        return r"\Z"
    if piece[0] == "[":
        return re.sub(r"\[:(\w+):\]", lambda named: _CLASSES.get(named[1], named[0]), piece)
    return piece
