"""How a run ended: how long was simulated, who settled when, what others still wait for, who is stuck and why.

Counted of one replication: ``unfinished`` and ``stuck``, each with a part for each cause (``unfinished.issuer``), and
``settled_s``, when the last Certificate settled for the first time, where all are at the end; ``never_ready``, those
that no time to Ready is known of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.families.endings import STUCK, WAITING
from sim.recording.alike import packed
from sim.recording.columns import OBJECTS
from sim.units import SECOND, spelled

if TYPE_CHECKING:
    from sim.analysis.measured import Measured
    from sim.recording.replication import Replication
    from sim.scenario.model import Scenario

Figures = dict[str, float | None]


def counted(replication: Replication) -> Figures:
    """Count how it ended for the Certificates of one replication."""
    rows = packed(replication.objects, OBJECTS)
    found = sorted(rows.counted("ending", "cause").items())
    figures: Figures = {}
    for name, state in (("unfinished", "waiting"), ("stuck", "stuck")):
        parts = {each: count for (which, each), count in found if which == state}
        figures[name] = sum(parts.values())
        figures.update({f"{name}.{each}": count for each, count in parts.items()})
    figures["never_ready"] = int(np.count_nonzero(rows.array("ready_ns") < 0))
    times = rows.array("settled_ns")
    quiet = replication.settled and len(times) and not figures["unfinished"] and not figures["stuck"]
    figures["settled_s"] = int(times.max()) / SECOND if quiet else None
    return figures


def ending(scenario: Scenario, measured: Sequence[Measured]) -> dict[str, Any]:
    """Return how a run ended, as plain data: means per replication; ``said`` is the whole in a sentence or two."""
    simulated = _known(measured, "ended_s")
    found: dict[str, Any] = {
        "simulated_s": _range(simulated),
        "replications": len(measured),
        "settled": int(sum(_known(measured, "settled"))),
        "settled_at_s": _range(_known(measured, "settled_s")),
        "at_most_s": scenario.until.at_most / SECOND,
        "unfinished": _mean(measured, "unfinished"),
        "unfinished_by_cause": _by_cause(measured, "unfinished", WAITING),
        "stuck": _mean(measured, "stuck"),
        "stuck_by_cause": _by_cause(measured, "stuck", STUCK),
        "never_ready": _mean(measured, "never_ready"),
    }
    certificates = None if scenario.contention is not None else int(measured[0].metrics.get("certificates") or 0)
    return {**found, "said": _said(found, certificates, scenario.until.settled_for / SECOND)}


def undone(found: Mapping[str, Any]) -> list[str]:
    """Return what a run left undone, in words: nothing where all settled. ``found`` is what ``ending`` returns."""
    said = []
    for name, words, verb in (("unfinished", WAITING, "still wait"), ("stuck", STUCK, "stuck for good")):
        for cause, mean in sorted(found[f"{name}_by_cause"].items(), key=lambda item: -item[1]):
            one = mean == 1
            form = {"still wait": "still waits" if one else verb, "stuck for good": f"{'is' if one else 'are'} {verb}"}
            said.append(f"{_number(mean)} {form[verb]} {words[cause]}")
    return said


def _said(found: Mapping[str, Any], certificates: int | None, counting_s: float) -> str:
    many, settled, simulated = found["replications"], found["settled"], found["simulated_s"]
    length = f"{_span(simulated)} simulated"
    if many > 1:
        length += " a replication"
    if certificates is None:
        if settled == many:
            return f"Every client was done; {length}."
        return f"Ended at {spelled(found['at_most_s'] * SECOND)} (until.at_most); {length}."
    rest = undone(found)
    if settled == many:
        at = found["settled_at_s"]
        when = f" at {_span(at)}" if at is not None else ""
        every = " in every replication," if many > 1 else ""
        again = f"; at the end of the counting {_listed(rest)}" if rest else ""
        who = "It" if certificates == 1 else f"All {certificates}"
        return f"{who} settled{every}{when}{again}; {length}."
    # The counting goes on for a while after the end was decided.
    end = spelled(max(simulated["most"] - counting_s, 0) * SECOND)
    if rest:
        number, words = rest[0].split(" ", 1)
        said = _listed([f"{number} of {certificates} {words}", *rest[1:]])
    else:
        said = f"{'it' if certificates == 1 else f'all {certificates}'} settled while the counting went on"
    if many == 1:
        return f"Ended at {end} (until.at_most); {said}; {length}."
    how = f"{settled} of {many} replications settled, {many - settled}" if settled else f"All {many} replications"
    return f"{how} ended at {end} (until.at_most); on average {said}; {length}."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _known(measured: Sequence[Measured], key: str) -> list[float]:
    return [value for each in measured if (value := each.metrics.get(key)) is not None]


def _range(values: Sequence[float]) -> dict[str, float] | None:
    return {"mean": sum(values) / len(values), "least": min(values), "most": max(values)} if values else None


def _mean(measured: Sequence[Measured], key: str) -> float:
    return sum(each.metrics.get(key) or 0 for each in measured) / len(measured)


def _by_cause(measured: Sequence[Measured], name: str, causes: Mapping[str, str]) -> dict[str, float]:
    means = {cause: _mean(measured, f"{name}.{cause}") for cause in causes}
    return {cause: mean for cause, mean in means.items() if mean}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def _span(values: Mapping[str, float]) -> str:
    least, most = (spelled(values[end] * SECOND) for end in ("least", "most"))
    number, *unit = least.split()
    shared = unit == most.split()[1:]  # 1.46 to 1.47 s, but 59.8 s to 1 min 2 s
    return least if least == most else f"{number if shared else least} to {most}"
