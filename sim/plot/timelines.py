"""The picture of one object's life: who worked on it when, and where writes were refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.lives import OWN, QUEUED, REFUSED, REQUEST, STORED, TOKEN, in_order, life_of
from sim.plot.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    axes,
    bare,
    legend_below,
    named,
    nothing,
    only,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.plot.style import Results

SPANS = {QUEUED: (GREY, 0.22), OWN: (SKY, 0.34), TOKEN: (ORANGE, 0.34), REQUEST: (BLUE, 0.5)}
"""What the bars of a lane are: colour, and height where a lane has 1."""
MARKS = {STORED: ("o", GREEN), REFUSED: ("X", VERMILION)}


def timeline(result: Results, certificate: str, ax: Axes | None = None, *, replication: int = 1) -> Axes:
    """Draw the life of one object of one result: a lane for each controller, seconds from its creation.

    Lanes are in the order in which the replication's writers appeared. Passes that sent nothing are left out; so are
    Events. Raises ``ValueError`` where there is no such object.
    """
    each, ax = only(result), axes(ax)
    life = life_of(each, certificate, replication)
    there = {span.writer for span in life.spans} | {mark.writer for mark in life.marks}
    lanes = {name: lane for lane, name in enumerate(name for name in in_order([each], replication) if name in there)}
    for kind, (hue, height) in SPANS.items():
        spans = [span for span in life.spans if span.kind == kind]
        rows, begin = [lanes[span.writer] for span in spans], [span.start for span in spans]
        width = [span.end - span.start for span in spans]
        if spans:  # the legend would give a bar that is not there another colour
            ax.barh(rows, width, left=begin, height=height, color=hue, label=kind, linewidth=0)
    for kind, (marker, hue) in MARKS.items():
        marks = [mark for mark in life.marks if mark.kind == kind]
        at, rows = [mark.at for mark in marks], [lanes[mark.writer] for mark in marks]
        ax.scatter(at, rows, marker=marker, s=42, color=hue, label=kind, zorder=4)
    if life.ready is not None:
        ax.axvline(life.ready, color=GREEN, linestyle="--", linewidth=1.2, label="Ready")
    if not lanes:
        nothing(ax, "nobody sent anything about it")
    ax.set_yticks(range(len(lanes)), [short(name) for name in lanes])
    ax.set_ylim(len(lanes) - 0.5, -0.5)
    ax.set_xlabel(f"seconds from {life.since}")
    name = next(iter(named(result)))
    of = "" if name == each.scenario.name else f": {name}"
    ax.set_title(f"{certificate}, replication {replication}{of}", wrap=True)
    legend_below(ax, 2)
    bare(ax)
    return ax
