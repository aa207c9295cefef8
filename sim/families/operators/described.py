"""A described controller: an ``Operator`` class made from a scenario's steps; the engine is that of ``Operator``.

A pass looks for the first step whose ``when`` holds on the cached copy (or all of them) and follows its actions. What
it *holds* is that copy until a write is answered: then it is what the server returned, as client-go overwrites the
object passed in; a ``read`` action puts another in its place. Values are made from what is held.

The ten rules:

1. ``when`` is decided from the cache, before anything costs time; a pass without a due step is an idle one.
2. Values of a write are made when it is made, from what is held; under a retry from each copy that is read again.
3. update sends what is held, changed, with its version; merge-patch the difference, lists whole, no version;
   merge-patch-lock the difference and the version; json-patch the difference as operations; apply the fields named
   and nothing else, by force.
4. retry reads the cache again before each of five tries, 10 ms apart (a tenth of jitter); retry-live the server.
5. An answer of 400 or more ends the pass with an error: the key comes again after the back-off.
6. requeue_after forgets the failures; requeue counts as one; both end the pass.
7. Creations carry a controller reference to the reconciled object unless told not to.
8. Objects that it owns are looked up in the cache: a stale one lets it create twice.
9. Applies go under the controller's own field manager, all other writes under the operator's.
10. Everything else (queue, limits, caches, events) is what the runtime of its process is built with.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.client.barrier import WriteBarrier
from sim.client.effects import Reconcile
from sim.client.manager import Manager
from sim.cluster.objects import Object
from sim.families.operators.actions import Acting, Do, Pass, action_of
from sim.families.operators.operator import Operator
from sim.families.operators.views import Scope
from sim.scenario.actions import VARIABLES
from sim.scenario.expressions import compiled
from sim.scenario.operators import ControllerSettings, OperatorSettings
from sim.scenario.runtimes import built_with


class DescribedController(Acting):
    """A controller whose reconcile is an ordered list of steps; ``described`` makes a class for each."""

    def __init__(self, manager: Manager) -> None:
        streams = manager.process.streams
        self._steps = [
            (
                compiled(step.when, VARIABLES),
                [action_of(self.settings, action, f"{self.name}/{n}.{m}", streams) for m, action in enumerate(step.do)],
            )
            for n, step in enumerate(self.settings.steps)
        ]
        self._predicates = [
            compiled(text, VARIABLES) for text in self.settings.predicates if text != "generation-changed"
        ]
        self._generations: dict[str, int] | None = {} if "generation-changed" in self.settings.predicates else None
        self._watched_by = {watched.kind: watched.by for watched in self.settings.watches}
        self.jitter = streams.uniform(self.name, "retry-on-conflict")
        self.barrier = manager.barrier
        self.lists = sorted(self.settings.lists)
        actions = [action for step in self.settings.steps for action in step.do]
        self.creates = sorted({action.create.kind for action in actions if action.create is not None})
        super().__init__(manager)

    def register(self) -> None:
        """Woken by its own kind, as the predicates let it, and by what it owns and watches."""
        plain = not self._predicates and self._generations is None
        informer = self.manager.informer(self.kind)
        informer.add_handler(self.workers.add_object if plain else self._on_own)
        for kind in dict.fromkeys((*self.settings.owns, *self._watched_by)):
            self.manager.informer(kind).add_handler(self._on_other)

    def _on_own(self, obj: Object) -> None:
        if self._generations is not None:
            before = self._generations.get(obj.name)
            self._generations[obj.name] = obj.generation
            if before == obj.generation:
                return
        if all(predicate.holds(Scope(self, obj)) for predicate in self._predicates):
            self.workers.add_object(obj)

    def wakes(self, obj: Object) -> Iterator[str]:
        """Its controlling owner where it is owned; else what the mapping of the watch says."""
        by = self._watched_by.get(obj.kind, "owner")
        if obj.kind in self.settings.owns or by == "owner":
            owner = self._names_by_uid.get(obj.owner)
            if owner is not None:
                yield owner
        if by == "name":
            yield obj.name
        elif by == "all":
            yield from sorted(each.name for each in self.cache.values())
        elif by != "owner":
            yield from sorted(self._names_by_reference.get((obj.kind, obj.name), ()))

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Follow the first step that is due, or all; with a client that reads its own writes once it may read."""
        barrier = self.barrier
        if barrier is None:
            return self._due(obj)
        if barrier.clear(self.kind, obj.name) and all(map(barrier.clear, self.lists)):
            steps = self._due(obj)
            return None if steps is None else barrier.around(steps)
        return self._once_seen(barrier, obj.name)

    def _once_seen(self, barrier: WriteBarrier, name: str) -> Reconcile:
        """Wait for the key, then for the lists, one read after the other, and decide from what the cache has."""
        yield from barrier.read(self.kind, name)
        fresh = self.cache.get(name)
        for kind in self.lists:
            yield from barrier.read(kind)
        steps = self._due(fresh) if fresh is not None else None
        return None if steps is None else (yield from barrier.around(steps))

    def _due(self, obj: Object) -> Reconcile | None:
        scope = Scope(self, obj)
        due: list[Do] = []
        for when, actions in self._steps:
            if when.holds(scope):
                due += actions
                if not self.settings.all_due:
                    break
        return self._follow(Pass(self, obj), due) if due else None

    def _follow(self, one: Pass, actions: list[Do]) -> Reconcile:
        for action in actions:
            ended = yield from action(one)
            if ended is not False:
                return None if ended is True else ended
        return None


def described(operator: OperatorSettings) -> list[type[Operator]]:
    """Return the classes of an operator's controllers."""
    return [_class(operator, controller) for controller in operator.controllers]


def _class(operator: OperatorSettings, controller: ControllerSettings) -> type[Operator]:
    by_field = {each.kind: each.by for each in controller.watches if each.by not in {"owner", "name", "all"}}
    attributes = {
        "__doc__": f"The controller {controller.name} of the operator {operator.name}, as the scenario describes it.",
        "name": controller.name,
        "kind": controller.kind,
        "references": {kind: field.removeprefix("spec.") for kind, field in by_field.items()},
        "program": operator.name,
        "concurrency": controller.workers,
        "runtime": operator.runtime,
        "settings": controller,
        "operator": operator,
        "retry": controller.retry or built_with(operator.runtime, operator.queue).retry,
    }
    return type(f"Described{controller.name.title().replace('-', '')}", (DescribedController,), attributes)
