"""Rows of a table, whether they are packed, a list, or not made yet: read alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from sim.recording.rows import Mask, Row, Rows


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


def take(
    rows: Iterable[Row], columns: Sequence[str], *names: str, where: Callable[[Rows], Mask] | None = None
) -> Iterator[Row]:
    """Return some columns of rows that have ``columns``, packed or not, as tuples; of all, or of those ``where``."""
    places = [columns.index(name) for name in names]
    if where is not None:
        rows = packed(rows, columns)
        return rows.take(places, where(rows))
    return rows.take(places) if isinstance(rows, Rows) else (tuple([row[place] for place in places]) for row in rows)


def column(rows: Iterable[Row], columns: Sequence[str], name: str) -> Iterator[Any]:
    """Return one column of rows that have ``columns``, packed or not."""
    place = columns.index(name)
    return chain.from_iterable(rows.values(place)) if isinstance(rows, Rows) else (row[place] for row in rows)
