"""Durations and rates as people write them: ``250ms``, ``30s``, ``1h30m``, ``5/s``; and how many of what there are.

Inside the simulator every time is an integer number of nanoseconds and every rate a float per second.
"""

from __future__ import annotations

import re
from fractions import Fraction

NS = 1
US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
DAY = 24 * HOUR

# Both code points that print as a micro sign are in use; Go accepts both too.
_UNITS = {"ns": NS, "us": US, "µs": US, "μs": US, "ms": MS, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNIT = r"(?:ns|us|µs|μs|ms|s|m|h|d)"
_PART = re.compile(rf"({_NUMBER})({_UNIT})")
_WHOLE = re.compile(rf"(?:{_NUMBER}{_UNIT})+")
_LONG_UNIT = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)")
_RATE = re.compile(rf"({_NUMBER})\s*/\s*(s|m|h)")
# How the long names begin, longest first where one begins another.
_LONG_NAMES = (("milli", "ms"), ("micro", "us"), ("nano", "ns"), ("msec", "ms"), ("min", "m"), ("sec", "s"),
               ("hour", "h"), ("hr", "h"), ("day", "d"))  # fmt: skip
_LONGEST = 60

DURATION_PATTERN = rf"^(0|({_NUMBER}{_UNIT})+)$"
"""The regular expression that a written duration matches, in the dialect of JSON Schema."""
RATE_PATTERN = r"^[0-9]+(\.[0-9]+)?\s*/\s*(s|m|h)$"
"""The regular expression that a written rate matches, in the dialect of JSON Schema."""

_DURATION_HELP = "write a number with a unit (ns, us, ms, s, m, h, d), such as 250ms, 30s or 1h30m"
_RATE_HELP = "write a number per unit of time, such as 5/s, 30/m or 100/h"


def parse_duration(text: str) -> int:
    """Return the nanoseconds in a duration such as ``250ms`` or ``1h30m``, to the nearest whole one.

    Raises ``ValueError`` where ``text`` is no duration; a bare number is refused, because its unit
    would be a guess (``0`` alone is allowed, as in Go).
    """
    stripped = text.strip()
    if stripped == "0":
        return 0
    if len(stripped) > _LONGEST or not _WHOLE.fullmatch(stripped):
        raise ValueError(f"{quoted(text)} is {_no_duration(stripped)}")
    return round(sum((Fraction(n) * _UNITS[unit] for n, unit in _PART.findall(stripped)), Fraction(0)))


def format_duration(ns: int) -> str:
    """Write nanoseconds in the largest unit that keeps them exact, such as ``90m`` or ``1.5s``."""
    if ns < 0:
        return f"-{format_duration(-ns)}"
    if ns == 0:
        return "0s"
    for unit in ("h", "m", "s", "ms", "us"):
        size = _UNITS[unit]
        whole, rest = divmod(ns, size)
        if rest == 0:
            return f"{whole}{unit}"
        if unit in {"s", "ms"} and whole and rest * 1000 % size == 0:
            thousandths = f"{rest * 1000 // size:03d}".rstrip("0")
            return f"{whole}.{thousandths}{unit}"
    return f"{ns}ns"


def spelled(ns: float, *, about: bool = False) -> str:
    """Write nanoseconds as people say them: ``3 s``, ``23.4 s``, ``1 min 12 s``, ``3 h 5 min``, ``2 d 4 h``.

    ``about`` is for estimates: whole seconds, and from ten minutes, hours or days on nothing smaller.
    """
    if ns <= 0:
        return f"-{spelled(-ns, about=about)}" if ns else "0 s"
    for limit, size, digits, unit in (
        (1e3, 1, 0, "ns"),
        (1e6, 1e3, 0, "us"),
        (1e7, 1e6, 1, "ms"),
        (1e9, 1e6, 0, "ms"),
        (1e10, 1e9, 2, "s"),
        (MINUTE, 1e9, 1, "s"),
    ):
        places = 0 if about or round(ns) % size == 0 else digits
        if round(ns / size, places) * size < limit:
            return f"{ns / size:.{places}f} {unit}"
    for limit, large, below, names in (
        (HOUR, MINUTE, SECOND, ("min", "s")),
        (2 * DAY, HOUR, MINUTE, ("h", "min")),
        (730 * DAY, DAY, HOUR, ("d", "h")),
    ):
        small = large if about and ns >= 10 * large else below
        whole, rest = divmod(round(ns / small), round(large / small))
        if whole * large < limit:
            return f"{whole} {names[0]}" + (f" {rest} {names[1]}" if rest else "")
    return f"{ns / (365 * DAY):,.0f} years"


def plural(kind: str) -> str:
    """Return several objects of a kind, in words: Widgets, Policies, Ingresses.

    >>> plural("Policy"), plural("Ingress"), plural("Gateway")
    ('Policies', 'Ingresses', 'Gateways')
    """
    if kind[-1:] == "y" and kind[-2:-1] not in "aeiou":
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith(("s", "x", "ch", "sh")) else f"{kind}s"


def counted(number: int, one: str, many: str = "") -> str:
    """Return so many of something, in words: ``1 conflict``, ``1,204 conflicts``; ``many`` where the plural is another.

    >>> counted(1, "try"), counted(0, "try"), counted(3, "write was refused", "writes were refused")
    ('1 try', '0 tries', '3 writes were refused')
    """
    return f"{number:,} {one if number == 1 else many or plural(one)}"


def every(number: int, one: str = "") -> str:
    """Return all of so many, two or more, in words.

    >>> every(2), every(1204, "replication")
    ('both', 'all 1,204 replications')
    """
    return f"{'both' if number == 2 else f'all {number:,}'} {plural(one) if one else ''}".rstrip()


def decimals(count: float) -> int:
    """Return how many decimals a mean of counts deserves: none where it is a whole number, or a large one.

    >>> [f"{count:,.{decimals(count)}f}" for count in (3.0, 2.333, 123.45, 86832.5)]
    ['3', '2.33', '123.5', '86,832']
    """
    size = abs(count)
    return 0 if count == round(count) or size >= 1000 else 1 if size >= 100 else 2


def parse_rate(text: str) -> float:
    """Return events per second for ``5/s``, ``30/m`` or ``100/h``; ``ValueError`` where it is no rate."""
    stripped = text.strip()
    match = _RATE.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if not match:
        raise ValueError(f"{quoted(text)} is not a rate; {_RATE_HELP}")
    return float(match[1]) / (_UNITS[match[2]] / SECOND)


def cut(text: str, longest: int) -> str:
    """Return a text with what is beyond its first ``longest`` characters left away, and three dots for it."""
    return text if len(text) <= longest else f"{text[:longest].rstrip()} ..."


def quoted(text: str, longest: int = 40) -> str:
    """Return the text in quotes for a message, cut where it is long."""
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def _no_duration(text: str) -> str:
    if len(text) <= _LONGEST:
        if text.startswith("-") and _WHOLE.fullmatch(text[1:]):
            return "negative; a duration is 0 or longer"
        if re.fullmatch(_NUMBER, text):
            return f"a number without a unit; write {text}s if seconds are meant (units: ns, us, ms, s, m, h, d)"
        long = _LONG_UNIT.fullmatch(text)
        for name, unit in _LONG_NAMES:
            if long and long[2].lower().startswith(name):
                return f"not a duration; did you mean {long[1]}{unit}? (units: ns, us, ms, s, m, h, d)"
    return f"not a duration; {_DURATION_HELP}"
