"""What a field of the model holds, in the user's terms: read from its annotation, once for all that need it.

Messages, the JSON Schema, the reference and the overrides all describe fields; none of them describes a field
in its own words.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from sim.units import format_duration

Kind = Literal["duration", "rate", "int", "float", "bool", "text", "choice", "list", "table", "part", "either", "any"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks an annotation as a ``duration`` or a ``rate``: a number inside, written with its unit."""

    kind: Literal["duration", "rate"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field holds.

    ``choices`` are those of a choice; ``part`` the model of a part; ``item`` the shape in a list or table;
    ``members`` those of an either. ``bounds`` are (operator, number) pairs, numbers as inside the simulator.
    """

    kind: Kind
    nullable: bool = False
    choices: tuple[str, ...] = ()
    part: type[BaseModel] | None = None
    item: Shape | None = None
    members: tuple[Shape, ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()

    def wanted(self) -> str:
        """Return what to write, such as ``a whole number`` or ``a duration, such as 30s``."""
        match self.kind:
            case "choice":
                return f"one of {', '.join(self.choices)}" if len(self.choices) > 1 else self.choices[0]
            case "list":
                return f"a list, each item {self.item.wanted()}" if self.item else "a list"
            case "part":
                return f"a mapping with the keys {', '.join(self.part.model_fields)}" if self.part else "a mapping"
            case "either":
                return ", or ".join(member.wanted() for member in self.members)
            case kind:
                return _WANTED[kind]

    def holds(self) -> bool:
        """Whether something with a path of its own may be in it: not so in a number or a text."""
        return self.kind in {"list", "table", "part", "any"} or any(member.holds() for member in self.members)

    def parts(self) -> list[type[BaseModel]]:
        """Return the models that this may hold: itself, in a list, or as one of several."""
        inner = [self.item] if self.item else []
        own = [self.part] if self.part else []
        return own + [part for shape in (*inner, *self.members) for part in shape.parts()]

    def number(self, value: float) -> str:
        """Return a number of this field as the user writes it."""
        if self.kind == "duration":
            return format_duration(int(value))
        return f"{value:d}" if isinstance(value, int) else f"{value:.15g}"

    def range(self) -> str:
        """Return the bounds, such as ``at least 1, at most 1000``; ``""`` without any."""
        strict = {limit for operator, limit in self.bounds if operator == "gt"}
        kept = [(op, limit) for op, limit in self.bounds if op != "ge" or limit not in strict]
        return ", ".join(f"{_BOUNDS[operator]} {self.number(limit)}" for operator, limit in kept)


_WANTED = {
    "duration": "a duration, such as 30s",
    "rate": "a rate, such as 5/s",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "text",
    "table": "a mapping",
    "any": "a value",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_PLAIN: dict[Any, Kind] = {int: "int", float: "float", bool: "bool", str: "text", Any: "any"}


def shape_of(part: type[BaseModel], field: str) -> Shape:
    """Return the shape of a model's field."""
    info = part.model_fields[field]
    return _shape(info.annotation, info.metadata)


def shape_at(part: type[BaseModel], path: Sequence[str | int]) -> Shape | None:
    """Return the shape at a path from a model down, or None where the model has no such place."""
    shape: Shape | None = Shape("part", part=part)
    for step in path:
        shape = _below(shape, step) if shape else None
    return shape


def parts_of(part: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a model and all models below it, each once, the nearest first."""
    found = [part]
    for one in found:  # grows while it is read
        for key in one.model_fields:
            found += [below for below in shape_of(one, key).parts() if below not in found]
    return found


def _below(shape: Shape, step: str | int) -> Shape | None:
    match shape.kind:
        case "part" if shape.part and isinstance(step, str) and step in shape.part.model_fields:
            return shape_of(shape.part, step)
        case "list" if isinstance(step, int):
            return shape.item
        case "table" if isinstance(step, str):
            return shape.item
        case "either":
            return next((found for member in shape.members if (found := _below(member, step))), None)
        case _:
            return None


def _shape(annotation: Any, metadata: Sequence[Any] = ()) -> Shape:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _shape(inner, [*more, *metadata])
    bounds = tuple(bound for item in metadata for bound in _bounds(item))
    unit = next((item.kind for item in metadata if isinstance(item, Unit)), None)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        rest = [_shape(arg) for arg in args if arg is not type(None)]
        nullable = len(rest) < len(args)
        if len(rest) == 1:
            return replace(rest[0], nullable=nullable, bounds=(*rest[0].bounds, *bounds))
        return Shape("either", nullable, members=tuple(rest))
    if unit:
        return Shape(unit, bounds=bounds)
    if origin is Literal:
        return Shape("choice", choices=tuple(str(arg) for arg in args))
    if origin is list:
        return Shape("list", item=_shape(args[0]), bounds=bounds)
    if origin is dict:
        return Shape("table", item=_shape(args[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("part", part=annotation)
    return Shape(_PLAIN[annotation], bounds=bounds)


def _bounds(item: object) -> list[tuple[str, float]]:
    found = [(name, getattr(item, name, None)) for name in _BOUNDS]
    # A FieldInfo inside Annotated keeps its constraints one level deeper.
    deeper = [bound for inner in getattr(item, "metadata", ()) for bound in _bounds(inner)]
    return [(name, limit) for name, limit in found if isinstance(limit, int | float)] + deeper
