"""Recorded rows as they are kept: the newest as bytes, others packed by column, and most of these in a file.

A column of text is kept as numbers into the texts that it has had. The newest rows take eight bytes a number: they are
packed while what is in them is at hand, which a thousand rows later it is not. Of the others numbers take as few bytes
as their chunk allows. ``sim.recording.rows`` reads them.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, chain, pairwise
from sys import intern
from typing import TYPE_CHECKING, Any

from sim.recording.packing import CODED, ONCE, Row, narrowest, packing
from sim.recording.texts import Aside, Texts, used

if TYPE_CHECKING:
    import numpy as np

CHUNK = 512
"""Rows that are packed at a time, at least."""
TOGETHER = 2
"""Chunks that go to a temporary file, as one, as soon as they are so many."""
MERGED = 64
"""Chunks that are made one where rows are read; of more it would take memory, and matter less."""

Codes = dict[int, Any]
"""By a column's place: of one of text the texts that its numbers count (``Texts``), of others None."""


SIZES = {"B": 1, "h": 2, "i": 4, "l": 8, "q": 8}
"""Bytes of a number, by NumPy's letter for its type."""


class OnDemand(dict[int, Any]):
    """Something of each column, by the column's place, that is made when it is asked for."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __missing__(self, place: int) -> Any:
        found = self[place] = self._make(place)
        return found


class Filed:
    """Columns of some rows in a file, by their places: each is read when it is asked for.

    A long run has many, so no more is known of them in memory. A column of ``ONCE``, of whose bytes nobody knows how
    many they are, is the last.
    """

    __slots__ = ("_aside", "_end", "_kinds", "_start", "length")

    def __init__(self, columns: Sequence[np.ndarray], aside: Aside) -> None:
        data = b"".join([column.data for column in columns])
        self.length = len(columns[0])
        self._aside = aside
        self._kinds = intern("".join(column.dtype.char for column in columns))
        self._start = aside.put(data)
        self._end = self._start + len(data)

    def __getitem__(self, place: int) -> np.ndarray:
        import numpy as np

        bounds = self._bounds()
        start, end = bounds[place], bounds[place + 1]
        return np.frombuffer(self._aside.get(self._start + start, end - start), self._kinds[place])

    def columns(self) -> list[np.ndarray]:
        """All columns, read at once."""
        import numpy as np

        data, bounds = memoryview(self._aside.get(self._start, self._end - self._start)), self._bounds()
        return [np.frombuffer(data[a:b], kind) for (a, b), kind in zip(pairwise(bounds), self._kinds, strict=True)]

    def _bounds(self) -> list[int]:
        """Where each column begins, and where the last one ends."""
        numbers = [self.length * SIZES[kind] for kind in self._kinds[:-1]]
        return [*accumulate(numbers, initial=0), self._end - self._start]


InMemory = dict[int, Any]
Chunk = InMemory | Filed
"""The columns of some rows, by their places."""


class Chunks:
    """Columns of rows, in chunks."""

    __slots__ = ("_aside", "_chunks", "_packed", "_written", "codes", "columns")

    def __init__(self, columns: Sequence[str], codes: Codes, chunks: list[Chunk]) -> None:
        self.columns = columns
        self.codes = codes
        self._chunks = chunks
        self._packed = sum(map(_length, chunks))
        self._aside = Aside()
        self._written = 0  # chunks, the first, that are in the file

    def __len__(self) -> int:
        return self._packed

    def pack(self) -> None:
        """Make a chunk of rows that are not in one."""

    def pieces(self, *places: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield some columns, some rows at a time."""
        self.pack()
        for chunk in self._chunks:
            yield tuple([chunk[place] for place in places])

    def column(self, place: int) -> Iterator[np.ndarray]:
        """Yield a column as ``pieces`` does, of rows that others are read of too: few chunks are made one."""
        self._merge()
        return (piece for (piece,) in self.pieces(place))

    def _merge(self) -> None:
        import numpy as np

        self.pack()
        if not 0 < len(self._chunks) <= MERGED or (len(self._chunks) == 1 and not self._written):
            return
        chunks = [chunk.columns() if isinstance(chunk, Filed) else chunk for chunk in self._chunks]
        self._chunks = [
            {place: np.concatenate([chunk[place] for chunk in chunks]) for place in range(len(self.columns))}
        ]
        self._written = 0
        self._aside = Aside()  # the one before is closed as soon as nobody reads it any more

    def split(self, most: int) -> Iterator[Chunks]:
        """Yield the rows in parts of at most ``most``, or of one chunk in the file, each with no texts but its own.

        A column of a part is read when somebody asks for it. Rows that are no more than that are their own part.
        """
        self._merge()  # now, and not by another reader while the chunks that a part is made of are still to be read
        if self._packed <= most:
            yield self
            return
        yield from map(self._part, self._groups(most))

    def _part(self, chunks: Sequence[Chunk]) -> Chunks:
        own = OnDemand(partial(self._own, chunks))
        columns, codes = OnDemand(lambda place: own[place][0]), OnDemand(lambda place: own[place][1])
        part = Chunks(self.columns, codes, [])
        part._chunks.append(columns)
        part._packed = sum(map(_length, chunks))  # without a look at a column, which would read it
        return part

    def _own(self, chunks: Sequence[Chunk], place: int) -> tuple[np.ndarray, Texts | None]:
        """A column of some chunks: of a column of text its numbers in the texts that these rows have, and these."""
        import numpy as np

        numbers, codes = np.concatenate([chunk[place] for chunk in chunks]), self.codes[place]
        if codes is None:
            return numbers, None
        first, texts = codes.among(int(numbers.min()), int(numbers.max()))
        numbers, own = used(texts, np.subtract(numbers, first, dtype=np.int64))
        return numbers, Texts(own)

    def _groups(self, most: int) -> Iterator[list[Chunk]]:
        """Yield the chunks in groups of so many rows, or one chunk at least."""
        group: list[Chunk] = []
        count = 0
        for chunk in chain.from_iterable(self._cut(chunk, most) for chunk in self._chunks):
            length = _length(chunk)
            if group and count + length > most:
                yield group
                group, count = [], 0
            group.append(chunk)
            count += length
        yield group

    def _cut(self, chunk: Chunk, most: int) -> Iterator[Chunk]:
        """Yield a chunk, one in memory in pieces of so many rows."""
        import numpy as np

        many = _length(chunk)
        if isinstance(chunk, Filed) or many <= most:
            yield chunk
            return
        for start in range(0, many, most):
            piece: InMemory = {}
            for place, name in enumerate(self.columns):
                column, end = chunk[place], min(start + most, many)
                if name in ONCE:
                    texts = np.append(0, np.flatnonzero(column == 0) + 1)  # where they begin
                    piece[place] = column[texts[start] : texts[end]]
                else:
                    piece[place] = column[start:end]
            yield piece


class Growing(Chunks):
    """Columns of rows that are added one after the other."""

    __slots__ = ("_new", "_once", "_width", "append")

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(columns, {place: Texts() if name in CODED else None for place, name in enumerate(columns)}, [])
        self._new = bytearray()
        self._width = 8 * sum(name not in ONCE for name in columns)
        self._once: list[str] = []
        self.append = self._appending()
        """Add a row at the end; whoever appends many calls ``tidy`` now and then.

        Raises ``OverflowError`` where a number has more than 63 bits.
        """

    def _appending(self) -> Callable[[Row], None]:
        """What packs a row. It must not know ``self``: that would be a circle, which only the collector finds."""
        known: dict[str, Any] = {
            "keep": self._new.extend,
            "keep_once": self._once.append,
            "pack": struct.Struct(f"{self._width // 8}q").pack,
            "failed": struct.error,
            "check": partial(array, "q"),  # raises what says more
        }
        known |= {
            f"_{name}": codes.numbers
            for name, codes in zip(self.columns, self.codes.values(), strict=True)
            if codes is not None
        }
        exec(packing(tuple(self.columns)), known)
        append: Callable[[Row], None] = known.pop("append")
        return append

    def __len__(self) -> int:
        return self._packed + len(self._new) // self._width

    def tidy(self) -> None:
        """Pack the newest rows where they are many."""
        if len(self._new) >= CHUNK * self._width:
            self.pack()
            for codes in self.codes.values():
                if codes is not None:
                    codes.tidy()

    def pack(self) -> None:
        """Put the newest rows away by column too."""
        import numpy as np

        if not self._new:
            return
        # Of a copy: who looks into this frame from outside, such as a profiler, may hold what would else be cleared.
        found = np.frombuffer(bytes(self._new), np.int64).reshape(-1, self._width // 8)
        chunk: InMemory = {}
        numbers = [place for place, name in enumerate(self.columns) if name not in ONCE]
        limits = found.min(axis=0).tolist(), found.max(axis=0).tolist()
        for place, column, least, most in zip(numbers, found.T, *limits, strict=True):
            chunk[place] = column.astype(narrowest(least, most))
        for place, name in enumerate(self.columns):
            if name in ONCE:
                chunk[place] = np.frombuffer("".join(f"{text}\0" for text in self._once).encode(), np.uint8)
        self._chunks.append(chunk)
        self._packed += len(found)
        self._new.clear()
        self._once.clear()
        if len(self._chunks) - self._written >= TOGETHER:
            self._write()

    def _write(self) -> None:
        """Move the oldest chunks to the file, as one, and leave where its columns are."""
        import numpy as np

        oldest = slice(self._written, self._written + TOGETHER)
        columns = [
            np.concatenate([chunk[place] for chunk in self._chunks[oldest]]) for place in range(len(self.columns))
        ]
        self._chunks[oldest] = [Filed(columns, self._aside)]
        self._written += 1


def _length(chunk: Chunk) -> int:
    """How many rows a chunk has."""
    return chunk.length if isinstance(chunk, Filed) else len(chunk[0])
