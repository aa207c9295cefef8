"""Expressions in CEL, compiled, with the functions that Kubernetes adds to the language.

The language is that of the library common-expression-language; a few functions of Kubernetes' own
(``k8s.io/apiserver/pkg/cel/library``) are added here, and an expression that uses any other is refused by name when it
is read.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Container
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType
from typing import Any

from sim.scenario.kinds.structural import Schema, SchemaError


@cache
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
EXTENSIONS: dict[str, Callable[..., Any]] = {**FUNCTIONS, "distinct": lambda items: [*dict.fromkeys(items)]}
"""The same and what only a scenario's own expressions may use, of cel-go's ``ext.Lists``: Kubernetes leaves it out."""

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

    def functions(self) -> set[str]:
        """Functions that it uses, operators left out."""
        return {name for name in self._program.functions() if not _OPERATOR.match(name)}

    def unknown(self, known: Container[str] = FUNCTIONS) -> list[str]:
        """Functions that it uses and nobody has."""
        return sorted(each for each in self.functions() - _OWN if each not in known)

    def names(self) -> set[str]:
        """Variables that it uses."""
        return set(self._program.variables()) - self._bound

    def plainly(self, variables: dict[str, Any]) -> Any:
        """Its value where it uses none of ``EXTENSIONS``, at a tenth of the time."""
        return self._program.execute(variables)

    def evaluate(self, variables: dict[str, Any]) -> Any:
        """Its value. Raises whatever is wrong with it, as the library does."""
        context = engine().Context(variables=variables, functions=EXTENSIONS)
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
