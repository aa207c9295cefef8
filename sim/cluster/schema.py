"""Schemas of the kinds, compiled to trees of nodes that merge, compare and prune values.

Each node is a path (``sim.cluster.fields.Path``) and knows the shape below it. The rules are those of
structured-merge-diff v6.3 (``typed/merge.go``, ``typed/compare.go``, ``typed/tofieldset.go``,
``typed/remove.go``), with one difference in method: parts that are the same object are equal, and only what
differs is walked.

The walks share one rule of strictness. A value is regular when it has the declared types, no unknown field,
no null, no missing required field and no value outside an enumeration; the strict walks raise
``IrregularError`` on anything else, and the caller answers at leisure (``sim.cluster.answering``). A lenient
walk is for what is stored, which was found regular before: nothing is checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sim.cluster.fields import Path, Position

ABSENT: Any = object()
"""Stands for a field that is not there, as ``None`` stands for null."""


class IrregularError(Exception):
    """A value does not fit the schema, or needs the slow path."""


class Node(Path):
    """A field with the shape of its value."""

    __slots__ = ()
    leaf = False

    def adopt(self, value: Any, lenient: bool) -> tuple[int, int]:
        """Return the paths of ``value`` as an applier owns them, and as a comparison with nothing adds them.

        The first is ``ToFieldSet``: leaves, list items, empty maps and nulls. The second is every path,
        containers as well.
        """
        raise NotImplementedError

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """Apply ``config`` on ``live``: the merged value, the paths of ``config``, and those that it changed. Strict.

        The merged value is ``live`` itself where nothing changed.
        """
        raise NotImplementedError

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """The paths that ``new`` changes or adds, and those that it removes. Strict."""
        raise NotImplementedError

    def remove(self, value: Any, paths: int) -> Any:
        """``value`` without the items in ``paths``; a map or list left without any becomes null."""
        raise NotImplementedError


Shape = Callable[[Position], Node]
"""Builds the node of a field at its place."""


class Leaf(Node):
    """A scalar, an atomic list, or an opaque value: owned as a whole.

    ``type`` is the exact Python type of a regular value; ``check`` says whether a value of that type is valid, ``None``
    where all are.
    """

    __slots__ = ("check", "type")
    leaf = True

    def __init__(self, place: Position, type_: type, check: Callable[[Any], bool] | None = None) -> None:
        super().__init__(place)
        self.type = type_
        self.check = check

    def adopt(self, value: Any, lenient: bool) -> tuple[int, int]:
        """See ``Node.adopt``."""
        self.admit(value, lenient)
        return self.bit, self.bit

    def admit(self, value: Any, lenient: bool) -> None:
        """Raise ``IrregularError`` unless ``value`` is regular, or the walk is lenient."""
        if lenient:
            return
        kind = self.type
        if (kind is int and isinstance(value, bool)) or not isinstance(value, kind):
            raise IrregularError
        if self.check is not None and not self.check(value):
            raise IrregularError

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """See ``Node.merge``."""
        if live is config:
            return live, self.bit, 0
        self.admit(config, False)
        if live == config:
            return live, self.bit, 0
        return config, self.bit, self.bit

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """See ``Node.compare``."""
        if old is new:
            return 0, 0
        self.admit(new, False)
        return (0 if old == new else self.bit), 0

    def remove(self, value: Any, paths: int) -> Any:
        """See ``Node.remove``."""
        return value


class Struct(Node):
    """A map with declared fields, each owned on its own. ``required`` ones must be there.

    ``rest`` is the shape of any other key, interned when it is first seen; without, there is none.
    """

    __slots__ = ("fields", "required", "rest")

    def __init__(
        self, place: Position, shapes: Mapping[str, Shape], required: tuple[str, ...] = (), rest: Shape | None = None
    ) -> None:
        super().__init__(place)
        self.fields: dict[str, Node] = {name: shape(self.field(name)) for name, shape in shapes.items()}
        self.required = required
        self.rest = rest
        if rest is None:
            self.members.update(self.fields)
        else:
            self.members = self.fields  # type: ignore[assignment] # all of them are nodes

    def new_field(self, name: str) -> Path:
        """See ``Path.new_field``."""
        return super().new_field(name) if self.rest is None else self.child(name)

    def child(self, name: str) -> Node:
        """The node of a key that is not declared. Raises ``IrregularError`` where there is none."""
        if self.rest is None or not isinstance(name, str):
            raise IrregularError
        node = self.fields[name] = self.rest(self.field(name))
        return node

    def adopt(self, value: Any, lenient: bool) -> tuple[int, int]:
        """See ``Node.adopt``."""
        bit = self.bit
        if not value and (value is None or type(value) is dict):
            if not lenient and (value is None or self.required):
                raise IrregularError
            return bit, bit
        if not isinstance(value, dict):
            raise IrregularError
        owned = 0
        added = bit
        fields = self.fields
        for name, item in value.items():
            node: Any = fields.get(name) or self.child(name)
            if node.leaf:
                if type(item) is not node.type or ((check := node.check) is not None and not check(item)):
                    node.admit(item, lenient)
                owned |= node.bit
            else:
                own, add = node.adopt(item, lenient)
                owned |= own
                added |= add
        if not lenient:
            for name in self.required:
                if name not in value:
                    raise IrregularError
        return owned, added | owned

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """See ``Node.merge``."""
        if not isinstance(config, dict):
            raise IrregularError
        if not config:
            return live, self.bit, 0
        fields = self.fields
        owned = changed = 0
        merged = None
        for name, item in config.items():
            node: Any = fields.get(name) or self.child(name)
            old = live.get(name, ABSENT)
            if node.leaf:
                bit = node.bit
                owned |= bit
                if old is item or (old == item and type(old) is type(item)):
                    continue
                if type(item) is not node.type or ((check := node.check) is not None and not check(item)):
                    node.admit(item, False)
                    if old == item:  # numbers of different types
                        continue
                changed |= bit
                new = item
            elif old is ABSENT:
                own, add = node.adopt(item, False)
                owned |= own
                changed |= add
                new = item
            else:
                new, own, add = node.merge(old, item)
                owned |= own
                if new is old:
                    continue
                changed |= add
            if merged is None:
                merged = live.copy()
            merged[name] = new
        return live if merged is None else merged, owned, changed

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """See ``Node.compare``."""
        if old is new:
            return 0, 0
        if type(new) is not dict:
            raise IrregularError
        fields = self.fields
        changed = removed = 0
        missing = len(old)
        for name, item in new.items():
            was = old.get(name, ABSENT)
            if was is item:
                missing -= 1
                continue
            node: Any = fields.get(name) or self.child(name)
            if was is ABSENT:
                changed |= node.adopt(item, False)[1]
                continue
            missing -= 1
            if node.leaf:
                if was == item and type(was) is type(item):
                    continue
                if type(item) is not node.type or ((check := node.check) is not None and not check(item)):
                    node.admit(item, False)
                    if was == item:  # of another type: only leaves that admit several, which no kind here has
                        continue
                changed |= node.bit
            else:
                more, less = node.compare(was, item)
                changed |= more
                removed |= less
        if missing:
            for name, was in old.items():
                if name not in new:
                    if name in self.required:
                        raise IrregularError
                    removed |= (fields.get(name) or self.child(name)).adopt(was, True)[1]
        return changed, removed

    def remove(self, value: Any, paths: int) -> Any:
        """See ``Node.remove``."""
        if not value:
            return None
        fields = self.fields
        kept = {}
        for name, item in value.items():
            node = fields.get(name) or self.child(name)
            if node.bit & paths:
                continue
            kept[name] = node.remove(item, paths) if node.subtree & paths else item
        return kept or None


def string_map(place: Position) -> Node:
    """A map of strings, such as labels and annotations."""
    return Struct(place, {}, rest=lambda below: Leaf(below, str))
