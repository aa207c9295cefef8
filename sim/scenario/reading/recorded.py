"""The figures of the recorded cases that come with the scenarios, to show beside a result."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sim.scenario.names import did_you_mean
from sim.scenario.reading.catalogue import scenario_folders
from sim.units import quoted

FILE = "recorded/recorded.json"
"""Where the figures are, below a scenarios/ folder."""


def load_recorded(name: str) -> dict[str, Any] | None:
    """Return the recorded figures of a case, or None where there is no such case.

    ``{"asked": {...}, "certificates": n, "repetitions": [...]}``; each repetition has its name under
    ``repetition`` (r1, r2, ...), ``certificates`` and the ``FIGURES``. ``requests`` counts by
    "actor verb resource code"; times are in seconds. Counts are from the first creation to the end.
    """
    return _shipped().get(name)


def unknown(name: str) -> str | None:
    """Return what is to be said where no case that comes with the scenarios is called so, or None."""
    known = _shipped()
    if name in known or not known:
        return None
    return f"no recorded case is called {quoted(name)}{did_you_mean(name, known)}; there are {', '.join(known)}"


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, Any]]:
    for folder in scenario_folders():
        if (folder / FILE).is_file():
            cases: dict[str, dict[str, Any]] = json.loads((folder / FILE).read_text("utf-8"))
            return cases
    return {}
