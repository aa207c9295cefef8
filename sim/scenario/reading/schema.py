"""The JSON Schema of a scenario file, for editors that complete and check while one is being written."""

from __future__ import annotations

from typing import Any

from sim.scenario.model import Scenario
from sim.scenario.shapes import Shape, parts_of, shape_of
from sim.units import format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema: durations and rates as text with a pattern, every default also in the description.

    It knows each key, type and bound, but not what the loader checks across keys, such as retry.max against
    retry.base.
    """
    schema = Scenario.model_json_schema()
    parts = {part.__name__: part for part in parts_of(Scenario)}
    for name, described in (("Scenario", schema), *schema["$defs"].items()):
        for key, field in described["properties"].items():
            _describe(field, shape_of(parts[name], key))
        described.pop("title", None)
    return {"$schema": DIALECT, "title": "requeue scenario", **schema}


def _describe(field: dict[str, Any], shape: Shape) -> None:
    """Editors show the description where they do not show the default: put it there too."""
    field.pop("title", None)
    default = field.get("default")
    if shape.kind == "duration" and isinstance(default, int):
        default = field["default"] = format_duration(default)
    text = field.get("description", "")
    if isinstance(default, str | int | float) and "Default:" in text:
        shown = str(default).lower() if isinstance(default, bool) else str(default) or '""'
        field["description"] = text.replace("Default:", f"Default {shown}:", 1)
