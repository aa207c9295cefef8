"""Text for a terminal or a pipe: colour and box lines on a terminal, neither in a pipe."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.numbers import write

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WIDE = 115
"""From so many columns on a terminal shows all columns of a table."""
PIPE_WIDTH = 120
"""Columns of a table that goes to a pipe, where no terminal says how wide it is."""


def render(parts: list[RenderableType], terminal: bool) -> str:
    """Return the parts as text, one below the other; for a terminal as wide as it is."""
    from rich.console import Console

    width = max(60, shutil.get_terminal_size().columns) if terminal else PIPE_WIDTH
    target = io.StringIO()
    console = Console(
        file=target,
        width=width,
        force_terminal=terminal,
        no_color=None if terminal else True,
        color_system="auto" if terminal else None,
        highlight=False,
        emoji=False,
    )
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str) and not terminal)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def footer(folder: Path | None, command: str, files: str = "") -> list[RenderableType]:
    """Return the last lines of a report: where the results are, and how to get them again."""
    from rich.markup import escape

    named = f" ({files})" if files else ""
    lines: list[RenderableType] = [] if folder is None else [escape(f"Results:       {folder}{named}")]
    return [*lines, escape(f"Reproduce it:  {command}")]


def losses(counted: Iterable[tuple[float | None, str, str]], summary: Mapping[str, Any], none: str) -> str:
    """Return the means that are not 0, each in its words for one and for many; ``none`` where nothing was lost."""
    said = [f"{write(figure)} {one if figure == 1 else many}" for figure, one, many in counted if figure]
    if summary["violations"]:
        said.append("invariants were violated")
    if not said:
        return none
    return ", ".join(said) + (" (means per replication)" if summary["replications"] > 1 else "")


def is_wide(terminal: bool) -> bool:
    """Whether there is room for more than the most important columns."""
    return not terminal or shutil.get_terminal_size().columns >= WIDE


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return what heads the column of each key: its last part, where that is no other's."""
    listed = list(keys)
    last = [key.rpartition(".")[2] for key in listed]
    return {key: short if last.count(short) == 1 else key for key, short in zip(listed, last, strict=True)}


def keep_names(made: Table, names: Iterable[str]) -> None:
    """Let the first column of a table be as wide as its longest name: a name that is cut off names nothing."""
    made.columns[0].no_wrap = True
    made.columns[0].min_width = max(map(len, names), default=0)


def table(title: str, first: str, *others: str, terminal: bool) -> Table:
    """Return an empty table: ``first`` heads a column of names, ``others`` columns of numbers."""
    from rich import box
    from rich.table import Table

    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    made.add_column(first)
    for name in others:
        made.add_column(name, justify="right")
    return made
