"""How a row is packed: which columns are texts, a function for each table's columns, and types as narrow as fit."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from functools import cache
from types import CodeType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Row = tuple[Any, ...]

TEXTS = frozenset(
    {
        "actor", "verb", "resource", "subresource", "object", "certificate", "reason", "controller", "key", "cause",
        "outcome", "owners", "ending", "why", "line", "message", "field", "by", "of", "of_object", "repaired_by",
    }
)  # fmt: skip
"""The columns of text in all tables of ``sim.recording.columns``."""
ONCE = frozenset({"message"})
"""Those of them whose texts hardly come twice: kept as they are, each ended by 0, which none of them has in it."""
CODED = TEXTS - ONCE
"""The others: kept as numbers into the texts that a table has had."""


@cache
def packing(columns: Sequence[str]) -> CodeType:
    """A function that packs a row, written out for these columns: with loops over them it would take twice the time."""
    values = ", ".join(f"_{name}[{name}]" if name in TEXTS else name for name in columns if name not in ONCE)
    once = "".join(f"    keep_once({name})\n" for name in columns if name in ONCE)
    source = f"""
def append(row):
    {", ".join(columns)}, = row
    try:
        keep(pack({values}))
    except failed:
        check([{values}])
        raise
{once}"""
    return compile(source, "packing", "exec")


def whole_numbers(values: Sequence[int]) -> np.ndarray:
    """Return numbers as an array, in half of the time that numpy.array takes; ``OverflowError`` beyond 63 bits."""
    import numpy as np

    try:
        return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)
    except struct.error:
        return np.frombuffer(array("q", values), np.int64)  # raises what says more


def narrowest(least: int, most: int) -> type[np.integer[Any]]:
    """The type of the fewest bytes that has all numbers from ``least`` to ``most``."""
    import numpy as np

    for bits, kind in ((8, np.uint8), (16, np.int16), (32, np.int32)):
        unsigned = kind is np.uint8
        if (0 if unsigned else -1 << bits - 1) <= least and most < 1 << bits - (not unsigned):
            return kind
    return np.int64
