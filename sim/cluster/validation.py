"""The slow path: what is wrong with a value, in the words of the API server.

``cleaned`` is what decoding does to create, update and merge patch (unknown fields pruned, nulls dropped:
apiextensions-apiserver ``pkg/apiserver/schema/pruning`` and ``defaulting/prunenulls.go``). ``typed_errors``
is what structured-merge-diff finds in an applied configuration (``typed/validate.go``). ``invalid`` is
OpenAPI validation (kube-openapi ``pkg/validation/validate``, ``pkg/validation/errors/schema.go``) with the
list-map invariant of ``pkg/apiserver/schema/listtype``.

The server walks maps in random order, so that of several errors any order is one it may give; here values of
a wrong type come first, then missing fields, each in the order of the schema.
"""

from __future__ import annotations

import json
from typing import Any

from sim.cluster.causes import Cause
from sim.cluster.fields import Paths, Position
from sim.cluster.keyed import FreeMap, ListMap
from sim.cluster.schema import ABSENT, Leaf, Node, Struct, fits
from sim.cluster.shapes import Rule

_TYPES = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}
_EXPECTED = {str: "string, got %s", bool: "boolean, got %s", int: "numeric (int or float), got %s"}


def cleaned(node: Node, value: Any) -> Any:
    """``value`` without unknown fields and nulls; the same object where there are none."""
    if isinstance(node, Leaf):
        rule = node.rule
        if isinstance(value, list) and isinstance(rule, Rule) and rule.item is not None:
            return _cleaned_list(rule.item, value)
        if node.type is int and isinstance(value, float) and value == int(value):
            return int(value)  # JSON does not tell 2.0 from 2
        return {} if isinstance(value, dict) and node.type is not None else value
    if isinstance(node, ListMap):
        if not isinstance(value, list):
            return value
        item = _scratch(node)
        return _cleaned_list(item, value)
    if not isinstance(value, dict):
        return value
    out = {}
    same = True
    for name, item in value.items():
        below = node.fields.get(name) if isinstance(node, Struct) else _free_child(node, name)
        if below is None or item is None:
            same = False
            continue
        new = cleaned(below, item)
        same = same and new is item
        out[name] = new
    return value if same else out


def _cleaned_list(node: Node, value: list[Any]) -> list[Any]:
    out = [cleaned(node, item) for item in value]
    return value if all(new is old for new, old in zip(out, value, strict=True)) else out


def _scratch(node: ListMap) -> Node:
    """The node of an item whose key is not worth a path: a list of the same shape that belongs to no kind."""
    return node.item(ListMap(Position(Paths(), None, "f:", ""), node.key, node.item), "")


def _free_child(node: Node, name: str) -> Node:
    assert isinstance(node, FreeMap)
    return node.child(str(name))


def whole_numbers(value: Any) -> Any:
    """``value`` with integers for whole floats, as decoding of an applied YAML document leaves them."""
    if isinstance(value, dict):
        return {name: whole_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value == int(value) else value


def typed_errors(node: Node, value: Any, path: str, duplicates: bool = False) -> list[str]:
    """What keeps ``value`` from being typed by structured-merge-diff, each as ``path: message``; [] if
    nothing does.

    ``duplicates`` says whether a keyed list may have a key twice, which applied configurations may not.
    """
    if value is None:
        return []
    if isinstance(node, Leaf):
        return _typed_leaf(node, value, path)
    if isinstance(node, ListMap):
        return _typed_items(node, value, path, duplicates)
    if not isinstance(value, dict):
        return [f"{path}: expected map, got &{{{_go(value)}}}"]
    errors: list[str] = []
    for name, item in value.items():
        if isinstance(node, Struct):
            below = node.fields.get(name)
            if below is None:
                errors.append(f"{path}.{name}: field not declared in schema")
                break
        else:
            below = _free_child(node, name)
        errors += typed_errors(below, item, f"{path}.{name}", duplicates)
    return errors


def _typed_leaf(node: Leaf, value: Any, path: str) -> list[str]:
    kind = node.type
    if kind is None:
        return []
    if kind is list:
        if not isinstance(value, list):
            return [f"{path}: expected list, got &{{{_go(value)}}}"]
        item = node.rule.item
        return [error for i, one in enumerate(value) for error in typed_errors(item, one, f"{path}[{i}]")]
    if fits(kind, value):
        return []
    if _untyped(node):
        return [] if isinstance(value, str | int | float) else [f"{path}: expected any scalar, got &{{{_go(value)}}}"]
    if kind is int:
        found = _go_type(value)
    elif kind is str:
        found = f"&value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    else:
        found = f"&{{{_go(value)}}}"
    return [f"{path}: expected {_EXPECTED[kind] % found}"]


def _untyped(node: Leaf) -> bool:
    """Whether structured-merge-diff takes any scalar, as it does for strings that have a format."""
    return isinstance(node.rule, Rule) and node.rule.name == "date-time"


def _typed_items(node: ListMap, value: Any, path: str, duplicates: bool) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: expected list, got &{{{_go(value)}}}"]
    errors: list[str] = []
    seen = set()
    for i, item in enumerate(value):
        if item is None:
            return [*errors, f"{path}: element {i}: associative list with keys may not have a null element"]
        if not isinstance(item, dict):
            return [*errors, f"{path}: element {i}: associative list with keys may not have non-map elements"]
        key = item.get(node.key, ABSENT)
        if key is ABSENT:
            return [
                *errors,
                f"{path}: element {i}: associative list with keys has an element that omits all key fields "
                f'["{node.key}"] '
                "(and doesn't have default values for any key fields)",
            ]
        text = _key_text(key)
        if text in seen and not duplicates:
            errors.append(f"{path}: duplicate entries for key [{node.key}={text}]")
        seen.add(text)
        scratch = _scratch(node)
        errors += typed_errors(scratch, item, f"{path}[{node.key}={text}]", duplicates)
    return errors


def _key_text(key: Any) -> str:
    """A list item's key as paths show it (structured-merge-diff ``value.ToString``)."""
    if isinstance(key, list):
        return "[" + ",".join(_key_text(one) for one in key) + "]"
    if isinstance(key, dict):
        return "".join(f"{name}={_key_text(one)}" for name, one in key.items())
    return "null" if key is None else _shown(key)


def typed_message(errors: list[str]) -> str:
    """The errors as the server joins them."""
    return errors[0] if len(errors) == 1 else "\n  ".join(["errors:", *errors])


def invalid(node: Node, value: Any, name: str, prefix: str) -> list[Cause]:
    """What OpenAPI validation says of ``value``.

    ``name`` is the path as the validator knows it, ``prefix`` what it is below (``status`` for a write to the
    subresource, where the validator starts at the status).
    """
    causes = _invalid(node, value, name, prefix)
    causes.sort(key=lambda cause: cause.reason == "FieldValueRequired")
    return causes + _duplicates(node, value, _field(prefix, name))


def _field(prefix: str, name: str) -> str:
    name = name.removeprefix(".")
    return f"{prefix}.{name}" if prefix and name else prefix or name


def _invalid(node: Node, value: Any, name: str, prefix: str) -> list[Cause]:
    if isinstance(node, Leaf):
        return _invalid_leaf(node, value, name, prefix)
    if isinstance(node, ListMap):
        if not isinstance(value, list):
            return [_wrong_type(prefix, name, "array", _json_type(value))]
        item = _scratch(node)
        return [cause for i, one in enumerate(value) for cause in _invalid(item, one, f"{name}[{i}]", prefix)]
    if not isinstance(value, dict):
        return [_wrong_type(prefix, name, "object", _json_type(value))]
    causes: list[Cause] = []
    if isinstance(node, Struct):
        for field, below in node.fields.items():
            if field in value:
                causes += _invalid(below, value[field], f"{name}.{field}" if name else field, prefix)
        causes += [
            Cause("FieldValueRequired", "Required value", _field(prefix, f"{name}.{field}"))
            for field in node.required
            if field not in value
        ]
    else:
        for field, item in value.items():
            causes += _invalid(_free_child(node, field), item, f"{name}.{field}", prefix)
    return causes


def _invalid_leaf(node: Leaf, value: Any, name: str, prefix: str) -> list[Cause]:
    kind = node.type
    if kind is None:
        return []
    rule = node.rule if isinstance(node.rule, Rule) else None
    causes: list[Cause] = []
    wrong = _type_fault(kind, rule is not None and bool(rule.name), value)
    if wrong is not None:
        causes.append(_wrong_type(prefix, name, *wrong))
    if rule is None:
        return causes
    if rule.item is not None and isinstance(value, list):
        item = rule.item
        causes += [cause for i, one in enumerate(value) for cause in _invalid(item, one, f"{name}[{i}]", prefix)]
    if rule.name == "date-time" and isinstance(value, str) and not rule.regular(value):
        causes.append(_wrong_type(prefix, name, "date-time", value))
    if rule.values and value not in rule.values:
        supported = ", ".join(_quoted(one) for one in rule.values)
        shown = _shown(value)
        message = f"Unsupported value: {shown}: supported values: {supported}"
        causes.append(Cause("FieldValueNotSupported", message, _field(prefix, name)))
    return causes


def _type_fault(kind: type, formatted: bool, value: Any) -> tuple[str, str] | None:
    """Expected and found type, as ``typeValidator`` names them; ``None`` where the type is right."""
    if value is None:
        return _TYPES[kind], "null"
    found = _json_type(value)
    if found == _TYPES[kind] or (kind is int and isinstance(value, float) and value == int(value)):
        return None
    if formatted:
        if found in {"string", "array"}:
            return None
        return "date-time", {"number": "float64", "integer": "int64"}.get(found, "")
    return _TYPES[kind], found


def _wrong_type(prefix: str, name: str, expected: str, found: str) -> Cause:
    message = f"Invalid value: {_quoted(found)}: {name} in body must be of type {expected}: {_quoted(found)}"
    return Cause("FieldValueTypeInvalid", message, _field(prefix, name))


def _duplicates(node: Node, value: Any, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if isinstance(node, ListMap) and isinstance(value, list):
        counts: dict[str, int] = {}
        for i, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                message = f"Invalid value: {_shown(item)}: must be an object for an array of list-type map"
                return [Cause("FieldValueInvalid", message, f"{field}[{i}]")]
            key = {node.key: item[node.key]} if item is not None and node.key in item else {}
            text = json.dumps(key, separators=(",", ":"), ensure_ascii=False)
            counts[text] = counts.get(text, 0) + 1
            if counts[text] == 2:
                causes.append(Cause("FieldValueDuplicate", f"Duplicate value: {text}", f"{field}[{i}]"))
    elif isinstance(node, Struct) and isinstance(value, dict):
        for name, item in value.items():
            below = node.fields.get(name)
            if below is not None:
                causes += _duplicates(below, item, f"{field}.{name}" if field else name)
    return causes


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return "number"
    return _TYPES.get(type(value), "object")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _shown(value: Any) -> str:
    """A bad value as ``field.Error`` shows it."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return _go_number(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _go(value: Any) -> str:
    """``value`` as Go's ``%v`` prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_go(item) for item in value) + "]"
    return _go_number(value) if isinstance(value, float) else str(value)


def _go_number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(value)


def _go_syntax(value: Any) -> str:
    """``value`` as Go's ``%#v`` prints it."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        items = ", ".join(f"{_quoted(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return "map[string]interface {}{" + items + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(_go_syntax(item) for item in value) + "}"
    return _go_number(value) if isinstance(value, float) else str(value)


def _go_type(value: Any) -> str:
    """``value``'s type as Go's ``%T`` prints it."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return {str: "string", bool: "bool", int: "int64", float: "float64"}.get(type(value), "<nil>")
