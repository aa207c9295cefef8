"""Recorded rows, read: as tuples, by column, as bytes. How they are kept is the matter of ``sim.recording.chunks``.

What is read back are the same rows in the same order, but that ``True`` may have become 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, compress, islice, repeat
from operator import contains
from typing import TYPE_CHECKING, Any, overload

from sim.recording.chunks import Chunks, Codes, Growing, InMemory
from sim.recording.packing import CODED, ONCE, Row
from sim.recording.texts import Texts

if TYPE_CHECKING:
    import numpy as np

AT_ONCE = 2048
"""Numbers that are made Python's at a time."""
FEW = 8
"""Texts that rows are looked through for one by one."""

Mask = Any
"""An array of truth values, one for each row."""


class Rows(Sequence[Row]):
    """Rows of one table, in the order in which they were appended."""

    __slots__ = ("_kept", "append", "columns", "tidy")

    def __init__(self, columns: Sequence[str], rows: Iterable[Row] = ()) -> None:
        kept = Growing(columns)
        self._kept: Chunks = kept
        self.columns = kept.columns
        self.append = kept.append
        self.tidy = kept.tidy
        for row in rows:
            self.append(row)
            self.tidy()

    @classmethod
    def _of(cls, kept: Chunks) -> Rows:
        """Return what is kept as rows, to which none is added."""
        made = cls.__new__(cls)
        made._kept = kept
        made.columns = kept.columns
        return made

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray | tuple[np.ndarray, Sequence[str]]]) -> Rows:
        """Return rows of columns that are there as arrays, those of text as numbers and the texts that these count."""
        chunk: InMemory = {}
        codes: Codes = {}
        for place, (name, column) in enumerate(arrays.items()):
            chunk[place], texts = column if isinstance(column, tuple) else (column, ())
            codes[place] = Texts(texts) if name in CODED else None
        return cls._of(Chunks(list(arrays), codes, [chunk]))

    def split(self, most: int) -> Iterator[Rows]:
        """Yield the rows in parts of at most ``most``, or of one chunk in the file, each with no texts but its own.

        A column of a part is read when somebody asks for it. Rows that are no more than that are their own part.
        """
        return (self if part is self._kept else self._of(part) for part in self._kept.split(most))

    def pack(self) -> None:
        """Pack the newest rows too: they take less memory, and are as well read."""
        self._kept.pack()

    def texts(self, place: int) -> list[str] | None:
        """The texts that a column of text has had, in the order of their numbers; None of a column of numbers.

        Of ``ONCE`` there are no numbers.
        """
        assert self.columns[place] not in ONCE
        self._kept.pack()
        codes = self._kept.codes[place]
        return None if codes is None else list(codes.once()[0])

    def _whole(self, place: int) -> np.ndarray:
        """A column as one array, of no more bytes than its numbers need."""
        import numpy as np

        assert self.columns[place] not in ONCE
        parts = list(self._kept.column(place))
        codes = self._kept.codes[place]
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
        return self._kept.pieces(*map(self.columns.index, names))

    def among(self, name: str, *wanted: str) -> Mask:
        """Which rows have one of these texts in a column of text."""
        import numpy as np

        place = self.columns.index(name)
        numbers, codes = self._whole(place), self._kept.codes[place]
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
        texts, codes = None if once else self.texts(place), self._kept.codes[place]
        for piece in self._kept.column(place):
            if once:
                yield piece.tobytes().decode().split("\0")[:-1]
                continue
            column = codes.as_once(piece) if codes is not None and codes.blocks else piece
            for start in range(0, len(column), AT_ONCE):
                part = column[start : start + AT_ONCE].tolist()
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

    def parts(self, place: int) -> Iterator[bytes | memoryview]:
        """Yield the bytes of a column: of numbers 8 each, the lowest first; of texts, each ended by 0."""
        import numpy as np

        if self.columns[place] in ONCE:
            yield from (column.data for column in self._kept.column(place))
            return
        codes, first, ended = self._kept.codes[place], 0, np.empty(0, object)
        for piece in self._kept.column(place):
            column = piece
            if codes is not None:
                least, most = (int(column.min()), int(column.max())) if codes.blocks else (0, 0)
                if not first <= least <= most < first + len(ended):
                    first, texts = codes.among(least, most)
                    ended = np.array([*(f"{text}\0".encode() for text in texts), None], dtype=object)[:-1]
                if first:
                    column = np.subtract(column, first, dtype=np.int64)
            for start in range(0, len(column), AT_ONCE):
                part = column[start : start + AT_ONCE]
                yield part.astype("<i8").tobytes() if codes is None else b"".join(ended[part].tolist())

    def __len__(self) -> int:
        return len(self._kept)

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
