"""How far off predictions with a calibrated profile will be, and which missing file would narrow what.

What was found on recorded clusters with and without each kind of file stands in the provenance of the profile that one
starts from (``sim.validation.stranger`` measures it).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sim.logs.sources import AUDIT, LOG, METRICS
from sim.scenario.drawn import elsewhere

ONE = {AUDIT: "an audit log", LOG: "the controller's log", METRICS: "the controller's metrics"}
"""Kinds of files, one of each in words."""


def expected(files: Collection[str], base_provenance: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how far off predictions with such files were, from the base's provenance; None where it does not say.

    ``files`` are their kinds. Of combinations that were not tried, that of the most of these files.
    """
    tried = _tried(base_provenance)
    have = set(files)
    names = [name for name in tried if have >= set(name.split(", "))]
    if not names:
        return None
    best = max(names, key=lambda name: name.count(","))
    return {"with": best.split(", "), **tried[best]}


def how_far(files: Collection[str], tells_speed: bool, base_provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a profile says of how far predictions are off, calibrated on such files.

    ``here``, on the cluster that it is of; where they do not tell how fast that cluster's server is
    (``tells_speed``), the profile is still one from ``elsewhere``.
    """
    if not tells_speed:
        found = elsewhere(base_provenance)
        return {"elsewhere": dict(found)} if found else {}
    here = expected(files, base_provenance)
    return {"here": here} if here is not None else {}


def narrower(files: Collection[str], base_provenance: Mapping[str, Any]) -> list[str]:
    """Say which missing file would narrow which figure, by what was found with and without it."""
    now = expected(files, base_provenance) or elsewhere(base_provenance)
    if not now:
        return []
    said, have = [], set(files)
    for name, errors in _tried(base_provenance).items():
        missing = set(name.split(", ")) - have
        better = [figure for figure in _FIGURES if errors[figure] < now[figure]]
        if len(missing) == 1 and have | missing == set(name.split(", ")) and better:
            less = " and ".join(f"{_FIGURES[each]} within {errors[each]:.0%}, not {now[each]:.0%}" for each in better)
            said.append(f"With {ONE[missing.pop()]} as well: {less}.")
    return said


_FIGURES = {"conflicts": "conflicts", "time_to_ready": "times to Ready"}


def _tried(base_provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    tried = elsewhere(base_provenance).get("with")
    return tried if isinstance(tried, Mapping) else {}
