"""Properties that are built in, judged by what was recorded: the same figures as everywhere else."""

from __future__ import annotations

from sim.analysis.hazards import hot_loops
from sim.families.endings import DONE
from sim.recording.columns import DUPLICATES, LOSSES, OBJECTS
from sim.recording.properties import Broken
from sim.recording.replication import Replication
from sim.scenario.properties import Property


def built_in(settings: Property, replication: Replication) -> list[Broken]:
    """Return where a property that is built in does not hold; nothing of one with an expression."""
    name = settings.name
    match settings.builtin:
        case "settles":
            return [Broken(name, *each) for each in _unsettled(replication)]
        case "no-lost-write":
            return [Broken(name, *each) for each in _lost(replication)]
        case "no-duplicate":
            return [Broken(name, *each) for each in _duplicates(replication)]
        case "no-hot-loop":
            return [Broken(name, *each) for each in _hot(replication)]
        case "one-leader":
            return [Broken(name, *each) for each in _usurped(replication)]
    return []


def _unsettled(replication: Replication) -> list[tuple[str, int, str]]:
    who, ending, why = (OBJECTS.index(column) for column in ("certificate", "ending", "why"))
    ended = replication.ended_ns
    return [
        (str(row[who]), ended, f"{row[ending]}: {row[why]}") for row in replication.objects if row[ending] not in DONE
    ]


def _hot(replication: Replication) -> list[tuple[str, int, str]]:
    found = hot_loops(replication)
    who = ", ".join(name.removeprefix("late_writes.") for name in found if name.startswith("late_writes."))
    why = f"a hot loop of {who}: {found['late_writes']:.1f} writes a second at the end"
    return [("", replication.ended_ns, why)] if found["late_writes"] else []


def _duplicates(replication: Replication) -> list[tuple[str, int, str]]:
    found = []
    for row in replication.duplicates:
        made = dict(zip(DUPLICATES, row, strict=True))
        why = f"{made['by']} created {made['resource']} {made['object']}, and had created {made['of_object']} before"
        found.append((str(made["certificate"]), int(str(made["created_ns"])), why))
    return found


def _usurped(replication: Replication) -> list[tuple[str, int, str]]:
    """The first write of each replica that was no leader any more."""
    first = {process: (about, when, holder) for when, about, process, holder in reversed(replication.usurped)}
    return [(about, when, f"{process} wrote while {holder} led") for process, (about, when, holder) in first.items()]


def _lost(replication: Replication) -> list[tuple[str, int, str]]:
    found = [("", replication.ended_ns, each) for each in replication.violations]
    for row in replication.losses:
        lost = dict(zip(LOSSES, row, strict=True))
        if lost["repaired_ns"] == -1:
            why = f"{lost['by']} took away {lost['field']} of {lost['of']} unseen, and it never came back"
            found.append((str(lost["certificate"]), int(str(lost["lost_ns"])), why))
    return found
