"""What in described operators can hardly be meant: said as warnings when a scenario is run.

Each rule stands here because it is certain from what is written, whatever happens in a run: a step that is never
reached, a field that the server drops, a condition that nobody writes or nobody reads, a controller that nothing wakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from sim.scenario.actions import VARIABLES, Action, Step
from sim.scenario.expressions import compiled, expressions_in
from sim.scenario.kinds import EVERYWHERE, OF_CERT_MANAGER
from sim.scenario.kinds.structural import Schema
from sim.scenario.model import Scenario
from sim.scenario.names import did_you_mean
from sim.scenario.operators import ControllerSettings

_HOLDS = re.compile(r"^'([^']+)' in (?:holds|conditions)$")
_HAS = re.compile(r"^has\(self\.status\.(\w+)[\w.]*\)$")
_READY = "'Ready' in holds"
"""What ``workload.ready`` is by default."""
_ENDS = ("requeue_after", "requeue", "fail")
_FOR_PEOPLE = frozenset({"observedGeneration"})
"""Fields that are there for others than controllers to read, by the API conventions."""


def hardly_meant(scenario: Scenario) -> list[str]:
    """Return a sentence, with its key, for each thing in the scenario's operators that can hardly be meant."""
    return [*_Sense(scenario).warnings()] if scenario.operators else []


class _Sense:
    """What the operators of a scenario write, read and create, gathered once."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.controllers = [
            (f"operators.{o}.controllers.{c}", controller)
            for o, operator in enumerate(scenario.operators)
            for c, controller in enumerate(operator.controllers)
        ]

    def warnings(self) -> Iterator[str]:
        """All sentences, in the order of the file."""
        for path, controller in self.controllers:
            yield from self._asleep(path, controller)
            for s, step in enumerate(controller.steps):
                yield from self._never(f"{path}.steps.{s}", controller, step, s)
                yield from self._steps_end(f"{path}.steps.{s}", step)
                yield from self._dropped(f"{path}.steps.{s}", controller, step)
            yield from self._unread(path, controller)
        yield from self._never_ready()

    # What nothing wakes.

    def _asleep(self, path: str, controller: ControllerSettings) -> Iterator[str]:
        kind = controller.kind
        if kind not in self.created:
            yield f"{path}.for: no object of kind {kind} is ever created, so nothing wakes {controller.name}"
        elif any(_constant(text) is False for text in controller.predicates) and not (
            controller.owns or controller.watches
        ):
            yield f"{path}.predicates: one of them never holds, so nothing wakes {controller.name}"
        wakes = {*controller.owns, *(each.kind for each in controller.watches)}
        for each in (*controller.owns, *(watched.kind for watched in controller.watches)):
            if each not in self.created and each not in EVERYWHERE:
                yield f"{path}: no object of kind {each} is ever created, so none wakes {controller.name}"
        for each in sorted({*controller.lists} - wakes):
            why = f"{controller.name} reads owned.{each}, and no event about a {each} wakes it"
            yield f"{path}: {why}; name {each} under owns, as Owns(...) does"

    @cached_property
    def created(self) -> set[str]:
        """The kinds of which there are objects."""
        found = {self.scenario.workload.kind, *(each.kind for each in self.scenario.workload.beside)}
        if self.scenario.workload.kind in OF_CERT_MANAGER:
            found |= {*OF_CERT_MANAGER, "Secret"}
        for _, controller in self.controllers:
            for action in _actions(controller):
                if action.create is not None:
                    found.add(action.create.kind)
        return found

    # What never runs.

    def _never(self, path: str, controller: ControllerSettings, step: Step, place: int) -> Iterator[str]:
        if not controller.all_due:
            for earlier, other in enumerate(controller.steps[:place]):
                if _constant(other.when) is True or other.when.split() == step.when.split():
                    when = "always due" if _constant(other.when) is True else "due whenever it is"
                    yield f"{path}: can never run: step {earlier} comes before it and is {when}"
                    return
        if _constant(step.when) is False:
            yield f"{path}.when: {step.when!r} never holds, so the step can never run"
            return
        yield from self._never_holds(f"{path}.when", controller.kind, step.when, "so the step can never run")

    def _never_ready(self) -> Iterator[str]:
        workload = self.scenario.workload
        for key, text in (("ready", workload.ready or _READY), ("settled", workload.settled or "")):
            so = f"so no {workload.kind} is ever {'Ready' if key == 'ready' else key}"
            yield from self._never_holds(f"workload.{key}", workload.kind, text, so)

    def _never_holds(self, path: str, kind: str, text: str, so: str) -> Iterator[str]:
        known = self.conditions.get(kind), self.fields.get(kind)
        for part in _conjuncts(text):
            condition, field = _HOLDS.match(part), _HAS.match(part)
            if condition and known[0] is not None and condition[1] not in known[0]:
                yield f"{path}: nobody writes the condition {condition[1]}, {so}{did_you_mean(condition[1], known[0])}"
            elif field and known[1] is not None and field[1] not in known[1]:
                yield f"{path}: nobody writes status.{field[1]}, {so}{did_you_mean(field[1], known[1])}"

    @cached_property
    def conditions(self) -> Mapping[str, set[str]]:
        """By kind the conditions that controllers write, of those kinds whose status nobody else writes."""
        return self._written(lambda action: set(action.status.conditions) if action.status else set())

    @cached_property
    def fields(self) -> Mapping[str, set[str]]:
        """By kind the top-level fields of the status that controllers write; of the same kinds."""

        def names(action: Action) -> set[str]:
            status = action.status
            if status is None:
                return set()
            found = {path.partition(".")[0] for path in status.set}
            return found | ({"conditions"} if status.conditions else set())

        return self._written(names)

    def _written(self, names: Any) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {kind: set() for kind in self.scenario.kinds if not self._defaults(kind)}
        for _, controller in self.controllers:
            if controller.kind in found:
                for action in _actions(controller):
                    found[controller.kind] |= names(action)
        for writer in self.scenario.writers:
            if any(path.startswith("status") for path in writer.set):
                found.pop(writer.kind or self.scenario.workload.kind, None)
        return found

    def _defaults(self, kind: str) -> bool:
        """Whether the server itself may fill in something of the status."""
        return "default" in str(self.scenario.kinds[kind].crd or self.scenario.kinds[kind].openapi or "")

    def _steps_end(self, path: str, step: Step) -> Iterator[str]:
        for number, action in enumerate(step.do[:-1]):
            ends = next((key for key in _ENDS if getattr(action, key) is not None), None)
            if action.delete is not None and action.delete.kind is None:
                ends = "delete"
            if ends and (action.when is None or _constant(action.when) is True):
                yield f"{path}.do.{number + 1}: can never run: {ends} before it ends the reconcile"
                return

    # What the server drops, and what nobody reads.

    def _dropped(self, path: str, controller: ControllerSettings, step: Step) -> Iterator[str]:
        settings = self.scenario.kinds.get(controller.kind)
        if settings is None:
            return
        described = settings.description(controller.kind)
        for number, action in enumerate(step.do):
            written = []
            if action.status is not None:
                written += [("status", key, f"status.set.{key}") for key in action.status.set]
                written += [("status", "conditions", "status.conditions")] * bool(action.status.conditions)
                if not described.status and (action.status.set or action.status.conditions):
                    yield f"{path}.do.{number}: {controller.kind} has no status subresource; the server answers 404"
                    continue
            if action.write is not None:
                written += [("spec", key, f"write.spec.{key}") for key in action.write.spec]
            for part, key, where in written:
                missing = _unknown(described.schema, [part, *key.split(".")])
                if missing is not None:
                    name, near = missing[0], did_you_mean(*missing)
                    why = f"the schema of {controller.kind} has no field {name} there, so the server drops it"
                    yield f"{path}.do.{number}.{where}: {why}{near}"

    def _unread(self, path: str, controller: ControllerSettings) -> Iterator[str]:
        """Conditions and fields of the status that no expression of the scenario speaks of."""
        conditions: dict[str, None] = {}
        fields: dict[str, None] = {}
        for action in _actions(controller):
            if action.status is not None:
                conditions.update(dict.fromkeys(action.status.conditions))
                fields.update(dict.fromkeys(key.partition(".")[0] for key in action.status.set))
        nobody = [f"the condition {name}" for name in conditions if not self._speaks_of(name)]
        nobody += [f"status.{name}" for name in fields if name not in _FOR_PEOPLE and not self._speaks_of(name)]
        if nobody:
            known = sorted(self.asked_for - set(conditions) - set(fields))
            near = next((hint for name in conditions if (hint := did_you_mean(name, known))), "")
            yield f"{path}: {controller.name} writes {_listed(nobody)}, which no expression reads{near}"

    def _speaks_of(self, name: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", self.read) is not None

    @cached_property
    def read(self) -> str:
        """All expressions of the scenario, one after the other."""
        workload = self.scenario.workload
        found = [workload.ready or _READY, workload.settled or ""]
        for _, controller in self.controllers:
            found += [text for text in controller.predicates if text != "generation-changed"]
            found += expressions_in(controller.model_dump())
        return "\n".join(found)

    @cached_property
    def asked_for(self) -> set[str]:
        """Conditions that expressions ask for and nobody writes."""
        asked = set(re.findall(r"'([A-Za-z]\w*)' in (?:holds|conditions)", self.read))
        return asked - set().union(*self.conditions.values())


def _actions(controller: ControllerSettings) -> Iterator[Action]:
    for step in controller.steps:
        yield from step.do


def _constant(source: str) -> bool | None:
    """Whether an expression that reads nothing is true; ``None`` where it reads something."""
    if source == "generation-changed":
        return None
    expression = compiled(source, VARIABLES)
    return None if expression.names else expression.holds({})


def _conjuncts(source: str) -> list[str]:
    """The parts of an expression that must all hold: split at each && outside brackets, where there is no ||."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(source):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and source[place : place + 2] == "||":
            return []
        if depth == 0 and char == "?":
            return []
        if depth == 0 and source[place : place + 2] == "&&":
            parts.append(source[start:place].strip())
            start = place + 2
    return [*parts, source[start:].strip()]


def _unknown(schema: Schema, names: list[str]) -> tuple[str, list[str]] | None:
    """The first field on a way that a schema does not know and would drop, and those that it has there."""
    for name in names:
        below = schema.below(name)
        if below is None:
            if schema.preserve_unknown or schema.additional is True:
                return None
            return name, sorted(schema.properties)
        schema = below
    return None


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
