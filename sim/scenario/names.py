"""The nearest right name to a wrong one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SYNONYMS = {
    "ssa": "apply",
    "serversideapply": "apply",
    "patch": "merge-patch",
    "kubeapiqps": "qps",
    "kubeapiburst": "burst",
    "concurrentworkers": "workers",
    "release": "preset",
    "version": "preset",
}
_ALIKE = 0.6
MUCH_ALIKE = 0.75
"""For names out of many: of a few hundred one is always a little like it."""


def nearest(wrong: str, names: Iterable[str], alike: float = _ALIKE) -> str | None:
    """Return the name that ``wrong`` most likely means, or None.

    Case, hyphens and underscores do not count (``renewBefore`` is ``renew_before``); a name that contains
    ``wrong``, or is contained in it, counts as near (``1.21`` is ``cert-manager-1.21``).
    """
    plain = {_plain(name): name for name in names}
    asked = _plain(wrong)[:100]
    if not asked:
        return None
    if asked in plain:
        return plain[asked]
    if _plain(_SYNONYMS.get(asked, "")) in plain:
        return plain[_plain(_SYNONYMS[asked])]
    close = difflib.get_close_matches(asked, plain, n=1, cutoff=alike)
    if close:
        return plain[close[0]]
    inside = [name for key, name in plain.items() if len(asked) >= 3 and (asked in key or key in asked)]
    return min(inside, key=len) if inside else None


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean NAME?"``, or ``""`` where nothing is near."""
    name = nearest(wrong, names)
    return f"; did you mean {name}?" if name else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
