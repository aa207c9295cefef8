"""What in described operators can hardly be meant: said as warnings when a scenario is run.

Each rule stands here because it is certain from what is written, whatever happens in a run: a step that is never
reached, a field that the server drops, a condition that nobody writes or nobody reads, a controller that nothing wakes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from sim.families.operators.reach import Reach, actions
from sim.scenario.actions import VARIABLES, Creation, Step
from sim.scenario.expressions import compiled, expressions_in
from sim.scenario.kinds import EVERYWHERE, OF_CERT_MANAGER
from sim.scenario.kinds.structural import Schema
from sim.scenario.model import Scenario
from sim.scenario.names import did_you_mean
from sim.scenario.operators import ControllerSettings

_READY = "'Ready' in holds"
"""What ``workload.ready`` is by default."""
_UNQUOTED = re.compile(r"(?:size\()?(?:(?:self|owned|owner|conditions)(?:\.\w+)+|now|now_micro|generation|attempt)\)?")
"""A text that is an expression as it stands, which a template takes for what it is: a text."""
_VARYING = re.compile(r"\$\{(?!\s*name\s*\})")
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
                yield from self._actions(f"{path}.steps.{s}.do", controller, step, s)
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
            for action in actions(controller):
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
        for each in self.reach.lacking(kind, text):
            near = did_you_mean(each.name, each.known)
            what = f"the condition {each.name}" if each.part == "condition" else f"{each.part}.{each.name}"
            if each.later and each.read and not path.startswith("workload"):
                asked = f"!('{each.name}' in conditions)" if each.part == "condition" else f"!has(self.{what})"
                why = f"no {kind} has {what} before that, and nothing holds of what is not there, {so}"
                yield f"{path}: {why}; begin it with {asked} ||"
            elif each.later:
                yield f"{path}: no step that can run writes {what}, {so}"
            elif each.part == "spec":
                yield f"{path}: no {kind} has {what}, {so}{near}"
            else:
                yield f"{path}: nobody writes {what}, {so}{near}"

    @cached_property
    def reach(self) -> Reach:
        """What objects can have."""
        return Reach(self.scenario)

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

    # What one action has.

    def _actions(self, path: str, controller: ControllerSettings, step: Step, place: int) -> Iterator[str]:
        always = _constant(step.when) is True and (place == 0 or controller.all_due)
        for number, action in enumerate(step.do):
            if action.when is not None:
                so = "so it is never done"
                yield from self._never_holds(f"{path}.{number}.when", controller.kind, action.when, so)
            for key, text in _texts(action.model_dump(exclude={"when", "delete"}, exclude_none=True)):
                if _UNQUOTED.fullmatch(text):
                    yield f"{path}.{number}.{key}: writes the text {text!r}; for the value write ${{{text}}}"
            made = action.create
            if made is not None and always and action.when is None and _same_again(made):
                why = f"each pass creates the {made.kind} again, and from the second on fails with AlreadyExists"
                yield f"{path}.{number}.create: {why}; write exists: ignore, exists: update, or a when"

    def _unread(self, path: str, controller: ControllerSettings) -> Iterator[str]:
        """Conditions and fields of the status that no expression of the scenario speaks of."""
        conditions: dict[str, None] = {}
        fields: dict[str, None] = {}
        for action in actions(controller):
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
        return asked - set().union(*self.reach.conditions.values())


def _same_again(made: Creation) -> bool:
    """Whether a creation, done again, asks for the same name and fails for it."""
    name = made.name or "${name}"
    return made.exists == "error" and not made.generate_name and not _VARYING.search(name)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts in plain data, with their keys."""
    if isinstance(value, str):
        yield key, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in items:
        yield from _texts(below, f"{key}.{name}".lstrip("."))


def _constant(source: str) -> bool | None:
    """Whether an expression that reads nothing is true; ``None`` where it reads something."""
    if source == "generation-changed":
        return None
    expression = compiled(source, VARIABLES)
    return None if expression.names else expression.holds({})


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
