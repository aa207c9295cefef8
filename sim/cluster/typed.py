"""Walks of structured-merge-diff over typed values: their paths, comparing, merging, removing, what does not fit.

structured-merge-diff v6.3 ``typed/tofieldset.go``, ``compare.go``, ``merge.go``, ``remove.go`` and ``validate.go``,
followed step by step, for every value that a schema lets in; ``sim.cluster.schema`` knows a short way for the usual
ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sim.cluster import golang
from sim.cluster.fields import Path, Paths
from sim.cluster.golang import same
from sim.cluster.typedpaths import Above, OddItemError, Root, field, item_path, key_path, value_path
from sim.scenario.kinds.structural import ABSENT


def owned(path: Path, value: Any) -> int:
    """The paths of a value that an applier owns (``ToFieldSet``); the path itself where it is a leaf."""
    forms = path.atom.forms_of(value)
    if forms[0] == "m":
        return path.bit if path.atom.map.atomic else fields_owned(path, value)  # type: ignore[union-attr]
    if forms[0] == "s":
        return path.bit
    kind = path.atom.list
    assert kind is not None
    if kind.atomic:
        return path.bit
    mask = 0
    if isinstance(value, list):
        places = [_path_or_none(path, item) for item in value]
        for place, item in zip(places, value, strict=True):
            if place is None:
                continue
            mask |= place.bit
            if places.count(place) == 1:
                mask |= owned(place, item)
    return mask


def _path_or_none(path: Path, item: Any) -> Path | None:
    """The path of an item; ``None`` where it can have none, as an item of which pruning left nothing."""
    try:
        return item_path(path, item)
    except OddItemError:
        return None


def fields_owned(up: Above, value: Any) -> int:
    """The paths of a map's fields that an applier owns."""
    mask = 0
    if isinstance(value, dict):
        for name, item in value.items():
            place = field(up, name)
            mask |= owned(place, item)
            if item is None or item == {} or not place.declared:
                mask |= place.bit
    return mask


class Comparison:
    """Sets of paths: in the old value only, in both and different, in the new value only."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.removed = self.modified = self.added = 0


def compare_fields(up: Above, old: Any, new: Any, found: Comparison) -> None:
    """Compare two maps, field by field."""
    old = old if isinstance(old, dict) else {}
    new = new if isinstance(new, dict) else {}
    for name, was in old.items():
        item = new.get(name, ABSENT)
        if item is not was:
            compare(field(up, name), was, item, found)
    for name, item in new.items():
        if name not in old:
            compare(field(up, name), ABSENT, item, found)


def compare(path: Path, old: Any, new: Any, found: Comparison) -> None:
    """Compare two values at a path; either may be ``ABSENT``."""
    atom = path.atom
    before, after = atom.forms_of(old), atom.forms_of(new)
    if new is ABSENT:
        leaf = _compare_as(before[0], path, old, new, found)
    elif old is ABSENT or before == after:
        leaf = _compare_as(after[0], path, old, new, found)
    else:
        _compare_as(before[0], path, old, new, found)
        leaf = _compare_as(after[0], path, old, new, found)
    if not leaf:
        if old is ABSENT:
            found.added |= path.bit
        elif new is ABSENT:
            found.removed |= path.bit


def _compare_as(form: str, path: Path, old: Any, new: Any, found: Comparison) -> bool:
    """Compare two values as maps, lists or scalars; whether they were a leaf."""
    if form == "m":
        kind: Any = path.atom.map
        some = (isinstance(old, dict) and old) or (isinstance(new, dict) and new)
        if some and not kind.atomic:
            compare_fields(path, old, new, found)
            return False
    elif form == "l":
        kind = path.atom.list
        items = (isinstance(old, list) and old) or (isinstance(new, list) and new)
        if items and not kind.atomic:
            _compare_items(path, old, new, found)
            return False
    if old is ABSENT:
        found.added |= path.bit
    elif new is ABSENT:
        found.removed |= path.bit
    elif not same(old, new):
        found.modified |= path.bit
    return True


def _grouped(path: Path, items: Any) -> dict[Path, list[Any]]:
    groups: dict[Path, list[Any]] = {}
    for item in items if isinstance(items, list) else ():
        groups.setdefault(item_path(path, item), []).append(item)
    return groups


def _compare_items(path: Path, old: Any, new: Any, found: Comparison) -> None:
    before, after = _grouped(path, old), _grouped(path, new)
    for place in {**before, **after}:
        was, item = before.get(place, []), after.get(place, [])
        if len(was) <= 1 and len(item) <= 1:
            compare(place, was[0] if was else ABSENT, item[0] if item else ABSENT, found)
        elif len(was) >= 2 and len(item) >= 2:
            if not same(was, item):
                found.modified |= place.bit
        elif len(was) >= 2:
            if item:
                compare(place, ABSENT, item[0], found)
            found.removed |= place.bit
        else:
            if was:
                compare(place, was[0], ABSENT, found)
            found.added |= place.bit


def merge(path: Path, old: Any, new: Any) -> Any:
    """Merge an applied value into the one that is there; ``ABSENT`` where nothing comes of it."""
    atom = path.atom
    before, after = atom.forms_of(old), atom.forms_of(new)
    form = (before if new is ABSENT else after)[0]
    if form == "m" and atom.map is not None and not atom.map.atomic:
        some = (isinstance(old, dict) and old) or (isinstance(new, dict) and new)
        if some:
            return merge_fields(path, old, new)
    elif form == "l" and atom.list is not None and not atom.list.atomic:
        items = (isinstance(old, list) and old) or (isinstance(new, list) and new)
        if items:
            return _merge_items(path, old, new)
    return old if new is ABSENT else new


def merge_fields(up: Above, old: Any, new: Any) -> Any:
    """Merge two maps, field by field; ``ABSENT`` where no field is left."""
    old = old if isinstance(old, dict) else {}
    new = new if isinstance(new, dict) else {}
    out = {}
    for name in {**old, **new}:
        item = merge(field(up, name), old.get(name, ABSENT), new.get(name, ABSENT))
        if item is not ABSENT:
            out[name] = item
    return out or ABSENT


def _merge_items(path: Path, old: Any, new: Any) -> Any:
    """Items in the order of ``visitListItems``: those applied in their order, others where they were between."""
    old = old if isinstance(old, list) else []
    new = new if isinstance(new, list) else []
    left = [item_path(path, item) for item in old]
    right = [item_path(path, item) for item in new]
    in_left: dict[Path, Any] = {}
    for place, item in zip(left, old, strict=True):
        in_left[place] = None if place in in_left else item  # duplicates are not merged with
    in_right = dict(zip(right, new, strict=True))
    shared = iter([place for place in right if place in in_left])
    wanted = next(shared, None)
    merged: set[Path] = set()
    out: list[Any] = []

    def take(place: Path, was: Any, item: Any) -> None:
        made = merge(place, was, item)
        if made is not ABSENT:
            out.append(made)

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            place = left[i]
            if place is right[j]:
                merged.add(place)
                take(place, in_left[place], in_right[place])
                i += 1
                j += 1
                wanted = next(shared, None)
                continue
            if place in in_right and wanted is not None and wanted is not place:
                i += 1
                continue
        if i < len(left):
            place = left[i]
            if place not in in_right:
                take(place, old[i], ABSENT)
                i += 1
                continue
            if place in merged:
                i += 1
        if j < len(right):
            place = right[j]
            merged.add(place)
            take(place, in_left.get(place, ABSENT), in_right[place])
            j += 1
            if wanted is place:
                wanted = next(shared, None)
    return out or ABSENT


def removed_fields(up: Above, value: Any, paths: int) -> Any:
    """A map without the fields in ``paths``; null where none is left."""
    if not isinstance(value, dict) or not value:
        return None
    out = {}
    for name, item in value.items():
        place = field(up, name)
        if place.bit & paths:
            continue
        out[name] = removed(place, item, paths) if place.subtree & paths else item
    return out or None


def removed(path: Path, value: Any, paths: int) -> Any:
    """``value`` without the items in ``paths`` (``RemoveItems``), some of which are below ``path``."""
    atom = path.atom
    form = atom.forms_of(value)[0]
    if form == "s":
        return value
    if form == "m":
        assert atom.map is not None
        return None if atom.map.atomic else removed_fields(path, value, paths)
    assert atom.list is not None
    if not isinstance(value, list) or not value or atom.list.atomic:
        return None
    out = []
    for item in value:
        place = _path_or_none(path, item)
        if place is None:
            out.append(item)
        elif not place.bit & paths:
            out.append(removed(place, item, paths) if place.subtree & paths else item)
    return out or None


def type_errors(path: Above, value: Any, *, duplicates: bool) -> list[tuple[str, str]]:
    """What keeps a value from being typed, each as path below ``path`` and message (``typed/validate.go``).

    ``duplicates`` says whether an associative list may have a key twice, which applied configurations may not.
    """
    atom = path.atom
    form = atom.forms_of(value)[0]
    if value is None:
        return []
    if form == "m":
        if not isinstance(value, dict):
            return [("", f"expected map, got &{{{golang.printed(value)}}}")]
        return list(_field_errors(path, value, duplicates))
    if form == "s":
        return _scalar_errors(atom.scalar, value)
    if not isinstance(value, list):
        return [("", f"expected list, got &{{{golang.printed(value)}}}")]
    return list(_item_errors(path, value, duplicates))


def _field_errors(path: Above, value: dict[str, Any], duplicates: bool) -> Iterator[tuple[str, str]]:
    kind = path.atom.map
    assert kind is not None
    for name, item in value.items():
        if name not in kind.fields and kind.element is None:
            yield f".{name}", "field not declared in schema"
            return
        place = field(path, name)
        for where, message in type_errors(place, item, duplicates=duplicates):
            yield f".{name}{where}", message


def _item_errors(path: Above, value: list[Any], duplicates: bool) -> Iterator[tuple[str, str]]:
    kind = path.atom.list
    assert kind is not None
    if kind.atomic:
        element = Root(Paths(), kind.element)
        for number, item in enumerate(value):
            for where, message in type_errors(element, item, duplicates=duplicates):
                yield f"[{number}]{where}", message
        return
    seen = set()
    for number, item in enumerate(value):
        try:
            place = item_path(path, item)
        except OddItemError as error:
            yield "", f"element {number}: {error}"
            return
        if place in seen and not duplicates:
            yield "", f"duplicate entries for key {place.text}"
        seen.add(place)
        for where, message in type_errors(place, item, duplicates=duplicates):
            yield f"{place.text}{where}", message


def _scalar_errors(scalar: str, value: Any) -> list[tuple[str, str]]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if scalar == "numeric":
        return [] if is_number else [("", f"expected numeric (int or float), got {golang.type_name(value)}")]
    if scalar == "string":
        if isinstance(value, str):
            return []
        return [("", f"expected string, got &value.valueUnstructured{{Value:{golang.syntax(value)}}}")]
    if scalar == "boolean":
        return [] if isinstance(value, bool) else [("", f"expected boolean, got &{{{golang.printed(value)}}}")]
    if not isinstance(value, dict | list):  # also what stands for a text in the simulator, such as a key
        return []
    return [("", f"expected any scalar, got &{{{golang.printed(value)}}}")]


def message_of(errors: list[tuple[str, str]]) -> str:
    """The errors as the server joins them."""
    texts = [f"{where}: {message}" if where else message for where, message in errors]
    return texts[0] if len(texts) == 1 else "\n  ".join(["errors:", *texts])


def mask_of(up: Above, fields: dict[str, Any]) -> int:
    """The paths of a ``fieldsV1`` tree. Raises ``ValueError`` where it is none."""
    mask = 0
    for element, below in fields.items():
        if element == ".":
            continue
        if element.startswith("f:"):
            place = field(up, element[2:])
        elif element.startswith("k:"):
            place = key_path(up, json.loads(element[2:]))
        elif element.startswith("v:"):
            place = value_path(up, json.loads(element[2:]))
        else:
            raise ValueError(element)
        if not isinstance(below, dict):
            raise ValueError(element)
        if not below or "." in below:
            mask |= place.bit
        mask |= mask_of(place, below)
    return mask
