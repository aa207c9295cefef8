"""The snippets of the documentation that run: fenced blocks after a line ``<!-- runs -->``.

``console`` blocks have commands after ``$ `` and below each what it prints, where ``...`` stands for anything.
``python`` blocks of one page share their names. ``<!-- runs: FILE -->`` writes the block to that file. The
blocks of a page run in its order, in one folder.

``python -m tests.docs.snippets PAGE...`` runs pages and writes into them what their commands print today, where they
show the beginning of it and then ``...`` alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

WIDTH = 100
"""Columns of what a page shows of an output; longer lines are wrapped."""
ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^<!-- runs(?:: (?P<file>[^ ]+))? -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


class Snippet(NamedTuple):
    """One block: its language, its text, the file to write it to, and the line that it begins at."""

    language: str
    text: str
    file: str | None
    line: int


def snippets(page: Path) -> Iterator[Snippet]:
    """Yield the blocks of a page that run."""
    whole = page.read_text("utf-8")
    for found in _BLOCK.finditer(whole):
        line = whole.count("\n", 0, found.start("text")) + 1
        yield Snippet(found["language"], found["text"], found["file"], line)


def run_page(page: Path, folder: Path, *, mend: bool = False) -> int:
    """Run the blocks of a page in ``folder`` and return how many there were.

    ``mend`` writes beginnings of outputs anew instead of holding them against what is printed.
    """
    (folder / "scenarios").symlink_to(ROOT / "scenarios")
    names: dict[str, object] = {"__name__": f"snippets_of_{page.stem}"}
    found = list(snippets(page))
    for snippet in found:
        if snippet.file:
            (folder / snippet.file).write_text(snippet.text, "utf-8")
        elif snippet.language == "console":
            for command, printed in commands(snippet.text):
                output = printed_by(command, folder)
                if mend and not matches(printed, output):
                    for each in page.parent.glob(f"{page.stem}*.md"):  # it and its translations
                        text = each.read_text("utf-8")
                        each.write_text(text.replace(printed, beginning(printed, output)), "utf-8")
                    continue
                where = f"{page.name}:{snippet.line}"
                assert matches(printed, output), (
                    f"{where}: $ {command}\nprinted\n{output}\nwhere the page says\n{printed}"
                )
        else:
            exec(compile("\n" * (snippet.line - 1) + snippet.text, str(page), "exec"), names)
    return len(found)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, printed = part.partition("\n")
        yield command.partition("  #")[0].strip(), printed


def printed_by(command: str, folder: Path) -> str:
    """Return what a command prints, on both streams."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


def beginning(printed: str, output: str) -> str:
    """Return the first line of an output, wrapped, where a page shows a beginning before a last line ``...``.

    Raises ``ValueError`` where the page shows something else.
    """
    *shown, last = printed.rstrip().split("\n")
    if last != "..." or not shown:
        raise ValueError(f"this does not end in a line with ... alone, so it cannot be written again:\n{printed}")
    first = output.strip().partition("\n")[0]
    return printed.replace("\n".join([*shown, last]), "\n".join([wrapped(first), last]))


def wrapped(output: str) -> str:
    """Return an output with long lines wrapped, as a page shows them."""
    return "\n".join(
        "\n".join(textwrap.wrap(line, WIDTH, break_on_hyphens=False)) if len(line) > WIDTH else line
        for line in output.split("\n")
    )


def matches(printed: str, output: str) -> bool:
    """Say whether a command's output is what a page says; a page that says nothing wants nothing checked."""
    if not printed.strip():
        return True
    pattern = ".*".join(re.escape(part) for part in re.sub(r"[ \t]+$", "", printed.strip(), flags=re.M).split("..."))
    plain = re.sub(r"[ \t]+$", "", output.strip(), flags=re.M)
    return any(re.fullmatch(pattern, text, re.S) is not None for text in (plain, wrapped(plain)))


def main() -> None:
    """Write the outputs of pages anew."""
    import matplotlib as mpl

    mpl.use("agg")
    for whole in [Path(each).resolve() for each in sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            run_page(whole, Path(folder), mend=True)


if __name__ == "__main__":
    main()
