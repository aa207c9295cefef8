"""How a run ended: how long was simulated, who settled when, what others still wait for, who is stuck and why.

Counted of one replication: ``unfinished`` and ``stuck``, each with a part for each cause (``unfinished.issuer``), and
``settled_s``, when the last Certificate settled for the first time, where all are at the end; ``never_ready``, those
that no time to Ready is known of; ``deleted``, where there are any, those that were deleted before they were settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.families.endings import STUCK, WAITING
from sim.recording.alike import packed
from sim.recording.columns import OBJECTS
from sim.units import SECOND, decimals, every, spelled

if TYPE_CHECKING:
    from sim.analysis.measured import Measured
    from sim.recording.replication import Replication
    from sim.scenario.model import Scenario

_NOTABLY = 0.002
"""By what share an end is later than what the scenario says of it, where that is worth a word."""

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
    gone = sum(count for (which, _), count in found if which == "deleted")
    if gone:
        figures["deleted"] = gone
    times = rows.array("settled_ns")
    times = times[times >= 0]  # one that was deleted before has none
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
    if scenario.contention is not None:
        once = [group.loop == "once" for group in scenario.contention.groups]
        return {**found, "said": _said_of_clients(found, once, bool(_mean(measured, "gave_up")))}
    gone = _mean(measured, "deleted")
    found |= {"deleted": gone} if gone else {}
    certificates = int(measured[0].metrics.get("certificates") or 0)
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


def _length(found: Mapping[str, Any]) -> str:
    return f"{_span(found['simulated_s'])} simulated{' a replication' if found['replications'] > 1 else ''}"


def _said_of_clients(found: Mapping[str, Any], once: Sequence[bool], gave_up: bool) -> str:
    """How it ended for plain clients: ``once`` says of each group of them whether its clients have a single job.

    Only those are ever done. The others go on until the end, whatever they have committed by then.
    """
    many, settled = found["replications"], found["settled"]
    end = f"ended at {spelled(found['at_most_s'] * SECOND)} (until.at_most)"
    who = "Every client" if all(once) else "Every client with one job"
    done = f"{who} had {'committed or given up' if gave_up else 'committed'}"
    if not any(once) or not settled:
        said = end.capitalize()
    elif settled == many:
        said = done
    else:
        said = f"{done} in {settled} of {many} replications, {many - settled} {end}"
    return f"{said}; {_length(found)}."


def _said(found: Mapping[str, Any], certificates: int, counting_s: float) -> str:
    many, settled, simulated, length = found["replications"], found["settled"], found["simulated_s"], _length(found)
    rest = undone(found)
    who = "it" if certificates == 1 else every(certificates)
    if settled == many:
        at = found["settled_at_s"]
        when = f" at {_span(at)}" if at is not None else ""
        each = " in every replication," if many > 1 else ""
        again = f"; at the end of the counting {_listed(rest)}" if rest else ""
        gone = found.get("deleted", 0)
        if gone and gone == certificates:
            return f"{deleted(found, certificates)}{each.rstrip(',')}{again}; {length}."
        first = f"{deleted(found, certificates)}. The others" if gone else who.capitalize()
        return f"{first} settled{each}{when}{again}; {length}."
    # The counting goes on for a while after the end was decided.
    at, limit = max(simulated["most"] - counting_s, 0), found["at_most_s"]
    late = f": {spelled(limit * SECOND)} after the last creation" if at > limit * (1 + _NOTABLY) else ""
    end = f"{spelled(at * SECOND)} (until.at_most{late})"
    if rest:
        number, words = rest[0].split(" ", 1)
        gone = [deleted(found, certificates)] if found.get("deleted") else []
        said = _listed([f"{number} of {certificates:,} {words}", *rest[1:], *gone])
    else:
        said = f"{who} settled while the counting went on"
    if many == 1:
        return f"Ended at {end}; {said}; {length}."
    none = every(many, "replication").capitalize()
    how = f"{settled} of {many} replications settled, {many - settled}" if settled else none
    return f"{how} ended at {end}; on average {said}; {length}."


def deleted(found: Mapping[str, Any], certificates: int) -> str:
    """Return how many objects were deleted before they were settled, in words; "" where none was."""
    many = found.get("deleted", 0)
    if not many:
        return ""
    was = "was deleted before it was settled" if many == 1 else "were deleted before they were settled"
    return f"{_number(many)} of {certificates:,} {was}"


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
    return f"{value:,.{decimals(value)}f}"


def _span(values: Mapping[str, float]) -> str:
    least, most = (spelled(values[end] * SECOND) for end in ("least", "most"))
    number, *unit = least.split()
    shared = unit == most.split()[1:]  # 1.46 to 1.47 s, but 59.8 s to 1 min 2 s
    return least if least == most else f"{number if shared else least} to {most}"
