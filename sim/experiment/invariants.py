"""What must hold after every replication, whatever the scenario, of what was recorded.

* revisions and resourceVersions only grow;
* a write with a resourceVersion is accepted only on the version it was made from: no accepted change is
  overwritten unseen (without one, what is overwritten is counted, see ``sim.analysis``).

What is left at the end has invariants of its own (``sim.families.certmanager.endings.Remains.faults``).
"""

from __future__ import annotations

from sim.recording.columns import REQUESTS
from sim.recording.recorder import Recorder

_R = {name: index for index, name in enumerate(REQUESTS)}


def violations(recorder: Recorder) -> list[str]:
    """One sentence for each broken invariant; empty in a sound replication."""
    found = list(recorder.violations)
    kind, name, base, read, written, conditional, code = (
        _R[column]
        for column in (
            "resource", "object", "base_version", "read_version", "written_version", "conditional", "code",
        )
    )  # fmt: skip
    rows = recorder.requests
    # One counter gives all versions, so they grow for each object if they grow at all: seen at a glance.
    versions = [row[written] for row in rows if row[written]]
    if versions != sorted(set(versions)):
        last: dict[tuple[str, str], int] = {}
        for row in rows:  # in the order of the server's decisions
            if row[written]:
                key = (row[kind], row[name])
                if row[written] <= last.get(key, 0):
                    found.append(f"{row[kind]}/{row[name]} went back from version {last[key]} to {row[written]}")
                last[key] = row[written]
    return found + [
        f"{row[kind]}/{row[name]}: a write made from {row[read]} was accepted on {row[base]}"
        for row in rows
        if row[conditional] and row[code] < 300 and row[read] and row[base] != row[read]
    ]
