"""Expressions of a drafted operator: CEL that holds once something is done, and values that change."""

from __future__ import annotations

import json
from typing import Any

from sim.drafting.bodies import Change
from sim.drafting.seen import Deed
from sim.units import MS

LEAST_WORK = 15 * MS
"""What takes less between a reason to write and the write is the way of an event."""


def made_up(name: str) -> str:
    """Return the type of a condition that stands for what a controller writes, where the log has no bodies."""
    return "WrittenBy-" + "".join(each if each.isascii() and each.isalnum() else "-" for each in name)


def work_of(deed: Deed) -> int:
    """How long a write comes after what it waits for, in nanoseconds; 0 where that may be a queue, or tokens."""
    waited, begun = sorted(deed.waited), sorted(deed.begun.values())
    if len(waited) < 10:
        return 0
    work, middle = waited[len(waited) // 10], waited[len(waited) // 2]
    busy = len(begun) * middle > (begun[-1] - begun[0]) // 2
    return 0 if busy or work < LEAST_WORK or middle > 2 * work else work


def most(deed: Deed, path: Change) -> Any:
    """Return the value that was written most."""
    return json.loads(deed.values[path].most_common(1)[0][0])


def holds(type_: str) -> str:
    """Return CEL: whether a condition is True."""
    return f"'{type_}' in holds"


def negated(done: str) -> str:
    """Return CEL: whether it is not done."""
    if not done:
        return "true"
    return f"!({done})" if " " in done else f"!{done}"


def dotted(path: Change) -> str:
    """Return a change as a field of an object."""
    if path[0] in {"annotation", "label"}:
        return f"metadata.{path[0]}s.{'.'.join(path[1:])}"
    return ".".join(path)


def has(path: Change) -> str:
    """Return CEL: whether the field is there, whatever above it is not."""
    steps = ["self", *(dotted(path).split("."))]
    return " && ".join(f"has({'.'.join(steps[:length])})" for length in range(3, len(steps) + 1))


def counter(path: Change) -> str:
    """Return a template: one more than is there."""
    at = f"self.{'.'.join(path)}"
    return f"${{{has(path)} ? {at} + 1 : 1}}"


def quoted(text: str) -> str:
    """Return a text as YAML takes it on one line."""
    return json.dumps(text, ensure_ascii=False)
