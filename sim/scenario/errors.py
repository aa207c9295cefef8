"""What is wrong with a scenario, said so that its author finds the place and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from sim.guarded import Unusable, one_line

Path: TypeAlias = "tuple[str | int, ...]"
"""The keys and indices from a document or a part of it down to a value."""

LISTED = 20
"""So many problems are shown; there is no need to word more."""


class Problem(NamedTuple):
    """One thing that is wrong: where, at which key, and one sentence.

    ``file`` is a path as it was given, ``<text>``, or ``--set key=value`` for an override; ``line`` and
    ``column`` count from 1 and are 0 where there is no place in a file. ``key`` is a path such as
    ``writers.0.rate``, or ``""`` for the document as a whole.
    """

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        # Keys and names come from the user: whatever is in them, a problem stays one line.
        return one_line(": ".join(part for part in (place, self.key, self.message) if part))


class ScenarioError(Unusable):
    """A scenario that cannot be used. ``file``, ``line``, ``column``, ``key`` and ``message`` are the first
    problem's; ``problems`` has all, in the order of the file, and ``str()`` one a line.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)  # so that the exception survives pickling between processes
        self.file, self.line, self.column, self.key, self.message = self.problems[0]

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:LISTED]]
        if len(self.problems) > LISTED:
            lines.append(f"... and {len(self.problems) - LISTED} more problems")
        return "\n".join(lines)


class Impossible(ValueError):  # noqa: N818 -- it is raised as a value's error, and reads as one
    """Values that are fine alone and impossible together: raised by the model's validators.

    Each fault is a sentence and the keys that it is about, relative to the part that raises it, the likeliest
    culprit first: the loader points at the first of them that was written.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


class Fault(NamedTuple):
    """One fault of an ``Impossible``; each of ``paths`` is a tuple of keys and indices.

    ``at_key`` points at the key itself instead of its value, for a key that should not be there.
    """

    message: str
    paths: tuple[Path, ...]
    at_key: bool = False
