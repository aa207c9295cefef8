"""JSON as logs hold it: it may be damaged, cut off or nested without end, or no JSON at all."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def parsed(text: bytes | str | msgspec.Raw, decoder: msgspec.json.Decoder[T] = _ANY) -> T | None:
    """Return what a text is as JSON, or as what the decoder is for; None where it is no such thing."""
    try:
        return decoder.decode(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
