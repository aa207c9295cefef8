"""The text of a draft: lines of YAML, each with where its value comes from, and what is guessed marked as guessed."""

from __future__ import annotations

from textwrap import wrap
from typing import NamedTuple

GUESSED = "guessed"
WIDTH = 110
OBJECTS, DEPLOYMENT, LOG = "A", "B", "C"
FIND_OUT = {
    OBJECTS: "kubectl get certificates,issuers,clusterissuers,certificaterequests -A -o json > objects.json",
    DEPLOYMENT: "kubectl -n cert-manager get deployment cert-manager -o json > cert-manager.json",
    LOG: "the API server's audit log, whatever it is wrapped in, as audit.log (docs/reading-logs.md)",
}
"""What tells more, by the letter that stands for it in a draft: requeue init takes all of them together."""


class Draft(NamedTuple):
    """A drafted scenario: its text, and what in it is guessed, in a word or two each."""

    text: str
    guessed: list[str]


class DraftText:
    """Lines of YAML, each with where its value comes from."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.guessed: list[str] = []

    def comment(self, text: str, indent: str = "") -> None:
        """Write a comment of any length."""
        width = WIDTH - len(indent) - 2
        wrapped = wrap(text, width, break_long_words=False, break_on_hyphens=False)
        self.lines += [f"{indent}# {line}" for line in wrapped]

    def blank(self) -> None:
        """Leave a line empty."""
        self.lines.append("")

    def known(self, line: str, why: str = "") -> None:
        """Write a value that was found, and where."""
        self.lines.append(f"{line} # {why}" if why else line)

    def guess(self, line: str, what: str, why: str, find_out: str) -> None:
        """Write a value that is an assumption, why it is this one, and how to find out."""
        self.guessed.append(what)
        told = f"{find_out} tells" if find_out in FIND_OUT else find_out
        said = f"{line} # {GUESSED}: {why}; {told}"
        if len(said) <= WIDTH:
            self.lines.append(said)
            return
        self.comment(f"{GUESSED}: {why}; {told}", line[: len(line) - len(line.lstrip())])
        self.lines.append(line)


def rate_text(per_second: float) -> str:
    """Return a rate in the unit in which it is a number of ordinary size."""
    for unit, seconds in (("s", 1), ("m", 60)):
        if per_second * seconds >= 1:
            return f"{per_second * seconds:.2f}/{unit}"
    return f"{max(per_second * 3600, 0.01):.2f}/h"


def long_list(items: str) -> list[str]:
    """Return a long list as lines of YAML."""
    lines = wrap(items, WIDTH - 8)
    return [f"      {'[' if n == 0 else ' '}{line}{']' if n + 1 == len(lines) else ''}" for n, line in enumerate(lines)]
