"""What objects of a kind can ever have, from what a scenario writes, and which steps can so ever be due.

Only what is certain counts: an expression is taken apart at its ``&&``, and what does not begin with what it reads is
left alone. Where an expression reads what is not there it does not hold, and neither does its negation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from sim.scenario.actions import Action, Step
from sim.scenario.model import Scenario
from sim.scenario.operators import ControllerSettings

_HOLDS = re.compile(r"^'([^']+)' in (?:holds|conditions)$")
_HAS = re.compile(r"^has\(self\.(status|spec)\.(\w+)[\w.]*\)$")
_READS = re.compile(r"^(?:self\.(status|spec)|(conditions))\.(\w+)\b(?!\()")


class Lacking(NamedTuple):
    """Something that an expression needs and no object of the kind can have by then."""

    part: str
    """``condition``, ``status`` or ``spec``."""
    name: str
    known: Collection[str]
    """What of that part is written at all."""
    later: bool
    """Whether somebody writes it, but only in a step that waits for it."""
    read: bool
    """Whether it is read, and not asked for by ``has`` or ``in``."""


class Reach:
    """What each kind's objects can have, gathered once; of kinds of which all is known."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._steps = [
            (controller, step)
            for operator in scenario.operators
            for controller in operator.controllers
            for step in controller.steps
        ]

    def lacking(self, kind: str, text: str) -> Iterator[Lacking]:
        """What keeps an expression over objects of a kind from ever holding."""
        return self._lacking(kind, text, self._reached)

    def _lacking(self, kind: str, text: str, there: Mapping[tuple[str, str], set[str]]) -> Iterator[Lacking]:
        for part in conjuncts(text):
            for where, name, read in _needs(part):
                known = there.get((where, kind))
                if known is not None and name not in known:
                    written = self._all.get((where, kind), set())
                    yield Lacking(where, name, written, name in written, read)

    @cached_property
    def conditions(self) -> Mapping[str, set[str]]:
        """By kind the conditions that controllers write, of those kinds whose status nobody else writes."""
        return {kind: names for (part, kind), names in self._all.items() if part == "condition"}

    @cached_property
    def _all(self) -> dict[tuple[str, str], set[str]]:
        """What is written at all."""
        found = self._given()
        for controller, step in self._steps:
            _add(found, controller, step)
        return found

    @cached_property
    def _reached(self) -> dict[tuple[str, str], set[str]]:
        """What is there or written by steps that can be due, over and over until no more of them can."""
        found, left = self._given(), self._steps
        while True:
            waiting = []
            for controller, step in left:
                if next(self._lacking(controller.kind, step.when, found), None) is None:
                    _add(found, controller, step)
                else:
                    waiting.append((controller, step))
            if len(waiting) == len(left):
                return found
            left = waiting

    def _given(self) -> dict[tuple[str, str], set[str]]:
        """What objects are created with, or get by other writers; a part of which not all is known is left out."""
        scenario = self._scenario
        workload = scenario.workload
        found: dict[tuple[str, str], set[str]] = {}
        for kind, settings in scenario.kinds.items():
            if "default" not in str(settings.crd or settings.openapi or ""):  # the server itself may fill in something
                found |= {(part, kind): set() for part in ("condition", "status", "spec")}
        for kind, spec in ((workload.kind, workload.spec), *((each.kind, each.spec) for each in workload.beside)):
            found.get(("spec", kind), set()).update(_heads(spec))
        others = [(writer.kind or workload.kind, writer.set) for writer in scenario.writers]
        others += [((deed.edit or "").partition("/")[0], deed.set) for deed in workload.deeds]
        for kind, settable in others:
            if any(path.startswith("status") for path in settable):
                found.pop(("condition", kind), None)
                found.pop(("status", kind), None)
            below = [path.removeprefix("spec.") for path in settable if path.startswith("spec.")]
            found.get(("spec", kind), set()).update(_heads(below))
        return found


def _add(found: dict[tuple[str, str], set[str]], controller: ControllerSettings, step: Step) -> None:
    """Add what a step writes."""

    def add(part: str, kind: str, names: Collection[str]) -> None:
        found.get((part, kind), set()).update(_heads(names))

    for action in step.do:
        if action.status is not None:
            found.get(("condition", controller.kind), set()).update(action.status.conditions)
            add("status", controller.kind, [*action.status.set, *(["conditions"] if action.status.conditions else [])])
        if action.write is not None:
            add("spec", controller.kind, action.write.spec)
        if action.create is not None:
            add("spec", action.create.kind, action.create.spec or ())


def _heads(paths: Collection[str]) -> set[str]:
    return {path.partition(".")[0] for path in paths}


def _needs(part: str) -> Iterator[tuple[str, str, bool]]:
    """What must be there for a part of an expression to hold, and whether it is read."""
    if match := _HOLDS.match(part):
        yield "condition", match[1], False
    elif match := _HAS.match(part):
        yield match[1], match[2], False
    elif match := _READS.match(_bare(part)):
        yield ("condition" if match[2] else match[1]), match[3], True


def _bare(part: str) -> str:
    """A part without the ``!`` and brackets around it, which do not give a value to what has none."""
    while True:
        inner = part.removeprefix("!").strip()
        if inner.startswith("(") and inner.endswith(")") and len(within := conjuncts(inner[1:-1])) == 1:
            inner = within[0]
        if inner == part:
            return part
        part = inner


def conjuncts(source: str) -> list[str]:
    """The parts of an expression that must all hold: split at each && outside brackets, where there is no ||."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(source):
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return []
        if depth == 0 and source[place : place + 2] == "||":
            return []
        if depth == 0 and char == "?":
            return []
        if depth == 0 and source[place : place + 2] == "&&":
            parts.append(source[start:place].strip())
            start = place + 2
    return [*parts, source[start:].strip()]


def actions(controller: ControllerSettings) -> Iterator[Action]:
    """All actions of a controller."""
    for step in controller.steps:
        yield from step.do
