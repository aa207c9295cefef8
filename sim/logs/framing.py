"""From bytes to records: where one thing that was logged ends and the next begins.

Most logs have one a line. A JSON document may instead span many lines (pretty-printed), follow another on the same
line, or hold all others in one array of any size; a row of CSV may hold line breaks. Which it is is told once, from
the beginning of the file. A log that was rotated, cut off or overwritten still has records worth reading; what can't be
read is counted by reason in a ``Counter``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from sim.logs.conflicts import may_speak
from sim.logs.documents import parsed
from sim.logs.packing import Progress, members

Record = tuple[int, Any]
"""The number of the line that it begins in, and a line (bytes), a row of CSV (a dictionary) or a JSON document."""

LONGEST_LINE = 8 << 20
"""Longest line read, in bytes: an audit event may hold the request's and the answer's body, and etcd
stores at most 1.5 MiB of one."""
LINE_TOO_LONG = "line longer than 8 MiB"

LINES = "one a line"
DOCUMENTS = "JSON documents over several lines"
CSV = "rows of CSV"

CUT_OFF = "JSON document cut off or damaged"
ROW_TOO_LONG = "row of CSV longer than 8 MiB"

_HEAD = 1 << 16
_SHORT = 200  # bytes between documents that may be a collector's prefix
_STRUCTURE = re.compile(rb'["\\{}\[\]\n]')
_PREFIXED = re.compile(rb"\d{4}-\d\d-\d\d[T ].*\{$")
_BETWEEN = re.compile(rb"\n|(?<=[}\]])\s*,?\s*(?=[{\[])")
_FOLLOWED = re.compile(rb'}\s*{"')
_NAME = re.compile(r"[@_A-Za-z][\w@ .\[\]()/-]{0,60}")
_KNOWN_COLUMNS = frozenset(
    {"message", "msg", "log", "line", "@message", "@timestamp", "timestamp", "time", "date", "_source", "content",
     "textpayload", "logentry", "logmessage", "log_s", "timegenerated", "_raw", "_time", "verb", "objectref", "auditid",
     "body", "labels", "host", "service", "raw", "event", "value", "text"}
)  # fmt: skip


def read_lines(path: Path, ignored: Counter[str], progress: Progress | None = None) -> Iterator[bytes]:
    """Yield the lines of a log without newline, in bounded memory; ``OSError`` where it can't be opened.

    A packed file that is cut off or damaged yields what comes before; the reason is counted in ``ignored``. A
    last line without newline is yielded too: whoever parses it finds out whether it is whole.
    """
    for member in members(path, ignored, progress):
        yield from split_lines(member.blocks, ignored)


def split_lines(blocks: Iterable[bytes], ignored: Counter[str]) -> Iterator[bytes]:
    """Yield the lines in these blocks."""
    parts: list[bytes] = []
    held = 0
    skipping = False
    for block in blocks:
        first, newline, rest = block.partition(b"\n")
        if newline:
            if not skipping:
                parts.append(first)
                yield b"".join(parts)
            skipping = False
            lines = rest.split(b"\n")
            last = lines.pop()
            yield from lines
            parts, held = [last], len(last)
        elif not skipping:
            parts.append(first)
            held += len(first)
            if held > LONGEST_LINE:
                ignored[LINE_TOO_LONG] += 1
                skipping, parts, held = True, [], 0
    if not skipping and any(parts):
        yield b"".join(parts)


def records(blocks: Iterable[bytes], ignored: Counter[str]) -> tuple[str, Iterator[Record]]:
    """Return how a file is framed and its records."""
    blocks = iter(blocks)
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD:
            break
    blocks = chain((head,), blocks)
    if _spans_lines(head):
        return DOCUMENTS, _documents(blocks, ignored)
    columns = _columns(head)
    if columns is not None:
        return CSV, _rows(split_lines(blocks, ignored), *columns, ignored)
    return LINES, enumerate(split_lines(blocks, ignored), 1)


def _spans_lines(head: bytes) -> bool:
    """Whether a file holds JSON of which no line is a document of its own."""
    lines = [line.strip() for line in head.split(b"\n")]
    if len(lines) > 2 and _PREFIXED.match(lines[0]) and lines[1].startswith(b'"'):
        return True  # a prefix before a document that goes on below, as aws logs tail --format json prints
    first = next((number for number, line in enumerate(lines) if line[:1] in {b"{", b"["}), None)
    if first is None or any(line and not line.startswith(b"Warning") for line in lines[:first]):
        return False
    whole = lines[:-1] if len(lines) > 1 else lines
    for line in whole[first : first + 200]:
        bare = line.rstrip(b",")
        if bare.startswith(b'{"') or bare.startswith(b"{ "):
            found = parsed(bare)
            # An object of one short field is a line of somebody's pretty-printed list.
            if isinstance(found, dict) and (len(found) > 1 or len(bare) > 60):
                return False
    start = lines[first]
    if len(lines) == 1 or start in {b"{", b"["} or start.endswith((b"{", b"[", b",")):
        return True
    # One line that is no document, among lines: damaged, unless a second document follows the first on it.
    return (len(whole) == 1 and len(head) >= _HEAD) or b"}{" in start or _FOLLOWED.search(start) is not None


def _documents(blocks: Iterable[bytes], ignored: Counter[str]) -> Iterator[Record]:
    """Yield JSON documents; of one that is too large to be held, the items of its outermost large array.

    What is outside of a document is counted. A document that never ends is searched for whole items at the end.
    """
    scanner = _Scanner()
    for block in blocks:
        yield from scanner.feed(block)
    yield from scanner.end()
    if scanner.damaged:
        ignored[CUT_OFF] += scanner.damaged


class _Scanner:
    """Finds where documents end, by the brackets outside of strings."""

    def __init__(self) -> None:
        self.damaged = 0
        self._text = b""
        self._at = 0  # how far the text was scanned
        self._starts: list[tuple[int, int, bool]] = []  # open brackets: where, in which line, whether an array's
        self._line = 1
        self._quoted = False
        self._closed = 0  # where the last document or item ended
        self._items_of: int | None = None  # how many brackets are open around the items that are yielded

    def feed(self, block: bytes) -> Iterator[Record]:
        self._text += block
        yield from self._scan()
        self._drop()
        if self._items_of is None and len(self._text) > LONGEST_LINE:
            yield from self._descend()
        if len(self._text) > 2 * LONGEST_LINE:  # one item alone is too long, or a quote was never closed
            self.damaged += 1
            yield from _pieces(self._line, self._text)
            self._closed = 0
            self._text, self._at, self._starts, self._quoted = b"", 0, self._starts[: self._items_of or 0], False

    def end(self) -> Iterator[Record]:
        if self._starts and self._items_of is None:
            self.damaged += 1
            yield from self._descend()
        if self._starts or self._quoted:
            yield from _pieces(self._line, self._text)
        else:
            yield from self._between(self._text[self._closed :])

    def _scan(self) -> Iterator[Record]:
        text = self._text
        position = self._at
        while True:
            found = _STRUCTURE.search(text, position)
            if found is None:
                self._at = len(text)
                return
            at, sign = found.start(), found[0]
            position = at + 1
            if sign == b"\n":
                self._line += 1
            elif self._quoted:
                if sign == b"\\":
                    if position >= len(text):  # what it escapes is in the next block
                        self._at = at
                        return
                    position += 1
                elif sign == b'"':
                    self._quoted = False
            elif sign == b'"':
                self._quoted = bool(self._starts)
            elif sign in b"{[":
                if len(self._starts) == (self._items_of or 0):
                    yield from self._between(text[self._closed : at])
                self._starts.append((at, self._line, sign == b"["))
            elif sign in b"}]" and self._starts:
                start, line, _ = self._starts.pop()
                depth = len(self._starts)
                self._closed = position
                if depth == (self._items_of or 0) and (self._items_of is None or self._starts[-1][2]):
                    yield from self._whole(text[start:position], line)
                elif self._items_of is not None and depth < self._items_of:
                    self._items_of = depth or None

    def _between(self, text: bytes) -> Iterator[Record]:
        """What stands outside of documents: commas, prefixes, or what a damaged document was torn to."""
        if len(text.strip(b" ,\r\n\t")) > _SHORT or may_speak(text.decode("utf-8", "replace")):
            yield from _pieces(self._line, text)

    def _whole(self, text: bytes, line: int) -> Iterator[Record]:
        document = parsed(text)
        if document is not None:
            yield line, document
        else:
            self.damaged += 1
            yield from _pieces(line, text)

    def _drop(self) -> None:
        """Forget what was yielded: all before the innermost bracket that is still open and wanted."""
        kept = self._starts[self._items_of or 0 :]
        keep = kept[0][0] if kept else self._at
        if keep:
            self._text = self._text[keep:]
            self._at -= keep
            self._closed = max(self._closed - keep, 0)
            self._starts = [(max(start - keep, 0), line, array) for start, line, array in self._starts]

    def _descend(self) -> Iterator[Record]:
        """Take the items of the outermost open array for the documents, from the beginning of what is held."""
        depth = next((n for n, (_, _, array) in enumerate(self._starts, 1) if array), None)
        if depth is None:
            return
        start, line, _ = self._starts[depth - 1]
        self._text = self._text[start + 1 :]
        self._starts = [(0, number, array) for _, number, array in self._starts[:depth]]
        self._at, self._quoted, self._line, self._items_of, self._closed = 0, False, line, depth, 0
        yield from self._scan()
        self._drop()


def _pieces(line: int, text: bytes) -> Iterator[Record]:
    """What is left of a damaged document: its lines, and what stands between the brackets of its items."""
    for piece in _BETWEEN.split(text):
        if len(piece) > 1 and not piece.isspace():
            yield line, piece


def _columns(head: bytes) -> tuple[list[str], str] | None:
    """The names in a first row of CSV, and what separates them; None for anything else."""
    first = next((line for line in head.split(b"\n") if line.strip()), b"")
    text = first.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not text or len(text) > 4000 or text[0] in "{[":
        return None
    for separator in (",", ";", "\t"):
        names = [name.strip().removesuffix(" [UTC]") for name in fields_of(text, separator)]
        if all(_NAME.fullmatch(name) for name in names) and any(name.lower() in _KNOWN_COLUMNS for name in names):
            return names, separator
    return None


def fields_of(text: str, separator: str) -> list[str]:
    """Return the fields of one row of CSV; a quote that is never closed takes all that follows."""
    csv.field_size_limit(2 * LONGEST_LINE)
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []


def _rows(lines: Iterable[bytes], names: list[str], separator: str, ignored: Counter[str]) -> Iterator[Record]:
    parts: list[bytes] = []
    begun = held = quotes = 0
    for number, line in enumerate(lines, 1):
        if parts and _is_row(line, names, separator):  # a quote before was damaged: its lines for themselves
            yield from ((begun + offset, each) for offset, each in enumerate(parts))
            parts, held, quotes = [], 0, 0
        if not parts:
            begun = number
        parts.append(line)
        held += len(line)
        quotes += line.count(b'"')
        if quotes % 2 and held < LONGEST_LINE:
            continue
        if quotes % 2:
            ignored[ROW_TOO_LONG] += 1
        elif begun > 1 or len(parts) > 1:
            yield from _row(begun, b"\n".join(parts), names, separator)
        parts, held, quotes = [], 0, 0
    if parts:  # a row that was cut off: its lines for themselves
        yield from ((begun + offset, line) for offset, line in enumerate(parts))


def _is_row(line: bytes, names: list[str], separator: str) -> bool:
    """Whether a line is a whole row by itself, which what is inside of a quoted field hardly ever is."""
    if line.count(b'"') % 2 or len(names) < 2 or separator.encode() not in line:
        return False
    return len(fields_of(line.decode("utf-8", "replace").strip("\r"), separator)) == len(names)


def _row(number: int, raw: bytes, names: list[str], separator: str) -> Iterator[Record]:
    text = raw.decode("utf-8", "replace").strip("\r\n")
    if not text.strip():
        return
    fields = fields_of(text, separator)
    if fields == names:  # another file's header, where exports were put together
        return
    if len(fields) != len(names) and not (len(fields) > len(names) == 1):
        yield number, raw
        return
    yield number, dict(zip(names, fields, strict=False))
