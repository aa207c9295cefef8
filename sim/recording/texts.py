"""The texts of a column, of which its rows have numbers; the oldest in a file, or a long run's would fill memory.

Most names are those of an object and its Events, and hardly come again once it is done with. When texts are many they
are put aside all at once, and what comes again afterwards is numbered anew: a number has one text, a text may have
several numbers until somebody reads the column as a whole.
"""

from __future__ import annotations

import marshal
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import IO, TYPE_CHECKING
from weakref import finalize
from zlib import compress, decompress

if TYPE_CHECKING:
    import numpy as np

MANY = 16384
"""Texts that stay in memory, some 3 MB, unless they come faster than rows are packed."""


class Aside:
    """Bytes that are put aside in a temporary file."""

    __slots__ = ("__weakref__", "_file")

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None

    def put(self, data: bytes) -> int:
        """Put bytes aside; returns where they begin. Raises ``OSError`` with the folder where there is no room."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="requeue-")  # noqa: SIM115  closed with the rows
            # Not in __del__: in a circle, as a traceback makes one, the file would be finalized before who has it.
            finalize(self, self._file.close)
        start = self._file.seek(0, 2)
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            error.filename = tempfile.gettempdir()
            raise
        return start

    def get(self, start: int, length: int) -> bytes:
        """The bytes that begin there."""
        assert self._file is not None
        self._file.seek(start)
        return self._file.read(length)


class Texts:
    """The texts that one column has had, in the order of their numbers."""

    __slots__ = ("_aside", "_first", "_once", "blocks", "numbers")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.numbers: defaultdict[str, int] = defaultdict(count().__next__)
        """The number of each text that is in memory; who asks for one that is not gives it the next."""
        self._aside = Aside()
        self._first = 0  # the least of these numbers
        self.blocks: list[tuple[int, int, int]] = []
        """What is aside: the first number, where it is there, how many bytes."""
        self._once: tuple[int, dict[str, int], np.ndarray] | None = None
        for text in texts:
            self.numbers[text]

    def tidy(self) -> None:
        """Put all texts aside where they are many."""
        if len(self.numbers) >= MANY:
            block = compress(marshal.dumps(list(self.numbers)), 1)
            self.blocks.append((self._first, self._aside.put(block), len(block)))
            self._first += len(self.numbers)
            self.numbers.clear()

    def _between(self, block: int) -> list[str]:
        """The texts of one block, or those that are in memory."""
        if block == len(self.blocks):
            return list(self.numbers)
        _, start, length = self.blocks[block]
        found: list[str] = marshal.loads(decompress(self._aside.get(start, length)))
        return found

    def among(self, least: int, most: int) -> tuple[int, list[str]]:
        """The texts with the numbers from ``least`` to ``most``, and others; first the number of the first of them."""
        firsts = [*(first for first, _, _ in self.blocks), self._first]
        wanted = [
            block
            for block, (first, end) in enumerate(zip(firsts, [*firsts[1:], most + 1], strict=True))
            if first <= most and end > least
        ]
        return (firsts[wanted[0]] if wanted else 0), [text for block in wanted for text in self._between(block)]

    def once(self) -> tuple[dict[str, int], np.ndarray | None]:
        """Each text once, with a number; and for each number in the rows that one, None where it is the same."""
        if not self.blocks:
            return self.numbers, None
        many = self._first + len(self.numbers)
        if self._once is None or self._once[0] != many:
            found, numbers = each_once(text for block in range(len(self.blocks) + 1) for text in self._between(block))
            self._once = (many, found, numbers)
        return self._once[1:]

    def as_once(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers of the column as ``once`` counts them."""
        places = self.once()[1]
        return numbers if places is None else places[numbers]


def each_once(texts: Iterable[str]) -> tuple[dict[str, int], np.ndarray]:
    """Each text with a number in the order of their coming, and for every place its text's number."""
    import numpy as np

    found: defaultdict[str, int] = defaultdict(count().__next__)
    numbers = np.fromiter(map(found.__getitem__, texts), np.int32)
    return found, numbers


def used(texts: Sequence[str], numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Numbers that count ``texts`` as those of the texts that they use, and these, each once."""
    import numpy as np

    there = np.zeros(len(texts), np.bool_)
    there[numbers] = True
    own, places = each_once(texts[number] for number in np.flatnonzero(there).tolist())
    return places[(np.cumsum(there) - 1)[numbers]], list(own)
