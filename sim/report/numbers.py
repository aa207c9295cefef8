"""How numbers are written for people: as many digits as they deserve, and a dash where there is none."""

from __future__ import annotations

from collections.abc import Mapping

NONE = "-"
"""Stands where there is no number."""

Group = Mapping[str, float | None]
"""A mean with its interval, as in a summary: ``mean``, ``low`` and ``high``."""

UNITS = {"count": "", "ratio": "", "share": "%", "points": " points", "seconds": " s", "milliseconds": " ms"}


def write(value: float | None, kind: str = "count", signed: bool = False) -> str:
    """Write a number of a kind: a ``count`` or ``ratio`` (or a mean of those), a ``share`` in percent, ``seconds`` or
    ``milliseconds``.

    ``signed`` writes a plus before what is more than 0, for differences. Those of shares are ``points``: from 10% to
    15% is 5 points more, and not 5%.
    """
    unit = "points" if signed and kind == "share" else kind
    return NONE if value is None else _digits(value, kind, signed) + UNITS[unit]


def interval(group: Group | None, kind: str = "count", signed: bool = False) -> str:
    """Write ``mean [low, high]``, without the brackets where there is no interval."""
    if group is None or group["mean"] is None:
        return NONE
    return write(group["mean"], kind, signed) + brackets(group, kind, signed)


def brackets(group: Group, kind: str = "count", signed: bool = False) -> str:
    """Write `` [low, high]``, with a dash for one end that is unknown; nothing where both are."""
    ends = [group["low"], group["high"]]
    if ends == [None, None]:
        return ""
    low, high = (NONE if end is None else _digits(end, kind, signed) for end in ends)
    return f" [{low}, {high}]"


def _digits(value: float, kind: str, signed: bool) -> str:
    if kind in {"share", "points"}:
        value = 100 * value
    size = abs(value)
    if kind == "seconds":
        digits = 0 if size >= 1000 else 1 if size >= 10 else 2 if size >= 1 else 3
    elif kind == "milliseconds":
        digits = 0 if size >= 1000 else 1 if size >= 10 else 2
    elif kind in {"share", "points"}:
        digits = 0 if size >= 10 or value == 0 else 1 if size >= 0.1 else 2
    else:
        digits = 0 if value == round(value) or size >= 1000 else 1 if size >= 100 else 2
    sign = "+" if signed and value else ""
    return f"{value:{sign},.{digits}f}"
