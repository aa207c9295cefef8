"""What logs tell of several times: one refusal by the reconciler, its library, an Event, the client; copies of a line.

kubebuilder's ``log.Error(err, ...); return err`` has two lines for one refused write, client-go's round trippers a
third. They are of one pass, or of one object within milliseconds, and differ in their words: who is refused again says
it in the same words again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sim.logs.controller_log import OTHER, LogLine
from sim.logs.entries import Entry
from sim.units import MS, SECOND

_NEAR = 10 * MS
_ONE_PASS = 60 * SECOND  # a pass that takes longer is none
_OF_ONE = 16  # refusals of one object
_MOST = 2000  # objects of whose refusals further lines may tell
_REMEMBERED = 100_000  # lines of which copies are found


class Copies:
    """Knows the lines that were read: by time and words, in whatever wrapping."""

    def __init__(self) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._rounded: dict[tuple[int, int], int] = {}  # how often, by line and log; in log 0 the most in any

    def seen(self, line: LogLine, entry: Entry, log: int) -> bool:
        """Whether a line of this log, a number from 1, was read before; if not, it is from now on.

        Of times in whole seconds the same words may come twice in one log; then only other logs can hold copies.
        """
        if line.what == OTHER or not line.timed:
            return False
        digest = hash((line.time_ns // 1000, entry.message, line.key, line.controller))
        if line.time_ns % SECOND == 0:
            mine = self._rounded[digest, log] = self._rounded.get((digest, log), 0) + 1
            if len(self._rounded) > _REMEMBERED:
                self._rounded.clear()
            most = self._rounded.get((digest, 0), 0)
            self._rounded[digest, 0] = max(most, mine)
            return mine <= most
        if digest in self._seen:
            return True
        self._seen[digest] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False


@dataclass(eq=False)
class _Told:
    line: LogLine
    words: set[str]


class Retold:
    """Lets each refusal through once, told by the line that names the controller where one does."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str], list[_Told]] = OrderedDict()  # by resource and name
        self.waiting: list[_Told] = []  # not counted so far: a line that names the controller may follow

    def take(self, line: LogLine) -> list[LogLine]:
        """Take in a refusal; return those that are to be counted now."""
        if not line.timed:
            return [line]
        ready = self.until(line.time_ns)
        thing = (line.resource, line.key.rsplit("/", 1)[-1])
        known = [told for told in self._told.pop(thing, ()) if told.line.time_ns + _ONE_PASS >= line.time_ns]
        self._told[thing] = known
        same = next((told for told in known if _same(told, line)), None)
        if same is None:
            same = _Told(line, {line.told_by})
            known.append(same)
            del known[:-_OF_ONE]
            if len(self._told) > _MOST:
                self._told.popitem(last=False)
            if line.controller:
                return [*ready, line]
            self.waiting.append(same)
            return ready
        same.words.add(line.told_by)
        if line.controller and same in self.waiting:
            same.line = line
            self.waiting.remove(same)
            return [*ready, line]
        return ready

    def until(self, time_ns: int) -> list[LogLine]:
        """Return the refusals that no further line can tell of, as it is so late."""
        if not self.waiting or self.waiting[0].line.time_ns + _NEAR >= time_ns:
            return []
        return self.rest(time_ns - _NEAR)

    def rest(self, before_ns: int | None = None) -> list[LogLine]:
        """Return the refusals that wait, as when the log is over."""
        over = [told for told in self.waiting if before_ns is None or told.line.time_ns < before_ns]
        self.waiting = [told for told in self.waiting if told not in over]
        return [told.line for told in over]


def _same(told: _Told, line: LogLine) -> bool:
    first = told.line
    if line.told_by in told.words:
        return False
    if "/" in line.key and "/" in first.key and line.key != first.key:
        return False
    if line.reconcile and first.reconcile:
        return line.reconcile == first.reconcile
    if line.controller and first.controller and line.controller != first.controller:
        return False
    return abs(line.time_ns - first.time_ns) <= _NEAR
