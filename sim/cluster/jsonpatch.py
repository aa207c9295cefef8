"""JSON patches (RFC 6902), as the API server's library applies them (gopkg.in/evanphx/json-patch v4).

It is laxer than the RFC: ``replace`` of a field that is not there adds it, ``test`` of one against null passes, a
copy from one is null, and -1 is the last item of a list.
"""

from __future__ import annotations

import re
from typing import Any

from sim.cluster.golang import identical

BAD_JSON_PATCH = "the server rejected our request due to an error in our request"
"""What it says to a patch that cannot be applied (422)."""
_INDEX = re.compile(r"[-+]?\d+", re.ASCII)


class PatchError(ValueError):
    """An operation that cannot be applied."""


def patched(value: dict[str, Any], operations: list[Any]) -> Any:
    """``value`` with all operations applied, in order; ``value`` itself is not changed.

    Raises ``PatchError`` where one fails.
    """
    root = _copied(value)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("an operation needs a path")
        verb = operation.get("op")
        if verb in {"add", "replace", "remove", "test"}:
            _apply(root, str(verb), operation["path"], _copied(operation.get("value")))
        elif verb in {"move", "copy"} and isinstance(operation.get("from"), str):
            source, key = _container(root, operation["from"])
            found = _get(source, key)
            if verb == "move":
                _remove(source, key)
            target, key = _container(root, operation["path"])
            _add(target, key, _copied(found))
        else:
            raise PatchError(f"unexpected kind: {verb}")
    return root


def _apply(root: Any, verb: str, path: str, value: Any) -> None:
    container, key = _container(root, path)
    if verb == "add":
        _add(container, key, value)
    elif verb == "remove":
        _remove(container, key)
    elif verb == "replace":
        _get(container, key)
        if isinstance(container, list):
            container[_place(container, key)] = value
        else:
            container[key] = value
    elif not identical(_get(container, key), value):
        raise PatchError(f"testing value {path} failed")


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value


def _container(root: Any, path: str) -> tuple[Any, str]:
    """The map or list that holds what ``path`` names, and its key there."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    if len(parts) < 2:
        raise PatchError(f"missing path {path!r}")
    here = root
    for part in parts[1:-1]:
        here = _get(here, part)
        if not isinstance(here, dict | list):
            raise PatchError(f"missing container: {path}")
    return here, parts[-1]


def _place(items: list[Any], key: str, size: int | None = None) -> int:
    if not _INDEX.fullmatch(key):
        raise PatchError(f"invalid index {key}")
    place, limit = int(key), len(items) if size is None else size
    if place >= limit or place < -len(items):
        raise PatchError(f"index out of bounds: {key}")
    return place + limit if place < 0 else place


def _get(container: Any, key: str) -> Any:
    if isinstance(container, list):
        return container[_place(container, key)]
    return container.get(key)


def _add(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_place(container, key, len(container) + 1), value)


def _remove(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_place(container, key)]
    elif key in container:
        del container[key]
    else:
        raise PatchError(f"unable to remove nonexistent key: {key}")
