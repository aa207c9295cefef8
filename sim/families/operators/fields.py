"""The parts of a subject that attribution tells apart, from what a scenario says of its operators."""

from __future__ import annotations

from sim.scenario.model import Scenario

_MOST = 59
"""Parts that a mask of 62 bits can tell apart beside what is left over."""


def fields_of(scenario: Scenario) -> tuple[str, ...]:
    """The parts of a subject that its operators write: conditions and top-level fields of the status."""
    conditions: dict[str, None] = {}
    fields: dict[str, None] = {}
    for operator in scenario.operators:
        for controller in operator.controllers:
            if controller.kind != scenario.workload.kind:
                continue
            for step in controller.steps:
                for action in step.do:
                    if action.status is not None:
                        conditions.update(dict.fromkeys(action.status.conditions))
                        fields.update(dict.fromkeys(path.partition(".")[0] for path in action.status.set))
    names = [f"status.conditions[{type_}]" for type_ in conditions] + [f"status.{name}" for name in fields]
    return (*names[:_MOST], "status (other)", "spec", "metadata")
