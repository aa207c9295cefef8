"""What must hold after every replication, whatever the scenario, of what was recorded.

* revisions and resourceVersions only grow;
* a write with a resourceVersion is accepted only on the version it was made from: no accepted change is
  overwritten unseen (without one, what is overwritten is counted, see ``sim.analysis``).

What is left at the end has invariants of its own (``sim.families.certmanager.endings.Remains.faults``).
"""

from __future__ import annotations

from sim.recording.columns import REQUESTS
from sim.recording.recorder import Recorder
from sim.recording.rows import column, take


def violations(recorder: Recorder) -> list[str]:
    """One sentence for each broken invariant; empty in a sound replication."""
    found = list(recorder.violations)
    rows = recorder.requests
    # One counter gives all versions, so they grow for each object if they grow at all: seen at a glance.
    versions = [version for version in column(rows, REQUESTS, "written_version") if version]
    if versions != sorted(set(versions)):
        last: dict[tuple[str, str], int] = {}
        for version, kind, name in take(rows, REQUESTS, "written_version", "resource", "object"):
            if version:  # in the order of the server's decisions
                if version <= last.get((kind, name), 0):
                    found.append(f"{kind}/{name} went back from version {last[kind, name]} to {version}")
                last[kind, name] = version
    return found + [
        f"{kind}/{name}: a write made from {read} was accepted on {base}"
        for conditional, code, read, base, kind, name in take(
            rows, REQUESTS, "conditional", "code", "read_version", "base_version", "resource", "object"
        )
        if conditional and code < 300 and read and base != read
    ]
