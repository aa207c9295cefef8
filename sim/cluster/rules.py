"""Rules in CEL: ``x-kubernetes-validations``, evaluated on a value and the one before.

apiextensions-apiserver ``pkg/apiserver/schema/cel/validation.go`` and ``values.go``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from sim.cluster.golang import identical
from sim.cluster.messages import Cause
from sim.cluster.openapi import item_before
from sim.scenario.kinds.cel import Program, engine
from sim.scenario.kinds.structural import ABSENT, Schema, ValidationRule

# Values

_RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
_SIGNS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def escaped(name: str) -> str | None:
    """A property's name as expressions write it; ``None`` where they can't (apiserver ``pkg/cel/escaping.go``)."""
    if name in _RESERVED:
        return f"__{name}__"
    found = re.sub(r"__|[./-]", lambda sign: _SIGNS[sign[0]], name)
    return found if _IDENTIFIER.fullmatch(found) else None


_METADATA = Schema(type="object", properties={"name": Schema(type="string"), "generateName": Schema(type="string")})
_ROOT = {"apiVersion": Schema(type="string"), "kind": Schema(type="string"), "metadata": _METADATA}


def in_cel(value: Any, schema: Schema | None, *, root: bool = False) -> Any:
    """A value as expressions see it: only what is declared, by the types that are declared."""
    if value is None or schema is None:
        return value
    if isinstance(value, dict):
        properties = {**schema.properties, **_ROOT} if root or schema.embedded else schema.properties
        if isinstance(schema.additional, Schema):
            return {name: in_cel(item, schema.additional) for name, item in value.items()}
        out = {}
        for name, below in properties.items():
            seen = escaped(name)
            if name in value and seen is not None:
                out[seen] = in_cel(value[name], below)
        return out
    if isinstance(value, list):
        return [in_cel(item, schema.items) for item in value]
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and schema.type == "integer":
        return int(value)
    if schema.format == "byte" and isinstance(value, str):
        return base64.b64decode(value)
    return value


def _in_order_of(old: Any, new: Any, schema: Schema | None) -> Any:
    """``old`` with the items of its sets and keyed lists in the order of ``new``: in CEL that is no difference."""
    if schema is None:
        return old
    if isinstance(old, dict) and isinstance(new, dict):
        return {
            name: _in_order_of(item, new[name], schema.below(name)) if name in new else item
            for name, item in old.items()
        }
    if isinstance(old, list) and isinstance(new, list) and schema.list_type in {"set", "map"}:
        left = list(old)
        out = []
        for item in new:
            for i, other in enumerate(left):
                alike = (
                    identical(item, other)
                    if schema.list_type == "set"
                    else item_before([other], item, schema) is not ABSENT
                )
                if alike:
                    del left[i]
                    out.append(_in_order_of(other, item, schema.items))
                    break
        return out + left
    return old


# Evaluation

_Pair = tuple[Any, Any]


class _Ratchet:
    """What is known of the value before: of this place, or of the nearest place above of which something is known."""

    __slots__ = ("_above", "_here")

    def __init__(self, here: _Pair | None, above: _Pair | None = None) -> None:
        self._here = here
        self._above = above

    def unchanged(self) -> bool:
        pair = self._here or self._above
        return pair is not None and identical(*pair)

    def without_place(self) -> _Ratchet:
        return _Ratchet(None, self._above)

    def below(self, pair: _Pair | None) -> _Ratchet:
        return self if self._here is None else _Ratchet(pair, self._here)

    def field(self, name: str, schema: Schema) -> _Ratchet:
        if self._here is None:
            return self
        new, old = self._here
        known = isinstance(new, dict) and isinstance(old, dict) and name in new and name in old
        return self.below((new[name], old[name]) if known and schema.below(name) is not None else None)

    def item(self, item: Any, schema: Schema) -> _Ratchet:
        old = self._here[1] if self._here is not None else None
        if schema.list_type != "map" or not isinstance(old, list):
            return self.below(None)
        found = item_before(old, item, schema)
        return self.below((item, None if found is ABSENT else found))


def causes(schema: Schema, value: Any, old: Any = None) -> list[Cause]:
    """What the rules of a schema and of all below have against a whole object, which was ``old`` before."""
    if not schema.has_rules:
        return []
    ratchet = _Ratchet((value, old) if old is not None else None)
    return list(_walk(schema, schema, value, old, "", ratchet, root=True))


def _walk(
    rules: Schema, schema: Schema, value: Any, old: Any, path: str, ratchet: _Ratchet, *, root: bool = False
) -> Iterator[Cause]:
    """``rules`` is ``schema`` itself or one of its ``allOf``."""
    if value is None or not rules.has_rules:
        return
    yield from _evaluate(rules, schema, value, old, path, ratchet, root=root)
    for part in rules.all_of:
        yield from _walk(part, schema, value, old, path, ratchet.without_place(), root=root)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, item in value.items():
            if name in rules.properties and name in schema.properties:
                below, where = rules.properties[name], f"{path}.{name}" if path else name
                yield from _walk(
                    below, schema.properties[name], item, before.get(name), where, ratchet.field(name, schema)
                )
            elif isinstance(rules.additional, Schema) and isinstance(schema.additional, Schema):
                yield from _walk(
                    rules.additional,
                    schema.additional,
                    item,
                    before.get(name),
                    f"{path}[{name}]",
                    ratchet.field(name, schema),
                )
    elif isinstance(value, list) and rules.items is not None and schema.items is not None:
        items = old if isinstance(old, list) and schema.list_type == "map" else []
        for i, item in enumerate(value):
            found = item_before(items, item, schema)
            was = None if found is ABSENT else found
            yield from _walk(rules.items, schema.items, item, was, f"{path}[{i}]", ratchet.item(item, schema))


def _evaluate(
    rules: Schema, schema: Schema, value: Any, old: Any, path: str, ratchet: _Ratchet, *, root: bool
) -> Iterator[Cause]:
    if not rules.rules:
        return
    seen = in_cel(value, schema, root=root)
    before = None if old is None else in_cel(_in_order_of(old, value, schema), schema, root=root)
    for rule in rules.rules:
        program: Program = rule.program
        if program.uses_old_self and old is None and not rule.optional_old_self:
            continue
        variables = {"self": seen}
        if rule.optional_old_self:
            optional = engine().OptionalValue
            variables["oldSelf"] = optional.none() if old is None else optional.of(before)
        elif old is not None:
            variables["oldSelf"] = before
        try:
            satisfied = program.evaluate(variables)
        except Exception as error:  # the library raises many kinds
            yield Cause(
                "FieldValueInvalid",
                f'Invalid value: "{schema.type}": {_failure(error)} evaluating rule: {_name(rule)}',
                path or "<nil>",
            )
            continue
        if satisfied is True or (not program.uses_old_self and ratchet.unchanged()):
            continue
        yield _cause(rule, schema, variables, path)


def _cause(rule: ValidationRule, schema: Schema, variables: dict[str, Any], path: str) -> Cause:
    field = ".".join(part for part in (path, _field_path(rule.field_path)) if part) or "<nil>"
    detail = ""
    if rule.message_program is not None:
        try:
            found = rule.message_program.evaluate(variables)
        except Exception:  # the server logs it, and goes on with the message
            found = None
        if isinstance(found, str) and "\n" not in found.strip() and len(found.strip()) <= 5 << 10:
            detail = found.strip()
    if not detail:
        detail = rule.message.strip() or f"failed rule: {rule.rule.strip()}"
    if rule.reason == "FieldValueForbidden":
        return Cause(rule.reason, f"Forbidden: {detail}", field)
    if rule.reason == "FieldValueRequired":
        return Cause(rule.reason, f"Required value: {detail}", field)
    if rule.reason == "FieldValueDuplicate":
        return Cause(rule.reason, f'Duplicate value: "{schema.type}"', field)
    return Cause("FieldValueInvalid", f'Invalid value: "{schema.type}": {detail}', field)


def _field_path(path: str) -> str:
    return re.sub(r"\['((?:\\.|[^'])*)'\]", r".\1", path).removeprefix(".")


def _name(rule: ValidationRule) -> str:
    return rule.message.strip() or rule.rule.strip()


def _failure(error: Exception) -> str:
    """What went wrong, as cel-go says it."""
    if isinstance(error, KeyError):
        return f"no such key: {error.args[0]}".replace("'", "")
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, TypeError):
        return "no such overload"
    return str(error).split(". ")[0]
