"""Recorded rows in a fraction of their memory: the newest as tuples, others packed by column, the oldest in a file.

A column of text is kept as numbers into the texts that it has had; numbers take 8 bytes, or 4 where they fit. What is
read back are the same rows in the same order, but that ``True`` may have become 1.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import IO, Any, overload

CHUNK = 1024
"""Rows that are packed at a time, at least."""
IN_MEMORY = 128
"""Chunks that stay in memory, some 15 MB: older ones go to a temporary file."""

TEXTS = frozenset(
    {
        "actor", "verb", "resource", "subresource", "object", "certificate", "reason", "controller", "key", "cause",
        "outcome", "owners", "ending", "why", "line", "message", "field", "by", "of", "of_object", "repaired_by",
    }
)  # fmt: skip
"""The columns of text in all tables of ``sim.recording.columns``."""

Row = tuple[Any, ...]
Place = tuple[str, int, int]
"""Where a column of a chunk is in the file: the type of its numbers, its first byte, how many they are."""


class Texts:
    """The texts that a column has had, each with its number."""

    __slots__ = ("names", "number")

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.names: list[str] = []

    def coded(self, values: Sequence[str]) -> array[int]:
        """Return the number of each text; new ones get the next."""
        for name in dict.fromkeys(values):
            if name not in self.number:
                self.number[name] = len(self.names)
                self.names.append(name)
        return array("i", map(self.number.__getitem__, values))


class Rows(Sequence[Row]):
    """Rows of one table, in the order in which they were appended."""

    __slots__ = ("_chunks", "_file", "_new", "_packed", "append", "columns", "texts")

    def __init__(self, columns: Sequence[str], rows: Iterable[Row] = ()) -> None:
        self.columns = columns
        self.texts = [Texts() if name in TEXTS else None for name in columns]
        self._new: list[Row] = []
        self.append: Callable[[Row], None] = self._new.append
        """Add a row at the end; whoever appends many calls ``tidy`` now and then."""
        self._packed = 0
        self._chunks: list[list[array[int] | Place]] = []
        self._file: IO[bytes] | None = None
        for row in rows:
            self.append(row)
            self.tidy()

    def tidy(self) -> None:
        """Pack the newest rows where they are many."""
        if len(self._new) >= CHUNK:
            self.pack()

    def pack(self) -> None:
        """Put the newest rows away too; raises ``OverflowError`` where a number has more than 63 bits."""
        if not self._new:
            return
        columns = zip(self.texts, zip(*self._new, strict=True), strict=True)
        self._chunks.append([_numbers(values) if texts is None else texts.coded(values) for texts, values in columns])
        self._packed += len(self._new)
        self._new.clear()
        if len(self._chunks) > IN_MEMORY:
            self._write(self._chunks[-1 - IN_MEMORY])

    def _write(self, chunk: list[array[int] | Place]) -> None:
        """Move a chunk to the file and leave where its columns are."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="requeue-")  # noqa: SIM115  closed with the rows
        for place, column in enumerate(chunk):
            assert isinstance(column, array)
            chunk[place] = (column.typecode, self._file.seek(0, 2), len(column))
            column.tofile(self._file)

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def _column(self, column: array[int] | Place) -> array[int]:
        if isinstance(column, array):
            return column
        kind, start, count = column
        found = array(kind)
        assert self._file is not None
        self._file.seek(start)
        found.fromfile(self._file, count)
        return found

    def coded(self, place: int) -> Iterator[array[int]]:
        """Yield a column of all that is packed: of texts their numbers."""
        for chunk in self._chunks:
            yield self._column(chunk[place])

    def values(self, place: int) -> Iterator[Iterable[Any]]:
        """Yield a column, a chunk at a time."""
        texts = self.texts[place]
        for column in self.coded(place):
            yield column if texts is None else map(texts.names.__getitem__, column)
        yield [row[place] for row in self._new]

    def take(self, places: Sequence[int]) -> Iterator[Row]:
        """The rows of some columns alone, which costs less than whole rows."""
        chunks = zip(*(self.values(place) for place in places), strict=True)
        return chain.from_iterable(zip(*chunk, strict=True) for chunk in chunks)

    def parts(self, place: int) -> Iterator[bytes]:
        """Yield the bytes of a column: of numbers 8 each, the lowest first; of texts, each ended by 0."""
        for values in self.values(place):
            yield _bytes(values) if self.texts[place] is None else "\0".join((*values, "")).encode()

    def __len__(self) -> int:
        return self._packed + len(self._new)

    def __iter__(self) -> Iterator[Row]:
        return self.take(range(len(self.columns)))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return list(self)[index]
        return next(islice(self, range(len(self))[index], None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def take(rows: Iterable[Row], columns: Sequence[str], *names: str) -> Iterator[Row]:
    """Return some columns of rows that have ``columns``, packed or not, as tuples."""
    places = [columns.index(name) for name in names]
    return rows.take(places) if isinstance(rows, Rows) else (tuple([row[place] for place in places]) for row in rows)


def column(rows: Iterable[Row], columns: Sequence[str], name: str) -> Iterator[Any]:
    """Return one column of rows that have ``columns``, packed or not."""
    place = columns.index(name)
    return chain.from_iterable(rows.values(place)) if isinstance(rows, Rows) else (row[place] for row in rows)


def _bytes(values: Iterable[int]) -> bytes:
    import numpy as np

    if not isinstance(values, array):
        values = array("q", values)
    return np.frombuffer(values, values.typecode).astype("<i8", copy=False).tobytes()


def _numbers(values: Sequence[int]) -> array[int]:
    try:
        return array("i", values)
    except OverflowError:
        return array("q", values)
