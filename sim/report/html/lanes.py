"""The section with the lives of objects, as lanes in plain SVG: a few kilobytes each, so that a page can have many.

Whoever worked on an object has a lane, in the same place in every variant. Colours are of the style sheet. Spans are
horizontal lines, so that the page's script zooms by writing their ends again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import inf
from typing import TYPE_CHECKING

from sim.analysis.lives import (
    LONGEST,
    OWN,
    QUEUED,
    REFUSED,
    REQUEST,
    STORED,
    TOKEN,
    History,
    in_order,
    life_of,
    rows_of,
)
from sim.plot.style import short
from sim.report.html.findings import Named, about_run, plain
from sim.report.html.parts import WIDTH, Picture, Section, Table
from sim.report.numbers import write
from sim.report.text import in_middle
from sim.units import counted, plural

if TYPE_CHECKING:
    from sim.experiment.result import Result

MOST_RESULTS, MOST_LIVES, MOST_WRITERS, MOST_REQUESTS = 6, 24, 40, 2400
"""Results of which lives are shown, lives of all of them together, lanes of a life, and requests of all lives."""
OPENED = {1: 3, 2: 2}
"""Objects whose lives are open at first, by the number of results; 1 where there are more."""

CLASSES = {QUEUED: "queued", OWN: "own", TOKEN: "token", REQUEST: "request", STORED: "stored", REFUSED: "refused"}
"""The style sheet's word for each kind."""
ACROSS, LANE, TOP, BOTTOM = 72 * WIDTH, 19, 6, 36
"""Points: the picture's width, a lane's height, and what is above and below the lanes."""
LONGEST_NAME, LETTER = 20, 5.8
"""Letters of a name, and points that one takes."""


def lives(named: Named, replication: int) -> Section:
    """The objects that took longest, of plain clients those with most conflicts, and who worked on them when."""
    results = _told(named)
    of_clients = all(plain(each) for each in results.values())
    what = plural(next(iter(named.values())).kind)
    title = "Objects and who wrote them" if of_clients else f"Slowest {what}"
    section = Section("slowest", f"{title}, replication {replication}", legend=legend(of_clients))
    ranked = _ranked(results, replication)
    chosen = _first(ranked, results)
    first = "with most conflicts" if of_clients else "that took longest"
    which = f"the {len(chosen)} of {len(ranked)} {first}" if len(chosen) < len(ranked) else f"all, those {first} first"
    runs = f", in the first {len(results)} runs" if len(named) > len(results) else ""
    section.words.append(
        f"Each line opens the life of one object, in which each lane is a writer. Here are {which}{runs}."
    )
    order = in_order(results.values(), replication)
    rows: list[tuple[str, ...]] = []
    opened = OPENED.get(len(results), 1)
    most = min(LONGEST, MOST_REQUESTS // max(len(chosen) * len(results), 1))
    read = {run: rows_of(each, chosen, replication) for run, each in results.items()}
    for number, name in enumerate(chosen, start=1):
        found = {
            about_run(named, run): life_of(results[run], name, replication, most, read[run]) for run in ranked[name]
        }
        said = {about: _figures(life, of_clients) for about, life in found.items()}
        section.pictures.append(_life(f"life-{number}", name, found, said, order, replication, number <= opened))
        if number <= opened:
            rows += [(about + name, *cells) for about, cells in said.items()]
    heads = ("object",) if of_clients else (next(iter(named.values())).kind, "time to Ready")
    section.tables.append(Table(title, (*heads, "conflicts", "requests"), rows))
    return section


def shown(named: Named, replication: int) -> list[str]:
    """Return the objects whose lives the page has."""
    results = _told(named)
    return _first(_ranked(results, replication), results)


def _told(named: Named) -> Named:
    return dict(list(named.items())[:MOST_RESULTS])


def _first(ranked: Mapping[str, list[str]], results: Named) -> list[str]:
    return list(ranked)[: max(MOST_LIVES // len(results), 1)]


def _ranked(results: Named, replication: int) -> dict[str, list[str]]:
    """Return every object and the results that have it: the first of each result, then the second of each, ..."""
    places: dict[str, int] = {}
    there: dict[str, list[str]] = {}
    for run, each in results.items():
        worth = _worth(each, replication)
        for place, name in enumerate(sorted(worth, key=worth.__getitem__, reverse=True)):
            places[name] = min(places.get(name, place), place)
            there.setdefault(name, []).append(run)
    return {name: there[name] for name in sorted(places, key=places.__getitem__)}


def _worth(result: Result, replication: int) -> Mapping[str, float]:
    if plain(result):
        asked = result.rows("requests", ["certificate"], [("replication", "=", replication)])["certificate"]
        lost = result.conflicts[result.conflicts["replication"] == replication]["certificate"].value_counts()
        return {str(name): float(lost.get(name, 0)) for name in asked.unique() if name}
    own = result.certificates[result.certificates["replication"] == replication]
    seconds = own["time_to_ready"].dt.total_seconds().fillna(inf)
    return dict(zip(map(str, own["certificate"]), seconds, strict=True))


def _figures(life: History, of_clients: bool) -> tuple[str, ...]:
    """Return the time to Ready, but of clients' objects, the conflicts and the requests of a life."""
    took = write(life.ready, "seconds") if life.ready is not None else "never Ready"
    return *(() if of_clients else (took,)), write(life.refused), write(len(life.story) + life.left_out)


def _life(
    name: str,
    what: str,
    found: Mapping[str, History],
    said: Mapping[str, tuple[str, ...]],
    order: Sequence[str],
    replication: int,
    opened: bool,
) -> Picture:
    """Return one object's life in each result, by what a row about it begins with: the same lanes on the same scale."""
    there = {writer for life in found.values() for writer in life.controllers}
    writers = [writer for writer in order if writer in there]
    until = max(life.end for life in found.values()) * 1.02
    drawings, lines, story = [], [], []
    for place, (about, life) in enumerate(found.items(), start=1):
        *took, lost, _ = said[about]
        asked = counted(len(life.story) + life.left_out, "request")
        words = ", ".join([*took, f"{lost} refused of {asked}"])
        words += f", of which the first {len(life.story)} are shown" if life.left_out else ""
        lines.append(about + words)
        run = about.removesuffix(": ")
        title = f"{what}, replication {replication}" + (f": {run}" if run else "")
        drawing = drawn(f"{name}-{place}", title, life, writers[:MOST_WRITERS], until, words, name)
        drawings.append(f'<div><p class="of">{escape(about + words)}</p>{drawing}</div>' if about else drawing)
        story += [(*line, run) if run else line for line in life.story]
    heads = ("second", "who", "what", "answer", "run")[: len(story[0]) if story else 4]
    table = Table(f"{what}, request by request", heads, story) if opened else None
    folded = f"{what}: {'; '.join(lines)}"
    hidden = f" {len(writers) - MOST_WRITERS} more writers are left out." if len(writers) > MOST_WRITERS else ""
    words = f"{what}: who worked on it when" + (", the same lanes on the same scale in each run." if run else ".")
    drawing = f'<div class="drawings">{"".join(drawings)}</div>' if run else drawing
    return Picture(f"{name}-1", drawing, words + hidden, table, folded=folded, opened=opened, shows=what)


def legend(of_clients: bool) -> str:
    """Return what the colours mean, and the two marks that all lanes use; what clients write never becomes Ready."""
    marks = (
        '<svg width="0" height="0" aria-hidden="true"><defs><circle id="mark-stored" r="3.2"/>'
        '<path id="mark-refused" d="M-3.2 -3.2L3.2 3.2M3.2 -3.2L-3.2 3.2"/></defs></svg>'
    )
    keys = "".join(
        f'<li data-kind="{name}"><svg viewBox="0 0 20 10" aria-hidden="true">{_sample(kind, name)}</svg>{kind}</li>'
        for kind, name in [*CLASSES.items(), *([] if of_clients else [("Ready", "ready")])]
    )
    return f'{marks}<ul class="legend">{keys}</ul>'


def _sample(kind: str, name: str) -> str:
    if kind in {STORED, REFUSED}:
        return f'<use href="#mark-{name}" class="{name}" x="10" y="5"/>'
    return f'<path class="{name}" d="{"M10 0L10 10" if name == "ready" else "M1 5L19 5"}"/>'


def drawn(name: str, title: str, life: History, writers: Sequence[str], until: float, words: str, zoom: str) -> str:
    """Return a life as SVG with a lane for each of ``writers``, from 0 to ``until`` seconds.

    ``name`` is unique in the page; ``zoom`` names the pictures that are zoomed together.
    """
    from matplotlib.ticker import MaxNLocator

    names = [in_middle(short(each), LONGEST_NAME) for each in writers]
    left = 8 + LETTER * max(map(len, names), default=0)
    right, floor = ACROSS - 8, TOP + LANE * max(len(writers), 1)
    scale = (right - left) / (until or 1)

    def at(second: float) -> str:
        return f"{left + second * scale:.2f}".rstrip("0").rstrip(".")

    ticks = "".join(
        f'<g class="tick"><path d="M{at(each)} {TOP}L{at(each)} {floor}"/>'
        f'<text x="{at(each)}" y="{floor + 12}">{each:g}</text></g>'
        for each in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(0, until)
        if 0 <= each <= until * 1.001
    )
    lanes = []
    for lane, (writer, label) in enumerate(zip(writers, names, strict=True)):
        y = TOP + LANE * lane + LANE // 2
        # A short request is drawn on top of the long pass that it is a part of.
        spans = [
            f'<path class="{CLASSES[span.kind]}" d="M{at(span.start)} {y}L{at(span.end)} {y}"'
            + (f' data-tip="{escape(span.words)}"/>' if span.words else "/>")
            for kind in CLASSES
            for span in life.spans
            if span.writer == writer and span.kind == kind
        ]
        for mark in (each for each in life.marks if each.writer == writer):
            tip, kind = escape(f"{mark.words}\n{mark.at:z.3f} s"), CLASSES[mark.kind]
            spans.append(f'<use href="#mark-{kind}" class="{kind}" x="{at(mark.at)}" y="{y}" data-tip="{tip}"/>')
        text = f'<text class="name" x="{left - 5:g}" y="{y + 3.5}">{escape(label)}</text>'
        inside = f'<g clip-path="url(#{name}-clip)">{"".join(spans)}</g>'
        lanes.append(f'<g data-controller="{escape(life.controllers.get(writer, writer))}">{text}{inside}</g>')
    ready = ""
    if life.ready is not None:
        path = f'<path class="ready" d="M{at(life.ready)} {TOP}L{at(life.ready)} {floor}"'
        ready = f'<g clip-path="url(#{name}-clip)">{path} data-tip="Ready: {write(life.ready, "seconds")}"/></g>'
    place = f'x="{left - 4:g}" y="0" width="{right - left + 8:g}" height="{floor}"'
    clip = f'<clipPath id="{name}-clip"><rect {place}/></clipPath>'
    label = f'<text x="{(left + right) / 2:g}" y="{floor + 28}">seconds from {life.since}</text>'
    return (
        f'<svg class="lanes" viewBox="0 0 {ACROSS:g} {floor + BOTTOM}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" data-zoom="{escape(zoom)}" '
        f'data-x="{left:g} {right:g} 0 {until:.6g}" data-x-label="seconds from {life.since}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(words)}</desc>'
        f"<defs>{clip}</defs>{ticks}{ready}{''.join(lanes)}{label}</svg>"
    )
