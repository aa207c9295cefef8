"""The lines in one text: a field, a cell or a paste may hold many, with line breaks, without, or with their names.

A line begins where a header of a known form stands, and goes on until the next does: what comes between, such as a
stack trace, belongs to it. What stands in quotes is what a line says, and begins none.

The other way about, runtimes cut long lines in pieces, each a record of its own.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sim.logs.entries import HEADER, LEVELS, begins, klog_header
from sim.logs.framing import LONGEST_LINE
from sim.logs.times import STAMP

_PARTIAL = 16_000  # bytes; Docker and containerd cut lines at 16 KiB
_BREAK = r"(?:\\r)?\\n|<br ?/?>|</p>"
_LOST = re.compile(rf"(?:{_BREAK}|\s)\s*(?={HEADER})|(?:{_BREAK}|(?<=\}})\s)\s*(?={STAMP.pattern}\s+\[?(?:{LEVELS})\b)")
"""Where a line begins whose break was lost, or is spelt out: a stamp alone is not enough there."""
_BETWEEN = re.compile(rf"(?:{_BREAK}|[\s,])*")
_decode = json.JSONDecoder().raw_decode


def may_be_many(text: str) -> bool:
    """Whether a look at a text is worth it: few hold more than one line."""
    return "\n" in text or "\\n" in text or text.count(".go:") > 1 or "<br" in text or text[0] == "{" or "} 2" in text


def lines_in(text: str) -> list[str]:
    """Return the lines in a text that is no document as a whole, in their order; the text itself where it is one."""
    found: list[str] = []
    whole = False  # whether the last one is a document, which nothing belongs to that follows
    for row in text.split("\n") if "\n" in text else (text,):
        documents, rest = _documents(row)
        found += documents
        whole = whole or bool(documents)
        if not rest.strip():
            continue
        if not found or whole or begins(rest) or _header_outside(rest):
            found.append(rest)
        else:
            found[-1] += f"\n{rest}"
        whole = False
    return [line for rows in found for line in _apart(rows)]


def _documents(row: str) -> tuple[list[str], str]:
    """The JSON objects that a row begins with, and what follows them."""
    found: list[str] = []
    at = len(row) - len(row.lstrip())
    while row.startswith("{", at):
        try:
            _, end = _decode(row, at)
        except (ValueError, RecursionError):
            break
        found.append(row[at:end])
        between = _BETWEEN.match(row, end)
        at = between.end() if between is not None else end
    return found, row[at:]


def _header_outside(row: str) -> bool:
    """Whether a row has klog's header, behind a prefix, and not in what another line says."""
    header = klog_header(row)
    return header is not None and not open_quote(row[: header.start()])


def _apart(row: str) -> list[str]:
    """The lines in what seems to be one, whose breaks were lost."""
    found: list[str] = []
    begun = 0
    for cut in _LOST.finditer(row):
        before = row[begun : cut.start()]
        if (klog_header(before) is not None or begins(before)) and not open_quote(before):
            found.append(before)
            begun = cut.end()
    return [*found, row[begun:]]


def open_quote(text: str) -> bool:
    """Whether a text stops inside of a quotation."""
    return text.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 1


class Pieces:
    """Puts together the lines that a runtime cut, by the stream of the pod that they are of."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[str, Any]] = {}

    def joined(self, piece: str, of: tuple[str, str], context: Any, *, goes_on: bool) -> str | None:
        """Return the line that this piece is the end of; None where more is to come."""
        whole = self._held.pop(of, ("", context))[0] + piece
        if goes_on and len(whole) < LONGEST_LINE:
            self._held[of] = whole, context
            return None
        return whole

    def rest(self) -> list[tuple[str, Any]]:
        """Return the beginnings of lines whose ends did not come, each with what was known of its last piece."""
        held, self._held = list(self._held.values()), {}
        return held


def goes_on(document: dict[str, Any], text: str) -> bool:
    """Whether a line was cut after this piece of it: a collector says so, or it is as long as a runtime lets it be."""
    told = document.get("logtag", document.get("partial_message"))
    if told is not None:
        return str(told).lower() in {"p", "true"}
    return len(text.encode("utf-8", "replace")) >= _PARTIAL and not text.endswith("\n") and "stream" in document
