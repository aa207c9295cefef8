"""Values as Go prints and compares them, where an answer of the API server shows it."""

from __future__ import annotations

import json
from typing import Any


def quoted(text: str) -> str:
    """A string in quotes, ``%q``."""
    return json.dumps(text, ensure_ascii=False)


def shown(value: Any) -> str:
    """A bad value as ``field.Error`` shows it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return number(value)
    return compact(value)


def compact(value: Any) -> str:
    """JSON without spaces, as ``encoding/json`` writes it: keys in order, whole floats without a point."""
    text = json.dumps(whole_floats(value), separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def whole_floats(value: Any) -> Any:
    """``value`` with integers for whole floats, which is how they are stored and read again."""
    if isinstance(value, dict):
        return {name: whole_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole_floats(item) for item in value]
    if isinstance(value, float) and value == int(value) and abs(value) < 1e21:
        return int(value)
    return value


def number(value: float) -> str:
    """A float, ``%v``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(value)


def printed(value: Any) -> str:
    """``%v``."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{printed(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(printed(item) for item in value) + "]"
    return number(value) if isinstance(value, float) else str(value)


def syntax(value: Any) -> str:
    """``%#v``."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        items = ", ".join(f"{quoted(key)}:{syntax(value[key])}" for key in sorted(value))
        return "map[string]interface {}{" + items + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(syntax(item) for item in value) + "}"
    return number(value) if isinstance(value, float) else str(value)


def type_name(value: Any) -> str:
    """``%T``."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return {str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "<nil>")


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are equal; ``1`` and ``1.0`` are, ``true`` and ``1`` are not."""
    if one is other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool) and one == other
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and len(one) == len(other)
            and all(key in other and same(item, other[key]) for key, item in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def identical(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types: ``1`` and ``1.0`` are not (``reflect.DeepEqual``)."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(key in other and identical(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(identical, one, other))
    return bool(one == other)
