"""All text that is shown is text: no name is markup, an emoji or an escape sequence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.text import Text

import sim
from sim.report.explain import styled
from sim.report.text import Rendered, bold, console, led, render, table

HOSTILE = [
    "[/red]",
    "[bold]x",
    "[link=http://evil]x[/link]",
    ":smiley:",
    "\x1b[31mred",
    "\x1b]0;t\x07",
    "\x9b1m",
    "a\rb",
]
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    """The text without the console's own styles."""
    return STYLES.sub("", text)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(name, terminal):
    rows = table(name, name, name, terminal=terminal)
    rows.add_row(name, Text(name), style="bold")
    said = render([name, bold(name, "red"), led(name, "green", name), rows, Text(name), Panel(name)], terminal)
    assert isinstance(said, Rendered)
    shown = name.encode("unicode_escape").decode()
    assert plain(said).count(shown) >= 6
    assert all(char.isprintable() or char == "\n" for char in plain(said))


def test_a_story_is_shown_as_it_is():
    said = styled(["1.0 s  \x1b[31m[bold]x WRITES 5"])
    assert r"\x1b[31m[bold]x" in plain(said)


def test_there_is_one_console():
    root = Path(sim.__file__).parent
    others = [
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        if re.search(
            r"rich\.markup|\bConsole\(|\btyper\.(echo|secho)\(|^\s*print\(", file.read_text("utf-8"), re.MULTILINE
        )
    ]
    # The bar over log files has nothing but words of its own; the rest are run by hand, as modules.
    allowed = {"logs/reading.py", "report/text.py", "cli/output.py", "cli/app.py"}
    by_hand = {"cli/manual.py", "recording/dictionary.py", "report/figures_reference.py", "report/reference.py"}
    bench = {"bench/bugs.py", "bench/contention.py", "bench/issuance.py", "bench/logs.py", "validation/stranger.py"}
    assert set(others) <= allowed | by_hand | bench | {"validation/recorded.py"}


def test_a_console_takes_what_rich_takes():
    paper = console(width=20)
    with paper.capture() as captured:
        paper.print("a", "b", style="bold", end="")
    assert plain(captured.get()) == "a b"
