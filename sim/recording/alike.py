"""Rows of a table, whether they are packed, a list, or not made yet: read alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from sim.recording.packing import Row, narrowest
from sim.recording.rows import Mask, Rows

if TYPE_CHECKING:
    import numpy as np

PART = 1 << 16
"""Rows that are read at once, where there are more."""


class LateRows(Sequence[Row]):
    """Rows that are made when the first is asked for."""

    def __init__(self, make: Callable[[], Rows]) -> None:
        self._make = make

    @cached_property
    def rows(self) -> Rows:
        """The rows, which from now on are there."""
        return self._make()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


def packed(rows: Iterable[Row], columns: Sequence[str]) -> Rows:
    """Return rows that have ``columns`` packed: themselves, if they are."""
    return rows if isinstance(rows, Rows) else rows.rows if isinstance(rows, LateRows) else Rows(columns, rows)


def parts(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Rows]:
    """Yield rows that have ``columns`` packed, part by part: what is read of a long run takes little memory then."""
    return packed(rows, columns).split(PART)


def take(
    rows: Iterable[Row], columns: Sequence[str], *names: str, where: Callable[[Rows], Mask] | None = None
) -> Iterator[Row]:
    """Return some columns of rows that have ``columns``, packed or not, as tuples; of all, or of those ``where``.

    ``where`` is asked of one part of the rows after the other.
    """
    places = [columns.index(name) for name in names]
    if where is None and not isinstance(rows, Rows):
        return (tuple([row[place] for place in places]) for row in rows)
    return chain.from_iterable(
        part.take(places, None if where is None else where(part)) for part in parts(rows, columns)
    )


def column(
    rows: Iterable[Row], columns: Sequence[str], name: str, where: Callable[[Rows], Mask] | None = None
) -> Iterator[Any]:
    """Return one column of rows as ``take`` returns several."""
    return (each for (each,) in take(rows, columns, name, where=where))


def counts(rows: Iterable[Row], columns: Sequence[str], name: str) -> Counter[str]:
    """Return how many of rows that have ``columns`` have each text of a column of text."""
    found: Counter[str] = Counter()
    for part in parts(rows, columns):
        found.update(part.counts(name))
    return found


def arrays(
    rows: Iterable[Row], columns: Sequence[str], *names: str, where: Callable[[Rows], Mask] | None = None
) -> list[np.ndarray]:
    """Return some columns of numbers of rows that have ``columns`` as arrays; of all, or of those ``where``.

    They are of no more bytes than their numbers need.
    """
    import numpy as np

    found: list[list[np.ndarray]] = [[] for _ in names]
    for part in parts(rows, columns):
        wanted = slice(None) if where is None else where(part)
        for each, name in zip(found, names, strict=True):
            numbers = part.array(name)[wanted]
            each.append(numbers.astype(narrowest(int(numbers.min(initial=0)), int(numbers.max(initial=0)))))
    return [np.concatenate(each) for each in found]
