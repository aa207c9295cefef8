"""The page of a folder that holds neither a run nor a comparison: what its command says, as a page.

Each command's own report is a list of parts, sentences and tables, and its picture has a panel for each question. The
page shows the same: the bold sentences as the verdict, every panel as a picture of its own, every table, and all else
as it was printed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.recording.results import MANIFEST, ResultsError, read_json
from sim.report import advise, budget, exploring, sweep, tune, validation, validation_pictures
from sim.report.html.lanes import MOST_RESULTS, lives
from sim.report.html.origin import versions
from sim.report.html.parts import Picture, Section, Table, on_page, svg
from sim.report.text import Rendered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiment.result import Result

Document = Mapping[str, Any]


class Study(NamedTuple):
    """What a command says of its document, and draws of it; of what ``explore`` found, of the runs again."""

    said: Callable[..., Rendered]
    drawn: Callable[[Document, Mapping[str, Result]], Sequence[Figure]]


STUDIES = {
    "sweep": Study(sweep.sweep_report, lambda it, _: [sweep.figure(it)]),
    "tune": Study(tune.tune_report, lambda it, _: [tune.figure(it)]),
    "budget": Study(budget.budget_report, lambda it, _: [budget.figure(it)]),
    "advise": Study(advise.advise_report, lambda it, _: [advise.figure(it)]),
    "explore": Study(
        exploring.explore_report,
        lambda it, again: [exploring.figure(again[name], each) for name, each in _findings(it) if name in again],
    ),
    "validation": Study(
        lambda document, terminal, **_: validation.report(document, terminal=terminal),
        lambda it, _: list(validation_pictures.figures(it).values()),
    ),
}
BARS = frozenset("█▏ ")
"""What bars are made of in a terminal: a page has pictures."""
_COLOURS = {"#000000": "var(--ink)", "#1f77b4": "var(--blue)", "#1f4e9c": "var(--blue)"}
"""Of pictures that are drawn for white paper, what a dark page needs otherwise."""
TEXTS = ("*.txt", "*.yaml")
"""Files of a folder that its page shows as they are."""


def kind_of(folder: Path) -> str | None:
    """Return which study a folder holds; None where it holds a run, a comparison or nothing."""
    if not (folder / MANIFEST).is_file():
        return None
    kind = read_json(folder, MANIFEST).get("kind")
    return str(kind) if kind in STUDIES else None


def sections(folder: Path, kind: str) -> tuple[str, str, list[Section]]:
    """Return the title, the conditions and the sections of the page about a folder. Raises ``ResultsError``."""
    document, manifest = read_json(folder, f"{kind}.json"), read_json(folder, MANIFEST)
    try:
        return _sections(folder, kind, document, manifest)
    except (KeyError, TypeError, AttributeError, IndexError):
        message = f"{folder / kind}.json is damaged, or another version wrote it: run it again"
        raise ResultsError(message) from None


def _sections(
    folder: Path, kind: str, document: Document, manifest: Mapping[str, Any]
) -> tuple[str, str, list[Section]]:
    from rich.table import Table as Printed
    from rich.text import Text

    command = str(manifest["command"])
    said = STUDIES[kind].said(document, folder=None, command=command, terminal=False)
    bold = [part.plain for part in said.parts if isinstance(part, Text)]
    plain = [part for part in said.parts if isinstance(part, str) and part and not part.startswith((" ", "Reproduce"))]
    verdict = Section("verdict", "Verdict", words=bold or plain[:1])
    if kind == "tune":
        verdict.commands.append(("to paste", document["recommended"]["fragment"]))
    if kind == "explore":
        verdict.commands.append(("in full", str(said)))
    tables = Section("figures", "Figures", tables=[_table(part) for part in said.parts if isinstance(part, Printed)])
    again = _again(folder, document) if kind == "explore" else {}
    drawn = panels(lambda: STUDIES[kind].drawn(document, again), kind, str(document.get("scenario", "")))
    pictures = Section("pictures", "Pictures", pictures=drawn)
    origin = Section("origin", "How this was made", commands=[("reproduce it", command)])
    origin.texts.append(("As the command printed it", str(said)))
    files = sorted(file for pattern in TEXTS for file in folder.glob(pattern))
    origin.texts += [(file.name, file.read_text("utf-8")) for file in files]
    origin.folded.append(versions(manifest))
    shown = [verdict, *(each for each in (pictures, tables, *_lives(again)) if each.pictures or each.tables), origin]
    name = str(document.get("scenario", ""))
    title = f"{name}: {kind}" if name else kind
    return title, next((part for part in plain if part.startswith(f"{name}:")), ""), shown


def _again(folder: Path, document: Document) -> dict[str, Result]:
    """Return the findings that can be run again, by name: the same digest is the same run."""
    from sim.experiment.run import run
    from sim.scenario.reading.loader import load

    found = {}
    for name, finding in _findings(document):
        result = run(load(folder / f"{name.replace(' ', '-')}.yaml"), jobs=1)
        if result.digest == finding["digest"]:
            found[name] = result
    return found


def _findings(document: Document) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the findings that are shown, by name."""
    return [(f"finding {number}", each) for number, each in enumerate(document["findings"][:MOST_RESULTS], start=1)]


def _lives(found: Mapping[str, Result]) -> list[Section]:
    """Return the lives of the objects of findings."""
    if not found:
        return []
    section = lives(found, 1)
    section.title = "What happened in each finding"
    return [section]


def _table(printed: Any) -> Table:
    columns = {
        place: [str(cell).replace("\n", " ").strip() for cell in column.cells]
        for place, column in enumerate(printed.columns)
    }
    shown = {place: cells for place, cells in columns.items() if not set("".join(cells)) or set("".join(cells)) - BARS}
    heads = [str(printed.columns[place].header) for place in shown]
    return Table(str(printed.title or ""), heads, list(zip(*shown.values(), strict=True)))


def panels(draw: Callable[[], Sequence[Figure]], name: str, about: str) -> list[Picture]:
    """Return each panel of figures as a picture of its own, so that a phone can show it.

    ``about`` is what the page is about, with which the figures' own titles begin.
    """
    found: list[Picture] = []
    with on_page(name):
        for figure in draw():
            words = figure.get_suptitle()
            figure.suptitle("")
            every = list(figure.axes)
            for ax in (each for each in every if each.get_label() != "<colorbar>"):
                own = {ax, *(each for each in every if each.get_label() == "<colorbar>" and _of(each, ax))}
                for each in every:
                    each.set_visible(each in own)
                ax.tick_params(labelleft=True)  # panels that share their axis have its labels once
                title = (
                    ax.get_title()
                    or ax.get_title(loc="left")
                    or " by ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
                )
                sentences = title.rstrip("."), words.removeprefix(f"{about}: ")
                caption = ". ".join(each[0].upper() + each[1:] for each in sentences if each)
                panel = f"{name}-{len(found)}"
                text = svg(figure, ax, panel, title, caption, tight=True)
                for colour, variable in _COLOURS.items():
                    text = text.replace(colour, variable)
                found.append(Picture(panel, text, caption))
    return found


def _of(bar: Any, ax: Any) -> bool:
    """Whether a colour bar belongs to these axes."""
    return getattr(getattr(bar, "_colorbar", None), "mappable", None) in ax.get_images()
