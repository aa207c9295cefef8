"""What must hold after every replication, whatever the scenario, of what was recorded.

* resourceVersions only grow, and so do revisions as far as controllers write them from the copy that is stored: a
  patch or apply from an older one may bring back an older revision, as a leader that stood still does;
* a write with a resourceVersion is accepted only on the version it was made from: no accepted change is
  overwritten unseen (without one, what is overwritten is counted, see ``sim.analysis``).

What is left at the end has invariants of its own (``sim.families.certmanager.endings.Remains.faults``).
"""

from __future__ import annotations

import numpy as np

from sim.recording.alike import take
from sim.recording.columns import REQUESTS
from sim.recording.recorder import Recorder
from sim.recording.rows import Mask, Rows


def violations(recorder: Recorder) -> list[str]:
    """One sentence for each broken invariant; empty in a sound replication."""
    found = list(recorder.violations)
    rows = recorder.requests
    # One counter gives all versions, so they grow for each object if they grow at all: seen at a glance.
    if not _growing(rows):
        last: dict[tuple[str, str], int] = {}
        for version, kind, name in take(rows, REQUESTS, "written_version", "resource", "object"):
            if version:  # in the order of the server's decisions
                if version <= last.get((kind, name), 0):
                    found.append(f"{kind}/{name} went back from version {last[kind, name]} to {version}")
                last[kind, name] = version
    if _overtaken(rows).any():
        columns = ("read_version", "base_version", "resource", "object")
        for read, base, kind, name in take(rows, REQUESTS, *columns, where=_overtaken):
            found.append(f"{kind}/{name}: a write made from {read} was accepted on {base}")
    return found


def _growing(rows: Rows) -> bool:
    """Whether each version written is greater than the one written before."""
    last = 0
    for (versions,) in rows.pieces("written_version"):
        written = versions[versions > 0]
        if len(written):
            if written[0] <= last or np.any(written[1:] <= written[:-1]):
                return False
            last = int(written[-1])
    return True


def _overtaken(rows: Rows) -> Mask:
    """Which writes were accepted on another version than the one that they were made from."""
    found = [
        (conditional > 0) & (code < 300) & (read > 0) & (read != base)
        for conditional, code, read, base in rows.pieces("conditional", "code", "read_version", "base_version")
    ]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)
