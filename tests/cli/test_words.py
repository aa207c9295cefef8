"""What every command prints reads as a person would write it: one list of faults, and every output is looked through.

A fault is mended where sentences and numbers are made (``sim.units.counted``, ``sim.report.numbers``), not where it
was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from rich.table import Table

from sim.report.html.page import page, study_page
from tests.cli.every import COMPARED, RUNS, Everything, studies

FAULTS = {
    r"\b(?:None|NaN|nan|NaT|null|inf)\b": "a value that is none, in a program's words",
    r"(?<![='])\b(?:True|False)\b": "a truth value, in a program's words",
    r"<\w+ object|\{'|\w\(\)": "what a program is made of",
    # Not of 1 ms, 1 is, 1 Ingress.
    r"(?<![\w.,=-])1 (?!(?:ms|us|ns|is|was|has|as)\b)[A-Za-z]+[^\Wsu]s\b": "one of many",
    r"\b1 (?:\w+ )?(?:are|were|have)\b": "one that are",
    r"(?<![\d.,-])(?<!of )(?:0|[2-9]|\d{2,}) (?:\w+s) (?:is|was|has)\b": "many that is",
    r"\( *\)|\[ *\]|\[, |, \]|\(, ": "brackets with nothing in them",
    r"(?i)undecided: nothing\b": "nothing is undecided where something is",
    r"(?<!\.)\.\.(?!\.)|,,|;;|[:;,] *[.;](?![\w.])| [,;](?: |$)": "two stops, or one that stands alone",
    r";\s*(?:\n\s*\n|\Z)": "a sentence that ends in the middle",
    r"\b([A-Za-z]{2,}) \1\b(?! in\b)": "a word twice",
    r"(?<![\w.])[-+]0(?:\.0+)?(?![\d.:])": "a sign before nothing",
    r"(?<![\d.])0\.0{1,3} (?:s|ms)\b": "a time of nothing, to three digits",
    r"(?<![\d.,])(?:[6-9]\d|\d{3,}|\d,\d{3})(?:\.\d)? s\b": "a minute in seconds",
    r"(?<![\d.])(?:\d{4,}|\d+,\d{3})(?:\.\d+)? ms\b": "a second in milliseconds",
    r"\b\d+ (?:days?|min) \d\d:\d\d": "a time in a program's words",
    r"(?<![\w.#=-])(?<!seed )\d{8,}(?![\w-])": "nanoseconds, or another number without a unit",
    r"\b[Ff]ewer: |\b[Mm]ore: ": "fewer or more of what is not said",
}
TIMES = re.compile(
    r"\btime\b(?!s)|\bage\b|\bold\b|\bwait(?:s|ing)?\b|\blater\b|Ready, p|\bmargin\b|\bcore time\b", re.I
)
SHARES = re.compile(r"\brate\b|\bshare\b|\bof the age\b", re.I)
BARE = re.compile(r"[-+]?\d[\d,.]*(?: \[.*\])?")
NO_TIMES = re.compile(
    r"per|conflicts|requests|writes|status|reconcile|retries|tries|same fields|wasted$|Ready later", re.I
)


def faults(name: str, text: str) -> Iterator[str]:
    """Each fault of an output, with the line that it is in."""
    for pattern, why in FAULTS.items():
        for found in re.finditer(pattern, text, re.M):
            start = text.rfind("\n", 0, found.start()) + 1
            end = text.find("\n", found.end())
            line = text[start : end if end >= 0 else None][:160]
            yield f"{name}: {why}: {found[0]!r} in {line!r}"


def prose(name: str, text: str) -> str:
    """What of an output is its own words: no command to copy, no code, no line of a log or of JSON."""
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"\s*(?:Reproduce it:|Again:|Try it:|requeue |\$ |//|err :=|sends |changes |digest )", line)
    ]
    if name == "explain-write":
        kept = [line for line in kept if not line.startswith(".")]
    if name.startswith("init of") and not name.endswith("said"):
        kept = [line.partition("# ")[2] for line in kept]  # a scenario's own words are its comments
    return "\n".join(kept)


@pytest.mark.slow
def test_no_output_has_a_fault_of_words(everything: Everything):
    found = [fault for name, each in everything.said.items() for fault in faults(name, prose(name, each.text))]
    assert not found, "\n".join(["", *found])


@pytest.mark.slow
def test_every_number_in_a_table_has_its_unit(everything: Everything):
    found = [
        f"{name}: {table.title}: {row}, {head}: {cell}"
        for name, each in everything.said.items()
        for table in each.tables
        for row, head, cell in _cells(table)
        if BARE.fullmatch(cell) and _wants_a_unit(row, head)
    ]
    assert not found, "\n".join(["", *found])


def _cells(table: Table) -> Iterator[tuple[str, str, str]]:
    first, *others = [list(map(str, column.cells)) for column in table.columns]
    for head, cells in zip([str(column.header) for column in table.columns[1:]], others, strict=True):
        for row, cell in zip(first, cells, strict=True):
            yield row.strip(), head, cell.strip()


def _wants_a_unit(row: str, head: str) -> bool:
    named = [words for words in (row, head) if TIMES.search(words) or SHARES.search(words)]
    return bool(named) and not any(NO_TIMES.search(words) for words in named if not SHARES.search(words))


class Visible(HTMLParser):
    """The words that a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in {"script", "style", "svg", "pre", "code", "title"}:
            self.hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and tag == self.hidden[-1]:
            self.hidden.pop()
        self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data)


@pytest.mark.slow
def test_no_page_has_a_fault_of_words(everything: Everything):
    from sim.experiment.opening import open_folder
    from sim.report.html.study import kind_of

    folder, found = everything.folder, []
    for name in (*RUNS, *COMPARED, *(name for name, _ in studies())):
        kind = kind_of(folder / name)
        shown = Visible()
        shown.feed(study_page(folder / name, kind) if kind else page(open_folder(folder / name), replication=1))
        found += faults(f"page of {name}", re.sub(r"\s*\n\s*", "\n", "".join(shown.parts)))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "text",
    [
        "Undecided: nothing.", "1 Certificates were lost", "2 writes was refused", "fewer: None", "mean nan",
        "it took () 3 s", "none..", "applies to to", "0.000 s", "72.3 s", "6,713 ms", "-0.00", "1294000000",
        "0 days 00:00:23.4", "Claim h;\n\nThe end", "on , it", "{'p50': 3}",
    ],
)  # fmt: skip
def test_the_list_finds_what_it_is_for(text: str):
    assert list(faults("", text))


@pytest.mark.parametrize(
    "text",
    [
        "1 Certificate was lost, 0 were refused", "1 min 12 s", "59.9 s", "1,204 conflicts", "... and 3 more",
        "-0.25 [-0.50, +0.10]", "1 of 2 Certificates is Ready", "Issuing=True and nothing happens", "every 1 s is one",
        "seed 1794394184", "in A it ends;\n  in B it goes on.", "1 status", "1 Ingress",
    ],
)  # fmt: skip
def test_the_list_leaves_good_words_alone(text: str):
    assert not list(faults("", text))
