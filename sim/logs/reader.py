"""Reads logs of any kind, in any wrapping, one item at a time, and accounts for every line.

Audit events and lines of controllers may stand in one file, in an archive, in exports that overlap: what comes twice
is counted once. A line that speaks of a conflict and was not understood is never passed over in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from sim.logs.audit import NOT_JSON, OTHER_STAGE, SEEN_BEFORE, STARTS, WRITES_NOTHING, AuditEvent, AuditParser
from sim.logs.conflicts import MODIFIED, speaks_of_conflict
from sim.logs.controller_log import CONFLICT, ERROR, FIELD_CONFLICT, OTHER, LogLine, others_in, said
from sim.logs.dialects import AUDIT_GROUP
from sim.logs.entries import BARE, KLOG, KLOG_START, LOGFMT, STAMPED, ZAP_CONSOLE, ZAP_JSON, Entry
from sim.logs.framing import LINES, Record, records
from sim.logs.packing import Member, Progress, changed, members
from sim.logs.retold import Copies
from sim.logs.routine import Routine, RoutineLines
from sim.logs.times import Years, parse_time, shift
from sim.logs.torn import Torn
from sim.logs.unwrap import PLAIN, AuditFound, CutShort, EntryFound, Found, Unread, Unwrapper
from sim.units import SECOND

COPY = "seen before (the same line of a log)"
_AHEAD = 5000  # records in which a full date is looked for
_BYTES_AHEAD = 4 << 20


@dataclass
class FileAccount:
    """How one log was read: a file, or one of the files in an archive."""

    name: str
    packing: tuple[str, ...] = ()
    framing: str = ""
    ways: Counter[str] = field(default_factory=Counter)  # what was found, by the wrappings around it
    events: int = 0
    lines: int = 0
    bare: int = 0  # of the lines: texts without a header, which anything may have written
    unread_conflicts: int = 0  # lines that speak of conflicts and were not understood
    first_unread: int = 0  # the number of the first of them
    shift_ns: int = 0  # how far the log's own times are ahead of the collector's stamps; 0 where they agree

    @property
    def understood(self) -> int:
        """Items of which the form is known."""
        return self.events + self.lines - self.bare


class LogReader:
    """Reads the files of one recording; what can't be used is counted in ``ignored``.

    With ``bodies`` audit events keep what was sent and answered. With ``routine`` lines that tell of nothing come many
    at once (``read_all``). ``accounts`` has one entry for each log so far.
    """

    def __init__(self, ignored: Counter[str], *, bodies: bool = False, routine: bool = False) -> None:
        self.accounts: list[FileAccount] = []
        self.sums_up = routine
        self.ignored = ignored
        self.audit = AuditParser(ignored, bodies=bodies)
        self.copies = Copies()
        self.near: int | None = None  # a time of this recording whose year is certain

    def read(self, path: Path, progress: Progress | None = None, *, look: int = 0) -> Iterator[AuditEvent | LogLine]:
        """Yield what a file holds, item by item; of its first ``look`` records alone, where that is not 0."""
        for item in self.read_all(path, progress, look=look):
            assert not isinstance(item, Routine), "a reader of single lines"
            yield item

    def read_all(
        self, path: Path, progress: Progress | None = None, *, look: int = 0
    ) -> Iterator[AuditEvent | LogLine | Routine]:
        """Yield what a file holds, routine lines many at once where that was asked for."""
        for member in members(path, self.ignored, progress, look=bool(look)):
            name = f"{path}:{member.name}" if member.name else str(path)
            account = FileAccount(name, member.how)
            self.accounts.append(account)
            years = Years(changed(path), self.near)
            yield from _OneLog(self, account, years).read(member, look)
            account.shift_ns = shift(years.ahead)
            if self.near is None:
                self.near = years.certain

    def understood(self, why: str) -> None:
        """Take back what was counted last as ignored."""
        self.ignored[why] -= 1
        if self.ignored[why] <= 0:
            del self.ignored[why]


class _OneLog:
    """Reads one log for a ``LogReader``."""

    def __init__(self, reader: LogReader, account: FileAccount, years: Years) -> None:
        self._reader = reader
        self._account = account
        self._unwrapper = Unwrapper(years)
        self._routine = RoutineLines(years) if reader.sums_up else None
        self._torn = Torn()
        self._open: Entry | None = None  # the line before, whose text may go on without a header
        self._opened: int | None = None  # when, by a collector's stamp where there is one
        self._counted: tuple[str, str] | None = None  # the resource and name of a refusal that it told of
        self._held: LogLine | None = None  # an error that may be a refusal: the lines below it would tell
        self._more = False  # whether the last line goes on with the one before
        self._told = False  # whether this record's conflict was read, or cannot be one

    def read(self, member: Member, look: int) -> Iterator[AuditEvent | LogLine | Routine]:
        account, reader, routine = self._account, self._reader, self._routine
        account.framing, found = records(member.blocks, reader.ignored)
        if reader.near is None and account.framing == LINES:
            found = _year_told(found, self._unwrapper.years)
        take = routine.take if routine is not None and account.framing == LINES else None
        torn = self._torn
        plain = number = 0
        for number, record in islice(found, look) if look else found:
            if record.__class__ is bytes and record.startswith(STARTS):
                event = reader.audit.plain(record)
                if event is None and reader.audit.why == NOT_JSON and b"\x1b" in record:
                    reader.understood(NOT_JSON)  # coloured, as grep does what it finds
                    yield from self._unwrapped([(number, record)])
                    continue
                plain += 1
                if event is not None:
                    yield self._used(event)
                else:
                    self._unused(number, record)
            elif take is not None and take(record):
                if torn.held:
                    yield from self._unwrapped(torn.rest())
                if routine is not None and routine.full():
                    yield self._summed_up(routine)
            else:
                if routine is not None and routine.lines:
                    yield self._summed_up(routine)
                    yield from self._let_go()
                    self._open, self._counted = self._unwrapper.klog_line(routine.last), None
                yield from self._unwrapped(torn.take(number, record))
        yield from self._unwrapped(torn.rest())
        yield from self._settled(self._all(number, self._unwrapper.rest()))
        if routine is not None and routine.lines:
            yield self._summed_up(routine)
        yield from self._let_go()
        if plain:
            account.ways[PLAIN] += plain

    def _let_go(self) -> Iterator[LogLine]:
        """An error whose text does not go on, or not with a refusal."""
        if self._held is not None:
            yield self._held
        self._held = None

    def _summed_up(self, routine: RoutineLines) -> Routine:
        found = routine.handed_over()
        self._account.lines += found.lines
        self._account.ways[KLOG] += found.lines
        return found

    def _used(self, event: AuditEvent) -> AuditEvent:
        self._account.events += 1
        if self._reader.near is None:
            self._reader.near = event.received_ns
        return event

    def _unused(self, number: int, event: Any) -> None:
        """An event that can't be used. Was it a refusal, as far as anything in it tells, it is named.

        Copies, and other stages of the same request, are told elsewhere.
        """
        why = self._reader.audit.why
        if why in _TOLD:
            return
        text = _text(event)
        if why == OTHER_STAGE and any(stage in text for stage in _STAGES):
            return
        if '"code":409' in text or '"reason":"Conflict"' in text or speaks_of_conflict(text):
            self._unread(number)

    def _unread(self, number: int, many: int = 1) -> None:
        self._account.unread_conflicts += many
        if not self._account.first_unread:
            self._account.first_unread = number

    def _unwrapped(self, records: Iterable[Record]) -> Iterator[AuditEvent | LogLine]:
        for number, record in records:
            self._told = False
            unread = self._account.unread_conflicts
            yield from self._settled(self._all(number, self._unwrapper.unwrap(record)))
            if not self._told and self._account.unread_conflicts == unread:
                text = _text(record)  # whatever was made of it
                if speaks_of_conflict(text):
                    self._unread(number, max(text.count(MODIFIED), 1))

    def _settled(self, items: Iterator[AuditEvent | LogLine]) -> Iterator[AuditEvent | LogLine]:
        """What was found, where an error is held until it is known whether its text goes on with a refusal."""
        for item in items:
            if isinstance(item, AuditEvent):
                yield item
                continue
            if not self._more:
                yield from self._let_go()
                if item.what == ERROR and item.form in _GO_ON:
                    self._held = item
                    continue
            elif item.what in _REFUSALS:
                self._held = None  # what failed was the write that was refused
            yield item
            if item.also:
                yield from others_in(item)

    def _all(self, number: int, all_found: Iterator[Found]) -> Iterator[AuditEvent | LogLine]:
        for found in all_found:
            if isinstance(found, CutShort):
                self._told = True  # it is judged with its end
            elif isinstance(found, AuditFound):
                self._told = True
                self._account.ways[" > ".join(found.context.how)] += 1
                event = self._reader.audit.document(found.event, timed=found.timed)
                if event is not None:
                    yield self._used(event)
                else:
                    self._unused(number, found.event)
            else:
                line = self._line(number, found) if isinstance(found, EntryFound) else self._continued(number, found)
                if line is not None:
                    yield line

    def _line(self, number: int, found: EntryFound) -> LogLine | None:
        entry = found.entry
        line, told = self._said(entry, found.context.time if found.context.time is not None else entry.time)
        told |= line.understood
        self._told |= told
        if not told and speaks_of_conflict(entry.message):
            self._unread(number)
        if self._reader.copies.seen(line, entry, len(self._reader.accounts)):
            self._reader.ignored[COPY] += 1
            return None
        self._account.lines += 1
        self._account.bare += entry.form == BARE and line.what == OTHER
        if self._reader.near is None and entry.form != KLOG and line.timed:
            self._reader.near = line.time_ns
        self._account.ways[" > ".join(found.context.how)] += 1
        return line

    def _said(self, entry: Entry, at: int | None) -> tuple[LogLine, bool]:
        """What a line says that a collector stamped then, and whether that is a refusal."""
        line = said(entry)
        told = line.what in _REFUSALS
        self._more = self._goes_on(entry, at)
        if self._more and speaks_of_conflict(entry.message):
            below, again = self._below(self._under(entry.message))
            if again:
                return line._replace(what=OTHER, also=()), True
            if below.what in _REFUSALS:
                line, told = below, True
        if not self._more:
            self._open, self._opened = entry, at
        self._counted = _named(line) if told else self._counted if self._more else None
        return line, told

    def _goes_on(self, entry: Entry, at: int | None) -> bool:
        """Whether a text that a collector stamped goes on below a line with a header: of the same pod, at once."""
        before = self._open
        return (
            (entry.form == BARE or (entry.values or {}).get("kind") == "Status")
            and before is not None
            and before.form in _GO_ON
            and before.pod == entry.pod
            and at is not None
            and self._opened is not None
            and 0 <= at - self._opened <= SECOND
        )

    def _under(self, text: str) -> Entry:
        """A text that goes on below the line before, as that line's; by itself where there is none."""
        before = self._open
        if before is None:
            return Entry(None, "I", "", "", text, None, BARE)
        return before._replace(message=f"{text} {before.message[:400]}", values=None)

    def _below(self, entry: Entry) -> tuple[LogLine, bool]:
        """What a text says that goes on below the line before, and whether that tells a refusal once more.

        As "Caused by" does. Whether a collector stamped each row of an exception or none makes no difference.
        """
        line = said(entry)
        goes_on = self._open is not None and self._open.form in _GO_ON
        return line, line.what in _REFUSALS and goes_on and self._counted == _named(line)

    def _continued(self, number: int, found: Unread) -> LogLine | None:
        """A text without a header: the rest of the line before, as of an exception, or something else."""
        self._reader.ignored[found.why] += 1
        if not speaks_of_conflict(found.text):
            return None
        if found.json or AUDIT_GROUP in found.text:  # an event that is damaged
            self._unread(number, max(found.text.count(MODIFIED), 1))
            return None
        entry = self._under(found.text)
        line, again = self._below(entry)
        if line.what not in _REFUSALS:
            if not line.understood:
                self._unread(number)
            return None
        self._told = True
        if again:
            return None
        self._reader.understood(found.why)
        self._counted, self._more = _named(line), self._open is not None and self._open.form in _GO_ON
        if self._reader.copies.seen(line, entry, len(self._reader.accounts)):
            self._reader.ignored[COPY] += 1
            return None
        self._account.lines += 1
        self._account.ways[BARE] += 1
        return line


_REFUSALS = frozenset({CONFLICT, FIELD_CONFLICT})
_GO_ON = frozenset({STAMPED, ZAP_CONSOLE, LOGFMT, ZAP_JSON})
"""Forms whose lines may go on below, with a stack trace and the causes of an exception."""


def _text(record: Any) -> str:
    """A record's own text."""
    return (record if isinstance(record, bytes) else msgspec.json.encode(record)).decode("utf-8", "replace")


def _year_told(records: Iterator[Record], years: Years) -> Iterator[Record]:
    """Give ``years`` the first full date among the first records of a log, and return all its records."""
    seen: list[Record] = []
    held = 0
    probe = Unwrapper(Years(years.before))
    for number, record in islice(records, _AHEAD):
        seen.append((number, record))
        held += len(record)
        if KLOG_START(record) is None and (near := _date(probe, record)) is not None:
            years.be_near(near)
            break
        if held > _BYTES_AHEAD:
            break
    return chain(seen, records)


def _date(probe: Unwrapper, record: bytes) -> int | None:
    """A time in a record whose year is certain."""
    for found in probe.unwrap(record):
        if isinstance(found, EntryFound):
            time = found.entry.time if found.entry.form != KLOG else probe.years.certain
            if time is not None:
                return time
        elif isinstance(found, AuditFound):
            return parse_time(found.event.get("stageTimestamp") or found.event.get("requestReceivedTimestamp"))
    return None


def _named(line: LogLine) -> tuple[str, str]:
    return line.resource, line.key.rsplit("/", 1)[-1]


_STAGES = ('"RequestReceived"', '"ResponseStarted"', '"Panic"')
"""Stages of a request other than its answer."""
_TOLD = frozenset({SEEN_BEFORE, *WRITES_NOTHING})
"""Why an event that may have been refused is not counted, and nothing is missed by that."""


def read_mixed(
    paths: Iterable[Path], ignored: Counter[str], progress: Progress | None = None
) -> Iterator[AuditEvent | LogLine]:
    """Yield what logs of either kind hold, even where one file has both kinds of line.

    The year of a controller's log, which klog's lines leave out, is that of the stamps beside them, else of the audit
    log read before, else the latest in which the first line is not after the file's last change.
    """
    reader = LogReader(ignored)
    for path in paths:
        yield from reader.read(path, progress)


def read_events(
    paths: Iterable[Path], *, bodies: bool = False, ignored: Counter[str] | None = None
) -> Iterator[AuditEvent]:
    """Yield the writes in audit logs, in whatever wrapping; each once.

    With ``bodies`` an event has what was sent and answered (``sent_body``, ``answer_body``), of any object but Secrets.
    """
    reader = LogReader(Counter() if ignored is None else ignored, bodies=bodies)
    for path in paths:
        yield from (item for item in reader.read(path) if isinstance(item, AuditEvent))
