"""What variants are called, everywhere: the shortest words that tell them apart and say what varies.

``workers=5``; ``apply`` where a word says enough; ``cores=2, apply`` where two keys vary. Names that are too long for
the head of a column have a letter beside them, in the order in which the variants were given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_uppercase

Changes = Mapping[str, str]
"""Key to value, as ``--set`` takes them."""

LONGEST = 28
"""The longest name that heads a column."""
_WORD = re.compile(r"[A-Za-z][\w.-]*")
_NO_WORDS = frozenset({"none", "true", "false", "null", "yes", "no", "on", "off"})


def names(variants: Sequence[Changes]) -> list[str]:
    """Return a name for each variant, by the keys in which any two differ; all keys where none do."""
    keys = list(dict.fromkeys(key for changes in variants for key in changes))
    varied = [key for key in keys if len({changes.get(key) for changes in variants}) > 1] or keys
    short = short_keys(varied)
    values = {key: {changes[key] for changes in variants if key in changes} for key in varied}
    plain = {
        key
        for key in varied
        if all(_WORD.fullmatch(value) and value.lower() not in _NO_WORDS for value in values[key])
        and not any(values[key] & values[other] for other in varied if other != key)
    }
    return [
        ", ".join(changes[key] if key in plain else f"{short[key]}={changes[key]}" for key in varied if key in changes)
        or "as it stands"
        for changes in variants
    ]


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return the shortest end of each key that is no other's: ``workers``, or ``client.qps`` beside ``server.qps``."""
    listed = list(keys)

    def end(key: str) -> str:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            found = ".".join(parts[-count:])
            if not found.isdigit() and sum(f".{other}".endswith(f".{found}") for other in listed) == 1:
                return found
        return key

    return {key: end(key) for key in listed}


def letters(variants: Iterable[str]) -> dict[str, str]:
    """Return what stands for each variant's name where room is short: itself, or A, B, C where any is too long."""
    listed = list(variants)
    if all(len(name) <= LONGEST for name in listed):
        return {name: name for name in listed}
    return {name: _letter(place) for place, name in enumerate(listed)}


def _letter(place: int) -> str:
    more, last = divmod(place, len(ascii_uppercase))
    return (ascii_uppercase[more - 1] if more else "") + ascii_uppercase[last]


def meant(text: str, variants: Mapping[str, Changes]) -> list[str]:
    """Return the variants that a text may mean: by name, by letter, or by one of their settings."""
    if text in variants:
        return [text]
    by_letter = [name for name, letter in letters(variants).items() if letter == text]
    if by_letter:
        return by_letter
    wanted = [part.strip() for part in text.split(",")]
    return [name for name, changes in variants.items() if all(_has(changes, part) for part in wanted)]


def _has(changes: Changes, part: str) -> bool:
    key, equals, value = part.partition("=")
    if not equals:
        return key in changes.values()
    return any(found == value.strip() and f".{name}".endswith(f".{key.strip()}") for name, found in changes.items())
