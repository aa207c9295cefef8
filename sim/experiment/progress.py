"""How far work is, told while it lasts: to a display, or to whoever gave ``progress`` to a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.analysis.measured import Measured


@dataclass(frozen=True, slots=True)
class Underway:
    """Work after one more piece of it.

    ``done`` of ``total`` pieces, ``total`` as far as known; 0 where it ends by something else: at a time, to which
    ``left_s`` seconds are left.
    ``known`` has the replications so far of every variant by name, lists that go on growing; ``said`` is what else
    there is to say, in words.
    """

    done: int
    total: int = 0
    known: Mapping[str, Sequence[Measured]] = field(default_factory=dict)
    said: str = ""
    left_s: float | None = None


Progress = Callable[[Underway], None]
"""Called after each piece of work."""
