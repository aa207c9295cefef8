"""Text for a terminal or a pipe: colour and box lines on a terminal, neither in a pipe."""

from __future__ import annotations

import io
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.guarded import printable
from sim.report.numbers import write
from sim.units import counted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

WIDE = 115
"""From so many columns on a terminal shows all columns of a table."""
EDGES = 3
"""Columns between two of a table."""
PIPE_WIDTH = 10_000
"""Columns of a table that goes to a pipe: as many as it needs, since nothing there is read in columns of a screen."""


def render(parts: list[RenderableType], terminal: bool) -> Rendered:
    """Return the parts as text, one below the other; for a terminal as wide as it is."""
    from rich.text import Text

    target = io.StringIO()
    paper = console(
        file=target,
        width=screen() if terminal else PIPE_WIDTH,
        force_terminal=terminal,
        no_color=None if terminal else True,
        color_system="auto" if terminal else None,
    )
    from rich.table import Table

    for given in parts:
        part = given
        if isinstance(given, Table):
            part = fitted(given, paper.width) if terminal else given
            if isinstance(part, Table) and part.title:
                # A table would break its title to its own width.
                paper.print(Text(str(part.title), style="bold"), soft_wrap=not terminal)
                part = copy(part)
                part.title = None
        paper.print(part, soft_wrap=isinstance(part, str | Text) and (not terminal or _unwrapped(part, paper.width)))
    made = Rendered("\n".join(line.rstrip() for line in target.getvalue().split("\n")[:-1]) + "\n")
    made.parts = parts
    return made


def _unwrapped(part: str | Text, width: int) -> bool:
    """Whether a text is left to the terminal to wrap: what is copied, and a path that would be broken elsewhere."""
    return isinstance(part, Unwrapped) or max(map(len, str(part).split()), default=0) > width


def fitted(made: Table, width: int) -> RenderableType:
    """Return a table that no cell of which is cut off or broken inside a word: narrower, or row below row.

    Where all columns have room for their longest word, what is left goes to those that need more; else each row is
    its first cell and, below it, a line for each other.
    """
    from rich.cells import cell_len
    from rich.text import Text

    def longest(texts: Iterable[str]) -> int:
        return max(map(cell_len, texts), default=0)

    columns = [[str(column.header), *map(str, column.cells)] for column in made.columns]
    lines = [longest(line for cell in cells for line in cell.split("\n")) for cells in columns]
    room = width - EDGES * (len(columns) + 1)
    if sum(lines) <= room:
        return made
    words = [longest(word for cell in cells for word in cell.split()) for cells in columns]
    if len(columns) > 1 and sum(words) <= room:
        spare, wanted = room - sum(words), sum(lines) - sum(words)
        for column, least, most in zip(made.columns, words, lines, strict=True):
            column.width = least + spare * (most - least) // wanted
            column.no_wrap = False
        return made
    heads = [cells[0] for cells in columns]
    shown = longest(heads[1:])
    stacked = [Text(str(made.title), style="bold"), Text("")] if made.title else []
    for first, *others in zip(*(cells[1:] for cells in columns), strict=True):
        stacked.append(Text(" ".join(first.split())))
        for head, cell in zip(heads[1:], others, strict=True):
            if cell.strip():
                stacked.append(Text(f"  {head:<{shown}}  {' '.join(cell.split())}".rstrip()))
    return Text("\n").join(stacked)


class Unwrapped(str):
    """A line that stays one, however narrow the terminal: a command that can be copied."""

    __slots__ = ()


class Rendered(str):
    """Text that comes from a ``console``: its escape sequences are the console's own, and none is a name's.

    ``parts`` are what was rendered, for a page that shows the same.
    """

    parts: Sequence[RenderableType] = ()


def console(**options: Any) -> Console:
    """Return a Rich console that shows all text as it is: nothing in it is markup, an emoji or an escape sequence.

    Names, keys and log lines come from files; this is the one way by which they reach a terminal. Styles are given
    by ``Text`` and ``style=``, never inside a text.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Paper(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(printable(text), **how)

        def render(self, renderable: Any, options: Any = None) -> Any:
            for each in super().render(renderable, options):
                yield each if each.control else Segment(printable(each.text), each.style)

    return Paper(markup=False, highlight=False, emoji=False, **options)


def bold(text: str, colour: str = "") -> Text:
    """Return a part that stands out."""
    return led(text, f"bold {colour}".rstrip(), "")


def led(first: str, style: str, rest: str) -> Text:
    """Return a part whose first words have a style."""
    from rich.text import Text

    return Text.assemble((printable(first), style), printable(rest))


def footer(folder: Path | None, command: str, files: str = "") -> list[RenderableType]:
    """Return the last lines of a report: where the results are, and how to get them again."""
    named = f" ({files})" if files else ""
    lines: list[RenderableType] = [] if folder is None else [f"Results:       {folder}{named}"]
    return [*lines, Unwrapped(f"Reproduce it:  {command}")]


def losses(lost: Iterable[tuple[float | None, str, str]], summary: Mapping[str, Any], none: str) -> str:
    """Return the means that are not 0, each in its words for one and for many; ``none`` where nothing was lost."""
    said = [f"{write(figure)} {one if figure == 1 else many}" for figure, one, many in lost if figure]
    if summary["violations"]:
        said.append("invariants were violated")
    if not said:
        return none
    return ", ".join(said) + (" (means per replication)" if summary["replications"] > 1 else "")


def how_many(replications: int) -> str:
    """Return what variants of a scenario were run with."""
    undecided = "" if replications > 1 else ", so nothing can be decided"
    return f"{counted(replications, 'replication')} each on the same random numbers{undecided}"


def screen() -> int:
    """Return how many columns a terminal has; fewer than 60 are treated as 60."""
    return max(60, shutil.get_terminal_size().columns)


def is_wide(terminal: bool) -> bool:
    """Whether there is room for more than the most important columns."""
    return not terminal or shutil.get_terminal_size().columns >= WIDE


def wrapped(text: str, width: int, **how: str) -> list[str]:
    """Return a text as lines, none broken inside a word: a word that is longer than a line has one of its own."""
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False, **how)  # type: ignore[arg-type] # indents are texts


def in_middle(text: str, longest: int) -> str:
    """Return a name of at most ``longest`` characters; a longer one is cut in its middle: its ends tell it apart."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


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
