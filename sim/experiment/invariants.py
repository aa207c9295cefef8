"""What must hold after every replication, whatever the scenario.

* revisions and resourceVersions only grow;
* a write with a resourceVersion is accepted only on the version it was made from: no accepted change is
  overwritten unseen (without one, what is overwritten is counted, see ``sim.analysis``);
* with unlimited tries every conflict is tried again;
* with no fault every Certificate becomes Ready.
"""

from __future__ import annotations

from sim.recording.columns import RECONCILES, REQUESTS
from sim.recording.recorder import Recorder
from sim.scenario.model import Scenario
from sim.units import SECOND

_R = {name: index for index, name in enumerate(REQUESTS)}
_C = {name: index for index, name in enumerate(RECONCILES)}
QUIET = 60 * SECOND
"""A Certificate for which nobody has sent anything for so long is not on its way any more."""


def violations(scenario: Scenario, recorder: Recorder, end: int) -> list[str]:
    """One sentence for each broken invariant; empty in a sound replication."""
    return [*_versions(recorder), *_retries(scenario, recorder, end), *_ready(scenario, recorder, end)]


def _versions(recorder: Recorder) -> list[str]:
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


def _retries(scenario: Scenario, recorder: Recorder, end: int) -> list[str]:
    controllers = scenario.controllers
    if controllers.restarts:
        return []  # a killed process forgets what it meant to try again; the next one looks at everything
    # The longest back-off of any queue, and as long again for a throttled queue to get there.
    waits = [max(retry.max, retry.conflict_max or 0) for retry in scenario.retries()]
    longest = 2 * max(*waits, 300 * SECOND)
    outcome, started = _C["outcome"], _C["started_ns"]
    old = [row for row in recorder.reconciles if row[outcome] == "conflict" and row[started] + longest < end]
    if not old:
        return []
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for row in recorder.reconciles:
        key = (row[_C["controller"]], row[_C["key"]])
        last[key] = max(last.get(key, (0, "")), (row[started], row[outcome]))
    return [
        f"{controller} never tried {name} again after a conflict"
        for (controller, name), (at, how) in last.items()
        if how == "conflict" and at + longest < end
    ]


def _ready(scenario: Scenario, recorder: Recorder, end: int) -> list[str]:
    limited = any(retry.limit is not None or retry.budget is not None for retry in scenario.retries())
    if scenario.issuer.failure_rate or limited or scenario.writers:
        return []
    waiting = {name for name, life in recorder.lives.items() if life.ready_ns < 0}
    if not waiting:
        return []
    about, answered = _R["certificate"], _R["answered_ns"]
    active = {row[about] for row in recorder.requests if row[answered] > end - QUIET}
    return [f"{name} never became Ready, and nobody works on it any more" for name in sorted(waiting - active)]
