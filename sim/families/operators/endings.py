"""How a replication ended for each object of a workload that operators act on, from what is left at its end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sim.client.manager import Manager
from sim.cluster.objects import Object
from sim.families.endings import WAITING, Ending, LastPass, dropped


class OperatorRemains:
    """What is left at the end of a replication; only to be looked at once nothing runs any more."""

    def __init__(self, managers: Iterable[Manager], kind: str, last: LastPass) -> None:
        self._controllers = [
            controller for manager in managers for controller in manager.controllers if controller.cache.kind == kind
        ]
        names = {each.name for each in self._controllers}  # a key of another controller's is of another kind
        self._last = cache(lambda: {each: outcome for each, outcome in last().items() if each[0] in names})

    def ending(self, obj: Object) -> Ending:
        """How it ended for an object that is not settled."""
        held: dict[str, str] = {}
        for controller in self._controllers:
            for key, where in controller.held():
                if key == obj.name:
                    held.setdefault(where, f"{controller.name}: waits {WAITING.get(where, '')}")
        for cause in WAITING:
            if cause in held:
                return Ending("waiting", cause, held[cause])
        gone = dropped(self._last, {obj.name})
        if gone is not None:
            return gone
        for controller in self._controllers:
            cached = controller.cache.get(obj.name)
            if cached is not None and controller.acts(cached):
                return Ending("stuck", "unwoken", f"{controller.name} would act, and nothing wakes it")
        return Ending("stuck", "nothing", "no controller has a step that is due")

    def faults(self) -> list[str]:
        """Nothing is asked of operators that would be a fault of the simulator."""
        return []
