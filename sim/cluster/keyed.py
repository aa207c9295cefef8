"""Schema nodes of lists whose items have a key; an item is interned when its key is first seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.cluster.fields import Path, Position
from sim.cluster.schema import ABSENT, IrregularError, Node
from sim.cluster.typedpaths import key_path

ItemShape = Callable[["ListMap", str], Node]
"""Builds the node of a list item: the list and the value of the item's key field."""


class ListMap(Node):
    """A list of maps, each item owned on its own under the value of its ``key`` field."""

    __slots__ = ("children", "item", "key")

    def __init__(self, place: Position, key: str, item: ItemShape) -> None:
        super().__init__(place)
        self.key = key
        self.item = item
        self.children: dict[str, Node] = {}

    def new_item(self, keys: dict[str, Any], position: Position) -> Path:
        """See ``Path.new_item``."""
        value = keys.get(self.key)
        if len(keys) != 1 or not isinstance(value, str):
            return super().new_item(keys, position)
        node = self.children[value] = self.item(self, value)
        return node

    def child(self, item: Any) -> Node:
        """The node of a list item, interned when its key is first seen."""
        if not isinstance(item, dict):
            raise IrregularError
        key = item.get(self.key)
        if not isinstance(key, str):
            raise IrregularError
        node = self.children.get(key)
        if node is None:
            return key_path(self, {self.key: key})  # type: ignore[return-value] # see new_item
        return node

    def adopt(self, value: Any, lenient: bool) -> tuple[int, int]:
        """See ``Node.adopt``."""
        if not isinstance(value, list):
            if value is None and lenient:
                return self.bit, self.bit
            raise IrregularError
        owned = 0
        added = self.bit
        for item in value:
            node = self.child(item)
            if node.bit & owned:
                raise IrregularError  # twice the same key
            own, add = node.adopt(item, lenient)
            owned |= own | node.bit
            added |= add
        return owned, added

    def merge(self, live: Any, config: Any) -> tuple[Any, int, int]:
        """See ``Node.merge``."""
        if not config:
            return live, self.adopt(config, False)[0], 0
        if not live:
            owned, added = self.adopt(config, False)
            return config, owned, added & ~self.bit
        if not isinstance(config, list):
            raise IrregularError
        if len(config) == 1:
            return self._merge_one(live, config[0])
        name = self.key
        before = {item[name]: item for item in live}
        after: dict[Any, Any] = {}
        owned = changed = 0
        same = True
        for item in config:
            node = self.child(item)
            key = item[name]
            if key in after:
                raise IrregularError
            old = before.get(key, ABSENT)
            if old is ABSENT:
                own, add = node.adopt(item, False)
                new = item
            else:
                new, own, add = node.merge(old, item)
            same = same and new is old
            owned |= own | node.bit
            changed |= add
            after[key] = new
        order = merged_order(list(before), list(after))
        if same and order == list(before):
            return live, owned, changed
        return [after[key] if key in after else before[key] for key in order], owned, changed

    def _merge_one(self, live: list[Any], item: Any) -> tuple[Any, int, int]:
        """Merge a single item, which keeps its place in the list or is appended."""
        node = self.child(item)
        name = self.key
        key = item[name]
        for i, old in enumerate(live):
            if old[name] == key:
                new, own, change = node.merge(old, item)
                if new is old:
                    return live, own | node.bit, 0
                merged = live.copy()
                merged[i] = new
                return merged, own | node.bit, change
        own, change = node.adopt(item, False)
        return [*live, item], own | node.bit, change

    def compare(self, old: Any, new: Any) -> tuple[int, int]:
        """See ``Node.compare``."""
        if old is new:
            return 0, 0
        if type(new) is not list:
            raise IrregularError
        name = self.key
        changed = removed = 0
        if len(new) == len(old):
            for was, item in zip(old, new, strict=True):
                if was is item:
                    continue
                node = self.child(item)
                if item[name] != was[name]:
                    break
                more, less = node.compare(was, item)
                changed |= more
                removed |= less
            else:
                return changed, removed
        before = {item[name]: item for item in old}
        changed = removed = seen = 0
        for item in new:
            node = self.child(item)
            if node.bit & seen:
                raise IrregularError  # twice the same key
            seen |= node.bit
            was = before.pop(item[name], ABSENT)
            if was is item:
                continue
            if was is ABSENT:
                changed |= node.adopt(item, False)[1]
            else:
                more, less = node.compare(was, item)
                changed |= more
                removed |= less
        for was in before.values():
            removed |= self.child(was).adopt(was, True)[1]
        return changed, removed

    def remove(self, value: Any, paths: int) -> Any:
        """See ``Node.remove``."""
        if not value:
            return None
        kept = []
        for item in value:
            node = self.child(item)
            if node.bit & paths:
                continue
            kept.append(node.remove(item, paths) if node.subtree & paths else item)
        return kept or None


def merged_order(live: list[Any], config: list[Any]) -> list[Any]:
    """Order of the keys of a merged list (``typed/merge.go``, ``visitListItems``).

    The items of ``config`` come in its order, each of ``live`` that ``config`` lacks stays behind the shared
    item that it followed. Neither has a key twice.
    """
    if not live or live == config:
        return config
    in_live = set(live)
    in_config = set(config)
    shared = [key for key in config if key in in_live]
    next_shared = 0
    done = set()
    out = []
    left = right = 0
    while left < len(live) or right < len(config):
        wanted = shared[next_shared] if next_shared < len(shared) else ABSENT
        if left < len(live) and right < len(config):
            key = live[left]
            if key == config[right]:
                done.add(key)
                out.append(key)
                left += 1
                right += 1
                next_shared += 1
                continue
            if key in in_config and wanted is not ABSENT and wanted != key:
                left += 1
                continue
        if left < len(live):
            key = live[left]
            if key not in in_config:
                out.append(key)
                left += 1
                continue
            if key in done:
                left += 1
        if right < len(config):
            key = config[right]
            done.add(key)
            out.append(key)
            right += 1
            if wanted is not ABSENT and wanted == key:
                next_shared += 1
    return out
