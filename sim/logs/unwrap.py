"""Takes wrapping after wrapping off a record, until an audit event or a line of a log is found.

What is known of wrappings stands in ``envelopes.py``; this applies it, keeps what the outer ones tell (time, pod,
level) for the inner ones that don't, and remembers by which way each thing was found, for ``requeue log
--explain``. What nothing is known of is searched for a text that is a line of a log itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from sim.logs.audit import NOT_AUDIT
from sim.logs.dialects import AUDIT_GROUP, dialect_of, fields_of_insights, rows_of
from sim.logs.documents import parsed
from sim.logs.entries import (
    BARE,
    KLOG,
    KLOG_START,
    WRAPPED,
    Entry,
    console,
    klog,
    klog_header,
    letter_of,
    logfmt,
    structured,
    with_error,
)
from sim.logs.envelopes import Envelope, attributes_of, envelope_of, first, look_up
from sim.logs.framing import fields_of
from sim.logs.parts import Pieces, goes_on, lines_in, may_be_many
from sim.logs.telling import MARKS, holds_line, is_entry, is_line, leads_on, wraps
from sim.logs.times import STAMP, Years, parse_time

NOT_KLOG = "no header of a known kind of log"
BAD_TIME = "klog header with an impossible time"
PLAIN = "audit event"
_DEEPEST = 10
_CUTTING = ("Docker", "Fluent Bit")  # envelopes of pieces that a runtime made
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\ufeff")
_CRI = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) ?(.*)", re.DOTALL
)
_POD = re.compile(r"\[pod/([^/\]]+)/[^\]]*\]")


class Context(NamedTuple):
    """What the wrappings so far tell."""

    time: int | None = None
    pod: str = ""
    level: str = ""
    how: tuple[str, ...] = ()

    def inside(self, name: str) -> Context:
        """The same, one wrapping further in."""
        return self._replace(how=(*self.how, name))


class AuditFound(NamedTuple):
    """An audit event."""

    event: dict[str, Any]
    timed: bool  # whether it has two times, not one alone
    context: Context


class EntryFound(NamedTuple):
    """A line of a log."""

    entry: Entry
    context: Context


class CutShort(NamedTuple):
    """The beginning of a line of which the rest is still to come."""


class Unread(NamedTuple):
    """Something that is neither."""

    text: str
    json: bool

    @property
    def why(self) -> str:
        """The reason under which it is counted."""
        if self.json:
            return NOT_AUDIT
        return BAD_TIME if klog_header(self.text) is not None else NOT_KLOG


Found = AuditFound | EntryFound | CutShort | Unread
_IN_KLOG = Context(how=(KLOG,))


class Unwrapper:
    """Unwraps the records of one file; ``years`` gives klog's times their year."""

    def __init__(self, years: Years) -> None:
        self.years = years
        self._pieces = Pieces()

    def unwrap(self, record: Any) -> Iterator[Found]:
        """Yield what is in one record: a line (bytes), or a document."""
        if isinstance(record, bytes):
            entry = self.klog_line(record)
            if entry is not None:
                yield EntryFound(entry, _IN_KLOG)
                return
            record = record.decode("utf-8", "replace")
        yield from self._any(record, Context(), 0)

    def rest(self) -> Iterator[Found]:
        """Yield what is in the beginnings of lines whose ends did not come."""
        for text, context in self._pieces.rest():
            yield from self._text(text, context, 1)

    def klog_line(self, record: bytes) -> Entry | None:
        """Return a line that is klog's own from its first byte, in no wrapping; None for any other."""
        if KLOG_START(record) is None:
            return None
        for word in WRAPPED:
            if word in record:
                return None
        if record.count(b".go:") > 1:  # perhaps more than one line
            return None
        text = record.decode("utf-8", "replace").strip()
        header = klog_header(text)
        return klog(text, self.years, None, header) if header is not None else None

    def _any(self, what: Any, context: Context, depth: int) -> Iterator[Found]:
        if depth > _DEEPEST:
            yield Unread(str(what)[:1000], json=True)
        elif isinstance(what, str):
            yield from self._text(what, context, depth)
        elif isinstance(what, dict):
            yield from self._document(what, context, depth)
        elif isinstance(what, list):
            yield from self._list(what, context, depth)

    # Documents

    def _document(self, document: dict[str, Any], context: Context, depth: int) -> Iterator[Found]:
        group = document.get("apiVersion")
        if isinstance(group, str) and group.startswith(AUDIT_GROUP) and document.get("kind") == "Event":
            yield AuditFound(document, True, context.inside(PLAIN))
            return
        dialect = dialect_of(document)
        if dialect is not None:
            yield AuditFound(dialect.event(document), dialect.timed, context.inside(dialect.name))
            return
        rows = rows_of(document)
        if rows is not None:
            name, inner = rows
            for row in inner:
                yield from self._any(row, context.inside(name), depth + 1)
            return
        if is_entry(document):
            entry = structured(document, context.time)
            if entry is not None:
                yield EntryFound(entry._replace(pod=context.pod), context.inside(entry.form))
                return
        enveloped = envelope_of(document)
        if enveloped is not None:
            yield from self._enveloped(document, *enveloped, context, depth)
            return
        entry = structured(document, context.time)
        if entry is not None and not is_line(entry.message):
            yield EntryFound(entry._replace(pod=context.pod), context.inside(entry.form))
            return
        yield from self._searched(document, context, depth)

    def _enveloped(
        self, document: dict[str, Any], envelope: Envelope, inside: Any, context: Context, depth: int
    ) -> Iterator[Found]:
        inner = self._told(document, envelope, context)
        if envelope.many:
            for item in inside:
                yield from self._any(item, inner, depth + 1)
            return
        if isinstance(inside, str):
            if envelope.name.startswith(_CUTTING):
                whole = self._pieces.joined(
                    inside, (inner.pod, str(document.get("stream"))), inner, goes_on=goes_on(document, inside)
                )
                if whole is None:
                    yield CutShort()
                    return
                inside = whole
            path, _, name = envelope.inside.rpartition(".")
            beside = look_up(document, path) if path else {}
            around = {**document, **beside} if isinstance(beside, dict) else document
            taken = {envelope.inside, envelope.inside.partition(".")[0], name}
            yield from self._text(
                inside, inner, depth + 1, {key: value for key, value in around.items() if key not in taken}
            )
            return
        if isinstance(inside, dict) and envelope.inside in {"log", "message", "body"} and not leads_on(inside):
            yield from self._searched(document, context, depth)
            return
        yield from self._any(inside, inner, depth + 1)

    def _told(self, document: dict[str, Any], envelope: Envelope, context: Context) -> Context:
        level = first(document, envelope.level)
        return Context(
            parse_time(first(document, envelope.time)) or context.time,
            str(first(document, envelope.pod) or context.pod),
            level if isinstance(level, str) else context.level,
            (*context.how, envelope.name),
        )

    def _searched(self, document: dict[str, Any], context: Context, depth: int) -> Iterator[Found]:
        """Look for a line of a log in the fields of a document that no row of the table is for."""
        time = next(
            (found for key in ("ts", "time", "timestamp", "@timestamp") if (found := parse_time(document.get(key)))),
            None,
        )
        inner = context._replace(time=time or context.time)
        for name, value in document.items():
            if isinstance(value, str) and is_line(value):
                yield from self._text(value, inner.inside(f"field {name[:40]}"), depth + 1)
                return
            if isinstance(value, dict | list) and depth < _DEEPEST and holds_line(value):
                yield from self._any(value, inner.inside(f"field {name[:40]}"), depth + 1)
                return
        yield Unread(_plain(document), json=True)

    def _list(self, items: list[Any], context: Context, depth: int) -> Iterator[Found]:
        if len(items) >= 2 and isinstance(items[0], str) and isinstance(items[1], str) and items[0].isdigit():
            inner = context._replace(time=parse_time(items[0]))
            yield from self._text(items[1], inner.inside("Loki value"), depth + 1)
            return
        fields = fields_of_insights(items)
        if fields is not None:
            yield from self._any(fields, context.inside("CloudWatch Logs Insights result"), depth + 1)
            return
        for item in items:
            if isinstance(item, dict | list):
                yield from self._any(item, context, depth + 1)
            elif isinstance(item, str):
                yield from self._text(item, context, depth + 1)
            else:
                yield Unread(str(item), json=True)

    # Text

    def _text(self, text: str, context: Context, depth: int, outer: dict[str, Any] | None = None) -> Iterator[Found]:
        text = _ESCAPES.sub("", text).strip() if "\x1b" in text or "\ufeff" in text else text.strip()
        if not text:
            return
        if depth > _DEEPEST:
            yield Unread(text, json=False)
            return
        if text[0] in "{[" and (found := parsed(text.rstrip(", \t"))) is not None:
            if found:
                yield from self._any(found, context.inside("JSON") if depth else context, depth + 1)
            elif found == {}:
                yield Unread(text, json=True)
            return
        if text in {"[", "]", "],", "}", "},"} and not depth:
            return
        if may_be_many(text):
            lines = lines_in(text)
            if len(lines) > 1:
                for line in lines:
                    yield from self._text(line, context, depth + 1, outer)
                return
        cri = _CRI.match(text)
        if cri is not None:
            yield from self._cri(cri, context, depth)
            return
        yield from self._line(text, context, depth, outer)

    def _cri(self, cri: re.Match[str], context: Context, depth: int) -> Iterator[Found]:
        stamp, stream, tag, rest = cri.groups()
        inner = context._replace(time=parse_time(stamp)).inside("CRI")
        whole = self._pieces.joined(rest, (context.pod, stream), inner, goes_on=tag == "P")
        if whole is None:
            yield CutShort()
        else:
            yield from self._text(whole, inner, depth + 1)

    def _line(self, text: str, context: Context, depth: int, outer: dict[str, Any] | None) -> Iterator[Found]:
        peeled = _peeled(text)
        if peeled is not None:
            yield from self._text(peeled[1], context.inside(peeled[0]), depth + 1)
            return
        header = klog_header(text, 0, 1200)
        brace = text.find('{"') if '{"' in text else text.find('{ "')
        if brace > 0 and (header is None or brace < header.start()):
            entry = console(text) if header is None else None
            if entry is not None and entry.values is not None and not wraps(entry.values):
                yield EntryFound(entry, context.inside(entry.form))
                return
            document = parsed(text[brace:].rstrip(", \t"))
            documents = [document] if document else _decoded_parts(text[brace:])
            if documents and all(isinstance(each, dict) and each for each in documents):
                for each in documents:
                    yield from self._document(each, _prefixed(text[:brace], context), depth + 1)
                return
        if header is not None:
            inner = _prefixed(text[: header.start()], context) if header.start() else context
            line = klog(text, self.years, inner.time, header)
            if line is None:
                yield Unread(text, json=False)
            else:
                yield EntryFound(line._replace(pod=inner.pod), inner.inside(line.form))
            return
        entry = logfmt(text) or console(text)
        if entry is not None:
            yield EntryFound(entry._replace(pod=context.pod), context.inside(entry.form))
            return
        stamp = STAMP.match(text)
        if stamp is not None or context.time is not None:
            time = context.time if context.time is not None else parse_time(stamp[0]) if stamp else None
            if time is not None:
                yield EntryFound(_bare(text, time, context, outer), context.inside(BARE))
                return
        yield Unread(text, json=False)


def _decoded_parts(text: str) -> list[Any]:
    """The documents in a text that is none itself, as where a line was cut off, or something follows."""
    if not any(mark in text for mark in MARKS):
        return []
    found: list[Any] = []
    decoder, at = json.JSONDecoder(), 0
    while at >= 0 and len(found) < 100_000:
        try:
            document, at = decoder.raw_decode(text, at)
            found.append(parsed(json.dumps(document, ensure_ascii=False)))  # without halves of letters
        except (ValueError, RecursionError):
            at += 1
        at = text.find('{"', at)
    return found


def _peeled(text: str) -> tuple[str, str] | None:
    """What is inside of quoting: a row of CSV without its header, a JSON string, HTML; None without any."""
    if text[0] == '"' == text[-1] and '\\"' in text:
        found = parsed(text)
        if isinstance(found, str):
            return "JSON string", found
    if '""' in text and (text[0] == '"' or ',"' in text or ';"' in text):
        for separator in ",;\t":
            for field in fields_of(text, separator):
                if field != text and is_line(field):
                    return "field of CSV", field
    if "&quot;" in text and '="' not in text:
        from html import unescape

        return "HTML", unescape(text)
    return None


_COLLECTORS = frozenset(
    {"name", "namespace", "kubernetes", "labels", "resource", "jsonPayload", "host", "controller_name"}
)
"""What of a collector's own fields could be taken for the line's."""


def _bare(text: str, time: int, context: Context, outer: dict[str, Any] | None) -> Entry:
    """A message whose header was taken off, and what the collector made of the header."""
    around = outer or {}
    told = {name: value for name, value in around.items() if name not in _COLLECTORS}
    told = with_error({**told, **attributes_of(around)}, text)
    location = around.get("sourceLocation")
    source = f"{location.get('file', '')}:{location.get('line', '')}" if isinstance(location, dict) else ""
    logger = str(told.get("logger") or told.get("logger_name") or "")
    return Entry(time, letter_of(context.level), source, logger, text, told or None, BARE, context.pod)


def _prefixed(before: str, context: Context) -> Context:
    """What a prefix tells: of ``kubectl logs --timestamps --prefix``, a runtime, ``aws logs tail``, ``grep -H``."""
    stamp = STAMP.search(before)
    time = parse_time(stamp[0]) if stamp else None
    pod = _POD.search(before)
    return context._replace(
        time=time if time is not None else context.time,
        pod=pod[1] if pod else context.pod,
        how=(*context.how, "a prefix"),
    )


def _plain(document: dict[str, Any]) -> str:
    return msgspec.json.encode(document)[:4000].decode("utf-8", "replace")
