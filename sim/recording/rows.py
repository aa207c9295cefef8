"""Recorded rows in a fraction of their memory: the newest as tuples, others packed by column, the oldest in a file.

A column of text is kept as numbers into the texts that it has had; numbers take as few bytes as their chunk allows.
What is read back are the same rows in the same order, but that ``True`` may have become 1.
"""

from __future__ import annotations

import struct
import tempfile
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, compress, count, islice
from typing import IO, TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np

CHUNK = 1024
"""Rows that are packed at a time, at least."""
IN_MEMORY = 256
"""Chunks that stay in memory, some 15 MB: older ones go to a temporary file."""
_INT32 = 1 << 31

TEXTS = frozenset(
    {
        "actor", "verb", "resource", "subresource", "object", "certificate", "reason", "controller", "key", "cause",
        "outcome", "owners", "ending", "why", "line", "message", "field", "by", "of", "of_object", "repaired_by",
    }
)  # fmt: skip
"""The columns of text in all tables of ``sim.recording.columns``."""
ONCE = frozenset({"message"})
"""Those of them whose texts hardly come twice: kept as they are, each ended by 0, which none of them has in it."""

Row = tuple[Any, ...]
Mask = Any
"""An array of truth values, one for each row."""
Place = tuple[str, int, int]
"""Where a column of a chunk is in the file: the type of its numbers, its first byte, how many they are."""


class Rows(Sequence[Row]):
    """Rows of one table, in the order in which they were appended."""

    __slots__ = ("_chunks", "_codes", "_file", "_new", "_packed", "append", "columns")

    def __init__(self, columns: Sequence[str], rows: Iterable[Row] = ()) -> None:
        self.columns = columns
        self._codes: list[dict[str, int] | None] = [
            defaultdict(count().__next__) if name in TEXTS - ONCE else None for name in columns
        ]
        self._new: list[Row] = []
        self.append: Callable[[Row], None] = self._new.append
        """Add a row at the end; whoever appends many calls ``tidy`` now and then."""
        self._packed = 0
        self._chunks: list[list[np.ndarray | Place]] = []
        self._file: IO[bytes] | None = None
        for row in rows:
            self.append(row)
            self.tidy()

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray | tuple[np.ndarray, Sequence[str]]]) -> Rows:
        """Return rows of columns that are there as arrays, those of text as numbers and the texts that these count."""
        made = cls(list(arrays))
        columns: list[np.ndarray | Place] = []
        for codes, column in zip(made._codes, arrays.values(), strict=True):
            numbers, texts = column if isinstance(column, tuple) else (column, ())
            columns.append(numbers)
            if codes is not None:
                codes.update({text: number for number, text in enumerate(texts)})
        made._chunks.append(columns)
        made._packed = len(columns[0])
        return made

    def split(self, most: int) -> Iterator[Rows]:
        """Yield the rows in parts of at most ``most``, or of one chunk, each with no texts but its own."""
        import numpy as np

        self.pack()
        if self._packed <= most:
            yield self
            return
        known = [None if name in ONCE else self.texts(place) for place, name in enumerate(self.columns)]
        for chunks in self._groups(most):
            arrays: dict[str, np.ndarray | tuple[np.ndarray, list[str]]] = {}
            for place, (name, texts) in enumerate(zip(self.columns, known, strict=True)):
                numbers = np.concatenate([self._column(chunk[place]) for chunk in chunks])
                if texts is None:
                    arrays[name] = numbers
                    continue
                used = np.zeros(len(texts), np.bool_)
                used[numbers] = True
                own = np.flatnonzero(used)
                arrays[name] = (np.cumsum(used)[numbers] - 1, [texts[code] for code in own.tolist()])
            yield Rows.of(arrays)

    def _groups(self, most: int) -> Iterator[list[list[np.ndarray | Place]]]:
        """Yield the chunks in groups of so many rows, or one chunk at least."""
        group: list[list[np.ndarray | Place]] = []
        count = 0
        for chunk in self._chunks:
            length = chunk[0][2] if isinstance(chunk[0], tuple) else len(chunk[0])
            if group and count + length > most:
                yield group
                group, count = [], 0
            group.append(chunk)
            count += length
        yield group

    def tidy(self) -> None:
        """Pack the newest rows where they are many."""
        if len(self._new) >= CHUNK:
            self.pack()

    def pack(self) -> None:
        """Put the newest rows away too; raises ``OverflowError`` where a number has more than 63 bits."""
        if not self._new:
            return
        chunk: list[np.ndarray | Place] = []
        for name, codes, values in zip(self.columns, self._codes, zip(*self._new, strict=True), strict=True):
            if codes is not None:
                chunk.append(_numbers(tuple(map(codes.__getitem__, values))))
            else:
                chunk.append(_ended(values) if name in ONCE else _numbers(values))
        self._chunks.append(chunk)
        self._packed += len(self._new)
        self._new.clear()
        if len(self._chunks) > IN_MEMORY:
            self._write(self._chunks[-1 - IN_MEMORY])

    def _write(self, chunk: list[np.ndarray | Place]) -> None:
        """Move a chunk to the file and leave where its columns are."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="requeue-")  # noqa: SIM115  closed with the rows
        for place, column in enumerate(chunk):
            assert not isinstance(column, tuple)
            chunk[place] = (column.dtype.char, self._file.seek(0, 2), len(column))
            self._file.write(column.tobytes())

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def _column(self, column: np.ndarray | Place) -> np.ndarray:
        if not isinstance(column, tuple):
            return column
        import numpy as np

        kind, start, length = column
        assert self._file is not None
        self._file.seek(start)
        dtype = np.dtype(kind)
        return np.frombuffer(self._file.read(length * dtype.itemsize), dtype)

    def texts(self, place: int) -> list[str] | None:
        """The texts that a column of text has had, in the order of their numbers; None of a column of numbers.

        Of ``ONCE`` there are no numbers.
        """
        assert self.columns[place] not in ONCE
        self.pack()
        codes = self._codes[place]
        return None if codes is None else list(codes)

    def numbers(self, place: int, dtype: str = "int64") -> np.ndarray:
        """A column as one array: of texts their numbers, which count ``texts``."""
        import numpy as np

        assert self.columns[place] not in ONCE
        self.pack()
        parts = [self._column(chunk[place]) for chunk in self._chunks]
        if parts and parts[0].dtype == np.object_:  # numbers of more bits than any array has: see ``of``
            return parts[0]
        return np.concatenate(parts, dtype=dtype, casting="unsafe") if parts else np.empty(0, dtype)

    def array(self, name: str) -> np.ndarray:
        """The column of this name as ``numbers``."""
        return self.numbers(self.columns.index(name))

    def among(self, name: str, *wanted: str) -> Mask:
        """Which rows have one of these texts in a column of text."""
        import numpy as np

        place = self.columns.index(name)
        numbers, codes = self.numbers(place), self._codes[place]
        assert codes is not None
        return np.isin(numbers, [codes.get(text, -1) for text in wanted])

    def counts(self, name: str) -> Counter[str]:
        """How many rows have each text of a column of text."""
        import numpy as np

        place = self.columns.index(name)
        counted = np.bincount(self.numbers(place)).tolist()
        return Counter(dict(zip(self.texts(place) or (), counted, strict=True)))

    def values(self, place: int) -> Iterator[Iterable[Any]]:
        """Yield a column, a chunk at a time."""
        if self.columns[place] in ONCE:
            self.pack()
            yield from (self._column(chunk[place]).tobytes().decode().split("\0")[:-1] for chunk in self._chunks)
            return
        texts = self.texts(place)
        for chunk in self._chunks:
            column = self._column(chunk[place]).tolist()
            yield column if texts is None else map(texts.__getitem__, column)

    def take(self, places: Sequence[int], where: Mask = None) -> Iterator[Row]:
        """The rows of some columns alone, which costs less than whole rows; ``where`` they are wanted, or all."""
        if where is None:
            chunks = zip(*(self.values(place) for place in places), strict=True)
            return chain.from_iterable(zip(*chunk, strict=True) for chunk in chunks)
        columns: list[Iterable[Any]] = []
        for place in places:
            if self.columns[place] in ONCE:
                columns.append(compress(chain.from_iterable(self.values(place)), where.tolist()))
                continue
            texts, wanted = self.texts(place), self.numbers(place)[where].tolist()
            columns.append(wanted if texts is None else map(texts.__getitem__, wanted))
        return zip(*columns, strict=True)

    def parts(self, place: int) -> Iterator[bytes]:
        """Yield the bytes of a column: of numbers 8 each, the lowest first; of texts, each ended by 0."""
        import numpy as np

        if self.columns[place] in ONCE:
            self.pack()
            yield from (self._column(chunk[place]).tobytes() for chunk in self._chunks)
            return
        texts = self.texts(place)
        ended = None if texts is None else np.array([*(f"{text}\0".encode() for text in texts), None], dtype=object)
        for chunk in self._chunks:
            column = self._column(chunk[place])
            yield column.astype("<i8").tobytes() if ended is None else b"".join(ended[column].tolist())

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


def _ended(texts: Iterable[str]) -> np.ndarray:
    """Texts as bytes, each ended by 0."""
    import numpy as np

    return np.frombuffer("".join(f"{text}\0" for text in texts).encode(), np.uint8)


def whole_numbers(values: Sequence[int]) -> np.ndarray:
    """Return numbers as an array, in half of the time that numpy.array takes; ``OverflowError`` beyond 63 bits."""
    import numpy as np

    try:
        return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)
    except struct.error:
        return np.frombuffer(array("q", values), np.int64)  # raises what says more


def _numbers(values: Sequence[int]) -> np.ndarray:
    """Numbers in as few bytes each as all of them fit into."""
    import numpy as np

    try:
        return np.frombuffer(bytes(values), np.uint8)  # many columns have nothing above 255
    except ValueError:
        pass
    wide = whole_numbers(values)
    last = values[-1]
    if not -_INT32 <= last < _INT32:  # times, mostly
        return wide
    least, most = int(wide.min()), int(wide.max())
    for dtype in (np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= least and most <= limits.max:
            return wide.astype(dtype)
    return wide
