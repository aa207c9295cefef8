"""What a report is made of: sections with words, pictures and tables. Pictures become inline SVG.

A picture is drawn by ``sim.plot`` with placeholder colours, for ink, fine lines and ground, which the page's style
sheet replaces by those of a light or a dark page; so it does with blue, which is too dark on a dark one.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from sim.plot.style import BLUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import RcKeyType

INK, FINE, PANEL = "#0a0b0c", "#c7c8c9", "#fafbfc"
"""The placeholders; no colour of the pictures themselves."""

_ON_PAGE = {INK: "var(--ink)", FINE: "var(--fine)", PANEL: "var(--panel)", BLUE: "var(--blue)"}

WIDTH = 5.2
"""Inches: as many pixels at 72 a inch fill a phone's screen, where text keeps nearly its size."""

_STYLE: dict[RcKeyType, Any] = {
    "axes.edgecolor": FINE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.color": FINE,
    "grid.linewidth": 0.4,
    "legend.edgecolor": FINE,
    "legend.facecolor": PANEL,
    "legend.framealpha": 0.85,
    "legend.labelcolor": INK,
    "legend.fontsize": 10,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


@dataclass(frozen=True)
class Table:
    """A table: its caption, the heads of its columns, and rows of text; the first cell heads its row."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An inline SVG, what it shows in words, and the same as a table where words are not enough."""

    name: str
    svg: str
    words: str
    table: Table | None = None


@dataclass
class Section:
    """A part of the report with a heading of its own."""

    name: str
    title: str
    words: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    folded: list[Table] = field(default_factory=list)
    commands: list[tuple[str, str]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def on_page(name: str) -> Iterator[None]:
    """Draw in the page's style while the block runs."""
    import matplotlib as mpl

    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the layout's font lacks is shown by the browser's
        yield


def picture(
    name: str,
    draw: Callable[[Axes], object],
    words: str,
    table: Table | None = None,
    *,
    height: float = 3.2,
    grid: str = "both",
) -> Picture:
    """Draw a picture; ``draw`` gets the axes. ``name`` is unique in the report, ``grid`` x, y, both or none."""
    from matplotlib.figure import Figure

    target = io.StringIO()
    with on_page(name):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        ax = figure.add_subplot()
        draw(ax)
        if grid != "both":
            ax.grid(False)
            if grid in {"x", "y"}:
                ax.grid(True, axis=grid)  # type: ignore[arg-type] # narrowed by the line above
        title = ax.get_title()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(name, inline(target.getvalue(), name, title, words), words, table)


def inline(text: str, name: str, title: str, words: str) -> str:
    """Return matplotlib's SVG as a part of a page: no declarations, ids of its own, colours from the style sheet."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for placeholder, variable in _ON_PAGE.items():
        text = text.replace(placeholder, variable)
    head, _, rest = text.partition(">")
    head = re.sub(r' (width|height|version|xmlns(:xlink)?)="[^"]*"', "", head)
    label = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(words)}</desc>'
    return f'{head} role="img" aria-labelledby="{name}-title {name}-desc">{label}{rest}'.strip()
