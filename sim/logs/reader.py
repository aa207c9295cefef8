"""Reads logs of any kind, in any wrapping, one item at a time, and accounts for every line.

Audit events and lines of controllers may stand in one file, in an archive, in exports that overlap: what comes twice
is counted once. A line that speaks of a conflict and was not understood is never passed over in silence.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sim.logs.ahead import year_told
from sim.logs.audit import DUPLICATE, NOT_AUDIT, OTHER_STAGE, STARTS, WRITES_NOTHING, AuditEvent, AuditParser
from sim.logs.conflicts import MODIFIED, speaks_of_conflict
from sim.logs.controller_log import CONFLICT, ERROR, FIELD_CONFLICT, OTHER, LogLine, others_in, said, why_unread
from sim.logs.entries import BARE, KLOG, LOGFMT, STAMPED, ZAP_CONSOLE, ZAP_JSON, Entry
from sim.logs.framing import LINES, records
from sim.logs.packing import Member, Progress, changed, members
from sim.logs.routine import Routine, RoutineLines
from sim.logs.times import Years, shift
from sim.logs.torn import Numbered, Torn
from sim.logs.unwrap import AuditFound, CutShort, EntryFound, Found, Unread, Unwrapper
from sim.logs.wording import STAGES, is_refusal, of_earlier_stage, speaks
from sim.units import SECOND

COPY = "seen before (the same line of a log)"
_REMEMBERED = 100_000
_PLAIN = "audit event"


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
        self._ignored = ignored
        self._audit = AuditParser(ignored, bodies=bodies)
        self._copies: OrderedDict[int, int] = OrderedDict()
        self._rounded: dict[tuple[int, int], int] = {}
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
        for member in members(path, self._ignored, progress, look=bool(look)):
            name = f"{path}:{member.name}" if member.name else str(path)
            account = FileAccount(name, member.how)
            self.accounts.append(account)
            years = Years(changed(path), self.near)
            yield from _OneLog(self, account, years).read(member, look)
            account.shift_ns = shift(years.ahead)
            if self.near is None:
                self.near = years.certain

    def copied(self, line: LogLine, entry: Entry) -> bool:
        """Whether a line was read before: the same time and words, in whatever wrapping.

        Of times in whole seconds the same words may come twice in one log; then only other logs can hold copies.
        """
        if line.what == OTHER or not line.timed:
            return False
        digest = hash((line.time_ns // 1000, entry.message, line.key, line.controller))
        log = len(self.accounts)
        if entry.rounded:
            mine = self._rounded[digest, log] = self._rounded.get((digest, log), 0) + 1
            if len(self._rounded) > _REMEMBERED:
                self._rounded.clear()
            most = self._rounded.get((digest, 0), 0)
            self._rounded[digest, 0] = max(most, mine)
            return mine <= most
        if digest in self._copies:
            return True
        self._copies[digest] = log
        if len(self._copies) > _REMEMBERED:
            self._copies.popitem(last=False)
        return False

    def plain(self, line: bytes) -> AuditEvent | None:
        """Read a line as the API server itself writes them."""
        event = self._audit.plain(line)
        if event is not None and self.near is None:
            self.near = event.received_ns
        return event

    def event(self, found: AuditFound) -> AuditEvent | None:
        """Read an event that was unwrapped."""
        document = found.event
        event = (
            self._audit.plain(document)
            if isinstance(document, bytes)
            else self._audit.document(document, found.dialect)
        )
        if event is not None and self.near is None:
            self.near = event.received_ns
        return event

    @property
    def why(self) -> str:
        """Why the last audit event that can't be used can't be."""
        return self._audit.why

    def ignore(self, why: str) -> None:
        """Count a line that can't be used."""
        self._ignored[why] += 1

    def understood(self, why: str) -> None:
        """Take back what ``ignore`` counted last."""
        self._ignored[why] -= 1
        if self._ignored[why] <= 0:
            del self._ignored[why]

    @property
    def unused(self) -> Counter[str]:
        """What was not used so far, by reason."""
        return self._ignored


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
        account.framing, found = records(member.blocks, reader.unused)
        if reader.near is None and account.framing == LINES:
            found = year_told(found, self._unwrapper.years)
        take = routine.take if routine is not None and account.framing == LINES else None
        torn = self._torn
        plain = number = 0
        for number, record in islice(found, look) if look else found:
            if record.__class__ is bytes and record.startswith(STARTS):
                plain += 1
                event = reader.plain(record)
                if event is not None:
                    account.events += 1
                    yield event
                elif b"\x1b" in record:  # coloured, as grep does what it finds
                    reader.understood(reader.why)
                    yield from self._unwrapped([(number, record)])
                elif b"409" in record or b"been modified" in record:
                    self._lost(number, record)
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
            account.ways[_PLAIN] += plain

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

    def _lost(self, number: int, record: bytes) -> None:
        """A refusal that can't be used; copies, and other stages of the same, were told elsewhere."""
        why = self._reader.why
        if why in _TOLD or (why == OTHER_STAGE and any(stage in record for stage in STAGES)):
            return
        if b'"code":409' in record or speaks_of_conflict(record.decode("utf-8", "replace")):
            self._unread(number)

    def _unread(self, number: int, many: int = 1) -> None:
        self._account.unread_conflicts += many
        if not self._account.first_unread:
            self._account.first_unread = number

    def _unwrapped(self, records: Iterable[Numbered]) -> Iterator[AuditEvent | LogLine]:
        for number, record in records:
            self._told = False
            unread = self._account.unread_conflicts
            yield from self._settled(self._all(number, self._unwrapper.unwrap(record)))
            if not self._told and self._account.unread_conflicts == unread and (many := speaks(record)):
                self._unread(number, many)

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
                event = self._reader.event(found)
                if event is not None:
                    self._account.events += 1
                    yield event
                elif self._reader.why not in _TOLD and not of_earlier_stage(found) and is_refusal(found):
                    self._unread(number)
            elif isinstance(found, EntryFound):
                line = self._line(number, found)
                if line is not None:
                    yield line
            else:
                line = self._continued(number, found)
                if line is not None:
                    yield line

    def _line(self, number: int, found: EntryFound) -> LogLine | None:
        entry = found.entry
        line, told = self._said(entry, found.context.time if found.context.time is not None else entry.time)
        told |= line.understood
        self._told |= told
        if not told and speaks_of_conflict(entry.message):
            self._unread(number)
        if self._reader.copied(line, entry):
            self._reader.ignore(COPY)
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
            below = self._below(entry.message)
            if below.what in _REFUSALS:
                if self._says_again(below):
                    return line._replace(what=OTHER, also=()), True
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

    def _below(self, text: str) -> LogLine:
        """What a text says that goes on below the line before; by itself where there is none."""
        before = self._open
        return said(
            before._replace(message=f"{text} {before.message[:400]}", values=None)
            if before is not None
            else Entry(None, "I", "", "", text, None, BARE)
        )

    def _says_again(self, line: LogLine) -> bool:
        """Whether a refusal that is told below a line was told before, as "Caused by" says it again."""
        return self._open is not None and self._open.form in _GO_ON and self._counted == _named(line)

    def _continued(self, number: int, found: Unread) -> LogLine | None:
        """A text without a header: the rest of the line before, as of an exception, or something else."""
        self._reader.ignore(NOT_AUDIT if found.json else why_unread(found))
        if not speaks_of_conflict(found.text):
            return None
        if found.json or "audit.k8s.io/" in found.text:  # an event that is damaged
            self._unread(number, max(found.text.count(MODIFIED), 1))
            return None
        line = self._below(found.text)
        if line.what not in _REFUSALS:
            if not line.understood:
                self._unread(number)
            return None
        self._told = True
        if self._says_again(line):
            return None
        self._reader.understood(why_unread(found))
        self._counted, self._more = _named(line), self._open is not None and self._open.form in _GO_ON
        self._account.lines += 1
        self._account.ways[BARE] += 1
        return line


_REFUSALS = frozenset({CONFLICT, FIELD_CONFLICT})
_GO_ON = frozenset({STAMPED, ZAP_CONSOLE, LOGFMT, ZAP_JSON})
"""Forms whose lines may go on below, with a stack trace and the causes of an exception."""


def _named(line: LogLine) -> tuple[str, str]:
    return line.resource, line.key.rsplit("/", 1)[-1]


_TOLD = frozenset({DUPLICATE, *WRITES_NOTHING})
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
