"""What a report is made of: sections with words, pictures and tables. Pictures become inline SVG.

A picture is drawn by ``sim.plot`` with placeholder colours, for ink, fine lines and ground, which the page's style
sheet replaces by those of a light or a dark page; so it does with blue, which is too dark on a dark one.

What the page's script (``report.js``) needs is in ``data-`` attributes of the SVG: ``data-x`` and ``data-y`` are the
ends of an axis, in units of the picture and in its own; ``data-zoom`` names the pictures whose time is zoomed
together; ``data-label`` is a line's; ``data-controller`` whom a thing belongs to, by which it is hidden; ``data-tip``
what is said where one points; ``data-shows`` the object that a click shows.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from sim.plot.style import BLUE, TIPS, Place, Tip
from sim.report.numbers import interval, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import BboxBase
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

Scale = Callable[[float], float]
"""From a value on an axis to a place in the picture."""


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
    folded: str = ""
    """The line behind which it is folded, as those are of which there are many."""
    opened: bool = True
    shows: str = ""
    """The object whose life it is, which a click elsewhere opens."""


@dataclass
class Section:
    """A part of the report with a heading of its own."""

    name: str
    title: str
    legend: str = ""
    """What the colours of all its pictures mean, as HTML."""
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
    zoom: str = "",
) -> Picture:
    """Draw a picture; ``draw`` gets the axes. ``name`` is unique in the report, ``grid`` x, y, both or none.

    ``zoom`` names the pictures whose time is zoomed together; ``""`` where the horizontal axis is no time.
    """
    from matplotlib.figure import Figure

    with on_page(name):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        ax = figure.add_subplot()
        draw(ax)
        if grid != "both":
            ax.grid(False)
            if grid in {"x", "y"}:
                ax.grid(True, axis=grid)  # type: ignore[arg-type] # narrowed by the line above
        return Picture(name, svg(figure, ax, name, ax.get_title(), words, zoom), words, table)


def svg(figure: Figure, ax: Axes, name: str, title: str, words: str, zoom: str = "", tight: bool = False) -> str:
    """Return axes with all around them as inline SVG, with tips and what else the page's script needs.

    ``zoom`` names the pictures whose horizontal axis, a time, is zoomed together; ``tight`` cuts off what is empty.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import StepPatch

    figure.set_dpi(72)  # the SVG's: what is measured here is where it is there
    lines = [each for each in ax.get_children() if isinstance(each, (Line2D, StepPatch))]
    labels = {f"line-{number}": str(each.get_label()) for number, each in enumerate(lines)}
    for part, line in zip(labels, lines, strict=True):
        line.set_gid(part)
    if all(label.startswith("_") for label in labels.values()):
        zoom = ""  # there is nothing to see closer
    figure.draw_without_rendering()
    shown = figure.get_tightbbox().padded(0.06) if tight else figure.bbox_inches
    target = io.StringIO()
    figure.savefig(target, format="svg", bbox_inches=shown, metadata={"Date": None, "Creator": None})
    text = inline(target.getvalue(), name, title, words)
    for part, label in labels.items():
        if not label.startswith("_"):
            text = text.replace(f'id="{name}-{part}"', f'data-label="{escape(label)}"')

    across, down = scales(ax, shown)
    ends = []
    for axis, at, limits, label, scale in (
        ("x", across, ax.get_xlim(), ax.get_xlabel(), ax.get_xscale()),
        ("y", down, ax.get_ylim(), ax.get_ylabel(), ax.get_yscale()),
    ):
        if scale == "linear":
            places = " ".join(f"{each:.6g}" for each in (*map(at, limits), *limits))
            ends.append(f'data-{axis}="{places}" data-{axis}-label="{escape(label)}"')
    if zoom:
        ends.append(f'data-zoom="{escape(zoom)}"')
    return text.replace("<svg ", f"<svg {' '.join(ends)} ", 1).replace("</svg>", f"{tips(ax, shown)}</svg>")


def scales(ax: Axes, box: BboxBase) -> tuple[Scale, Scale]:
    """Return where values of axes are in an SVG, in points, that shows ``box`` of their figure, in inches."""
    point = 72 / ax.figure.dpi

    def across(x: float) -> float:
        return float(ax.transData.transform((x, ax.get_ylim()[0]))[0]) * point - 72 * box.x0

    def down(y: float) -> float:
        return 72 * box.y1 - float(ax.transData.transform((ax.get_xlim()[0], y))[1]) * point

    return across, down


def tips(ax: Axes, box: BboxBase) -> str:
    """Return the places of all tips of axes, in an SVG that shows ``box`` of their figure."""
    across, down = scales(ax, box)
    return "".join(_target(each, across, down, ax.get_xlim(), ax.get_ylim()) for each in TIPS.get(ax, ()))


def _target(tip: Tip, across: Scale, down: Scale, wide: tuple[float, float], high: tuple[float, float]) -> str:
    """Return the place of a tip: something that cannot be seen and can be pointed at."""
    words = tip.name
    if tip.value is not None:
        value = interval(tip.value, tip.unit, tip.signed) if isinstance(tip.value, Mapping) else None
        words += f": {value or write(float(tip.value), tip.unit, tip.signed)}"  # type: ignore[arg-type] # no mapping
    about = f' data-controller="{escape("|".join(tip.controllers))}"' if tip.controllers else ""
    about += f' data-shows="{escape(tip.shows)}"' if tip.shows else ""
    said = f"<title>{escape(words)}</title>"
    if isinstance(tip.x, (int, float)) and isinstance(tip.y, (int, float)):
        return f'<circle class="tip" cx="{across(tip.x):.1f}" cy="{down(tip.y):.1f}" r="7"{about}>{said}</circle>'
    left, right = sorted(map(across, _range(tip.x, wide)))
    top, bottom = sorted(map(down, _range(tip.y, high)))
    size = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}"'
    return f'<rect class="tip" {size}{about}>{said}</rect>'


def _range(place: Place, whole: tuple[float, float]) -> tuple[float, float]:
    if place is None:
        return whole
    return place if isinstance(place, tuple) else (place, place)


def inline(text: str, name: str, title: str, words: str) -> str:
    """Return matplotlib's SVG as a part of a page: no declarations, ids of its own, colours from the style sheet.

    What a page has no use for is left out: fonts, which the style sheet has, and digits beyond a hundredth of a point.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", text)
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    for placeholder, variable in _ON_PAGE.items():
        text = text.replace(placeholder, variable)
    head, _, rest = text.partition(">")
    head = re.sub(r' (width|height|version|xmlns(:xlink)?)="[^"]*"', "", head)
    label = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(words)}</desc>'
    return f'{head} role="img" aria-labelledby="{name}-title {name}-desc">{label}{rest}'.strip()
