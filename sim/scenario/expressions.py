"""CEL in scenarios: conditions over objects, and values built from them.

Expressions are those of Kubernetes' own validation rules (Common Expression Language), by the library
``common-expression-language``, which is imported where the first is compiled. A text with ``${...}`` is a template:
where that is all of it the value keeps its type, else it is put into the text.

What an expression reads is known from its source (``self.status.phase`` and the like), so that it is handed that much
and no more, and its outcome is remembered for these values: most are asked the same again for the next object.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any

from sim.guarded import Unusable
from sim.scenario.kinds.cel import EXTENSIONS, Program

_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")
_CHAIN = re.compile(r"(?<![\w.'\"])([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)(\s*\()?")
_TEMPLATE = re.compile(r"\$\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_LISTED = re.compile(r"(?<![\w.])(owned|objects)(?:\.|\[\s*['\"])(\w+)\b(?!\s*\()")
"""owned.Secret, objects['Secret']; not a macro, as in owned.exists(...)."""
_IN_CEL = {"and": "&&", "or": "||", "not": "!", "=": "==", "len": "size(...)", "length": "size(...)"}
_WORD = re.compile(r"(?:and|or|not)\b|=(?!=)", re.IGNORECASE)
_MISSING = (KeyError, IndexError)
_HAS_PART = re.compile(
    r"(?<![\w.])has\(\s*([A-Za-z_]\w*\.(?:metadata\.(?:annotations|labels|finalizers)|spec|status|data))\s*\)"
)
"""Parts that objects are seen with though they are empty: Kubernetes writes such a part not at all, and ``has`` is of
what is written."""

Scope = Mapping[str, Any]
"""Values of the variables."""


class EvaluationError(Unusable, ValueError):
    """An expression has no value for what it was given, as where it compares a text with a number."""


class Expression:
    """One expression, compiled when it is made. Raises ``ValueError`` with a position where it is none."""

    def __init__(self, source: str, variables: Collection[str]) -> None:
        self.source = source
        try:
            program = Program(source)
        except ValueError as error:
            raise ValueError(_said(source, str(error))) from None
        self.names = program.names()
        """The variables that it reads."""
        for name in sorted(self.names):
            if name not in variables:
                hint = _meant(name, variables)
                raise ValueError(f"{_place(source, name)}: there is no variable {name}; {hint}")
        for name in program.unknown(EXTENSIONS):
            raise ValueError(f"{_place(source, name)}: {name}() is no function of CEL that is simulated{_in_cel(name)}")
        if _HAS_PART.search(source):
            program = Program(_HAS_PART.sub(r"(has(\1) && size(\1) > 0)", source))
        self._execute_with = program.evaluate if program.functions() & EXTENSIONS.keys() else program.plainly
        self._remembered: dict[bytes, Any] = {}

    @cached_property
    def paths(self) -> dict[str, Any]:
        """What it reads: a tree of field names below each variable; an empty tree stands for all of it."""
        known = self.names
        paths = set()
        for match in _CHAIN.finditer(self.source):
            root, rest, call = match.groups()
            names = rest.split(".")[1:]
            if root in known and (names or not call):
                paths.add((root, *(names[:-1] if call else names)))  # the last one called is a method
        tree: dict[str, Any] = {}
        for path in sorted(paths, key=len):
            if not any(path[:n] in paths for n in range(1, len(path))):
                below = tree
                for name in path:
                    below = below.setdefault(name, {})
        return tree

    def value(self, scope: Scope) -> Any:
        """Its value. Raises ``KeyError`` or ``IndexError`` where it reads what is not there, ``EvaluationError`` in all
        other cases in which it has none.
        """
        leaves: list[Any] = []
        for root, names in self._leaves:
            try:
                found = scope[root]
                for name in names:
                    found = found[name]
            except KeyError:
                found = ...
            except (TypeError, IndexError):
                found = (found,)  # no map: what stands in its place tells as much
            leaves.append(found)
        given = self._given
        try:
            key = marshal.dumps(leaves, 2)
        except ValueError:
            # No plain data: a simulated key is a tuple, which says all that it is, but a view of objects (as of
            # objects['Secret']) is known by its place in memory, where the next one may be.
            told = [_plain(each) if isinstance(each, Mapping) else each for each in leaves]
            key, given = repr(told).encode(), lambda scope: _plain(self._given(scope))
        try:
            return self._remembered[key]
        except KeyError:
            pass
        if len(self._remembered) > 1 << 11:
            self._remembered.clear()
        found = self._remembered[key] = self._execute(given(scope))
        return found

    @cached_property
    def _leaves(self) -> list[tuple[str, tuple[str, ...]]]:
        """What it reads, one by one: a variable and the names of fields below it."""

        def below(tree: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
            for name, deeper in tree.items():
                yield from ((name, *rest) for rest in below(deeper)) if deeper else [(name,)]

        return [(path[0], path[1:]) for path in below(self.paths)]

    def _given(self, scope: Scope) -> dict[str, Any]:
        """As much of the variables as it reads."""
        return {root: _pruned(scope[root], below) for root, below in self.paths.items() if root in scope}

    def _execute(self, given: dict[str, Any]) -> Any:
        try:
            return _sorted(self._execute_with(given))
        except _MISSING:
            raise
        except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
            raise EvaluationError(f"{self.source!r} has no value: {str(error).split('. ')[0]}") from None

    def holds(self, scope: Scope) -> bool:
        """Whether it is true; where it reads what is not there it is not."""
        try:
            return self.value(scope) is True
        except _MISSING:
            return False


@lru_cache(4096)
def compiled(source: str, variables: tuple[str, ...]) -> Expression:
    """Return an expression, made once: the same in every controller, process and replication.

    Raises ``ValueError`` as ``Expression``.
    """
    return Expression(source, variables)


def template(text: Any, variables: tuple[str, ...]) -> Callable[[Scope], Any]:
    """Return what makes the value of a text, map or list in which texts may have ``${...}``.

    Raises ``ValueError`` where an expression is none. A field that cannot be made, because something that it reads is
    not there, is left out of its map; within a text it is nothing.
    """
    if isinstance(text, dict):
        parts = {key: template(value, variables) for key, value in text.items()}
        return lambda scope: _made(parts, scope)
    if isinstance(text, list):
        items = [template(value, variables) for value in text]
        return lambda scope: [item(scope) for item in items]
    if not isinstance(text, str) or "${" not in text:
        return lambda _: text
    whole = _TEMPLATE.fullmatch(text)
    if whole:
        return compiled(whole[1].strip(), variables).value
    pieces = _TEMPLATE.split(text)  # text and expressions in turn
    made = [compiled(piece.strip(), variables) if n % 2 else piece for n, piece in enumerate(pieces)]
    if len(made) == 1:
        raise ValueError(f"{text!r} has a ${{ that is not closed")

    def joined(scope: Scope) -> str:
        return "".join(part if isinstance(part, str) else _text_of(part.value, scope) for part in made)

    return joined


def checked(make: Callable[[Any, tuple[str, ...]], object], variables: tuple[str, ...]) -> Callable[[Any], Any]:
    """Return a validator: it hands back what ``make``, which is ``compiled`` or ``template``, can be made of."""

    def check(text: Any) -> Any:
        make(text, variables)
        return text

    return check


def words(text: str, variables: tuple[str, ...]) -> Callable[[Scope], str]:
    """Return what makes a text of a template; what is not there reads as in Go, as nothing."""
    value = template(text, variables)
    return lambda scope: _text_of(value, scope)


def _text_of(value: Callable[[Scope], Any], scope: Scope) -> str:
    try:
        return as_text(value(scope))
    except _MISSING:
        return ""


def _made(parts: Mapping[str, Callable[[Scope], Any]], scope: Scope) -> dict[str, Any]:
    found = {}
    for key, part in parts.items():
        try:
            found[key] = part(scope)
        except _MISSING:
            continue
    return found


def expressions_in(value: Any) -> list[str]:
    """All expressions in the settings of a controller: those under ``when`` and ``which``, and in templates."""
    if isinstance(value, str):
        return [piece for n, piece in enumerate(_TEMPLATE.split(value)) if n % 2]
    if isinstance(value, dict):
        plain = [value[key] for key in ("when", "which") if isinstance(value.get(key), str)]
        return plain + [each for below in value.values() for each in expressions_in(below)]
    return [each for below in value for each in expressions_in(below)] if isinstance(value, list) else []


def kinds_listed(source: str, variable: str) -> list[str]:
    """Return the kinds of which an expression lists objects by ``owned`` or ``objects``, in their order."""
    return list(dict.fromkeys(kind for name, kind in _LISTED.findall(source) if name == variable))


def as_text(value: Any) -> str:
    """A value as a template writes it into a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a map of texts, as labels, annotations and data are; a None, which takes a key away, stays one."""
    return {key: None if value is None else as_text(value) for key, value in values.items()}


def _pruned(value: Any, tree: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        return value
    if not tree:
        return value if isinstance(value, dict) else dict(value)
    return {name: _pruned(value[name], below) for name, below in tree.items() if name in value}


def _sorted(value: Any) -> Any:
    """The library gives maps in an order of chance."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """What is no plain data, such as a simulated key, as its text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return repr(value)


def _said(source: str, message: str) -> str:
    found = _PLACE.search(message)
    if found is None:
        return f"{source!r} is no CEL expression: {message.splitlines()[0]}"
    line, column = int(found[1]), int(found[2])
    said = f"{_at(source, line, column)}: {found[3]}"
    word = _WORD.match(source.split("\n")[line - 1][column - 1 :]) if line <= source.count("\n") + 1 else None
    return said + (_in_cel(word[0].lower()) if word else "")


def _in_cel(word: str) -> str:
    """What CEL writes for a word or sign of other languages, for the end of a message."""
    return f"; CEL writes {_IN_CEL[word]}" if word in _IN_CEL else ""


def _meant(name: str, variables: Collection[str]) -> str:
    """What a name that is no variable is likely to mean."""
    near = get_close_matches(name, variables, n=1)
    if near:
        return f"did you mean {near[0]}?"
    if name in {"metadata", "spec", "status", "data"} and "self" in variables:
        return f"did you mean self.{name}?"
    if name[:1].isupper() and "holds" in variables:
        return f"of a condition write '{name}' in holds"
    return f"there are {', '.join(sorted(variables))}"


def _place(source: str, name: str) -> str:
    """Where a name stands in an expression, in words."""
    found = re.search(rf"(?<!\w){re.escape(name)}\b", source)
    before = source[: found.start() if found else 0]
    return _at(source, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _at(source: str, line: int, column: int) -> str:
    """A place in an expression, from 1; its line where there are several."""
    return f"{f'line {line}, ' if chr(10) in source.strip() else ''}column {column} of {source!r}"
