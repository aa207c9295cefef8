"""Values written as a range: ``10ms..5s/log/6`` is six durations, the ends included.

``a..b/lin/n`` has equal steps, ``a..b/log/n`` equal factors. What lies between the ends is rounded to three
significant digits, and to whole numbers for a key that takes nothing else. A space to search is written
``a..b``, ``a..b/log`` or as a list of values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from sim.units import format_duration, parse_duration, parse_rate

Kind = Literal["int", "float", "duration", "rate"]
Scale = Literal["lin", "log"]

MOST_VALUES = 1000
DIGITS = 3

_COUNTED = re.compile(r"(?P<low>[^/]+(?:/[smh])?)\.\.(?P<high>[^/]+(?:/[smh])?)/(?P<scale>[a-z]+)/(?P<count>[^/]+)")
_SPACE = re.compile(r"(?P<low>[^/]+(?:/[smh])?)\.\.(?P<high>[^/]+?(?:/[smh])?)(?:/(?P<scale>lin|log))?")


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from ``low`` to ``high`` as a key's kind measures them: nanoseconds for a duration."""

    low: float
    high: float
    scale: Scale
    kind: Kind

    def value(self, number: float) -> str:
        """Write a number within the range as ``--set`` takes it."""
        return write(number, self.kind)

    def number(self, text: str) -> float:
        """Return the number that a written value stands for."""
        return read(text, self.kind)


def kind_of(key: str, *texts: str) -> Kind:
    """Return what a scenario's key holds; for an unknown key, what the texts look like."""
    from sim.scenario.model import Scenario
    from sim.scenario.shapes import shape_at

    shape = shape_at(Scenario, [int(step) if step.isdigit() else step for step in key.split(".")])
    if shape is not None and shape.kind in {"int", "float", "duration", "rate"}:
        return shape.kind
    if all(re.fullmatch(r"[-+]?[0-9]+", text.strip()) for text in texts):
        return "int"
    if any("/" in text for text in texts):
        return "rate"
    return "duration" if any(text.strip()[-1:].isalpha() for text in texts) else "float"


def read(text: str, kind: Kind) -> float:
    """Return the number of a written value; raises ``ValueError`` where it is none of this kind."""
    match kind:
        case "duration":
            return parse_duration(text)
        case "rate" if not re.fullmatch(r"[0-9.]+", text.strip()):  # a plain number is one per second, as in scenarios
            return parse_rate(text)
        case _:
            number = float(text)
            if not math.isfinite(number) or (kind == "int" and number != round(number)):
                raise ValueError(f"{text!r} is not a {'whole ' if kind == 'int' else ''}number")
            return number


def write(number: float, kind: Kind) -> str:
    """Write a number of this kind as a scenario has it."""
    match kind:
        case "duration":
            return format_duration(round(number))
        case "rate":
            return f"{number:.12g}/s"
        case "int":
            return str(round(number))
        case _:
            return f"{number:.12g}"


def rounded(number: float, kind: Kind) -> float:
    """Round to ``DIGITS`` significant digits, and to a whole number where nothing else is one."""
    if number == 0:
        return number
    short = round(number, DIGITS - 1 - math.floor(math.log10(abs(number))))
    return round(short) if kind in {"int", "duration"} else short


def is_range(text: str) -> bool:
    """Whether a value is written as a range, well or not."""
    return ".." in text


def expanded(key: str, text: str) -> list[str]:
    """Return the values of ``a..b/log/n`` or ``a..b/lin/n``; each once.

    Raises ``ValueError`` where it cannot be read.
    """
    match = _COUNTED.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{key}={text}: a range is written low..high/log/n or low..high/lin/n, such as 10ms..5s/log/6")
    if match["scale"] not in {"lin", "log"}:
        raise ValueError(f"{key}={text}: {match['scale']!r} is no scale; write log or lin")
    if not match["count"].isdigit() or not 2 <= int(match["count"]) <= MOST_VALUES:
        raise ValueError(f"{key}={text}: {match['count']!r} is no number of values from 2 to {MOST_VALUES}")
    found = _between(key, text, match["low"], match["high"], "log" if match["scale"] == "log" else "lin")
    count = int(match["count"])
    numbers = [found.low]
    for step in range(1, count - 1):
        share = step / (count - 1)
        if found.scale == "log":
            number = found.low * (found.high / found.low) ** share
        else:
            number = found.low + (found.high - found.low) * share
        numbers.append(rounded(number, found.kind))
    numbers.append(found.high)
    return list(dict.fromkeys(write(number, found.kind) for number in numbers))


def space(key: str, text: str) -> Range:
    """Return the range of ``a..b`` or ``a..b/log``; raises ``ValueError`` where it cannot be read.

    Without a scale durations are searched by factors and numbers by steps.
    """
    match = _SPACE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{key}={text}: a space is written low..high, low..high/log or value,value")
    kind = kind_of(key, match["low"], match["high"])
    scale: Scale = "log" if (match["scale"] or ("log" if kind == "duration" else "lin")) == "log" else "lin"
    return _between(key, text, match["low"], match["high"], scale)


def _between(key: str, text: str, low: str, high: str, scale: Scale) -> Range:
    kind = kind_of(key, low, high)
    try:
        found = Range(read(low.strip(), kind), read(high.strip(), kind), scale, kind)
    except ValueError as error:
        raise ValueError(f"{key}={text}: {error}") from None
    if found.low >= found.high:
        raise ValueError(f"{key}={text}: the low end must be less than the high end")
    if scale == "log" and found.low <= 0:
        raise ValueError(f"{key}={text}: equal factors need a low end above 0")
    return found
