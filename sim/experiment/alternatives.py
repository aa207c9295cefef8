"""What an operator could do otherwise: one change each, as settings of the scenario, as Go, and with its reason.

The Go is that of controller-runtime (sigs.k8s.io/controller-runtime pkg/client, pkg/builder, pkg/controller) and
client-go (k8s.io/client-go/util/retry); names such as ``obj`` and ``r`` are the reader's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from sim.scenario.actions import Action, Pattern
from sim.scenario.model import Scenario
from sim.scenario.operators import ControllerSettings, OperatorSettings
from sim.scenario.reading.overrides import written
from sim.scenario.runtimes import RUNTIMES, RuntimeName
from sim.units import counted

WORKERS = (1, 10)
"""Numbers of workers that are tried."""
LATEST: RuntimeName = "controller-runtime-0.25"
GENERATION = "generation-changed"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One change of a described operator.

    ``name`` says whose and what, ``settings`` are what ``--set`` takes, ``go`` is the change in a controller's code,
    ``why`` the reason that it may help, ``caution`` what it may cost that a run need not show; ``guarded`` is False
    for writes that nothing refuses when they are stale.
    """

    name: str
    whose: str
    change: str
    settings: Mapping[str, str]
    go: str
    why: str
    caution: str = ""
    guarded: bool = True


class _Words(NamedTuple):
    go: str
    why: str
    caution: str = ""
    guarded: bool = True


_UNLOCKED = (
    "nothing refuses it when it is stale: a list such as status.conditions is replaced whole, and what another wrote "
    "into it meanwhile is gone without an error"
)
_HIDDEN = "the reconcile decided from an older copy: build what you write inside the function, from what it read"

PATTERNS: Mapping[Pattern, _Words] = {
    "update": _Words(
        "if err := {w}.Update(ctx, obj); err != nil {{ return ctrl.Result{{}}, err }}",
        "the resourceVersion of the copy guards the whole object; a refusal comes again from a fresh copy",
    ),
    "merge-patch": _Words(
        "before := obj.DeepCopy() // then change obj\nerr := {w}.Patch(ctx, obj, client.MergeFrom(before))",
        "only what differs is sent, and nothing is refused",
        _UNLOCKED,
        False,
    ),
    "merge-patch-lock": _Words(
        "before := obj.DeepCopy() // then change obj\n"
        "err := {w}.Patch(ctx, obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{{}}))",
        "a merge patch that carries the resourceVersion of its copy: lists are guarded, and a stale one is refused",
    ),
    "json-patch": _Words(
        "err := {w}.Patch(ctx, obj, client.RawPatch(types.JSONPatchType, operations))",
        "operations on single places, and nothing is refused",
        _UNLOCKED,
        False,
    ),
    "apply": _Words(
        "// own: an object with no field but yours\nerr := {w}.Patch(ctx, own, client.Apply, client.ForceOwnership, "
        'client.FieldOwner("{name}"))',
        "each controller owns its fields and list items, so that writers of different ones never refuse each other",
        "it takes fields by force that others own; send the same fields each time: what is left out is removed",
    ),
    "retry": _Words(
        "err := retry.RetryOnConflict(retry.DefaultRetry, func() error {{\n"
        "  if err := r.Get(ctx, key, obj); err != nil {{ return err }} // then change obj\n"
        "  return {w}.Update(ctx, obj) }})",
        "a refusal is tried again in place, from the cache, and no Error line is logged unless all five tries fail",
        f"the conflicts are hidden rather than avoided; {_HIDDEN}",
    ),
    "retry-live": _Words(
        "err := retry.RetryOnConflict(retry.DefaultRetry, func() error {{\n"
        "  if err := r.APIReader.Get(ctx, key, obj); err != nil {{ return err }} // then change obj\n"
        "  return {w}.Update(ctx, obj) }})",
        "each try reads from the API server, so that little time is left for another to write in between",
        f"a GET for every write; {_HIDDEN}",
    ),
}
"""How each pattern is written, and why; ``{w}`` is the client that writes."""

_APPLY_FROM_23 = (
    '// own: an apply configuration with no field but yours\nerr := {w}.Apply(ctx, own, client.FieldOwner("{name}"), '
    "client.ForceOwnership)"
)
"""From controller-runtime 0.22 (0.23 for the status) a method of its own takes the place of the patch type."""


def alternatives(scenario: Scenario, operator: str | None = None) -> list[Alternative]:
    """Return what the described operators of a scenario, or one of them, could do otherwise.

    Raises ``ValueError`` where there is none of that name, or none at all.
    """
    from sim.scenario.names import nearest

    names = [each.name for each in scenario.operators]
    if not names:
        raise ValueError(
            f"{scenario.name} describes no operator: advise is about those under operators (docs/operators.md); "
            "cert-manager's ways of writing: requeue compare SCENARIO --vary strategy=update,apply"
        )
    if operator is not None and operator not in names:
        near = nearest(operator, names)
        raise ValueError(
            f"there is no operator {operator!r}; "
            + (f"did you mean {near}?" if near else f"there are {', '.join(names)}")
        )
    found: list[Alternative] = []
    for o, settings in enumerate(scenario.operators):
        if operator is None or settings.name == operator:
            found += _of_operator(f"operators.{o}", settings)
    return found


def _of_operator(path: str, operator: OperatorSettings) -> Iterator[Alternative]:
    places = {f"{path}.controllers.{c}": each for c, each in enumerate(operator.controllers)}
    writing = {place: each for place, each in places.items() if _patterns(each)}
    if len(writing) > 1:
        yield from _writes(operator.name, writing, operator)
    for place, controller in writing.items():
        yield from _writes(controller.name, {place: controller}, operator)
    for place, controller in places.items():
        yield from _reads(place, controller)
        yield from _creations(place, controller)
        yield from _predicates(place, controller)
        yield from _workers(place, controller)
    yield from _own_writes(path, operator)


def _actions(controller: ControllerSettings) -> Iterator[tuple[int, int, Action]]:
    for s, step in enumerate(controller.steps):
        for a, action in enumerate(step.do):
            yield s, a, action


def _patterns(controller: ControllerSettings) -> set[Pattern]:
    """The ways in which a controller writes now."""
    found = [action.status or action.write for _, _, action in _actions(controller)]
    return {each.by or controller.writes for each in found if each is not None}


def _writer(controllers: list[ControllerSettings]) -> str:
    """The client of the first write, as Go."""
    every = [action for each in controllers for _, _, action in _actions(each)]
    return "r.Status()" if any(action.status is not None for action in every) else "r"


def _writes(whose: str, places: Mapping[str, ControllerSettings], operator: OperatorSettings) -> Iterator[Alternative]:
    now = {pattern for each in places.values() for pattern in _patterns(each)}
    writer = _writer(list(places.values()))
    for pattern in get_args(Pattern):
        if now == {pattern}:
            continue
        settings = {}
        for place, controller in places.items():
            settings[f"{place}.writes"] = pattern
            for s, a, action in _actions(controller):
                for key, write in (("status", action.status), ("write", action.write)):
                    if write is not None and write.by is not None:
                        settings[f"{place}.steps.{s}.do.{a}.{key}.by"] = "null"
        words = PATTERNS[pattern]
        go = _APPLY_FROM_23 if pattern == "apply" and _minor(operator.runtime) >= 23 else words.go
        made = go.format(w=writer, name=next(iter(places.values())).name)
        change = f"write by {pattern}" if len(places) == 1 else f"all its controllers write by {pattern}"
        yield Alternative(f"{whose}: {pattern}", whose, change, settings, made, words.why, words.caution, words.guarded)


def _minor(runtime: RuntimeName) -> int:
    return int(runtime.rpartition(".")[2]) if runtime.startswith("controller-runtime-") else 0


def _plain(action: Action) -> dict[str, Any]:
    plain: dict[str, Any] = action.model_dump(mode="json", exclude_defaults=True)
    return plain


def _reads(place: str, controller: ControllerSettings) -> Iterator[Alternative]:
    """Going on with what a write returned in place of a second read; reading from the API server."""
    name = controller.name
    kept: dict[str, str] = {}
    live: dict[str, str] = {}
    for s, step in enumerate(controller.steps):
        do = [_plain(action) for action in step.do]
        behind = [
            a
            for a, action in enumerate(step.do)
            if action.read == "cache"
            and any(other.status or other.write for other in step.do[:a])
            and "owned." not in str(do[a:])  # else it lists again, too
        ]
        if behind:
            kept[f"{place}.steps.{s}.do"] = written([each for a, each in enumerate(do) if a not in behind])
        writes = any(action.status or action.write for action in step.do)
        if writes and not any(action.read == "live" for action in step.do):
            live[f"{place}.steps.{s}.do"] = written(
                [{"read": "live"}, *(each | ({"read": "live"} if "read" in each else {}) for each in do)]
            )
    if kept:
        yield Alternative(
            f"{name}: no second read",
            name,
            "go on with the object that the write returned",
            kept,
            "// delete the second r.Get(ctx, req.NamespacedName, obj): Update and Patch have put the server's answer "
            "into obj",
            "the cache has often not seen one's own write yet, and then gives back the version before it",
        )
    if live:
        yield Alternative(
            f"{name}: read live",
            name,
            "read from the API server before writing",
            live,
            "err := r.APIReader.Get(ctx, req.NamespacedName, obj) // mgr.GetAPIReader()",
            "the copy is only as old as one request",
            "a GET for every pass that writes",
        )


def _creations(place: str, controller: ControllerSettings) -> Iterator[Alternative]:
    """Names that say which one it is, in place of generated ones; CreateOrUpdate."""
    fixed: dict[str, str] = {}
    there: dict[str, str] = {}
    before: dict[tuple[int, str], int] = {}  # by step and kind: how many were created
    for s, a, action in _actions(controller):
        create = action.create
        if create is None:
            continue
        number = before[s, create.kind] = before.get((s, create.kind), -1) + 1
        plain = _plain(action)["create"]
        at = f"{place}.steps.{s}.do.{a}.create"
        if create.generate_name is not None:
            plain.pop("generate_name")
            plain |= {"name": f"{create.generate_name}${{size(owned.{create.kind}) + {number}}}", "exists": "ignore"}
            fixed[at] = written(plain)
        elif create.exists == "error":
            there[at] = written(plain | {"exists": "update"})
    name = controller.name
    if fixed:
        yield Alternative(
            f"{name}: fixed names",
            name,
            "give children names that follow from the owner",
            fixed,
            'child.Name = fmt.Sprintf("%s-%d", owner.Name, i) // not GenerateName\n'
            "err := client.IgnoreAlreadyExists(r.Create(ctx, child))",
            "a second creation from a stale cache is answered AlreadyExists in place of making a second child",
        )
    if there:
        yield Alternative(
            f"{name}: create or update",
            name,
            "create or update what is there",
            there,
            "_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error { return set(child) })",
            "what the cache has is updated where something differs, and created only otherwise",
        )


def _predicates(place: str, controller: ControllerSettings) -> Iterator[Alternative]:
    name, others = controller.name, [each for each in controller.predicates if each != GENERATION]
    if len(others) < len(controller.predicates):
        yield Alternative(
            f"{name}: no generation-changed",
            name,
            "be woken by every change, those of the status too",
            {f"{place}.predicates": written(others)},
            f"For(&v1.{controller.kind}{{}}) // without predicate.GenerationChangedPredicate{{}}",
            "a controller that waits for what others write into the status or the metadata must be woken by it",
        )
        return
    yield Alternative(
        f"{name}: generation-changed",
        name,
        "be woken by changes of the spec alone",
        {f"{place}.predicates": written([*controller.predicates, GENERATION])},
        f"For(&v1.{controller.kind}{{}}, builder.WithPredicates(predicate.GenerationChangedPredicate{{}}))",
        "writes of the status, one's own too, wake nobody",
        "whoever waits for what others write into the status or the metadata is never woken by it",
    )


def _workers(place: str, controller: ControllerSettings) -> Iterator[Alternative]:
    for workers in WORKERS:
        if workers != controller.workers:
            yield Alternative(
                f"{controller.name}: {counted(workers, 'worker')}",
                controller.name,
                f"{counted(workers, 'worker')}",
                {f"{place}.workers": str(workers)},
                f"WithOptions(controller.Options{{MaxConcurrentReconciles: {workers}}})",
                "keys do not wait for each other"
                if workers > 1
                else "one object after the other: fewer requests under way at once",
            )


def _own_writes(path: str, operator: OperatorSettings) -> Iterator[Alternative]:
    """Not acting before the cache has seen one's own writes: the client's barrier, and a controller's."""
    if not operator.client.read_your_writes and _minor(operator.runtime):
        settings = {f"{path}.client.read_your_writes": "true"}
        change = "a client that reads its own writes"
        if not RUNTIMES[operator.runtime].may_read_own_writes:
            settings[f"{path}.runtime"] = LATEST
            change += f", which needs {LATEST}"
        yield Alternative(
            f"{operator.name}: read-your-writes client",
            operator.name,
            change,
            settings,
            "// in ctrl.Options.NewClient\n"
            "client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: true}}",
            "a read of the cache waits until it has what this manager wrote",
            "writes of other processes are not covered",
        )
    limited = {}
    for c, controller in enumerate(operator.controllers):
        retry = controller.retry if controller.retry is not None else RUNTIMES[operator.runtime].retry
        if retry.policy == "requeue":
            plain = retry.model_dump(mode="json", exclude_none=True)
            limited[f"{path}.controllers.{c}.retry"] = written(plain | {"policy": "read-your-writes"})
    if limited:
        yield Alternative(
            f"{operator.name}: skip stale reconciles",
            operator.name,
            "leave a key alone until the cache has one's own last write of it (KEP-5647)",
            limited,
            "// after a write: r.wrote[key] = obj.ResourceVersion; first in Reconcile:\n"
            "if older(obj.ResourceVersion, r.wrote[key]) { return ctrl.Result{}, nil } // its event comes",
            "a pass that starts from a copy older than one's own last write is not made",
            "writes of the reconciled object alone, not of what it owns, and not those of other controllers",
        )
