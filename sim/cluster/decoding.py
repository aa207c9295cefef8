"""What decoding does to an object of a structural schema: pruning, dropping nulls, defaults, embedded metadata.

apiextensions-apiserver ``pkg/apiserver/schema/pruning``, ``defaulting`` and ``objectmeta``. Nothing given is changed:
what stays as it was is shared.
"""

from __future__ import annotations

from typing import Any

from sim.cluster.golang import shown
from sim.cluster.objectmeta import UndecodableError, decoded
from sim.scenario.kinds.structural import ABSENT, Schema

_META = frozenset({"apiVersion", "kind", "metadata"})


def pruned(value: Any, schema: Schema | None, unknown: list[str], path: str = "") -> Any:
    """``value`` without fields that the schema does not have; their paths are appended to ``unknown``."""
    if schema is not None and schema.preserve_unknown:
        return _kept(value, schema, unknown, path)
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            if schema is not None and schema.embedded and name in _META:
                out[name] = item
                continue
            here = f"{path}.{name}" if path else name
            if schema is not None and name in schema.properties:
                out[name] = pruned(item, schema.properties[name], unknown, here)
            elif schema is not None and schema.additional:
                below = schema.additional if isinstance(schema.additional, Schema) else None
                out[name] = pruned(item, below, unknown, here)
            else:
                unknown.append(here)
        return out
    if isinstance(value, list):
        below = schema.items if schema is not None else None
        return [pruned(item, below, unknown, f"{path}[{number}]") for number, item in enumerate(value)]
    return value


def _kept(value: Any, schema: Schema | None, unknown: list[str], path: str) -> Any:
    """Below preserve-unknown-fields only what is declared is looked at."""
    if schema is None:
        return value
    if isinstance(value, dict):
        out = dict(value)
        for name, item in value.items():
            if schema.embedded and name in _META:
                continue
            here = f"{path}.{name}" if path else name
            if name in schema.properties:
                out[name] = pruned(item, schema.properties[name], unknown, here)
            elif schema.additional:
                below = schema.additional if isinstance(schema.additional, Schema) else None
                out[name] = pruned(item, below, unknown, here)
        return out
    if isinstance(value, list):
        return [_kept(item, schema.items, unknown, f"{path}[{number}]") for number, item in enumerate(value)]
    return value


def without_nulls(value: Any, schema: Schema | None) -> Any:
    """``value`` without nulls of fields that are neither nullable nor have a default."""
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            below = schema.below(name) if schema is not None else None
            if item is None and below is not None and not below.nullable and below.default is ABSENT:
                continue
            out[name] = without_nulls(item, below)
        return out
    if isinstance(value, list):
        below = schema.items if schema is not None else None
        return [without_nulls(item, below) for item in value]
    return value


def _needs_default(value: Any, schema: Schema) -> bool:
    return value is None and not schema.nullable


def _default_of(schema: Schema) -> Any:
    return None if schema.default is ABSENT else schema.default


def defaulted(value: Any, schema: Schema | None) -> Any:
    """``value`` with the defaults of the fields that are missing, or null and not nullable."""
    if schema is None:
        return value
    if isinstance(value, dict):
        out = dict(value)
        for name, below in schema.properties.items():
            if below.default is ABSENT or below.default is None:
                continue
            if name not in out or _needs_default(out[name], below):
                out[name] = below.default
        for name, item in out.items():
            if name in schema.properties:
                out[name] = defaulted(item, schema.properties[name])
            elif isinstance(schema.additional, Schema):
                given = _default_of(schema.additional) if _needs_default(item, schema.additional) else item
                out[name] = defaulted(given, schema.additional)
        return out
    if isinstance(value, list):
        items = schema.items
        if items is None:
            return value
        return [defaulted(_default_of(items) if _needs_default(item, items) else item, items) for item in value]
    return value


def coerced(value: Any, schema: Schema | None, unknown: list[str], path: str = "", *, lenient: bool = False) -> Any:
    """``value`` with the metadata of embedded resources as decoding leaves it.

    Raises ``UndecodableError`` where one has a field of the wrong type; ``lenient`` drops such fields.
    """
    if schema is None:
        return value
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            here = f"{path}.{name}" if path else name
            given = item
            if schema.embedded and name == "metadata":
                try:
                    given, more = decoded(item, lenient=lenient)
                except UndecodableError as error:
                    raise UndecodableError(f"{here}: Invalid value: {shown(item)}: {error}") from None
                unknown += [f"{here}.{field}" for field in more]
            elif schema.embedded and name in _META and not isinstance(item, str):
                if lenient:
                    continue
                raise UndecodableError(f"{here}: Invalid value: {shown(item)}: must be a string")
            out[name] = coerced(given, schema.below(name), unknown, here, lenient=lenient)
        return out
    if isinstance(value, list):
        return [
            coerced(item, schema.items, unknown, f"{path}[{number}]", lenient=lenient)
            for number, item in enumerate(value)
        ]
    return value
