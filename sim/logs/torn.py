"""Lines that a terminal, a mail or YAML broke where they were too long for it, put together again.

klog ends a line where it ends a quotation or a value, so a line that stops inside of quotes goes on in the next, and so
does one that is followed by ``name="value"`` without a header. A break stands either for a blank or for nothing: what
is read better with it had one.
"""

from __future__ import annotations

import re
from typing import Any

from sim.logs.entries import HEADER, KLOG_START
from sim.logs.framing import Record
from sim.logs.parts import open_quote

_MOST = 40  # lines that one may have been broken into
_HEADER = re.compile(HEADER.encode()).search
_LOOKED_AT = 300  # bytes in which a header stands
_BEGINS = re.compile(rb"\s*(?:[\[{]|\d{4}[-/]\d\d[-/]\d\d[T ]|\w+=\S+ .*\b(?:msg|message)=|---|- )")
_PAIR = re.compile(rb'\s*"?[\w.-]*"?="')
_PHRASES = re.compile(
    rb"Operation cannot be fulfilled on [\w.-]+ \\*[\"']|re-queuing item|due to|optimistic locking on resource|"
    rb"the object has been modified; please apply your changes to the latest version and try again|Reconciler error|"
    rb"error processing"
)
_BLANK_IN_NAME = re.compile(rb'(?:\w="|\\")[\w./-]*[ ]+[\w./-]*\\?"')


class Torn:
    """Holds a line that may go on in the next; ``held`` is empty where none is held."""

    def __init__(self) -> None:
        self.held: list[Record] = []

    def take(self, number: int, record: Any) -> list[Record]:
        """Return what can be read now that this record has come."""
        new = record.__class__ is not bytes or KLOG_START(record) is not None
        if self.held and not new and self._is_next(number, record):
            self.held.append((number, record))
            return []
        out = self.rest() if self.held else []
        if record.__class__ is bytes and (new or self._may_go_on(record)):
            self.held = [(number, record)]
        else:
            out.append((number, record))
        return out

    def rest(self) -> list[Record]:
        """Return the line that is held: whole, or as it came where its quotes do not close."""
        held, self.held = self.held, []
        if len(held) < 2 or _open(*(record for _, record in held)):
            return held
        return [(held[0][0], _joined([record for _, record in held]))]

    def _may_go_on(self, record: bytes) -> bool:
        return record[:1] != b"{" and (_has_header(record) or (_PAIR.match(record) is not None and _open(record)))

    def _is_next(self, number: int, record: Any) -> bool:
        last, before = self.held[-1]
        if number != last + 1 or record.__class__ is not bytes or len(self.held) >= _MOST or not record.strip():
            return False
        if not _open(*(part for _, part in self.held)) and _PAIR.match(record) is None and not before.endswith(b"="):
            return len(self.held) > 1 and 0 < _indent(record) == _indent(before)
        return not _has_header(record) and _BEGINS.match(record) is None


def _has_header(record: bytes) -> bool:
    return record.find(b".go:", 0, _LOOKED_AT) >= 0 and _HEADER(record, 0, _LOOKED_AT) is not None


def _open(*parts: bytes) -> bool:
    """Whether a line of these parts stops inside of a quotation."""
    return open_quote(b"".join(parts).decode("utf-8", "replace"))


def _indent(record: bytes) -> int:
    return len(record) - len(record.lstrip(b" "))


def _joined(parts: list[bytes]) -> bytes:
    """One line of its parts: as it reads better, with blanks between them or without."""
    first, *more = (part.rstrip(b"\r") for part in parts)
    plain = first + b"".join(more)
    spaced = b" ".join((first.rstrip(), *(part.strip() for part in more)))
    return plain if _sense(plain) > _sense(spaced) else spaced


def _sense(line: bytes) -> int:
    return len(_PHRASES.findall(line)) - len(_BLANK_IN_NAME.findall(line))
