"""One entry of an answer's ``details.causes``."""

from __future__ import annotations

from typing import NamedTuple


class Cause(NamedTuple):
    """What is wrong with one field: the reason in one word, a message, and the field's path."""

    reason: str
    message: str
    field: str
