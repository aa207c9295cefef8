"""A picture of what a real log says: conflicts over time, by controller, and who lost to whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.extras import require
from sim.plot.style import BLUE, GREY, HEAT, bare, short
from sim.units import counted

if TYPE_CHECKING:
    from sim.logs.logreport import LogReport

_MOST = 8


def draw(report: LogReport, path: Path) -> None:
    """Write the picture of a report; the file's ending says the format: png, svg or pdf.

    ``ValueError`` for an ending that Matplotlib does not know.
    """
    require("matplotlib")
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    known = plt.figure().canvas.get_supported_filetypes()
    plt.close("all")
    ending = path.suffix.removeprefix(".").lower()
    if ending not in known:
        raise ValueError(f"--picture {path}: the ending says the format: .png, .svg or .pdf")
    panels = 3 if report.losses else 2
    figure, axes = plt.subplots(1, panels, figsize=(5.2 * panels, 4.2), layout="constrained")
    _over_time(report, axes[0])
    _by_controller(report, axes[1])
    if report.losses:
        _matrix(report, axes[2])
    figure.suptitle(_title(report), fontsize=11)
    figure.savefig(path, dpi=120, format=ending)
    plt.close(figure)


def _title(report: LogReport) -> str:
    from sim.logs.logreport import span_in_words

    return f"{counted(report.total, 'conflict')} in {span_in_words(report.span_s)} of the {report.source}"


def _over_time(report: LogReport, ax: Any) -> None:
    unit, name = (3600.0, "h") if report.span_s > 7200 else (60.0, "min") if report.span_s > 120 else (1.0, "s")
    width = report.span_s / unit / max(len(report.timeline), 1)
    starts = [place * width for place in range(len(report.timeline))]
    ax.bar(starts, report.timeline, width=width or 1.0, align="edge", color=BLUE)
    ax.set_xlabel(f"{name} since the log's start")
    ax.set_ylabel("conflicts")
    ax.set_title("Conflicts over time")
    bare(ax)
    ax.margins(x=0)
    if not report.timeline:
        ax.text(0.5, 0.5, "no conflicts", ha="center", va="center", transform=ax.transAxes, color=GREY)


def _by_controller(report: LogReport, ax: Any) -> None:
    rows = report.conflicts.most_common(_MOST)
    others = report.elsewhere.most_common(max(_MOST - len(rows), 0))
    names = [short(name) for name, _ in rows] + [name for name, _ in others]
    colours = [BLUE] * len(rows) + [GREY] * len(others)
    ax.barh(range(len(names)), [count for _, count in (*rows, *others)], color=colours)
    ax.set_yticks(range(len(names)), [name if len(name) <= 34 else name[:33] + "…" for name in names])
    ax.invert_yaxis()
    ax.set_xlabel("conflicts (grey: on other resources or of others)" if others else "conflicts")
    ax.set_title("Whose")
    bare(ax)
    ax.margins(x=0)


def _matrix(report: LogReport, ax: Any) -> None:
    """Losers in rows, winners in columns."""
    losers, winners = Counter[str](), Counter[str]()
    for loss, count in report.losses.items():
        losers[loss.loser] += count
        winners[loss.winner] += count
    rows, columns = ([name for name, _ in each.most_common(_MOST)] for each in (losers, winners))
    columns.sort(key=lambda name: rows.index(name) if name in rows else len(rows))
    values = [
        [
            sum(n for loss, n in report.losses.items() if (loss.loser, loss.winner) == (row, column))
            for column in columns
        ]
        for row in rows
    ]
    top = max(max(row) for row in values)
    ax.pcolormesh(range(len(columns) + 1), range(len(rows) + 1), values, cmap=HEAT, vmin=0, vmax=max(top, 1))
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            ink = "#111111" if value > 0.55 * top else "#ffffff"
            ax.text(x + 0.5, y + 0.5, str(value), ha="center", va="center", color=ink)
    ax.set_xticks(
        [place + 0.5 for place in range(len(columns))], [short(name) for name in columns], rotation=30, ha="right"
    )
    ax.set_yticks([place + 0.5 for place in range(len(rows))], [short(name) for name in rows])
    ax.invert_yaxis()
    ax.set_xlabel("winner: wrote in between")
    ax.set_ylabel("loser: was refused")
    ax.set_title("Who lost to whom")
    ax.tick_params(length=0)
