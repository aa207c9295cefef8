"""What a shell completes after ``requeue COMMAND``: names of scenarios, and their keys."""

from __future__ import annotations


def scenario_names(incomplete: str) -> list[str]:
    """Return the scenarios whose name begins so; a shell adds files of its own."""
    from sim.scenario.reading.catalogue import names

    return [name for name in names() if name.startswith(incomplete)]


def scenario_keys(incomplete: str) -> list[str]:
    """Return the keys of a scenario that begin so, one level at a time: ``retry.``, then ``retry.base=``."""
    from pydantic import BaseModel

    from sim.scenario.model import Scenario
    from sim.scenario.shapes import shape_of

    *above, last = incomplete.split(".")
    parts: list[type[BaseModel]] = [Scenario]
    for step in above:
        if not step.isdigit():  # an item of a list has the keys of all
            parts = [below for part in parts if step in part.model_fields for below in shape_of(part, step).parts()]
    prefix = "".join(f"{step}." for step in above)
    return [
        f"{prefix}{key}{'.' if any(shape_of(part, key).parts()) else '='}"
        for part in parts
        for key in part.model_fields
        if key.startswith(last)
    ]
