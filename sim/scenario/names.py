"""The nearest right name to a wrong one, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SYNONYMS = {
    "ssa": ("apply",),
    "serversideapply": ("apply",),
    "patch": ("merge-patch", "write"),
    "update": ("write",),
    "apply": ("write",),
    "kubeapiqps": ("qps",),
    "kubeapiburst": ("burst",),
    "concurrentworkers": ("workers",),
    "concurrency": ("workers",),
    "maxconcurrentreconciles": ("workers",),
    "release": ("preset",),
    "version": ("preset",),
    "strategy": ("writes",),
    "kind": ("for",),
    "reconcile": ("steps",),
    "fields": ("set",),
    "finalizer": ("add_finalizer", "write"),
    "count": ("objects",),
    "number": ("objects",),
    "sleep": ("work",),
    "wait": ("work",),
    "retries": ("retry",),
    "crash": ("kill",),
    "for": ("lasts",),
    "duration": ("lasts",),
    "crds": ("kinds",),
    "generationchangedpredicate": ("generation-changed",),
}
"""Words that people know from elsewhere; of several names the first that there is."""
_LONG = 3
"""Letters of a word that tells something where it is part of a name."""
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
    meant = synonym(wrong, plain.values())
    if meant is not None:
        return meant
    close = difflib.get_close_matches(asked, plain, n=1, cutoff=alike)
    if close:
        return plain[close[0]]
    # A name inside of a longer one tells something where it is much of that: status of update_status, not a of patch.
    inside = [
        name
        for key, name in plain.items()
        if (asked in key and len(asked) >= _LONG) or (key in asked and 2 * len(key) >= len(asked) >= _LONG)
    ]
    return min(inside, key=len) if inside else None


def synonym(wrong: str, names: Iterable[str]) -> str | None:
    """Return the one of these names that means the same as another word, or None."""
    plain = {_plain(name): name for name in names}
    meant = (_plain(name) for name in _SYNONYMS.get(_plain(wrong)[:100], ()))
    return next((plain[name] for name in meant if name in plain), None)


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean NAME?"``, or ``""`` where nothing is near."""
    name = nearest(wrong, names)
    return f"; did you mean {name}?" if name else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
