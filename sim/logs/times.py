"""Points in time as logs write them, as nanoseconds since 1970 in UTC.

Tools write the same instant in many ways: RFC 3339 with an offset, without one (then it is UTC), numbers whose unit
is told by their size alone, dates as browsers show them. klog leaves the year out.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from functools import lru_cache

from sim.units import DAY, HOUR, MINUTE, SECOND

LATEST_YEAR = 2199
"""Later years are a damaged stamp: nanoseconds since 1970 would soon not fit 64 bits."""

_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
)}  # fmt: skip
_CLOCK = r"(?P<h>\d{1,2}):(?P<m>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9})\d*)?\s?(?P<half>[AaPp][Mm])?"
_ZONE = r"\s?(?P<zone>Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
_DATES = (
    rf"(?P<y>\d{{4}})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)[Tt ]+{_CLOCK}{_ZONE}",
    rf"(?P<month>[A-Za-z]{{3}})[a-z]* +(?P<d>\d{{1,2}}),? +(?P<y>\d{{4}})(?: *@ *|, *| +){_CLOCK}{_ZONE}",
    rf"(?P<mo>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<y>\d{{4}}),? +{_CLOCK}{_ZONE}",
    rf"(?P<d>\d{{1,2}})/(?P<month>[A-Za-z]{{3}})/(?P<y>\d{{4}}):{_CLOCK}{_ZONE}",
    rf"(?:[A-Za-z]{{3}},? +)?(?P<d>\d{{1,2}}) +(?P<month>[A-Za-z]{{3}}) +(?P<y>\d{{4}}) +{_CLOCK}{_ZONE}",
)
_FORMS = tuple(re.compile(form) for form in _DATES)
STAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?")
"""A stamp as log lines carry it, to be found inside a text."""
_EPOCH = re.compile(r"\d{9,19}(?:\.\d{1,9})?")


def parse_time(value: object) -> int | None:
    """Return a time in any of the forms; None where it is none."""
    if isinstance(value, str):
        found = parse_rfc3339(value)
        if found is not None:
            return found
        text = value.strip()
        if _EPOCH.fullmatch(text):
            whole, _, part = text.partition(".")
            return parse_epoch(float(text)) if part else parse_epoch(int(whole))
        return _loose(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return parse_epoch(value)
    if isinstance(value, dict):
        return _of_two(value)
    return None


def _of_two(value: dict[str, object]) -> int | None:
    """A time as log4j and protobuf write it: seconds, and nanoseconds beside them."""
    for seconds, nanoseconds in (("epochSecond", "nanoOfSecond"), ("seconds", "nanos")):
        whole, part = value.get(seconds), value.get(nanoseconds, 0)
        if isinstance(whole, int) and isinstance(part, int) and (time := parse_epoch(whole)) is not None:
            return time + part
    return None


def parse_epoch(number: float) -> int | None:
    """Return a number since 1970, whose size tells its unit: seconds, milli-, micro- or nanoseconds.

    As seconds, milliseconds, ... the numbers of 1973 to 2286 do not overlap.
    """
    for below, unit in ((1e11, SECOND), (1e14, SECOND // 1000), (1e17, 1000), (1e20, 1)):
        if 1e8 <= number < below:
            time = number * unit if isinstance(number, int) else round(number * unit)
            return time if time < (LATEST_YEAR - 1970) * 366 * DAY else None
    return None


def parse_rfc3339(text: object) -> int | None:
    """Return nanoseconds since 1970 for ``2026-11-23T18:42:15.061774Z`` and the like; None for no time."""
    if not isinstance(text, str) or not 20 <= len(text) <= 64 or text[10] not in "Tt ":
        return None
    second = _second(text[:19])
    if second is None:
        return None
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and (digits := text[20:26]).isdecimal():
        return second + int(digits) * 1000  # the API server's own form
    return _with_rest(second, text[19:])


@lru_cache(maxsize=4096)  # many lines are of one second
def _second(text: str) -> int | None:
    try:
        of_day = (int(text[11:13]) * 60 + int(text[14:16])) * MINUTE + int(text[17:19]) * SECOND
        return _day(text[:10]) + of_day
    except ValueError:
        return None


def _with_rest(second: int, rest: str) -> int | None:
    try:
        fraction = 0
        if rest[0] == ".":
            digits = 1
            while digits < len(rest) and rest[digits].isdigit():
                digits += 1
            fraction = int(rest[1:digits][:9].ljust(9, "0"))
            rest = rest[digits:]
        return second + fraction - _offset(rest)
    except (ValueError, IndexError):
        return None


def _loose(text: str) -> int | None:
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is None:
            continue
        parts = match.groupdict()
        month = int(parts["mo"]) if parts.get("mo") else _MONTHS.get((parts.get("month") or "")[:3].lower(), 0)
        hour = int(parts["h"])
        if parts["half"]:
            hour = hour % 12 + (12 if parts["half"].lower() == "pm" else 0)
        return of_parts(
            int(parts["y"]), month, int(parts["d"]), (hour, int(parts["m"]), int(parts["s"])),
            int((parts["f"] or "").ljust(9, "0")), parts["zone"] or "Z",
        )  # fmt: skip
    return None


def of_parts(
    year: int, month: int, day: int, clock: tuple[int, int, int], nanoseconds: int = 0, zone: str = "Z"
) -> int | None:
    """Return the time of a date and a clock; None where there is no such day or time."""
    hour, minute, second = clock
    if not (hour < 24 and minute < 60 and second < 61):
        return None
    try:
        days = _day(f"{year:04d}-{month:02d}-{day:02d}")
        return days + hour * HOUR + minute * MINUTE + second * SECOND + nanoseconds - _offset(zone)
    except ValueError:
        return None


@lru_cache(maxsize=4096)  # a log has few days and many lines
def _day(text: str) -> int:
    found = date.fromisoformat(text)
    if not 1900 <= found.year <= LATEST_YEAR:
        raise ValueError(text)
    return (found.toordinal() - 719_163) * DAY


def _offset(text: str) -> int:
    if text in {"Z", "z", "UTC", "GMT"}:
        return 0
    digits = text[1:].replace(":", "")
    if text[0] not in "+-" or len(digits) not in {2, 4}:
        raise ValueError(text)
    minutes = int(digits[:2]) * 60 + int(digits[2:] or "0")
    return (minutes if text[0] == "+" else -minutes) * MINUTE


def year_of(time_ns: int) -> int:
    """Return the year of a time."""
    return datetime.fromtimestamp(time_ns // SECOND, UTC).year


class Years:
    """Gives klog's times their year: the one nearest to a stamp beside them, else to the line before.

    The first line without a stamp goes to ``near`` where one is known, as from the audit log of the same recording;
    else to the latest year in which it is not after ``before``, the file's last change.
    """

    def __init__(self, before: int, near: int | None = None) -> None:
        self.before = before
        self._last = near
        self._same: tuple[int, int] | None = None  # the last line's month and day
        self._begin = 0  # when that day began
        self.certain: int | None = None  # the last time whose year a stamp told
        self.ahead: list[int] = []  # of the first lines: how far their time is ahead of the stamp beside them

    def be_near(self, time_ns: int) -> None:
        """Take a time whose year is certain, where none was known."""
        if self._last is None:
            self._last = time_ns

    def time(
        self, month: int, day: int, clock: tuple[int, int, int], nanoseconds: int, stamp: int | None
    ) -> int | None:
        """Return the time of a date without a year; None for an impossible one."""
        if self._same == (month, day):
            hour, minute, second = clock
            if not (hour < 24 and minute < 60 and second < 61):
                return None
            today = self._begin + hour * HOUR + minute * MINUTE + second * SECOND + nanoseconds
            if stamp is None or abs(today - stamp) < 30 * DAY:
                return self._take(today, stamp)
        near = stamp if stamp is not None else self._last
        middle = year_of(near if near is not None else self.before + DAY)
        years = (of_parts(year, month, day, clock, nanoseconds) for year in range(middle - 1, middle + 2))
        times = [time for time in years if time is not None]
        if near is None:
            found = max((time for time in times if time <= self.before + DAY), default=None)
        else:
            found = min(times, key=lambda time: abs(time - near), default=None)
        if found is None:
            return None
        self._same = month, day
        self._begin = found // DAY * DAY
        return self._take(found, stamp)

    def _take(self, found: int, stamp: int | None) -> int:
        self._last = found
        if stamp is not None:
            self.certain = found
            if len(self.ahead) < 1000:
                self.ahead.append(found - stamp)
        return found


def shift(ahead: list[int]) -> int:
    """How far a log's own times are ahead of the stamps beside them, where that is a time zone's offset."""
    if len(ahead) < 3:
        return 0
    middle = sorted(ahead)[len(ahead) // 2]
    return middle if abs(middle) > 600 * SECOND else 0
