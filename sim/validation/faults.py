"""Faults of recorded runs: what was asked for as faults of a scenario, and how long after each a controller is back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sim.guarded import load_json, number, read_bytes

NEVER = "1h"
"""What is killed for good is down for so long: longer than any recording."""
_TARGETS = {
    "kube-apiserver": "api-server",
    "etcd": "etcd",
    "the controller": "controllers",
    "the leader": "leader",
    "all of the controller's connections": "controllers",
    "all of the leader's connections": "leader",
}
"""How recordings call what a fault befalls."""
_VERBS = {"kills": "kill", "stops": "stop", "cuts": "cut"}
_OF_FAULT = {"at_s", "does", "for_s"}
MARKS = "lab.json"
_LARGEST = 64 << 20


class FaultAsked(NamedTuple):
    """One fault of a recording: what its ``does`` is in a scenario."""

    verb: str
    target: str

    @staticmethod
    def of(does: object) -> FaultAsked:
        """Return the meaning of ``does``; raises ``ValueError`` with what is understood."""
        word, _, what = str(does).partition(" ")
        if word in _VERBS and what in _TARGETS:
            return FaultAsked(_VERBS[word], _TARGETS[what])
        raise ValueError(f"{does!r}, wanted {', '.join(_VERBS)} and one of {', '.join(_TARGETS)}")


def checked(faults: Sequence[Any]) -> list[str]:
    """Return what is not understood of faults and not simulated; raises ``ValueError`` for what is wrong."""
    notes = []
    for place, fault in enumerate(faults):
        where = f"asked.faults[{place}]"
        if not isinstance(fault, Mapping):
            raise ValueError(f"{where} is {fault!r}, wanted an object with at_s, does and for_s")
        try:
            meant = FaultAsked.of(fault.get("does"))
        except ValueError as error:
            raise ValueError(f"{where}.does is {error}") from None
        for key, least in (("at_s", True), ("for_s", False)):
            value = fault.get(key)
            if (value is None and (least or meant.verb == "stop")) or (
                value is not None and number(value, 0, 1e6) is None
            ):
                raise ValueError(f"{where}.{key} is {value!r}, wanted seconds, at least 0")
        notes += [
            f"{where}.{key} is unknown and not simulated: {fault[key]!r}" for key in sorted(set(fault) - _OF_FAULT)
        ]
    return notes


def faults_of(asked: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the faults of a scenario, as plain data."""
    from sim.units import SECOND, format_duration

    found = []
    for fault in asked:
        verb, target = FaultAsked.of(fault["does"])
        lasts = fault.get("for_s")
        written = {"at": format_duration(round(fault["at_s"] * SECOND)), verb: target}
        if lasts is not None:
            written["lasts"] = format_duration(round(lasts * SECOND))
        elif verb == "kill":
            written["lasts"] = NEVER
        found.append(written)
    return found


def begun(folder: Path, asked: Mapping[str, Any]) -> list[float]:
    """When each fault was done, in seconds after the first creation: as the recording marked it, else as asked."""
    faults = [fault for fault in asked.get("faults") or () if isinstance(fault, Mapping)]
    marks = marks_of(folder)
    times = []
    for fault in faults:
        at = fault["at_s"]
        near = [
            mark["at_s"]
            for mark in marks
            if mark.get("what") == fault["does"] and abs(mark.get("at_s", math.inf) - at) < 1
        ]
        times.append(float(near[0] if near else at))
    return times


def marks_of(folder: Path) -> list[dict[str, Any]]:
    """What a recording marked, with ``at_s`` and ``what``; none where it did not, or can't be read."""
    try:
        found = load_json(read_bytes(folder / MARKS, _LARGEST))
    except (OSError, ValueError):
        return []
    marks = found.get("marks", []) if isinstance(found, dict) else []
    return [mark for mark in marks if isinstance(mark, dict)] if isinstance(marks, list) else []


class Back:
    """When each controller's first accepted write after each fault is answered."""

    def __init__(self, begun_ns: Sequence[int]) -> None:
        self._begun = begun_ns
        self._first: dict[tuple[int, str], int] = {}

    def write(self, controller: str, received_ns: int, answered_ns: int) -> None:
        """An accepted write of a controller, of anything but an Event."""
        for number_, begun_ns in enumerate(self._begun, start=1):
            if received_ns >= begun_ns:
                key = (number_, controller)
                took = answered_ns - begun_ns
                self._first[key] = min(took, self._first.get(key, took))

    def figures(self) -> dict[str, float]:
        """Seconds from a fault to the answer, as ``back.FAULT.CONTROLLER``; faults are numbered from 1."""
        return {f"back.{number_}.{who}": took * 1e-9 for (number_, who), took in self._first.items()}


def close(recorded: float, predicted: float) -> bool:
    """Whether a prediction of how long a controller takes is within a second, or 20%."""
    return abs(predicted - recorded) <= max(1.0, 0.2 * recorded)
