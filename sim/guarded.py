"""What comes from outside, taken in within bounds: bytes of files, JSON, numbers, times, and text that is shown.

Whatever a file or a name holds, reading it ends, in memory that is bounded and time that is linear; what it says
is shown as text and never obeyed. Everything that reads what the project has not written itself goes through here.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Container
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

LARGEST = (1 << 63) - 1
"""The largest whole number that is taken from JSON: that of Kubernetes' own integers, which have 64 bits."""
LATEST_NS = 7_258_118_400 * 1_000_000_000
"""2200-01-01 in nanoseconds since 1970: a sum or a difference of such times still fits 64 bits."""
DEEPEST = 100
"""The deepest nesting of JSON that is read; an audit event with an object and its managedFields has about 20."""
_LONGEST_NUMBER = 40


class Unusable(Exception):  # noqa: N818 -- it is raised as what it is
    """Something that was given cannot be used: the message, one line a fault, says what, where, and what to do.

    The command line shows it and ends with status 2.
    """


def printable(text: str) -> str:
    r"""Return the text as it can be shown anywhere: what a terminal would obey is written as an escape.

    Line breaks and tabs stay. Control characters (ESC, CR, C1), characters that turn the direction of writing,
    and halves of surrogate pairs become ``\x1b``, ``\u202e`` and the like.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def one_line(text: str) -> str:
    """Return the text as it can be shown on one line."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def why(error: OSError) -> str:
    """Return what the system refused, in one line: the file where it names one, and the reason."""
    reason = error.strerror or str(error) or type(error).__name__
    named = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return one_line(f"{named}{reason[:1].lower()}{reason[1:]}")


def read_bytes(path: Path, most: int) -> bytes:
    """Return what a regular file holds, up to one byte more than ``most``: whoever gets that refuses it.

    Raises ``OSError`` where it can't be read, and for a pipe or a device, which might have no end.
    """
    check_regular(path)
    with path.open("rb") as file:
        return file.read(most + 1)


def check_regular(path: Path) -> None:
    """Raise ``OSError`` where a path is no regular file: a folder, or a pipe or a device, which may have no end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(None, "this is a directory; name a file in it", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(None, "this is a pipe or a device; name a regular file", str(path))


def load_json(text: str | bytes) -> Any:
    """Return what JSON says; raises ``ValueError`` with the reason, and nothing else, where it is not sound.

    Beyond the grammar: UTF-8, no NaN and no infinity, no whole number beyond ``LARGEST``, nothing nested deeper
    than ``DEEPEST``.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"the byte 0x{error.object[error.start]:02x} at {error.start + 1} is not UTF-8") from None
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        raise ValueError(f"not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if _deeper(found, DEEPEST):
        raise ValueError(_TOO_DEEP)
    return found


_TOO_DEEP = f"nested more than {DEEPEST} levels deep"


def _deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
            if isinstance(below, dict | list)
        ]
        if not level:
            return False
    return True


def _whole(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or abs(int(text)) > LARGEST:
        _refuse_number(text)
    return int(text)


def _real(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        _refuse_number(text)
    return found


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {text if len(text) <= 20 else text[:17] + '...'} is too large")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"found {text}, and numbers must be finite")


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_real, parse_constant=_no_number)


def among(value: object, allowed: Container[str]) -> TypeGuard[str]:
    """Whether a value that somebody gave is one of these texts; it may be of any type, a list or an object too."""
    return isinstance(value, str) and value in allowed


def number(value: object, least: float = -math.inf, most: float = math.inf) -> float | None:
    """Return a finite number between two bounds; None for anything else, a bool among it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Compared before it is a float: a whole number may be too large to be one.
    return float(value) if least <= value <= most and -LARGEST <= value <= LARGEST else None


def in_clock(ns: int) -> bool:
    """Whether a time in nanoseconds since 1970 is one that a log may have: from 1970 on, and before 2200."""
    return 0 <= ns < LATEST_NS
