"""Small pictures made of characters, for a terminal: bars with intervals, a heat map, a scatter plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sim.analysis.intervals import Estimate
from sim.report.numbers import NONE, interval, write

SHADES = " ░▒▓█"
WIDTH = 40


def bars(rows: Mapping[str, Estimate], kind: str = "count", width: int = WIDTH) -> list[str]:
    """Return one line for each mean: a bar from 0, a line through it for the interval, and the numbers."""
    ends = [max(each.mean or 0.0, each.high or 0.0) for each in rows.values()]
    longest = max(ends, default=0.0)
    label = max(map(len, rows), default=0)
    return [
        f"  {name:<{label}}  {_bar(each, longest, width)}  {interval(each.as_dict(), kind)}"
        for name, each in rows.items()
    ]


def _bar(each: Estimate, longest: float, width: int) -> str:
    if each.mean is None or longest <= 0:
        return " " * width

    def at(value: float | None) -> int:
        return min(width, max(0, round((value or 0.0) / longest * width)))

    cells = ["█" if place < at(each.mean) else " " for place in range(width)]
    if each.low is not None and each.high is not None:
        for place in range(at(each.mean), at(each.high)):
            cells[place] = "─"
        for place in range(at(each.low), at(each.mean)):
            cells[place] = "▓"
    return "".join(cells)


def heat_map(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], float | None], kind: str = "count"
) -> list[str]:
    """Return a table of numbers, each with a shade from the lowest of all to the highest."""
    known = [value for value in cells.values() if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)

    def cell(row: str, column: str) -> str:
        value = cells.get((row, column))
        if value is None:
            return NONE
        shade = SHADES[round((value - low) / (high - low) * (len(SHADES) - 1))] if high > low else SHADES[0]
        return f"{write(value, kind)} {shade * 2}"

    grid = [["", *columns], *([row, *(cell(row, column) for column in columns)] for row in rows)]
    widths = [max(len(line[place]) for line in grid) for place in range(len(columns) + 1)]
    return [
        "  "
        + line[0].ljust(widths[0])
        + "".join("  " + text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))
        for line in grid
    ]


def scatter(
    points: Sequence[tuple[float, float, str]], x_label: str, y_label: str, width: int = 60, height: int = 16
) -> list[str]:
    """Return a plot of (x, y, mark) points, later ones on top, with the ends of both axes written out."""
    if not points:
        return ["  nothing to show"]
    xs, ys = _ends([x for x, _, _ in points]), _ends([y for _, y, _ in points])
    cells = [[" "] * width for _ in range(height)]
    for x, y, mark in points:
        column = round((x - xs[0]) / (xs[1] - xs[0]) * (width - 1))
        row = round((y - ys[0]) / (ys[1] - ys[0]) * (height - 1))
        cells[height - 1 - row][column] = mark
    left = [f"{ys[1]:.4g}", *[""] * (height - 2), f"{ys[0]:.4g}"]
    margin = max(map(len, left))
    lines = [f"  {y_label}"]
    lines += [f"  {text:>{margin}} │{''.join(row)}".rstrip() for text, row in zip(left, cells, strict=True)]
    lines.append(f"  {'':>{margin}} └{'─' * width}")
    low, high = f"{xs[0]:.4g}", f"{xs[1]:.4g}"
    lines.append(f"  {'':>{margin}}  {low}{high:>{width - len(low)}}")
    lines.append(f"  {'':>{margin}}  {x_label:^{width}}".rstrip())
    return lines


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if math.isclose(low, high):
        spread = abs(low) * 0.05 or 1.0
        return low - spread, high + spread
    return low, high
