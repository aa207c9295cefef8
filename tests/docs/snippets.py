"""The snippets of the documentation that run: fenced blocks after a line ``<!-- runs -->``.

``console`` blocks have commands after ``$ `` and below each what it prints, where ``...`` stands for anything.
``python`` blocks of one page share their names. ``<!-- runs: FILE -->`` writes the block to that file. The
blocks of a page run in its order, in one folder.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def run_page(page: Path, folder: Path) -> int:
    """Run the blocks of a page in ``folder`` and return how many there were."""
    (folder / "scenarios").symlink_to(ROOT / "scenarios")
    names: dict[str, object] = {"__name__": f"snippets_of_{page.stem}"}
    found = list(snippets(page))
    for snippet in found:
        if snippet.file:
            (folder / snippet.file).write_text(snippet.text, "utf-8")
        elif snippet.language == "console":
            for command, printed in commands(snippet.text):
                check(command, printed, folder, f"{page.name}:{snippet.line}")
        else:
            exec(compile("\n" * (snippet.line - 1) + snippet.text, str(page), "exec"), names)
    return len(found)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, printed = part.partition("\n")
        yield command.partition("  #")[0].strip(), printed


def check(command: str, printed: str, folder: Path, where: str) -> None:
    """Run one command and hold its output (both streams) against what the page says."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    output = done.stdout + done.stderr
    assert matches(printed, output), f"{where}: $ {command}\nprinted\n{output}\nwhere the page says\n{printed}"


def matches(printed: str, output: str) -> bool:
    """Say whether a command's output is what a page says; a page that says nothing wants nothing checked."""
    if not printed.strip():
        return True
    pattern = ".*".join(re.escape(part) for part in re.sub(r"[ \t]+$", "", printed.strip(), flags=re.M).split("..."))
    return re.fullmatch(pattern, re.sub(r"[ \t]+$", "", output.strip(), flags=re.M), re.S) is not None
