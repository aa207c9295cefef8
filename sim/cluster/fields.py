"""Field paths of one kind, interned: each path is one bit, and a set of paths is an integer.

Server-side apply keeps, for each field manager, the set of paths that it owns. Here a set is a bit mask over
the paths that the kind has seen so far, so that union, intersection and difference are single machine
operations (structured-merge-diff: ``fieldpath.Set``, whose set operations are plain ones over members).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.cluster.atoms import UNTYPED, Atom

_CACHE_LIMIT = 1 << 14


class Position(NamedTuple):
    """Where a path sits.

    ``element`` is how ``fieldsV1`` writes its last part (``f:spec``, ``k:{"type":"Ready"}``), ``text`` how
    conflicts do (``.spec``, ``[type="Ready"]``). ``up`` is the path above, ``None`` at the root. ``atom`` is the type
    of its values, ``declared`` whether the schema names it, and ``rank`` its sort key among its neighbours.
    """

    paths: Paths
    up: Path | None
    element: str
    text: str
    atom: Atom
    declared: bool
    rank: tuple[Any, ...]


class Path:
    """One field, list item or map key, as a node in the tree of its kind.

    ``bit`` is its mask, ``subtree`` the mask of it and everything below it, ``ancestors`` the mask of the
    declared fields above it. For ``element``, ``text`` and ``up`` see ``Position``.
    """

    __slots__ = ("ancestors", "atom", "bit", "declared", "element", "members", "paths", "rank", "subtree", "text", "up")

    def __init__(self, place: Position) -> None:
        self.paths, self.up, self.element, self.text, self.atom, self.declared, self.rank = place
        self.members: dict[Any, Path] = {}
        """Paths directly below, as far as they have been seen, by name, key or value (``typedpaths``)."""
        self.bit = self.paths.intern(self)
        self.subtree = self.bit
        self.ancestors = 0
        above = self.up
        while above is not None:
            above.subtree |= self.bit
            if above.declared:  # a list item is no declared field, nor is a key of a map
                self.ancestors |= above.bit
            above = above.up

    def field(self, name: str) -> Position:
        """The place of a field or map key below this path."""
        kind = self.atom.map
        declared = kind is not None and name in kind.fields
        atom = None if kind is None else kind.fields[name] if declared else kind.element
        return Position(self.paths, self, "f:" + name, "." + name, atom or UNTYPED, declared, (0, name))

    def new_field(self, name: str) -> Path:
        """Make the path of a field or map key."""
        return Path(self.field(name))

    def new_item(self, keys: dict[str, Any], position: Position) -> Path:
        """Make the path of the list item with these keys."""
        return Path(position)

    def name(self) -> str:
        """The whole path as a conflict names it, such as ``.status.conditions[type="Ready"].reason``."""
        return (self.up.name() if self.up is not None else "") + self.text

    def order(self) -> tuple[tuple[int, Any], ...]:
        """Sort key of ``fieldpath.Set.Iterate``: at each level members first, then what is below them."""
        key: list[tuple[int, Any]] = [(0, self.rank)]
        above = self.up
        while above is not None:
            key.append((1, above.rank))
            above = above.up
        return tuple(reversed(key))


class Paths:
    """All paths that objects of one kind have had so far, in the order in which they were first seen."""

    __slots__ = ("_named", "_rendered", "known")

    def __init__(self) -> None:
        self.known: list[Path] = []
        self._named: dict[int, int] = {}
        self._rendered: dict[int, tuple[dict[str, Any], int]] = {}

    def intern(self, path: Path) -> int:
        """Give ``path`` the next free bit."""
        self.known.append(path)
        return 1 << (len(self.known) - 1)

    def let_go(self) -> None:
        """Cut what refers from a path to those above it: each is kept by whoever uses it from now on, in no circle."""
        for path in self.known:
            path.up = None
        self.known.clear()

    def members(self, mask: int) -> Iterator[Path]:
        """The paths in ``mask``."""
        known = self.known
        while mask:
            low = mask & -mask
            yield known[low.bit_length() - 1]
            mask ^= low

    def sorted(self, mask: int) -> list[Path]:
        """The paths in ``mask`` in the order in which the API server lists them."""
        return sorted(self.members(mask), key=Path.order)

    def with_named(self, mask: int) -> int:
        """``mask`` and every declared field above one of its paths (``EnsureNamedFieldsAreMembers``)."""
        found = self._named.get(mask)
        if found is None:
            found = mask
            for path in self.members(mask):
                found |= path.ancestors
            if len(self._named) > _CACHE_LIMIT:
                self._named.clear()
            self._named[mask] = found
        return found

    def fields_v1(self, mask: int) -> dict[str, Any]:
        """``mask`` in the form of ``metadata.managedFields[].fieldsV1``. Shared: do not change it."""
        return self._render(mask)[0]

    def fields_v1_bytes(self, mask: int) -> int:
        """Length of ``fields_v1`` as compact JSON in UTF-8."""
        return self._render(mask)[1]

    def _render(self, mask: int) -> tuple[dict[str, Any], int]:
        found = self._rendered.get(mask)
        if found is None:
            tree: dict[str, Any] = {}
            for path in self.sorted(mask):
                here = self._descend(tree, path.up).setdefault(path.element, {})
                if path.subtree & mask != path.bit:
                    here["."] = {}
            size = len(json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode())
            if len(self._rendered) > _CACHE_LIMIT:
                self._rendered.clear()
            found = self._rendered[mask] = (tree, size)
        return found

    def _descend(self, tree: dict[str, Any], path: Path | None) -> dict[str, Any]:
        if path is None:
            return tree
        below: dict[str, Any] = self._descend(tree, path.up).setdefault(path.element, {})
        return below
