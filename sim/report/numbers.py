"""How numbers are written for people: as many digits as they deserve, and a dash where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim.units import MINUTE, MS, SECOND, US, decimals, plural, spelled

NONE = "-"
"""Stands where there is no number."""

Group = Mapping[str, float | None]
"""A mean with its interval, as in a summary: ``mean``, ``low`` and ``high``."""

UNITS = {"count": "", "ratio": "", "share": "%", "points": " points"}
TIMES = {"seconds": SECOND, "milliseconds": MS}
"""Kinds that are times, in nanoseconds. How long they are says what they are written in, not what they were kept in."""


def axis(label: str, kind: str) -> str:
    """Return what stands at the axis of a picture, whose numbers are of that kind."""
    return f"{label}, {kind}" if kind in TIMES else f"{label} (1 is all)" if kind == "share" else label


def write(value: float | None, kind: str = "count", signed: bool = False) -> str:
    """Write a number of a kind: a ``count`` or ``ratio`` (or a mean of those), a ``share`` in percent, ``seconds`` or
    ``milliseconds``.

    ``signed`` writes a plus before what is more than 0, for differences. Those of shares are ``points``: from 10% to
    15% is 5 points more, and not 5%. Times are written ``36.5 ms``, ``23.4 s``, ``1 min 12 s``.
    """
    if value is None:
        return NONE
    return _written([value], kind, signed)[0] + _unit([value], kind, signed)


def interval(group: Group | None, kind: str = "count", signed: bool = False) -> str:
    """Write ``mean [low, high]``, without the brackets where there is no interval."""
    mean, ends = in_parts(group, kind, signed)
    return f"{mean} {ends}".rstrip()


def amount(of: Group | float, one: str, many: str = "") -> str:
    """Write so many of something for a sentence: ``1 issuance``, ``2.50 [1.20, 3.80] issuances``.

    An interval that is a single number, as of what came out the same in every replication, is left out.
    """
    group = of if isinstance(of, Mapping) else {"mean": of, "low": of, "high": of}
    mean = group["mean"]
    said = write(mean) if mean == group["low"] == group["high"] else interval(group)
    return f"{said} {one if mean == 1 else many or plural(one)}"


def ranks(found: Iterable[int]) -> list[str]:
    """Write ranks as sports do: ``1.``, and ``2=`` where several share it."""
    places = list(found)
    return [f"{place}=" if places.count(place) > 1 else f"{place}." for place in places]


def shared(places: Iterable[str]) -> str:
    """Return what a table's title says of ranks as written; "" where nobody shares one."""
    return "; = cannot be told apart" if any(each.endswith("=") for each in places) else ""


def in_parts(group: Group | None, kind: str = "count", signed: bool = False) -> tuple[str, str]:
    """Return the mean, and its interval in brackets; all three in one unit, that of the largest.

    A dash stands for one end that is unknown; where both are, there are no brackets.
    """
    if group is None or group["mean"] is None:
        return NONE, ""
    every = [group["mean"], group["low"], group["high"]]
    known = [value for value in every if value is not None]
    written = iter(_written(known, kind, signed))
    mean, low, high = (NONE if value is None else next(written) for value in every)
    mean += _unit(known, kind, signed)
    return mean, "" if len(known) == 1 else f"[{low}, {high}]"


def _unit(values: list[float], kind: str, signed: bool) -> str:
    """The unit that follows a number: none where each has its own, as minutes do."""
    if kind in TIMES:
        return _scale(values, kind)[1]
    return UNITS["points" if signed and kind == "share" else kind]


def _scale(values: list[float], kind: str) -> tuple[float, str]:
    """What times are written in: nanoseconds in the unit, and its name; no name where minutes are needed."""
    longest = max(map(abs, values)) * TIMES[kind]
    if round(longest / SECOND, 1) * SECOND >= MINUTE:
        return 1, ""
    for size, name in ((US, " us"), (MS, " ms")):
        if 0 < round(longest / size) < 1000:
            return size, name
    return SECOND, " s"


def _written(values: list[float], kind: str, signed: bool) -> list[str]:
    if kind not in TIMES:
        return [_digits(100 * value if kind in {"share", "points"} else value, kind, signed) for value in values]
    size, unit = _scale(values, kind)
    times = [value * TIMES[kind] for value in values]
    if unit:
        return [_digits(ns / size, "time", signed) for ns in times]
    return [("+" if signed and ns > 0 else "") + spelled(ns) for ns in times]


def _digits(value: float, kind: str, signed: bool) -> str:
    size = abs(value)
    if kind == "time":
        digits = 0 if size >= 100 or value == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    elif kind in {"share", "points"}:
        digits = 0 if size >= 10 or value == 0 else 1 if size >= 0.1 else 2
    else:
        digits = decimals(value)
    sign = "+" if signed and round(value, digits) else ""
    return f"{value:{sign}z,.{digits}f}"
