"""How results look as the value of a Jupyter cell: the verdict, headline figures with intervals, a small table.

It carries no colours but the notebook's own, so it reads on light and dark themes. Everything from a scenario is
escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sim.analysis.figures import decided
from sim.report.numbers import interval, write
from sim.report.sentences import refused, replicated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiment.comparison import Comparison
    from sim.experiment.explore import Finding
    from sim.experiment.result import Result

_CELL = "text-align:{side};padding:.15em .8em .15em 0;border:0;font-variant-numeric:tabular-nums;vertical-align:top"


def result_cell(result: Result) -> str:
    """Return a result as a part of a page."""
    from sim.report.terminal import verdict, what_runs

    summary = result.summary
    parts = [_words(f"INVARIANT VIOLATED: {each['violation']}", True) for each in summary["violations"][:3]]
    how = replicated(summary) + (", means with 95% intervals" if summary["replications"] > 1 else "")
    plain = result.scenario.contention is not None
    kind = what_runs(result.scenario)
    parts += [
        _words(verdict(summary), True),
        _words(summary["ending"]["said"]),
        _words(f"{summary['scenario']}: {kind}, {summary['strategy']}, {how}, seed {summary['seed']}"),
    ]
    rows = []
    for name, group in summary["conflicts"]["by_controller"].items():
        rate = write(group["rate"], "share") if group["rate"] is not None else "none attempted"
        rows.append((f"conflicts, {name}", interval(group), rate))
    found = summary["conflicts"]
    rows.append(("conflicts in all", interval(found["total"]), refused(found)))
    if plain:
        rows.append(("jobs that committed", interval(summary["commits"]), ""))
        rows.append(("time", interval(summary["time"], "milliseconds"), ""))
    else:
        for name, group in summary["time_to_ready_intervals"].items():
            rows.append((f"time to Ready, {name}", interval(group, "seconds"), ""))
        rows.append(("successful status writes", interval(summary["status_writes"]["total"]), ""))
    rows.append(("requests", write(summary["requests"]["total"]), ""))
    parts.append(_table(("per replication", "mean", "share of attempts refused"), rows))
    if summary["expectations"]:
        lines = [
            (f"{each['metric']} {each['condition']}", "met" if each["met"] else f"NOT MET: {each['reason']}")
            for each in summary["expectations"]
        ]
        parts.append(_table(("expected", ""), lines))
    return f"<div>{''.join(parts)}</div>"


def comparison_cell(comparison: Comparison) -> str:
    """Return a comparison as a part of a page."""
    from sim.report.comparison import sentences, shown

    parts = [_words(each, True) for each in sentences(comparison)]
    first = comparison.results[comparison.baseline].summary
    luck = "the same" if comparison.same_luck else "different"
    parts.append(_words(f"{first['scenario']}: {replicated(first)} on {luck} random numbers, 95% intervals"))
    others, base = list(comparison.differences), comparison.shown[comparison.baseline]
    parts += [_words(each) for each in comparison.legend]
    rows = []
    for about in shown(comparison):
        row = [about.label, interval(comparison.estimates[comparison.baseline][about.name].as_dict(), about.unit)]
        for name in others:
            difference = comparison.differences[name][about.name]
            row.append(f"{interval(difference.as_dict(), about.unit, signed=True)}  {decided(about, difference)}")
        rows.append(row)
    heads = ("", base, *(f"{comparison.shown[name]} against {base}" for name in others))
    parts.append(_table(heads, rows))
    return f"<div>{''.join(parts)}</div>"


def finding_cell(finding: Finding) -> str:
    """Return what was found of a broken property as a part of a page."""
    from sim.report.exploring import as_dict, finding_lines

    first, *rest = finding_lines(as_dict(finding))
    return f'<div>{_words(first, True)}<pre style="white-space:pre-wrap">{escape(chr(10).join(rest))}</pre></div>'


def hover() -> None:
    """Let pictures in this notebook tell their values to the pointer: they are shown as SVG, which needs no script.

    Only what ``sim.plot`` has drawn has values to tell. Outside of a notebook nothing happens.
    """
    import sys

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        # The notebook forgets who shows figures when its backend is first used, and shows them when a cell is over.
        for event in ("pre_run_cell", "post_execute"):
            shell.events.register(event, _show_figures)


def _show_figures(*_: object) -> None:
    import sys

    from matplotlib.figure import Figure

    shell = sys.modules["IPython"].get_ipython()
    shell.display_formatter.formatters["text/html"].for_type(Figure, figure_cell)


def figure_cell(figure: Figure) -> str | None:
    """Return a figure as SVG with its tips; None where nothing in it has a tip, so that it is shown as always."""
    import io

    from sim.plot.style import TIPS
    from sim.report.html.parts import tips

    if not any(ax in TIPS for ax in figure.axes):
        return None
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    text = drawn.getvalue()
    told = "".join(tips(ax, figure.bbox_inches) for ax in figure.axes)
    group = f'<g fill="transparent" pointer-events="all">{told}</g>'
    fits = '<svg style="max-width:100%;height:auto"'
    return text[text.index("<svg") :].replace("<svg", fits, 1).replace("</svg>", f"{group}</svg>")


def _words(text: str, strong: bool = False) -> str:
    weight = "font-weight:600" if strong else "opacity:.75"
    return f'<p style="margin:.2em 0 .4em;max-width:50em;{weight}">{escape(text)}</p>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        inside = (
            f'<{tag} style="{_CELL.format(side="left" if place == 0 else "right")}">{escape(cell)}</{tag}>'
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(inside)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<table style="border-collapse:collapse;margin:.4em 0"><thead>{line("th", heads)}</thead>'
        f"<tbody>{body}</tbody></table>"
    )
