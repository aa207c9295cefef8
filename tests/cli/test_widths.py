"""Every command on a terminal of any width: nothing is cut off, and no word or number is broken in two."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from functools import cache

import pytest

from sim.experiment.opening import open_folder
from sim.experiment.result import Result
from sim.recording.results import read_json
from sim.report.comparison import comparison_report
from sim.report.html.study import STUDIES, kind_of
from sim.report.terminal import run_report
from tests.cli.every import COMPARED, RUNS, Everything, reading, said, studies

WIDTHS = (60, 80, 100, 120, 200)
WIDEST = 1000
TWINS = re.compile(r"log (?!22|27|41|recorded|stranded|many)|markdown|trace|conformance|top|init of [\w ]+$")
"""Those that say what others say, no more than a line, or a scenario for a file; playing back has its own test."""
UNBROKEN = (
    "Reproduce it:",
    "The run again:",
    "One in detail:",
    "The story of one",
    "Again:",
    "read:",
    "left out:",
    "  ",
)
"""How lines begin that may be longer: commands, and what is quoted as it is."""


def outputs(everything: Everything, width: int) -> Iterator[tuple[str, str]]:
    """What each command prints on a terminal of so many columns; long work is told again from what it left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "get_terminal_size", lambda *_: os.terminal_size((width, 40)))
        for name in (*RUNS, *COMPARED, *(name for name, _ in studies())):
            folder = everything.folder / name
            kind = kind_of(folder)
            if kind:
                document = read_json(folder, f"{kind}.json")
                yield name, STUDIES[kind].said(document, folder=None, command="requeue again X", terminal=True)
                continue
            opened = open_folder(folder)
            if isinstance(opened, Result):
                yield name, run_report(opened.summary, folder=None, command="again", terminal=True)
            else:
                yield name, comparison_report(opened, command="again", terminal=True)
    for name, words in reading():
        if not TWINS.match(name):
            yield name, said(words, everything.folder, terminal=width).text


def words(text: str) -> set[str]:
    """Words and numbers; of names their parts between hyphens, since a lane may break them there."""
    return {
        part
        for word in re.findall(r"[^\s│|:,;()\[\]]+", text)
        for part in word.split("-")
        if re.search(r"\w\w\w", part)
    }


def whole(word: str, known: set[str]) -> bool:
    """Whether a word is one that a wide terminal shows, or such a one shortened in its middle."""
    head, cut, tail = word.partition("…")
    shortened = cut and any(each.startswith(head) for each in known) and any(each.endswith(tail) for each in known)
    return word in known or bool(shortened)


@pytest.fixture(scope="module")
def opened_once() -> Iterator[None]:
    """What a folder holds is read, and explained, for one width; the others only write the same again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.experiment.opening.open_folder", cache(open_folder))
        yield


@pytest.fixture(scope="module")
def wide(everything: Everything, opened_once: None) -> dict[str, set[str]]:
    """The words of each output where nothing has to be broken."""
    return {name: words(_plain(text)) for name, text in outputs(everything, WIDEST)}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_or_broken(everything: Everything, wide: dict[str, set[str]], width: int):
    found = []
    for name, text in outputs(everything, width):
        plain = _plain(text)
        found += [
            f"{name}: {line}"
            for line in plain.splitlines()
            if len(line) > width and not line.startswith(UNBROKEN) and " " in line.strip()
        ]
        names = {part for each in wide[name] for part in (each, *each.split("/"))}
        broken = sorted(word for word in words(plain) if not whole(word, names))
        found += [f"{name}: broken: {broken}"] if broken else []
    assert not found, "\n".join(["", *found])


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
