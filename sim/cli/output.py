"""What the commands share: bad input in one message, output that survives a closed pipe."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sim.guarded import Unusable, printable, why

if TYPE_CHECKING:
    from sim.scenario.model import Scenario

RESULTS = Path("results")
"""Where runs leave their folders: in the current directory, which is the project's."""


STANDARD_INPUT = "-"
"""Names standard input where a scenario is wanted."""
STANDARD_OUTPUT = Path("-")
"""Names standard output where a command has nothing else to write there."""
LARGEST_INPUT = 16 << 20
PLAINER = str.maketrans("█▓▒░─━│└●·▏…╸╺", "#=-.--|+o.|~--")
"""What bars and boxes are made of where the output's encoding has nothing better."""


class BadInput(Unusable):
    """Something on the command line cannot be used; the message says what and what to do."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn what cannot be used, read or written into one message on standard error and exit status 2.

    Every command runs inside of it. ``OSError`` is what the system refuses: a full disk, no permission.
    """
    try:
        yield
    except Unusable as error:
        complain(str(error))
    except OSError as error:
        complain(why(error))
    except MemoryError:
        complain("out of memory; fewer Certificates, writers or processes (--jobs) take less")
    else:
        return
    raise typer.Exit(2) from None


def complain(message: str) -> None:
    """Say on standard error what is wrong or worth knowing; names in it are shown, and never obeyed."""
    typer.echo(f"requeue: {printable(message)}", err=True)


def check_writable(option: str, file: Path) -> None:
    """Refuse a file that cannot be written before the work, not after it."""
    from sim.recording.folders import new_path

    new_path(option, file)


def emit(text: str) -> None:
    """Write to standard output; a reader that has gone (``| head``) ends the command, as it ends ``cat``.

    Only what a report's console rendered may hold escape sequences.
    """
    from sim.report.text import Rendered

    if not isinstance(text, Rendered):
        text = printable(text)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the locale cannot write is no reason to fail
        try:
            "".join(map(chr, PLAINER)).encode(sys.stdout.encoding)
        except UnicodeEncodeError:
            text = text.translate(PLAINER)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
        raise typer.Exit(141) from None
    except OSError as error:
        _close_output()
        raise BadInput(f"standard output cannot be written: {why(error)}") from None


def _close_output() -> None:
    # What is still buffered would fail again when the interpreter exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_json(value: Any) -> None:
    """Write one JSON object; a NaN or an infinity in it is an error."""
    emit(json.dumps(value, indent=2, allow_nan=False) + "\n")


def emit_csv(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table as CSV."""
    from sim.report.forms import csv_lines

    emit("".join(f"{line}\n" for line in csv_lines(heads, rows)))


def load_scenario(name: str, settings: Sequence[str], seed: int | None, replications: int | None) -> Scenario:
    """Return the scenario of a name or path with ``--set``, ``--seed`` and ``--replications`` applied."""
    from sim.scenario.reading.catalogue import resolve_scenario
    from sim.scenario.reading.loader import load

    if name == STANDARD_INPUT:
        text = sys.stdin.buffer.read(LARGEST_INPUT)
        if not text.strip():
            raise BadInput("standard input is empty; requeue run - reads a scenario from it")
    found: Path | bytes = text if name == STANDARD_INPUT else resolve_scenario(name)
    overrides = list(settings)
    if seed is not None:
        overrides.append(f"seed={seed}")
    if replications is not None:
        overrides.append(f"replications={replications}")
    return load(found, overrides)


def warn(*scenarios: Scenario, varied: Iterable[str] = ()) -> None:
    """Say on standard error what in a scenario is allowed and hardly meant; of variants, what all of them share.

    ``varied`` are the keys in which they differ: those that have no effect in any of them are named.
    """
    from sim.families.warnings import warnings_of
    from sim.families.without_effect import sentences, varied_without_effect

    useless = varied_without_effect(varied, scenarios)
    first, *others = (warnings_of(scenario, but=useless) for scenario in scenarios)
    shared = [warning for warning in first if all(warning in each for each in others)]
    for warning in [*sentences(useless), *shared]:
        complain(f"warning: {warning}")


def say_what_is_not_kept() -> None:
    """Say on standard error that results have no rows, where there is nothing to keep them with."""
    from sim.extras import how_to_install
    from sim.recording.results import can_keep_tables

    if not can_keep_tables():
        complain(f"the results have figures and no rows: {how_to_install('pyarrow')}")


def set_words(settings: Sequence[str] | None) -> list[str]:
    """Return the words of a command line that set these keys."""
    return [word for setting in settings or [] for word in ("--set", setting)]


def portable(name: str) -> str:
    """Return a scenario's name or path as another machine can use it: relative where that is possible."""
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return name


def shown(path: Path) -> str:
    """Return what a document calls a path: elsewhere than below the current folder it means nothing to others."""
    named = Path(portable(str(path)))
    if not named.is_absolute() and ".." not in named.parts:
        return str(named)
    repetition = re.fullmatch(r"r\d+", named.name)
    return "/".join(named.parts[-2:]) if repetition else named.name


def origin(words: Sequence[str], scenario: str) -> dict[str, str]:
    """Return what a manifest says of a run's origin: the scenario's file, and the command to repeat it.

    A file elsewhere on this machine means nothing on another one: there the command starts from the
    scenario in the results folder itself.
    """
    named = portable(scenario)
    file = "scenario.yaml" if Path(named).is_absolute() or named == STANDARD_INPUT else named
    return {"scenario_file": file, "command": shlex.join(file if word == named else word for word in words)}
