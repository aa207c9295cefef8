"""cert-manager's controllers, writers outside, and what a controller of your own is made of.

For your own: subclass ``Operator`` and give it to ``sim.run(scenario, operators=[...])``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.client.conditions import condition, is_true
    from sim.client.effects import Compute, Failure, Sleep
    from sim.cluster.messages import Response
    from sim.cluster.objects import Object
    from sim.families.operators.operator import Operator
    from sim.scenario.retry import Retry

_HOMES = {
    "Compute": "sim.client.effects",
    "Failure": "sim.client.effects",
    "Object": "sim.cluster.objects",
    "Operator": "sim.families.operators.operator",
    "Response": "sim.cluster.messages",
    "Retry": "sim.scenario.model",
    "Sleep": "sim.client.effects",
    "condition": "sim.client.conditions",
    "is_true": "sim.client.conditions",
}

__all__ = ["Compute", "Failure", "Object", "Operator", "Response", "Retry", "Sleep", "condition", "is_true"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim.controllers' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
