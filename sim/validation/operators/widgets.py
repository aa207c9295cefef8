"""What the recorded operator does to its Widgets: the fields that it writes, and its reconciles step by step.

The rules are those of the recordings' README.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.scenario.kinds.source import CONDITIONS
from sim.validation.operators.versions import controller_name, owner_of, types_of

KIND = "Widget"
CONFIG = "ConfigMap"
LETTERS = "abcde"
_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"replicas": _NUMBER, "text": _TEXT}},
        "status": {
            "type": "object",
            "properties": {
                "observedGeneration": _NUMBER,
                "conditions": CONDITIONS,
                "counters": {"type": "object", "additionalProperties": _NUMBER},
                **{f"phase{letter.upper()}": _TEXT for letter in LETTERS},
                **{
                    f"seen{letter.upper()}": {
                        "type": "object",
                        "properties": {"generation": _NUMBER, "lastSeen": {"type": "string", "format": "date-time"}},
                    }
                    for letter in LETTERS
                },
            },
        },
    },
}
"""The fields that the recorded operator writes; conditions are a list map by type."""
DISTRIBUTIONS = {"fixed": "fixed", "exponential": "exponential", "exp": "exponential"}


def _own(letter: str, letters: str) -> list[str]:
    """The conditions that a controller writes, its own first."""
    return [each for each in reversed(types_of(letters)) if owner_of(each, letters) == controller_name(letter)]


def seen_by(letter: str) -> str:
    """Return, as CEL, the generation that a controller has seen."""
    return f"self.status.seen{letter.upper()}.generation"


def _count(letter: str) -> str:
    path = f"self.status.counters.{letter}"
    return f"${{has(self.status) && has(self.status.counters) && has({path}) ? {path} + 1 : 1}}"


def _part(letter: str, letters: str, **more: Any) -> dict[str, Any]:
    upper = letter.upper()
    return {
        "status": {
            "set": {
                "observedGeneration": "${generation}",
                f"phase{upper}": "Done",
                f"seen{upper}": {"generation": "${generation}", "lastSeen": "${now_micro}"},
                f"counters.{letter}": _count(letter),
            },
            "conditions": {
                type_: {"reason": "Done", "message": f"controller {letter} is done"} for type_ in _own(letter, letters)
            },
            **more,
        }
    }


_FINALIZER: dict[str, Any] = {"write": {"annotations": {"lab.requeue.dev/finalizer": "present"}, "by": "update"}}
"""An annotation in the finalizer's place: the same write of the main resource, which changes no generation."""
_HAS_FINALIZER = "'lab.requeue.dev/finalizer' in self.metadata.annotations"


def _work(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if asked["work_ms"]:
        found.append({"work": {"kind": DISTRIBUTIONS[asked["work_distribution"]], "mean": f"{asked['work_ms']:g}ms"}})
    if asked["cpu_ms"]:
        found.append({"cpu": {"mean": f"{asked['cpu_ms']:g}ms"}})
    return found


def _event(asked: Mapping[str, Any], reason: str, message: str) -> list[dict[str, Any]]:
    return [{"event": {"reason": reason, "message": message}}] if asked["events"] else []


def steps_of(asked: Mapping[str, Any], letter: str, letters: str, heartbeat: float) -> list[dict[str, Any]]:
    """Return the steps of one of the staged controllers; ``heartbeat`` is in seconds, 0 for none."""
    upper = letter.upper()
    done = " && ".join(
        [
            f"has(self.status.phase{upper})",
            f"has(self.status.seen{upper})",
            *(f"'{type_}' in holds" for type_ in _own(letter, letters)),
        ]
    )
    undone = f"!(has(self.status) && {done})"
    due = {
        "a": "true",
        "b": "'AReady' in holds",
        "c": f"size(owned.{CONFIG}) > 0",
        "d": f"size(owned.{CONFIG}) > 0",
        "e": "'AReady' in holds",
    }[letter]
    work = _work(asked)
    before: list[dict[str, Any]] = []
    if letter == "a" and asked["finalizer_by_update"]:
        before = [_FINALIZER]
    if letter == "b":
        before = [
            {
                "create": {
                    "kind": CONFIG,
                    "exists": "update",
                    "data": {"widget": "${name}"},
                }
            },
            *_event(asked, "Created", "ConfigMap created"),
        ]
    write = _part(letter, letters)
    after = _event(asked, f"Step{upper}", f"controller {letter} is done")
    edited = _event(asked, f"Step{upper}", f"controller {letter} has seen an edit")
    steps = []
    if letter == "b":
        absent = f"size(owned.{CONFIG}) == 0"
        steps = [
            {"name": "set, with its ConfigMap", "when": f"{undone} && {due} && {absent}",
             "do": [*work, *before, write, *after]},
            {"name": "set", "when": f"{undone} && {due}", "do": [*work, write, *after]},
        ]  # fmt: skip
    else:
        steps = [{"name": "set", "when": f"{undone} && {due}", "do": [*work, *before, write, *after]}]
    steps.append({"name": "seen", "when": f"{done} && {seen_by(letter)} != generation", "do": [*work, write, *edited]})
    idle = work if asked["work_in_idle_reconciles"] else []
    if due != "true":
        wait = asked["wait_requeue_s"]
        step = [*idle, {"requeue_after": f"{wait:g}s"}] if wait else idle
        if step:
            steps.append({"name": "wait", "when": undone, "do": step})
    if heartbeat:
        again = {"requeue_after": f"{heartbeat:g}s"}
        old = f"timestamp(now) - timestamp(self.status.seen{upper}.lastSeen) >= duration('{heartbeat:g}s')"
        steps.append({"name": "heartbeat", "when": f"{done} && {old}", "do": [*work, write, again]})
        steps.append({"name": "idle", "do": [*idle, again]})
    elif idle:
        steps.append({"name": "idle", "do": idle})
    return steps


def scaffold(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the generated projects do."""
    work = _work(asked)
    rest = [
        {"create": {"kind": CONFIG, "exists": "update", "data": {"widget": "${name}"}}},
        *_event(asked, "Created", "ConfigMap created"),
        {"requeue_after": "60s"},
    ]
    unknown = {
        "status": {"conditions": {"Ready": {"status": "Unknown", "reason": "Reconciling", "message": "starting"}}}
    }
    read = [{"read": "cache"}] if asked["flow"] == "scaffold-refetch" else []
    return [
        {
            "name": "unknown, finalizer, create",
            "when": "!('Ready' in conditions)",
            "do": [*work, unknown, *read, _FINALIZER, *rest],
        },
        {"name": "finalizer, create", "when": f"!({_HAS_FINALIZER})", "do": [*work, _FINALIZER, *rest]},
        {
            "name": "set",
            "when": f"size(owned.{CONFIG}) > 0 && !('AReady' in holds)",
            "do": [*work, _part("a", "a")],
        },
        {"name": "create", "when": f"size(owned.{CONFIG}) == 0", "do": [*work, *rest]},
    ]
