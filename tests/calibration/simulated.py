"""A simulated run as calibration sees a recorded one: the server's times, the client's log, the names of Events."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sim.calibration.trace import Trace
from sim.experiment.replicate import replicate
from sim.logs.audit import AuditEvent
from sim.recording import klog
from sim.recording.columns import REQUESTS
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.units import MS
from tests.logs.made import parse_controller_log

YEAR = 2026


def simulated(scenario: Scenario, profile: Profile, index: int = 0) -> Trace:
    """One replication on a machine of this profile, as a trace that says which delay was asked for."""
    found, way = replicate(scenario, index, profile), scenario.server.network_one_way
    rows = (dict(zip(REQUESTS, row, strict=True)) for row in found.requests)
    events = [_event(row, found.epoch_ns, way) for row in rows if row["verb"] != "get"]
    lines = (f"{line}\n".encode() for line in klog.lines(found.logs, scenario.log.verbosity, found.epoch_ns))
    parsed = list(parse_controller_log(lines, Counter(), YEAR))
    asked = {"network_one_way_ms": way / MS}
    return Trace(f"{scenario.name}/r{index + 1}", events, parsed, asked)


def _event(row: dict[str, Any], epoch: int, way: int) -> AuditEvent:
    """As the server logs it: answered ``way`` before a controller has it; who creates is beside the server."""
    ours = row["actor"].startswith("cert")
    recorded = int(row["object"].rsplit(".", 1)[1], 16) + epoch if row["resource"] == "events" else 0
    return AuditEvent(
        received_ns=row["received_ns"] + epoch,
        answered_ns=row["answered_ns"] - (way if ours else 0) + epoch,
        actor=row["actor"],
        ours=ours,
        verb=row["verb"],
        resource=row["resource"],
        subresource=row["subresource"],
        namespace="default",
        name=row["object"],
        code=row["code"],
        reason=row["reason"],
        base_version=row["read_version"] if row["conditional"] else 0,
        written_version=row["written_version"],
        recorded_ns=recorded,
        sent=None,
        answer=None,
    )
