"""One recorded run of the operator in figures: from its ``run.json``, and the same again from its audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sim.logs.audit import AuditEvent
from sim.logs.reader import read_events
from sim.units import MS, SECOND
from sim.validation.cases import CaseError, Run
from sim.validation.figures import Figures, Observation, request_kind, with_total
from sim.validation.observed import not_used
from sim.validation.operators.asked import letters_of
from sim.validation.operators.versions import Outcome, Stored, controller_name, outcome_of

OBJECTS = "widgets"
AUDIT = "audit.jsonl.gz"
CREATOR = "lab"
_TOLERANCE_S = 0.01
"""Times of run.json and of the audit log are of two clocks of one machine."""


def at_zero(letters: Iterable[str]) -> dict[str, float]:
    """No conflict of any controller."""
    return {controller_name(letter): 0 for letter in letters}


def observe_run(run: Run) -> Observation:
    """Return the figures of a recorded run: those that ``run.json`` has, and from the audit log what it lacks.

    What both have and what differs is noted. Raises ``CaseError`` where neither tells the conflicts.
    """
    letters = letters_of(run.asked)
    figures = told(run, letters)
    notes: list[str] = []
    times: list[float] = []
    log = run.folder / AUDIT
    if log.is_file():
        seen, outcome = derived(run, log, letters, notes)
        times = outcome.to_ready
        for key in sorted(seen.keys() & figures.keys()):
            timed = key.startswith(("time_to", "edit_to", "lost_repaired"))
            if abs(seen[key] - figures[key]) > (_TOLERANCE_S if timed else 0):
                notes.append(f"{key} is {figures[key]:g} in run.json and {seen[key]:g} in the audit log")
        figures = {**seen, **figures}
    if "conflicts" not in figures:
        raise CaseError(f"{run.folder}: neither run.json nor an audit log says how many conflicts there were")
    return Observation(figures, times, [f"{run.name}: {note}" for note in notes])


def told(run: Run, letters: Sequence[str]) -> Figures:
    """The figures that ``run.json`` has."""
    recorded = run.recorded
    figures: Figures = {}
    for key, name in (
        ("conflicts_by_controller", "conflicts"),
        ("status_writes_by_controller", "status_writes"),
        ("reconciles_by_controller", "reconciles"),
    ):
        if key in recorded:
            figures |= with_total(name, at_zero(letters) | (run.counts(key) or {}))
    if "status_writes_that_changed_nothing" in recorded:
        figures["unchanged"] = sum((run.counts("status_writes_that_changed_nothing") or {}).values())
    if "requests" in recorded:
        figures |= {f"requests.{name}": count for name, count in (run.counts("requests") or {}).items()}
    if "requests_by_controllers" in recorded:
        figures["requests"] = run.number("requests_by_controllers", recorded["requests_by_controllers"])
    for key, name in (
        ("time_to_ready_s", "time_to_ready"),
        ("time_to_all_conditions_s", "time_to_all"),
        ("spec_edit_to_all_seen_s", "edit_to_seen"),
    ):
        for quantile in ("p50", "p90", "max"):
            value = _object(run, key).get(quantile)
            if value is not None:
                figures[f"{name}.{quantile}"] = run.number(f"{key}.{quantile}", value)
    lost = _object(run, "lost_updates")
    if lost:
        figures["lost"] = run.number("lost_updates.total", lost.get("total", 0))
        figures["lost.never_repaired"] = run.number("lost_updates", lost.get("conditions_never_repaired", 0))
        for kind, count in (lost.get("by_kind") or {}).items():
            figures[f"lost.{kind}"] = run.number("lost_updates.by_kind", count)
        median = (lost.get("conditions_repaired_after_s") or {}).get("p50")
        if median is not None:
            figures["lost_repaired_after.p50"] = run.number("lost_updates.conditions_repaired_after_s", median)
    if "unfinished_at_end" in recorded:
        figures["unfinished"] = len(_object(run, "unfinished_at_end"))
    return figures


def _object(run: Run, key: str) -> dict[str, Any]:
    found = run.recorded.get(key) or {}
    if not isinstance(found, dict):
        raise CaseError(f"{run.folder}: recorded.{key} is no object")
    return found


def derived(run: Run, log: Path, letters: Sequence[str], notes: list[str]) -> tuple[Figures, Outcome]:
    """The figures of the audit log; reads and reconciles are not in it."""
    ignored: Counter[str] = Counter()
    start = None if run.t0 is None else round(run.t0 * SECOND)
    own = {controller_name(letter) for letter in letters}
    conflicts, writes = Counter(at_zero(letters)), Counter(at_zero(letters))
    kinds: Counter[str] = Counter()
    stored: list[Stored] = []
    created: dict[str, int] = {}
    versions: set[tuple[str, int]] = set()
    unchanged = 0
    for event in read_events([log], bodies=True, ignored=ignored):
        if start is not None and event.received_ns < start - MS:
            continue
        kinds[request_kind(event.actor, event.verb, event.resource, event.subresource, event.code)] += 1
        if event.resource != OBJECTS:
            continue
        if event.stale:
            conflicts[event.actor] += event.actor in own
        elif event.succeeded:
            version = _stored(event)
            if version is None:
                continue
            if event.verb == "create":
                created[event.name] = event.answered_ns
            elif event.subresource == "status" and event.actor in own:
                writes[event.actor] += 1
                unchanged += (event.name, version.version) in versions
            versions.add((event.name, version.version))
            stored.append(version)
    if start is not None and run.created_s:
        created = {name: start + round(at * SECOND) for name, at in run.created_s.items()}
    outcome = outcome_of(stored, created, letters)
    notes += not_used(ignored)
    figures = {
        **with_total("conflicts", conflicts),
        **with_total("status_writes", writes),
        **{f"requests.{kind}": count for kind, count in kinds.items()},
        "unchanged": unchanged,
        **outcome.figures(),
    }
    return figures, outcome


def _stored(event: AuditEvent) -> Stored | None:
    """The version that a write made, where the log has it."""
    try:
        body = json.loads(event.answer_json)
        metadata = body["metadata"]
        version, generation = int(metadata["resourceVersion"]), int(metadata["generation"])
    except (ValueError, KeyError, TypeError):
        return None
    status = body.get("status")
    edits = event.actor.startswith(CREATOR) and event.verb != "create" and not event.subresource
    return Stored(
        event.answered_ns,
        event.actor,
        event.name,
        version,
        generation,
        status if isinstance(status, dict) else {},
        edits and generation > 1,
    )
