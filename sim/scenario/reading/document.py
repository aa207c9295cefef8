"""A YAML document as a tree in which every key and value knows its place in the file.

The tree is built from the parser's events and not by a loader: nothing is ever constructed that a tag names,
aliases are counted at the size that they stand for, and depth is bounded without recursion. Plain scalars are
read by YAML 1.2's rules where those and 1.1's agree, and as text where they do not: ``on``, ``010``, ``1:30``
and ``1_000`` are text, and a field that wants a number says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypeAlias

import yaml

from sim.scenario.errors import Path, Problem, ScenarioError
from sim.units import quoted

MAX_BYTES = 1 << 20
"""The largest file that is read."""
MAX_NODES = 100_000
"""The most keys and values in a document, aliases counted at the size that they stand for."""
MAX_DEPTH = 32
"""The deepest nesting; a scenario needs six levels."""
DEEPEST_DEFINITION = 120
"""The deepest nesting of a CustomResourceDefinition: two levels of its schema for each of its objects."""

Value: TypeAlias = "bool | int | float | str | list[YamlNode] | dict[str, YamlNode] | None"


class Place(NamedTuple):
    """Where something was written; line and column count from 1, or are 0 where there is no file."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A value and where it was written. Nodes are shared between aliases and never changed.

    ``written`` is a scalar as it stands in the file; ``keys`` has the places of a mapping's keys; ``size``
    and ``height`` count the nodes and levels from here down.
    """

    place: Place
    value: Value
    written: str = ""
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def plain(self) -> Any:
        """Return the value as plain Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def dotted(path: Path) -> str:
    """Return a key path as it is written in messages and overrides, such as ``writers.0.rate``."""
    return ".".join(str(step) for step in path)[:200]


def parse(
    text: str, file: str, *, fixed: Place | None = None, at: Path = (), deepest: int = MAX_DEPTH
) -> YamlNode | None:
    """Return the tree of the one document in ``text``, or None where there is none.

    ``fixed`` is the place of everything where the text does not come from a file, ``at`` the key path that it
    belongs to. Raises ``ScenarioError`` for anything but one document of mappings with distinct plain keys,
    lists and standard scalars.
    """
    return _Composer(text, file, fixed, at, deepest).document()


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read."""

    place: Place
    anchor: str | None
    items: list[YamlNode]
    entries: dict[str, YamlNode] | None = None
    keys: dict[str, Place] = field(default_factory=dict)
    key: str | None = None

    def add(self, node: YamlNode) -> None:
        if self.entries is None:
            self.items.append(node)
        elif self.key is not None:
            self.entries[self.key] = node
            self.key = None

    def close(self) -> YamlNode:
        below = self.items if self.entries is None else list(self.entries.values())
        return YamlNode(
            self.place,
            self.items if self.entries is None else self.entries,
            keys=self.keys,
            size=1 + sum(node.size for node in below),
            height=1 + max((node.height for node in below), default=0),
        )


class _Composer:
    """Builds the tree; ``_stack`` holds what is open, ``_nodes`` how many nodes there are so far."""

    def __init__(self, text: str, file: str, fixed: Place | None, at: Path, deepest: int) -> None:
        self._text = text
        self._file = file
        self._fixed = fixed
        self._at = at
        self._deepest = deepest
        self._stack: list[_Open] = []
        self._anchors: dict[str, YamlNode] = {}
        self._nodes = 0

    def document(self) -> YamlNode | None:
        root: YamlNode | None = None
        documents = 0
        for event in self._events():
            place = self._place(event.start_mark)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(place, "a second document starts here; write one in one file")
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._open(event, place)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                opened = self._stack.pop()
                root = self._add(opened.close(), opened.anchor) or root
            elif isinstance(event, yaml.ScalarEvent):
                if self._wants_key():
                    self._key(str(event.value), place)
                    self._remember(YamlNode(place, str(event.value), str(event.value)), event.anchor)
                else:
                    node = YamlNode(place, self._scalar(event, place), event.value)
                    self._count(place, node)
                    root = self._add(node, event.anchor) or root
            elif isinstance(event, yaml.AliasEvent):
                root = self._alias(event.anchor, place) or root
        return root

    def _events(self) -> Iterator[Any]:
        bad = _UNPRINTABLE.search(self._text)
        if bad:
            what = f"the character U+{ord(bad[0]):04X} is not allowed in YAML; remove it"
            self._refuse(self._offset(bad.start()), what)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            yield from yaml.parse(self._text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._place(mark) if mark else self._offset(0)
            self._refuse(place, f"not valid YAML: {error.problem or error.context}{self._hint(error, mark)}")
        except (yaml.YAMLError, ValueError):
            self._refuse(self._offset(0), "not valid YAML: a character or an escape in it is not allowed")

    def _hint(self, error: yaml.MarkedYAMLError, mark: Any) -> str:
        said = f"{error.context} {error.problem}"
        lines = self._text.splitlines()
        rest = lines[mark.line][mark.column :] if mark and mark.line < len(lines) else ""
        if "block scalar" in said:
            return "; put a text that starts with > or | in quotes"
        if "mapping values" in said:
            return "; put a text that contains ': ' in quotes, and check the indentation"
        if rest.startswith("\t"):
            return "; indent with spaces, not with tabs"
        if rest[:1] in {"@", "`", "%"}:
            return f"; put a text that starts with {rest[0]} in quotes"
        if "quoted scalar" in said:
            return "; a quotation mark is not closed"
        return ""

    def _open(self, event: Any, place: Place) -> None:
        if self._wants_key():
            self._refuse(place, "a key must be plain text, and this one is a list or a mapping")
        if event.tag not in _COLLECTION_TAGS:
            self._refuse(place, _bad_tag(event.tag))
        if len(self._stack) >= self._deepest:
            self._refuse(place, f"nested more than {self._deepest} levels deep; no file needs more than a few")
        entries: dict[str, YamlNode] | None = {} if isinstance(event, yaml.MappingStartEvent) else None
        self._count(place, None)
        self._stack.append(_Open(place, event.anchor, [], entries))

    def _key(self, key: str, place: Place) -> None:
        opened = self._stack[-1]
        if key == "<<":
            self._refuse(place, "merge keys (<<) are not supported; write the keys out")
        if key in opened.keys:
            first = opened.keys[key]
            where = f"line {first.line}" if first.line else "the same text"
            opened.key = key
            self._refuse(place, f"this key is there twice, first in {where}; remove one of them")
        opened.key = key
        opened.keys[key] = place

    def _add(self, node: YamlNode, anchor: str | None) -> YamlNode | None:
        """Put a finished node where it belongs; return it if it is the document's root."""
        self._remember(node, anchor)
        if not self._stack:
            return node
        self._stack[-1].add(node)
        return None

    def _remember(self, node: YamlNode, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _alias(self, anchor: str | None, place: Place) -> YamlNode | None:
        if anchor and anchor in {opened.anchor for opened in self._stack}:
            self._refuse(place, f"the alias *{anchor} stands for something that contains it")
        node = self._anchors.get(anchor or "")
        if node is None:
            self._refuse(place, f"the alias *{anchor} has no anchor &{anchor} before it")
        if self._wants_key():
            if isinstance(node.value, list | dict):
                self._refuse(place, "a key must be plain text, and this one is a list or a mapping")
            self._key(node.written, place)
            return None
        self._count(place, node)
        if len(self._stack) + node.height > self._deepest:
            self._refuse(place, f"nested more than {self._deepest} levels deep; no file needs more than a few")
        return self._add(node, None)

    def _count(self, place: Place, node: YamlNode | None) -> None:
        self._nodes += node.size if node else 1
        if self._nodes > MAX_NODES:
            self._refuse(place, f"more than {MAX_NODES} keys and values, aliases written out")

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> bool | int | float | str | None:
        text: str = event.value
        tag: str | None = event.tag
        if not text.isascii() and _SURROGATE.search(text):
            self._refuse(place, "half of a surrogate pair is not a character; write the character itself")
        if tag in {"!", _STANDARD + "str"} or (tag is None and event.style not in {None, ""}):
            return text
        if tag is not None and tag not in _SCALAR_TAGS:
            self._refuse(place, _bad_tag(tag))
        value = self._resolve(text, place)
        if tag is not None and not isinstance(value, _SCALAR_TAGS[tag]):
            self._refuse(place, f"{quoted(text)} does not fit its tag !!{tag.removeprefix(_STANDARD)}; remove the tag")
        return value

    def _resolve(self, text: str, place: Place) -> bool | int | float | str | None:
        if text in _NULLS:
            return None
        if text.lower() in {"true", "false"} and text in {text.lower(), text.upper(), text.title()}:
            return text.lower() == "true"
        if _INFINITE.fullmatch(text):
            self._refuse(place, f"found {text}, and numbers must be finite")
        if _INT.fullmatch(text) or _FLOAT.fullmatch(text):
            if len(text) > _LONGEST_NUMBER or float(text) in {float("inf"), float("-inf")}:
                self._refuse(place, f"the number {text[:20]}... is too large or too long")
            return int(text) if _INT.fullmatch(text) else float(text)
        return text

    def _wants_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].entries is not None and self._stack[-1].key is None

    def _place(self, mark: Any) -> Place:
        return self._fixed or Place(self._file, mark.line + 1, mark.column + 1)

    def _offset(self, position: int) -> Place:
        before = self._text[:position]
        column = position - (before.rfind("\n") + 1)
        return self._fixed or Place(self._file, before.count("\n") + 1, column + 1)

    def _refuse(self, place: Place, message: str) -> NoReturn:
        path = tuple(len(o.items) if o.entries is None else o.key for o in self._stack)
        key = dotted((*self._at, *(step for step in path if step is not None)))
        raise ScenarioError([Problem(*place, key, message)])


_STANDARD = "tag:yaml.org,2002:"
_COLLECTION_TAGS = {None, "!", _STANDARD + "map", _STANDARD + "seq"}
_SCALAR_TAGS: dict[str, type | tuple[type, ...]] = {
    _STANDARD + "null": type(None),
    _STANDARD + "bool": bool,
    _STANDARD + "int": int,
    _STANDARD + "float": (int, float),
}
_NULLS = {"", "~", "null", "Null", "NULL"}
# Only what YAML 1.1 and 1.2 read alike is a number, so that a file means the same to every program.
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]+)?|\.[0-9]+(?:[eE][-+][0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER = 40
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _bad_tag(tag: str) -> str:
    short = "!!" + tag.removeprefix(_STANDARD) if tag.startswith(_STANDARD) else tag
    if tag.startswith(_STANDARD):
        return f"the tag {quoted(short)} is not allowed; write plain values without tags"
    return f"found the tag {quoted(short)}; put a text that starts with ! in quotes"
