"""Recorded rows in a fraction of their memory: the newest as bytes, others packed by column, the oldest in a file.

A column of text is kept as numbers into the texts that it has had. The newest rows take eight bytes a number: they are
packed while what is in them is at hand, which a thousand rows later it is not. Of the others numbers take as few bytes
as their chunk allows.
What is read back are the same rows in the same order, but that ``True`` may have become 1.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, compress, islice, repeat
from operator import contains
from typing import TYPE_CHECKING, Any, overload

from sim.recording.packing import CODED, ONCE, narrowest, packing
from sim.recording.texts import Aside, Texts, used

if TYPE_CHECKING:
    import numpy as np

CHUNK = 1024
"""Rows that are packed at a time, at least."""
IN_MEMORY = 64
"""Chunks that stay in memory, some 4 MB: older ones go to a temporary file."""
TOGETHER = 16
"""Chunks that go there as one, so that what is known of them takes no memory either."""
MERGED = 64
"""Chunks that are made one where rows are read; of more it would take memory, and matter less."""
FEW = 8
"""Texts that rows are looked through for one by one."""

Row = tuple[Any, ...]
Mask = Any
"""An array of truth values, one for each row."""
Place = tuple[str, int, int]
"""Where a column of a chunk is in the file: the type of its numbers, its first byte, how many they are."""
Chunk = dict[int, Any]
"""The columns of some rows, by their places: arrays of numbers, or where they are (``Place``)."""


class OnDemand(dict[int, Any]):
    """Something of each column, by the column's place, that is made when it is asked for."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __missing__(self, place: int) -> Any:
        found = self[place] = self._make(place)
        return found


class Rows(Sequence[Row]):
    """Rows of one table, in the order in which they were appended."""

    __slots__ = ("_aside", "_chunks", "_codes", "_new", "_once", "_packed", "_width", "_written", "append", "columns")

    def __init__(self, columns: Sequence[str], rows: Iterable[Row] = ()) -> None:
        self.columns = columns
        self._aside = Aside()
        self._codes = {place: Texts(self._aside) if name in CODED else None for place, name in enumerate(columns)}
        self._new = bytearray()
        self._width = 8 * sum(name not in ONCE for name in columns)
        self._once: list[str] = []
        self.append = self._appending()
        """Add a row at the end; whoever appends many calls ``tidy`` now and then.

        Raises ``OverflowError`` where a number has more than 63 bits.
        """
        self._packed = 0
        self._chunks: list[Chunk] = []
        self._written = 0  # chunks, the first, that are in the file
        for row in rows:
            self.append(row)
            self.tidy()

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
            for name, codes in zip(self.columns, self._codes.values(), strict=True)
            if codes is not None
        }
        exec(packing(tuple(self.columns)), known)
        append: Callable[[Row], None] = known.pop("append")
        return append

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray | tuple[np.ndarray, Sequence[str]]]) -> Rows:
        """Return rows of columns that are there as arrays, those of text as numbers and the texts that these count."""
        made = cls(list(arrays))
        columns: Chunk = {}
        for (place, codes), column in zip(made._codes.items(), arrays.values(), strict=True):
            columns[place], texts = column if isinstance(column, tuple) else (column, ())
            if codes is not None:
                codes.numbers.update({text: number for number, text in enumerate(texts)})
        made._chunks.append(columns)
        made._packed = len(columns[0])
        return made

    def split(self, most: int) -> Iterator[Rows]:
        """Yield the rows in parts of at most ``most``, or of one chunk in the file, each with no texts but its own.

        A column of a part is read when somebody asks for it. Rows that are no more than that are their own part.
        """
        self._merged()  # now, and not by another reader while the chunks that a part is made of are still to be read
        if self._packed <= most:
            yield self
            return
        yield from map(self._part, self._groups(most))

    def _part(self, chunks: Sequence[Chunk]) -> Rows:
        part, own = Rows(self.columns), OnDemand(partial(self._own, chunks))
        part._chunks.append(OnDemand(lambda place: own[place][0]))
        part._codes = OnDemand(lambda place: own[place][1])
        part._packed = sum(map(_length, chunks))
        return part

    def _own(self, chunks: Sequence[Chunk], place: int) -> tuple[np.ndarray, Texts | None]:
        """A column of some chunks: of a column of text its numbers in the texts that these rows have, and these."""
        import numpy as np

        numbers, codes = np.concatenate([self._column(chunk[place]) for chunk in chunks]), self._codes[place]
        if codes is None:
            return numbers, None
        first, texts = codes.among(int(numbers.min()), int(numbers.max()))
        numbers, own = used(texts, np.subtract(numbers, first, dtype=np.int64))
        found = Texts(self._aside)
        found.numbers.update({text: number for number, text in enumerate(own)})
        return numbers, found

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
        if isinstance(chunk[0], tuple) or many <= most:
            yield chunk
            return
        for start in range(0, many, most):
            piece: Chunk = {}
            for place, name in enumerate(self.columns):
                column, end = chunk[place], min(start + most, many)
                if name in ONCE:
                    texts = np.append(0, np.flatnonzero(column == 0) + 1)  # where they begin
                    piece[place] = column[texts[start] : texts[end]]
                else:
                    piece[place] = column[start:end]
            yield piece

    def tidy(self) -> None:
        """Pack the newest rows where they are many."""
        if len(self._new) >= CHUNK * self._width:
            self.pack()
            for codes in self._codes.values():
                if codes is not None:
                    codes.tidy()

    def pack(self) -> None:
        """Put the newest rows away by column too."""
        import numpy as np

        if not self._new:
            return
        # Of a copy: who looks into this frame from outside, such as a profiler, may hold what would else be cleared.
        found = np.frombuffer(bytes(self._new), np.int64).reshape(-1, self._width // 8)
        chunk: Chunk = {}
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
        if len(self._chunks) - self._written >= IN_MEMORY + TOGETHER:
            self._write()

    def _write(self) -> None:
        """Move the oldest chunks to the file, as one, and leave where its columns are."""
        import numpy as np

        oldest = slice(self._written, self._written + TOGETHER)
        places: Chunk = {}
        for place in range(len(self.columns)):
            column = np.concatenate([self._column(chunk[place]) for chunk in self._chunks[oldest]])
            places[place] = column.dtype.char, self._aside.put(column.tobytes()), len(column)
        self._chunks[oldest] = [places]
        self._written += 1

    def _merged(self) -> list[Chunk]:
        """All chunks, the newest rows too; few are made one, which is faster to read."""
        import numpy as np

        self.pack()
        chunks = self._chunks
        if 1 < len(chunks) <= MERGED:
            for place in range(len(self.columns)):  # no more than one column is there twice
                chunks[0][place] = np.concatenate([self._column(chunk[place]) for chunk in chunks])
                for chunk in chunks[1:]:
                    chunk[place] = chunks[0][place]
            del chunks[1:]
            self._written = 0
        return chunks

    def _column(self, column: np.ndarray | Place) -> np.ndarray:
        if not isinstance(column, tuple):
            return column
        import numpy as np

        kind, start, length = column
        dtype = np.dtype(kind)
        return np.frombuffer(self._aside.get(start, length * dtype.itemsize), dtype)

    def texts(self, place: int) -> list[str] | None:
        """The texts that a column of text has had, in the order of their numbers; None of a column of numbers.

        Of ``ONCE`` there are no numbers.
        """
        assert self.columns[place] not in ONCE
        self.pack()
        codes = self._codes[place]
        return None if codes is None else list(codes.once()[0])

    def _whole(self, place: int) -> np.ndarray:
        """A column as one array, of no more bytes than its numbers need."""
        import numpy as np

        assert self.columns[place] not in ONCE
        parts = [self._column(chunk[place]) for chunk in self._merged()]
        codes = self._codes[place]
        if codes is not None and codes.blocks:
            parts = [codes.as_once(part) for part in parts]
        return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.empty(0, np.int64)

    def numbers(self, place: int, dtype: str = "int64") -> np.ndarray:
        """A column as one array, not to be written to: of texts their numbers, which count ``texts``."""
        column = self._whole(place)
        # Objects are numbers of more bits than any array has: see ``of``.
        return column if column.dtype.hasobject else column.astype(dtype, copy=False)

    def array(self, name: str) -> np.ndarray:
        """The column of this name as ``numbers``."""
        return self.numbers(self.columns.index(name))

    def pieces(self, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield some columns of numbers as arrays, some rows at a time."""
        places = [self.columns.index(name) for name in names]
        for chunk in self._merged():
            yield tuple([self._column(chunk[place]) for place in places])

    def among(self, name: str, *wanted: str) -> Mask:
        """Which rows have one of these texts in a column of text."""
        import numpy as np

        place = self.columns.index(name)
        numbers, codes = self._whole(place), self._codes[place]
        assert codes is not None
        known, found = codes.once()[0], np.zeros(len(numbers), np.bool_)
        there = [known[text] for text in wanted if text in known]
        if len(there) > FEW:
            return np.isin(numbers, there)
        for number in there:
            found |= numbers == number
        return found

    def having(self, name: str, *words: str) -> Sequence[Mask]:
        """Which rows have each of these words somewhere in a text of a column of ``ONCE``."""
        import numpy as np

        texts = list(chain.from_iterable(self.values(self.columns.index(name))))
        return [np.fromiter(map(contains, texts, repeat(each)), np.bool_, len(texts)) for each in words]

    def counts(self, name: str) -> Counter[str]:
        """How many rows have each text of a column of text."""
        import numpy as np

        place = self.columns.index(name)
        counted = np.bincount(self._whole(place)).tolist()
        return Counter({text: count for text, count in zip(self.texts(place) or (), counted, strict=False) if count})

    def counted(self, *names: str) -> Counter[Row]:
        """How many rows have each combination of values that some columns, of text or numbers, have."""
        import numpy as np

        places = [self.columns.index(name) for name in names]
        combined, combinations = np.zeros(len(self), np.int64), 1
        for column in map(self._whole, places):
            least, most = (int(column.min()), int(column.max())) if len(column) else (0, 0)
            values, many = np.subtract(column, least, dtype=np.int64), most - least + 1
            if combinations * many >= 1 << 63:  # then by what there is, which is no more than there are rows
                (combined, values), many = (
                    (np.unique(each, return_inverse=True)[1] for each in (combined, values)),
                    len(self),
                )
                combinations = many
            combined = combined * many + values
            combinations *= many
        _, first, counts = np.unique(combined, return_index=True, return_counts=True)
        return Counter(dict(zip(self._taken(places, first), counts.tolist(), strict=True)))

    def values(self, place: int) -> Iterator[Iterable[Any]]:
        """Yield a column, some rows at a time."""
        once = self.columns[place] in ONCE
        texts, codes = None if once else self.texts(place), self._codes[place]
        for chunk in self._merged():
            column = self._column(chunk[place])
            if once:
                yield column.tobytes().decode().split("\0")[:-1]
                continue
            if codes is not None and codes.blocks:
                column = codes.as_once(column)
            for start in range(0, len(column), CHUNK):
                part = column[start : start + CHUNK].tolist()
                yield part if texts is None else map(texts.__getitem__, part)

    def take(self, places: Sequence[int], where: Mask = None) -> Iterator[Row]:
        """The rows of some columns alone, which costs less than whole rows; ``where`` they are wanted, or all."""
        import numpy as np

        if where is None:
            return zip(*(chain.from_iterable(self.values(place)) for place in places), strict=True)
        return self._taken(places, np.flatnonzero(where), where)

    def _taken(self, places: Sequence[int], wanted: np.ndarray, where: Mask = None) -> Iterator[Row]:
        """Some columns of the rows with these numbers; a column of ``ONCE`` needs ``where`` they are."""
        if not len(wanted):
            return iter(())
        columns: list[Iterable[Any]] = []
        for place in places:
            if self.columns[place] in ONCE:
                columns.append(compress(chain.from_iterable(self.values(place)), where.tolist()))
                continue
            texts, numbers = self.texts(place), self._whole(place)[wanted].tolist()
            columns.append(numbers if texts is None else map(texts.__getitem__, numbers))
        return zip(*columns, strict=True)

    def parts(self, place: int) -> Iterator[bytes]:
        """Yield the bytes of a column: of numbers 8 each, the lowest first; of texts, each ended by 0."""
        import numpy as np

        if self.columns[place] in ONCE:
            yield from (self._column(chunk[place]).tobytes() for chunk in self._merged())
            return
        codes, first, ended = self._codes[place], 0, np.empty(0, object)
        for chunk in self._merged():
            column = self._column(chunk[place])
            if codes is not None:
                least, most = (int(column.min()), int(column.max())) if codes.blocks else (0, 0)
                if not first <= least <= most < first + len(ended):
                    first, texts = codes.among(least, most)
                    ended = np.array([*(f"{text}\0".encode() for text in texts), None], dtype=object)[:-1]
                if first:
                    column = np.subtract(column, first, dtype=np.int64)
            for start in range(0, len(column), CHUNK):
                part = column[start : start + CHUNK]
                yield part.astype("<i8").tobytes() if codes is None else b"".join(ended[part].tolist())

    def __len__(self) -> int:
        return self._packed + len(self._new) // self._width

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


def _length(chunk: Chunk) -> int:
    """How many rows a chunk has."""
    return chunk[0][2] if isinstance(chunk[0], tuple) else len(chunk[0])
