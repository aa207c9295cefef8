"""Lines of klog's that tell of nothing that is counted, taken many at once: nearly all of a controller's log.

A line is routine where neither its message nor its values can hold any of the words that matter
(``controller_log.WORTH_IT``); of it only the time, the object and whose it is are kept. A message is judged once.
"""

from __future__ import annotations

from typing import NamedTuple

from sim.logs.controller_log import WORTH_IT
from sim.logs.entries import KLOG_START
from sim.logs.times import Years

_DIGITS = slice(1, 22)  # MMDD HH:MM:SS.uuuuuu
_MOST = 5000
_REMEMBERED = 4096


class Routine(NamedTuple):
    """So many routine lines: of cert-manager's, from when to when (ns since 1970), and the objects that they name."""

    lines: int
    ours: int
    start_ns: int
    end_ns: int
    keys: tuple[str, ...]


class RoutineLines:
    """Collects routine lines; ``years`` gives their times a year."""

    def __init__(self, years: Years) -> None:
        self._years = years
        self._known: dict[bytes, bool] = {}  # by message: whether it may be routine
        self.last = b""
        self._clear()

    def _clear(self) -> None:
        self.lines = self._of_cert_manager = 0
        self._first, self._latest = b"", b""
        self._keys: dict[bytes, None] = {}

    def take(self, record: bytes) -> bool:
        """Count a line, where it is routine."""
        if record[:1] not in b"IW" or (header := KLOG_START(record)) is None:
            return False
        begin = header.end()
        if record[begin : begin + 1] == b'"':
            end = record.find(b'"', begin + 1)
            if end < 0:  # it goes on in the next line
                return False
        else:
            msg = record.find(b'"msg"="', begin)
            end = record.find(b'"', msg + 7) if msg > 0 else len(record)
        message = record[begin:end]
        routine = self._known.get(message)
        if routine is None:
            text = message.decode("utf-8", "replace")
            routine = WORTH_IT.search(text) is None and "lastTransitionTime" not in text
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[message] = routine
        if not routine:
            return False
        if (
            # What values have that may tell more than their message, and what is more than klog's (``WRAPPED``).
            b"rr" in record or b"odified" in record or b"409" in record or b"ptimistic" in record or b"eason" in record
            or b"essage" in record or b'""' in record or b"{" in record or b"&q" in record or b"\x1b" in record
            or b"\xef" in record
        ):  # fmt: skip
            return False
        stamp = record[_DIGITS]
        if not self.lines:
            if not self._possible(stamp):
                return False
            self._first = self._latest = stamp
        elif stamp > self._latest or stamp < self._first:
            if stamp[:4] != self._first[:4] or not self._possible(stamp):
                return False
            if stamp > self._latest:
                self._latest = stamp
            else:
                self._first = stamp
        self.lines += 1
        self.last = record
        if message.startswith(b"cert-manager/") or b'logger="cert-manager' in record:
            self._of_cert_manager += 1
        at = record.find(b' key="', end) + 1
        if at > 0:
            self._keys[record[at + 5 : record.find(b'"', at + 5)]] = None
        elif (at := record.find(b'"key"="', begin)) > 0:
            self._keys[record[at + 7 : record.find(b'"', at + 7)]] = None
        return True

    def full(self) -> bool:
        """Whether it is time to hand them over."""
        return self.lines >= _MOST

    def handed_over(self) -> Routine:
        """Return what was collected, and begin anew."""
        first, last = self._time(self._first), self._time(self._latest)
        keys = tuple(key.decode("utf-8", "replace") for key in self._keys)
        made = Routine(self.lines, self._of_cert_manager, first, last, keys)
        self._clear()
        return made

    def _possible(self, stamp: bytes) -> bool:
        """Whether there is such a time; on another day than the others it is read line by line."""
        return b"01" <= stamp[:2] <= b"12" and b"01" <= stamp[2:4] <= b"28" and stamp[5:7] < b"24" and (
            stamp[8:10] < b"60" and stamp[11:13] < b"60"
        )  # fmt: skip

    def _time(self, stamp: bytes) -> int:
        text = stamp.decode()
        clock = int(text[5:7]), int(text[8:10]), int(text[11:13])
        found = self._years.time(int(text[:2]), int(text[2:4]), clock, int(text[14:20]) * 1000, None)
        assert found is not None, text
        return found
