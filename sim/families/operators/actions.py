"""What the actions of a described controller do, each made once from its settings: a function of a pass.

The rules are those of ``sim.families.operators.described``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from sim.client import writes
from sim.client.barrier import WriteBarrier
from sim.client.conditions import condition, with_condition
from sim.client.effects import Compute, Effect, Failure, Get, Requeue, Result, Send, Sleep
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.families.operators.operator import Operator
from sim.families.operators.views import Scope
from sim.families.plain.draws import samplers
from sim.scenario.actions import (
    VARIABLES,
    Action,
    ConditionWrite,
    Creation,
    Deletion,
    EventRecord,
    MainWrite,
    Pattern,
    StatusWrite,
)
from sim.scenario.contention import Times
from sim.scenario.expressions import compiled, template, texts, words
from sim.scenario.operators import ControllerSettings, OperatorSettings
from sim.scenario.values import Strategy
from sim.units import MS

STRATEGIES: Mapping[Pattern, writes.Way] = {
    "update": "update",
    "merge-patch": "merge-patch-unconditional",
    "merge-patch-lock": "merge-patch",
    "json-patch": "json-patch",
    "apply": "apply",
    "retry": "update",
    "retry-live": "update",
}
"""The request that each pattern sends (``sim.client.writes``)."""
_SENT_AGAIN, _DELAY, _JITTER = 5, 10 * MS, 0.1
"""Of RetryOnConflict's DefaultRetry: tries, the first included, and the waits between (client-go util/retry)."""

Ended = Result | bool
"""What an action comes to: False to go on, True to end well, or how the pass ends."""
Doing = Generator[Effect, Any, Ended]
Do = Callable[["Pass"], Doing]


class Acting(Operator):
    """A controller as its actions see it."""

    settings: ControllerSettings
    operator: OperatorSettings
    barrier: WriteBarrier | None
    jitter: Callable[[], float]
    lists: Sequence[str]
    """The kinds that its expressions list."""
    creates: Sequence[str]
    """The kinds that it creates objects of."""

    def manager_of(self, pattern: Pattern) -> str:
        """The field manager of a write."""
        own = self.name if pattern == "apply" else self.operator.name
        return self.settings.field_manager or own


class Pass:
    """One pass of a described controller: what it holds."""

    __slots__ = ("controller", "held", "seen")

    def __init__(self, controller: Acting, held: Object) -> None:
        self.controller = controller
        self.held = held
        self.look()

    def look(self) -> None:
        """Note which of the objects that it may create the cache shows by now."""
        controller, uid = self.controller, self.held.uid
        self.seen = {kind: [each.name for each in controller.cached(kind).owned_by(uid)] for kind in controller.creates}

    def scope(self, copy: Object | None = None) -> Scope:
        """What expressions can read of a copy of what it owns, or of what is held."""
        return Scope(self.controller, copy or self.held, None if copy is None else self.held)


def action_of(settings: ControllerSettings, action: Action, place: str, streams: Any) -> Do:
    """An action, where its condition holds on what is held by then."""
    do = _action(settings, action, place, streams)
    if action.when is None:
        return do
    when = compiled(action.when, VARIABLES)

    def where(one: Pass) -> Doing:
        return (yield from do(one)) if when.holds(one.scope()) else False

    return where


def _action(settings: ControllerSettings, action: Action, place: str, streams: Any) -> Do:
    """Return what an action does; exactly one of its keys is given."""
    if action.work is not None:
        return _spend(Sleep, action.work, place, streams)
    if action.cpu is not None:
        return _spend(Compute, action.cpu, place, streams)
    if action.read is not None:
        return _read_live if action.read == "live" else _read_cache
    if action.status is not None:
        return _writing(action.status.by or settings.writes, _status_maker(action.status))
    if action.write is not None:
        return _writing(action.write.by or settings.writes, _main_maker(action.write))
    if action.create is not None:
        return _creation(action.create)
    if action.delete is not None:
        return _deletion(action.delete)
    if action.event is not None:
        return _event(action.event)
    if action.fail is not None:
        return _end(Failure(action.fail))
    return _end(Requeue(action.requeue_after) if action.requeue_after is not None else Requeue())


def _spend(effect: type[Sleep] | type[Compute], times: Times, place: str, streams: Any) -> Do:
    (draw,) = samplers(streams, place, "work", 1, times)

    def spend(_: Pass) -> Doing:
        yield effect(draw())
        return False

    return spend


def _end(result: Result) -> Do:
    def end(_: Pass) -> Doing:
        return result
        yield

    return end


def _read_cache(one: Pass) -> Doing:
    """Go on with what the cache has now; a key whose object is gone is done."""
    barrier = one.controller.barrier
    if barrier is not None:
        yield from barrier.read(one.held.kind, one.held.name)
        for kind in one.controller.lists:
            yield from barrier.read(kind)
    fresh = one.controller.cache.get(one.held.name)
    if fresh is None:
        return True
    one.held = fresh
    one.look()
    return False


def _read_live(one: Pass) -> Doing:
    held = one.held
    answer: Response | Failure = yield Get(writes.get(held.kind, held.name), one.controller.about(held))
    if isinstance(answer, Failure) or answer.code >= 400:
        return answer
    assert answer.object is not None
    one.held = answer.object
    return False


Make = Callable[[Pass, Object, writes.Way, str], Write]
"""Makes a write from a copy: by a strategy, under a field manager."""


def _writing(pattern: Pattern, make: Make) -> Do:
    """Send what ``make`` makes, by the pattern; what the server answers is held from then on."""
    strategy = STRATEGIES[pattern]

    def send_once(one: Pass, copy: Object) -> Generator[Effect, Any, Response | Failure]:
        controller = one.controller

        def remake(other: Object, how: Strategy | None) -> Write:
            other_pattern: Pattern = "apply" if how == "apply" else pattern
            return make(one, other, how or strategy, controller.manager_of(other_pattern))

        answer: Response | Failure = yield Send(remake(copy, None), controller.about(copy), copy, remake)
        return answer

    def finish(one: Pass, answer: Response | Failure) -> Ended:
        if isinstance(answer, Failure) or answer.code >= 400:
            return answer
        if answer.object is not None:
            one.held = answer.object
        return False

    def once(one: Pass) -> Doing:
        return finish(one, (yield from send_once(one, one.held)))

    def again(one: Pass) -> Doing:
        """RetryOnConflict: the read is inside, so each try has a copy of its own."""
        read = _read_live if pattern == "retry-live" else _read_cache
        answer: Response | Failure | None = None
        for n in range(_SENT_AGAIN):
            if n:
                yield Sleep(round(_DELAY * (1 + _JITTER * one.controller.jitter())))
            ended = yield from read(one)
            if ended is not False:
                return ended
            answer = yield from send_once(one, one.held)
            if isinstance(answer, Failure) or not answer.stale:
                break
        assert answer is not None
        return finish(one, answer)

    return again if pattern in {"retry", "retry-live"} else once


def _status_maker(settings: StatusWrite) -> Make:
    fields = template(settings.set, VARIABLES)
    conditions = [(type_, each, *_texts(each)) for type_, each in settings.conditions.items()]

    def make(one: Pass, copy: Object, strategy: writes.Way, manager: str) -> Write:
        scope = one.scope(copy)
        status: dict[str, Any] = dict(copy.status or {})
        own: dict[str, Any] = {}
        for path, made in fields(scope).items():
            _put(status, path, made)
            _put(own, path, made)
        for path in settings.remove:
            _take(status, path)
        now = one.controller.now_s
        for type_, each, reason, message in conditions:
            observed = copy.generation if each.observed else None
            status = with_condition(status, type_, each.status, reason(scope), message(scope), now, observed)
            own.setdefault("conditions", []).append(condition(status, type_))
        applied = {"status": own} if strategy == "apply" else None
        return writes.replace(strategy, copy, {"status": status}, manager=manager, own=applied, subresource="status")

    return make


def _texts(settings: ConditionWrite | EventRecord) -> tuple[Callable[[Any], str], Callable[[Any], str]]:
    return words(settings.reason, VARIABLES), words(settings.message, VARIABLES)


def _main_maker(settings: MainWrite) -> Make:
    metadata = {
        key: template(values, VARIABLES)
        for key, values in (("annotations", settings.annotations), ("labels", settings.labels))
        if values
    }
    parts = {
        key: template(values, VARIABLES) for key, values in (("spec", settings.spec), ("data", settings.data)) if values
    }

    def make(one: Pass, copy: Object, strategy: writes.Way, manager: str) -> Write:
        scope = one.scope(copy)
        fields: writes.Body = {}
        if metadata:
            fields["metadata"] = {key: texts(value(scope)) for key, value in metadata.items()}
        if settings.add_finalizer or settings.remove_finalizer:
            kept = [each for each in copy.finalizers if each != settings.remove_finalizer]
            if settings.add_finalizer and settings.add_finalizer not in kept:
                kept.append(settings.add_finalizer)
            fields.setdefault("metadata", {})["finalizers"] = kept
        for part, values in parts.items():
            found, made = values(scope), dict[str, Any]()
            for path, value in (texts(found) if part == "data" else found).items():
                _put(made, path, value)
            fields[part] = made
        return writes.set_fields(strategy, fields, read=copy, manager=manager)

    return make


def _creation(settings: Creation) -> Do:
    name = words(settings.name if settings.name is not None else "${name}", VARIABLES)
    prefix = words(settings.generate_name, VARIABLES) if settings.generate_name is not None else None
    body_of = template(
        {
            key: value
            for key, value in (
                ("metadata", {"labels": settings.labels} if settings.labels else None),
                ("spec", settings.spec),
                ("data", settings.data),
            )
            if value is not None
        },
        VARIABLES,
    )

    def create(one: Pass) -> Doing:
        controller, held = one.controller, one.held
        scope = one.scope()
        generated = prefix(scope) + controller.manager.suffix(controller.name, "names") if prefix else None
        wanted, body = generated or name(scope), body_of(scope)
        for within, part in ((body, "data"), (body.get("metadata", {}), "labels")):
            if part in within:
                within[part] = texts(within[part])
        if settings.exists == "update":
            there = controller.cached(settings.kind).get(wanted)
            if there is not None:
                return (yield from _update_owned(one, there, body))
        owner = held.uid if settings.owned else ""
        write = writes.create(settings.kind, wanted, body, manager=controller.manager_of("update"), owner=owner)
        answer = yield Send(write, controller.about(held), held, seen=one.seen[settings.kind])
        if isinstance(answer, Response) and answer.reason == "AlreadyExists" and settings.exists == "ignore":
            return False
        return answer if answer.code >= 400 else False

    return create


def _update_owned(one: Pass, there: Object, body: writes.Body) -> Doing:
    """CreateOrUpdate's second half: an update of the cached object, where something differs."""
    write = writes.set_fields("update", body, read=there, manager=one.controller.manager_of("update"))
    if all(
        writes.difference(getattr(there, part) or {}, write.body[part]) == {} for part in body if part != "metadata"
    ):
        return False
    answer = yield Send(write, one.controller.about(one.held), there)
    return answer if answer.code >= 400 else False


def _deletion(settings: Deletion) -> Do:
    which = compiled(settings.which, VARIABLES)

    def delete(one: Pass) -> Doing:
        held = one.held
        answer: Response | Failure
        if settings.kind is None:
            objects = [held]
        else:
            owned = one.controller.cached(settings.kind).owned_by(held.uid)
            objects = [each for each in owned if which.holds(one.scope(each))]
        for each in objects:
            answer = yield Send(writes.delete(each.kind, each.name), one.controller.about(held), each)
            if answer.code >= 400 and answer.code != 404:
                return answer
        return settings.kind is None

    return delete


def _event(settings: EventRecord) -> Do:
    reason, message = _texts(settings)

    def event(one: Pass) -> Doing:
        scope = one.scope()
        one.controller.event(one.held, reason(scope), message(scope))
        return False
        yield

    return event


def _put(into: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted field; maps on the way are copied, because versions are shared."""
    *above, last = path.split(".")
    for name in above:
        below = into.get(name)
        into[name] = below = dict(below) if isinstance(below, dict) else {}
        into = below
    into[last] = value


def _take(of: dict[str, Any], path: str) -> None:
    *above, last = path.split(".")
    for name in above:
        below = of.get(name)
        if not isinstance(below, dict):
            return
        of[name] = below = dict(below)
        of = below
    of.pop(last, None)
