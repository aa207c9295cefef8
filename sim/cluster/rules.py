"""Rules in CEL: ``x-kubernetes-validations`` compiled, and evaluated on a value and the one before.

apiextensions-apiserver ``pkg/apiserver/schema/cel/validation.go`` and ``values.go``. The language is that of the
library common-expression-language; a few functions of Kubernetes' own (``k8s.io/apiserver/pkg/cel/library``) are added
here, and an expression that uses any other is refused by name when the schema is read.
"""

from __future__ import annotations

import base64
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType
from typing import Any

from sim.cluster.causes import Cause
from sim.cluster.golang import identical
from sim.cluster.openapi import item_before
from sim.cluster.structural import ABSENT, Rule, Schema, SchemaError


def engine() -> Any:
    """The library's compiled half. Importing the whole would load its command line as well, which takes 0.1 s more."""
    if "cel" not in sys.modules:
        spec = find_spec("cel")
        if spec is None:
            raise ModuleNotFoundError("common-expression-language is not installed")
        package = ModuleType("cel")
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules["cel"] = package
        try:
            return importlib.import_module("cel.cel")
        finally:
            del sys.modules["cel"]  # whoever wants the whole library gets it
    return importlib.import_module("cel.cel")


def _index(text: str, part: str, start: int = 0) -> int:
    return text.find(part, start)


def _substring(text: str, start: int, end: int | None = None) -> str:
    if not 0 <= start <= (len(text) if end is None else end) <= len(text):
        raise IndexError(start)
    return text[start:end]


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, count)


def _split(text: str, separator: str, count: int = -1) -> list[str]:
    if not separator:
        return list(text)
    return text.split(separator, count - 1 if count > 0 else -1)


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else ""


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(items))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "charAt": lambda text, at: text[at] if at < len(text) else "",
    "find": _find,
    "findAll": lambda text, pattern, count=-1: [each[0] for each in re.finditer(pattern, text)][
        : count if count > 0 else None
    ],
    "indexOf": lambda items, item, *start: (
        items.index(item)
        if isinstance(items, list) and item in items
        else _index(items, item, *start)
        if isinstance(items, str)
        else -1
    ),
    "isSorted": _is_sorted,
    "join": lambda items, separator="": separator.join(items),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "lowerAscii": lambda text: text.lower(),
    "replace": _replace,
    "split": _split,
    "substring": _substring,
    "sum": sum,
    "trim": lambda text: text.strip(),
    "upperAscii": lambda text: text.upper(),
}
"""Functions of Kubernetes' CEL that the library does not have, by name; called as methods."""

_OWN = frozenset(
    {
        *("all", "exists", "exists_one", "filter", "map", "has", "size", "contains", "startsWith", "endsWith"),
        *("matches", "int", "uint", "double", "string", "bytes", "bool", "type", "dyn", "duration", "timestamp"),
        *("getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek", "getHours"),
        *("getMinutes", "getSeconds", "getMilliseconds", "hasValue", "value", "orValue", "or", "of", "none"),
        "ofNonZeroValue",
    }
)
_OPERATOR = re.compile(r"[^A-Za-z]*$|^_|^@")
_BINDS = re.compile(r"\.(?:all|exists|exists_one|filter|map)\(\s*([A-Za-z_]\w*)\s*,")
_TEXTS = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
_OLD_SELF = re.compile(r"\boldSelf\b")


class Program:
    """One expression, compiled."""

    __slots__ = ("_bound", "_program", "uses_old_self")

    def __init__(self, source: str) -> None:
        self._program = engine().compile(source)
        bare = _TEXTS.sub("''", source)
        self.uses_old_self = bool(_OLD_SELF.search(bare))
        self._bound = set(_BINDS.findall(bare))

    def unknown(self) -> list[str]:
        """Functions that it uses and nobody has."""
        return sorted(
            name
            for name in self._program.functions()
            if name not in _OWN and name not in FUNCTIONS and not _OPERATOR.match(name)
        )

    def names(self) -> set[str]:
        """Variables that it uses."""
        return set(self._program.variables()) - self._bound

    def evaluate(self, variables: dict[str, Any]) -> Any:
        """Its value. Raises whatever is wrong with it, as the library does."""
        context = engine().Context(variables=variables, functions=FUNCTIONS)
        return self._program.execute(context)


def compile_rules(schema: Schema, path: tuple[str | int, ...] = ()) -> None:
    """Compile the rules of a schema and of all below.

    Raises ``SchemaError`` where one is no CEL, or uses a function that is not simulated.
    """
    if not schema.has_rules:
        return
    for number, rule in enumerate(schema.rules):
        here = (*path, "x-kubernetes-validations", number)
        rule.program = _compiled(rule.rule, (*here, "rule"))
        if rule.message_expression:
            rule.message_program = _compiled(rule.message_expression, (*here, "messageExpression"))
    for name, below in schema.properties.items():
        compile_rules(below, (*path, "properties", name))
    if isinstance(schema.additional, Schema):
        compile_rules(schema.additional, (*path, "additionalProperties"))
    if schema.items is not None:
        compile_rules(schema.items, (*path, "items"))
    for number, part in enumerate(schema.all_of):
        compile_rules(part, (*path, "allOf", number))


def _compiled(source: str, path: tuple[str | int, ...]) -> Program:
    try:
        program = Program(source)
    except ValueError as error:
        raise SchemaError(path, f"is no CEL: {_first_line(error)}") from None
    unknown = program.unknown()
    if unknown:
        raise SchemaError(path, f"uses {unknown[0]}(), a function of CEL that is not simulated")
    stray = sorted(program.names() - {"self", "oldSelf", "optional"})
    if stray:
        raise SchemaError(path, f"speaks of {stray[0]}; a rule knows self and oldSelf")
    return program


def _first_line(error: Exception) -> str:
    lines = str(error).split("ERROR: ")
    return lines[1].split("\n")[0].removeprefix("<input>:") if len(lines) > 1 else lines[0].split("\n")[0]


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


def _cause(rule: Rule, schema: Schema, variables: dict[str, Any], path: str) -> Cause:
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


def _name(rule: Rule) -> str:
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
