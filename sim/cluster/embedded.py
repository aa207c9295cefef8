"""What is wrong with resources that are embedded in others.

apiextensions-apiserver ``pkg/apiserver/schema/objectmeta/validation.go``, v0.34.
"""

from __future__ import annotations

from typing import Any

from sim.cluster import objectmeta
from sim.cluster.golang import compact
from sim.cluster.messages import Cause
from sim.cluster.objectmeta import UndecodableError
from sim.scenario.kinds.structural import Schema


def embedded_faults(schema: Schema | None, value: Any, path: str = "") -> list[Cause]:
    """What is wrong with embedded resources (``pkg/apiserver/schema/objectmeta/validation.go``)."""
    if schema is None:
        return []
    causes: list[Cause] = []
    if isinstance(value, dict):
        if schema.embedded:
            causes += _embedded(value, path)
        for name, item in value.items():
            if name in schema.properties:
                causes += embedded_faults(schema.properties[name], item, f"{path}.{name}" if path else name)
            elif isinstance(schema.additional, Schema):
                causes += embedded_faults(schema.additional, item, f"{path}[{name}]")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            causes += embedded_faults(schema.items, item, f"{path}[{i}]")
    return causes


def _embedded(value: dict[str, Any], path: str) -> list[Cause]:
    causes = [
        Cause("FieldValueRequired", "Required value", f"{path}.{name}")
        for name in ("apiVersion", "kind")
        if name not in value
    ]

    def invalid(name: str, message: str) -> None:
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {compact(value[name])}: {message}", f"{path}.{name}"))

    for name in ("apiVersion", "kind"):
        if name in value:
            text = value[name]
            if not isinstance(text, str):
                invalid(name, "must be a string")
            elif not text:
                invalid(name, "must not be empty")
            elif name == "apiVersion" and text.count("/") > 1:
                invalid(name, f"unexpected GroupVersion string: {text}")
            elif name == "kind" and (faults := objectmeta.kind_faults(text)):
                invalid(name, "may have mixed case, but should otherwise match: " + ",".join(faults))
    if "metadata" in value:
        try:
            metadata, _ = objectmeta.decoded(value["metadata"])
        except UndecodableError as error:
            invalid("metadata", str(error))
        else:
            causes += objectmeta.faults({"name": "fakename", **metadata}, f"{path}.metadata")
    return causes
