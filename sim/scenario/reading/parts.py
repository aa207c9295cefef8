"""Reads a file or a text as any model made of ``Part``; says exactly what is wrong with one that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from sim.guarded import read_bytes
from sim.scenario.errors import Problem, ScenarioError
from sim.scenario.reading.document import MAX_BYTES, YamlNode, parse
from sim.scenario.reading.messages import problems
from sim.scenario.reading.overrides import override
from sim.scenario.values import WRITTEN

TEXT = "<text>"
"""What messages call a scenario that does not come from a file."""

LOOKS_LIKE_TEXT = re.compile(r"\s*$|\s*[{\[]|.*[\n\r]|.*:(?:\s|$)", re.DOTALL)
_P = TypeVar("_P", bound=BaseModel)


def load_part(
    model: type[_P],
    path_or_text: Path | str | bytes,
    overrides: Iterable[str] = (),
    complete: Callable[[YamlNode, Path], YamlNode] | None = None,
) -> _P:
    """Return a file or a text as a model such as a profile, with overrides; raises only ``ScenarioError``.

    ``complete`` puts into the tree what it names of other files, which it seeks in the folder that it is given.
    """
    text, file = read_text(path_or_text)
    tree = document(text, file, model)
    for one in overrides:
        tree = override(tree, one, model)
    if complete is not None:
        tree = complete(tree, Path(file).parent if file != TEXT else Path())
    try:
        return model.model_validate(tree.plain(), context={WRITTEN: True})
    except ValidationError as error:
        raise ScenarioError(problems(error, tree, model)) from None


def document(text: str, file: str, model: type[BaseModel]) -> YamlNode:
    """Return the keys and values of a text that is to be such a model, with their places."""
    tree = parse(text, file)
    if tree is None or tree.value is None:
        required = [f"{key}: ..." for key, field in model.model_fields.items() if field.is_required()]
        needs = f"; it needs at least {', '.join(required)}" if required else ""
        _refuse(file, 1, 1, f"the file is empty{needs}")
    if not isinstance(tree.value, dict):
        what = "a list" if isinstance(tree.value, list) else "a single value"
        _refuse(*tree.place, f"the file must be a mapping of keys to values, and this is {what}")
    return tree


def read_text(source: Path | str | bytes) -> tuple[str, str]:
    """Return the text of a file, or one that was given, and what to call it; raises ``ScenarioError``."""
    if isinstance(source, str) and LOOKS_LIKE_TEXT.match(source):
        source = source.encode("utf-8", "surrogatepass")
    if isinstance(source, bytes):
        data, file = source, TEXT
    else:
        data, file = _read_file(Path(source)), str(source)
    if len(data) > MAX_BYTES:
        _refuse(file, 0, 0, f"the file is larger than {MAX_BYTES // 1024} KiB, so it is hardly what was meant")
    try:
        return data.decode("utf-8-sig"), file
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        _refuse(file, line, column, f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")


def _read_file(path: Path) -> bytes:
    file = str(path)
    try:
        return read_bytes(path, MAX_BYTES)
    except IsADirectoryError:
        _refuse(file, 0, 0, "this is a directory; name a file in it")
    except FileNotFoundError:
        _refuse(file, 0, 0, "no such file; requeue scenarios lists the scenarios that come with the project")
    except PermissionError:
        _refuse(file, 0, 0, "the file cannot be read: permission denied")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name has a character that no path can have"
        _refuse(file, 0, 0, f"the file cannot be read: {str(reason).lower()}")


def _refuse(file: str, line: int, column: int, message: str) -> NoReturn:
    raise ScenarioError([Problem(file, line, column, "", message)])
