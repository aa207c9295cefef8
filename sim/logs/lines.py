"""Lines of logs as they are found in the field: plain or gzipped, whole or damaged, one at a time.

A log that was rotated, cut off or overwritten still has lines worth reading. Whatever can't be read is
counted by reason in a ``Counter``, so that a report can say what it left out; only a missing file is an
error.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

from sim.units import MINUTE, SECOND

LONGEST_LINE = 8 << 20
"""Longest line read, in bytes: an audit event may hold the request's and the answer's body, and etcd
stores at most 1.5 MiB of one."""
GZIP_MAGIC = b"\x1f\x8b"

Progress = Callable[[int], None]
"""Called with the number of bytes of the file, as stored, that were read since the last call."""

TRUNCATED_GZIP = "gzip file cut off"
DAMAGED_GZIP = "gzip data damaged"
LINE_TOO_LONG = "line longer than 8 MiB"


class _Counted:
    """A binary file that reports how much of it was read."""

    def __init__(self, raw: IO[bytes], progress: Progress | None) -> None:
        self._raw = raw
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        if self._progress is not None:
            self._progress(len(data))
        return data


def _blocks(path: Path, ignored: Counter[str], progress: Progress | None) -> Iterator[bytes]:
    """Yield the file's content in blocks, unpacked where it is gzipped."""
    with path.open("rb") as raw:
        packed = isinstance(raw, BufferedReader) and raw.peek(2)[:2] == GZIP_MAGIC
        counted = _Counted(raw, progress)
        if not packed:
            while block := counted.read(1 << 18):
                yield block
            return
        # GzipFile reads several members one after the other, as rotation by ``cat`` leaves them.
        with gzip.GzipFile(fileobj=counted) as unpacked:  # type: ignore[call-overload]
            while True:
                try:
                    block = unpacked.read1(1 << 18)
                except EOFError:
                    ignored[TRUNCATED_GZIP] += 1
                    return
                except (gzip.BadGzipFile, zlib.error):
                    ignored[DAMAGED_GZIP] += 1
                    return
                if not block:
                    return
                yield block


def read_lines(path: Path, ignored: Counter[str], progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the lines of a log without newline, in bounded memory; ``OSError`` where it can't be opened.

    A gzip file that is cut off or damaged yields what comes before; the reason is counted in ``ignored``. A
    last line without newline is yielded too: whoever parses it finds out whether it is whole.
    """
    rest = b""
    skipping = False
    for block in _blocks(path, ignored, progress):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if skipping:
                skipping = False
            else:
                yield line
        if len(rest) > LONGEST_LINE:
            if not skipping:
                ignored[LINE_TOO_LONG] += 1
            skipping = True
            rest = b""
    if rest and not skipping:
        yield rest


def parse_rfc3339(text: object) -> int | None:
    """Return nanoseconds since 1970 for ``2026-11-23T18:42:15.061774Z`` and the like; None for no time."""
    if not isinstance(text, str) or len(text) < 20 or text[10] not in "Tt ":
        return None
    try:
        days = _day(text[:10])
        of_day = (int(text[11:13]) * 60 + int(text[14:16])) * MINUTE + int(text[17:19]) * SECOND
        rest = text[19:]
        fraction = 0
        if rest[0] == ".":
            digits = 1
            while digits < len(rest) and rest[digits].isdigit():
                digits += 1
            fraction = int(rest[1:digits][:9].ljust(9, "0"))
            rest = rest[digits:]
        return days + of_day + fraction - _offset(rest)
    except (ValueError, IndexError):
        return None


def _day(text: str, known: dict[str, int] = {}) -> int:  # noqa: B006 -- a log has few days and many lines
    day = known.get(text)
    if day is None:
        from datetime import date

        if len(known) > 4000:
            known.clear()
        day = known[text] = (date.fromisoformat(text).toordinal() - 719_163) * 24 * 60 * MINUTE
    return day


def _offset(text: str) -> int:
    if text in {"Z", "z"}:
        return 0
    if len(text) != 6 or text[0] not in "+-":
        raise ValueError(text)
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return (minutes if text[0] == "+" else -minutes) * MINUTE
