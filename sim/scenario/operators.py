"""Operators described in a scenario: manager processes, their controllers, and what a reconcile does, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from sim.scenario.contention import Times
from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.expressions import compiled, template
from sim.scenario.faults import ManagerElection
from sim.scenario.kinds import unknown_kind
from sim.scenario.retry import Retry
from sim.scenario.runtimes import RUNTIMES, RuntimeName
from sim.scenario.values import Duration, Name, Part, Rate, check_order
from sim.units import SECOND, quoted

Pattern = Literal[
    "update",
    "merge-patch",
    "merge-patch-lock",
    "json-patch",
    "apply",
    "retry",
    "retry-live",
]
"""How a write is made.

update: the object as the reconcile holds it, whole, with its resourceVersion. merge-patch: a merge patch of what
differs from it; a list is replaced whole; never refused. merge-patch-lock: the same with the resourceVersion
(MergeFromWithOptimisticLock). json-patch: a JSON patch of what differs, without a test; lists whole. apply: a forced
server-side apply of the fields that the write names. retry: RetryOnConflict around a read of the cache and an update.
retry-live: the same with a live read.
"""

VARIABLES = ("self", "holds", "conditions", "owned", "name", "generation", "now", "now_micro", "attempt", "owner")
"""What expressions can read: ``self`` the object as the reconcile holds it, ``holds`` the types of its conditions
that are True, ``conditions`` its conditions by type, ``owned`` the cached objects that it controls, by kind, in order
of name; ``owner``, in ``which`` alone, the reconciled object; its ``name`` and ``generation``; ``now`` as in
conditions, ``now_micro`` as in a MicroTime; ``attempt``, how often this key has failed in a row."""
OF_WORKLOAD = ("name", "number")
"""What the templates of a workload's objects can read."""

SENT_AGAIN = 5
"""Tries of RetryOnConflict's DefaultRetry, the first included (client-go util/retry)."""


def _checked(text: Any) -> Any:
    """Raise ``ValueError`` where a value has an expression that is none."""
    template(text, VARIABLES)
    return text


class ConditionWrite(Part):
    """One condition, as meta.SetStatusCondition writes it: the transition time moves only with the status."""

    status: Literal["True", "False", "Unknown"] = Field(default="True", description="Default: True")
    reason: str = Field(default="Done", description="a template. Default: Done")
    message: str = Field(default="", description="a template. Default: none")
    observed: bool = Field(default=True, description="write observedGeneration. Default: as helpers do")

    @field_validator("reason", "message")
    @classmethod
    def _templates(cls, value: str) -> str:
        return str(_checked(value))


class StatusWrite(Part):
    """A write of the object's status."""

    set: dict[str, Any] = Field(
        default={}, description="fields of the status, dotted, and their values: templates. Default: none"
    )
    remove: list[str] = Field(default=[], description="fields to remove, dotted. Default: none")
    conditions: dict[str, ConditionWrite] = Field(default={}, description="conditions by type. Default: none")
    by: Pattern | None = Field(default=None, description="how. Default: the controller's writes")

    @field_validator("set")
    @classmethod
    def _templates(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _each(value)

    @model_validator(mode="after")
    def _something(self) -> StatusWrite:
        if not (self.set or self.remove or self.conditions):
            raise Impossible(Fault("a status write names fields to set or remove, or conditions", ((),)))
        return self


class MainWrite(Part):
    """A write of the object itself, not of its status."""

    annotations: dict[str, Any] = Field(default={}, description="values are templates, null removes. Default: none")
    labels: dict[str, Any] = Field(default={}, description="values are templates, null removes. Default: none")
    spec: dict[str, Any] = Field(
        default={}, description="fields of the spec, dotted, and their values: templates. Default: none"
    )
    data: dict[str, Any] = Field(default={}, description="of a ConfigMap: keys and templates. Default: none")
    add_finalizer: str | None = Field(default=None, description="controllerutil.AddFinalizer. Default: none")
    remove_finalizer: str | None = Field(default=None, description="controllerutil.RemoveFinalizer. Default: none")
    by: Pattern | None = Field(default=None, description="how. Default: the controller's writes")

    @field_validator("annotations", "labels", "spec", "data")
    @classmethod
    def _templates(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _each(value)

    @model_validator(mode="after")
    def _something(self) -> MainWrite:
        finalizer = self.add_finalizer or self.remove_finalizer
        if not (self.annotations or self.labels or self.spec or self.data or finalizer):
            message = "a write names annotations, labels, fields of the spec, data or a finalizer"
            raise Impossible(Fault(message, ((),)))
        return self


class Creation(Part):
    """The creation of an object, which the reconciled one controls unless ``owned`` is false."""

    kind: str = Field(description="a kind of the scenario, or one that every cluster has")
    name: str | None = Field(default=None, description="a template. Default: the object's own name")
    generate_name: str | None = Field(
        default=None, description="a template; the server adds five random letters. Default: a fixed name"
    )
    owned: bool = Field(default=True, description="controller reference to the object. Default: as operators do")
    labels: dict[str, Any] = Field(default={}, description="templates. Default: none")
    spec: dict[str, Any] | None = Field(default=None, description="templates. Default: none")
    data: dict[str, Any] | None = Field(default=None, description="templates. Default: none")
    exists: Literal["error", "ignore", "update"] = Field(
        default="error",
        description="if it is there already (409 AlreadyExists): error: the reconcile fails. ignore: go on, as with "
        "client.IgnoreAlreadyExists. update: controllerutil.CreateOrUpdate, which looks into the cache first and "
        "updates where something differs. Default: as client.Create",
    )

    @field_validator("name", "generate_name", "labels", "spec", "data")
    @classmethod
    def _templates(cls, value: Any) -> Any:
        return _each(value) if isinstance(value, dict) else _checked(value)

    @model_validator(mode="after")
    def _one_name(self) -> Creation:
        if self.name is not None and self.generate_name is not None:
            message = "an object has a name, or the server makes one from generate_name"
            raise Impossible(Fault(message, (("generate_name",),), at_key=True))
        if self.generate_name is not None and self.exists == "update":
            raise Impossible(Fault("what has a generated name is always new", (("exists",),)))
        return self


class Deletion(Part):
    """The deletion of the object, or of objects that it controls."""

    kind: str | None = Field(default=None, description="of those that it controls. Default: the object itself")
    which: str = Field(
        default="true",
        description="CEL over each of them as ``self``, and ``owner`` as the reconcile holds it. Default: all of them",
    )

    @field_validator("which")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compiled(value, VARIABLES)
        return value


class EventRecord(Part):
    """An Event about the object, sent in the background."""

    reason: str = Field(description="a template")
    message: str = Field(default="", description="a template. Default: none")

    @field_validator("reason", "message")
    @classmethod
    def _templates(cls, value: str) -> str:
        return str(_checked(value))


class Action(Part):
    """One thing that a step does: exactly one of the keys, and ``when`` where it is not done always."""

    when: str | None = Field(
        default=None,
        description="CEL over what is held by then; false also where it reads what is not there. Default: always",
    )
    work: Times | None = Field(default=None, description="hold the worker so long. Default: not this")
    cpu: Times | None = Field(default=None, description="use a core so long. Default: not this")
    read: Literal["cache", "live"] | None = Field(
        default=None,
        description="go on with what the cache has now, or with a live read, in place of what is held. "
        "Default: not this",
    )
    status: StatusWrite | None = Field(default=None, description="write the object's status. Default: not this")
    write: MainWrite | None = Field(default=None, description="write the object itself. Default: not this")
    create: Creation | None = Field(default=None, description="create an object. Default: not this")
    delete: Deletion | None = Field(default=None, description="delete it, or what it controls. Default: not this")
    event: EventRecord | None = Field(default=None, description="record an Event. Default: not this")
    requeue_after: Duration | None = Field(
        default=None, gt=0, description="end, and ask to be run again after this (RequeueAfter). Default: not this"
    )
    requeue: bool | None = Field(default=None, description="true: end, with a back-off. Default: not this")
    fail: str | None = Field(default=None, description="end with this error. Default: not this")

    @model_validator(mode="after")
    def _exactly_one(self) -> Action:
        given = [key for key, value in self if value is not None and key != "when"]
        if len(given) != 1:
            what = f"this one has {', '.join(given)}" if given else "this one has none"
            paths: tuple[Path, ...] = ((given[1],),) if given else ((),)
            raise Impossible(Fault(f"an action has exactly one key; {what}", paths, at_key=bool(given)))
        return self

    @field_validator("when")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            compiled(value, VARIABLES)
        return value


class Step(Part):
    """What a reconcile does where ``when`` holds."""

    name: str | None = Field(default=None, description="what it is called in messages. Default: its number")
    when: str = Field(
        default="true",
        description="CEL over the cached copy; false also where it reads what is not there. Default: always",
    )
    do: list[Action] = Field(default=[], description="actions in order. Default: nothing, which ends the reconcile")

    @field_validator("when")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compiled(value, VARIABLES)
        return value


class Watching(Part):
    """Another kind whose events wake the controller."""

    kind: str = Field(description="the kind that is watched")
    by: str = Field(
        default="owner",
        description="which keys it wakes: owner: its controlling owner. name: the object of the same name. all: every "
        "cached one. A field of the own spec, such as spec.secretName: all that name it there. Default: as Owns",
    )


class _Controller(Part):
    """One controller of a manager."""

    name: Name = Field(description="unlike all others: who writes, in figures and stories")
    owns: list[str] = Field(default=[], description="kinds whose objects wake their controlling owner. Default: none")
    watches: list[Watching] = Field(default=[], description="other kinds that wake it. Default: none")
    predicates: list[str] = Field(
        default=[],
        description="an event of the own kind wakes it only where all hold: generation-changed "
        "(GenerationChangedPredicate), or CEL over the object. Default: none",
    )
    workers: int = Field(default=1, ge=1, le=1000, description="MaxConcurrentReconciles. Default: controller-runtime's")
    retry: Retry | None = Field(default=None, description="the queue's rate limiter. Default: the runtime's")
    writes: Pattern = Field(
        default="update", description="how writes are made that do not say. Default: the usual first choice"
    )
    field_manager: str | None = Field(
        default=None, description="under which it writes. Default: the operator's name, or its own for applies"
    )
    steps: list[Step] = Field(min_length=1, description="what a reconcile does")
    all_due: bool = Field(
        default=False, description="true: all steps that are due run in order; false: the first. Default: the first"
    )

    @property
    def kind(self) -> str:
        """The kind that its keys name."""
        return str(getattr(self, "for"))

    @field_validator("predicates")
    @classmethod
    def _predicates(cls, value: list[str]) -> list[str]:
        wrong = []
        for n, text in enumerate(value):
            if text != "generation-changed":
                try:
                    compiled(text, VARIABLES)
                except ValueError as error:
                    wrong.append(Fault(str(error), ((n,),)))
        if wrong:
            raise Impossible(*wrong)
        return value


if TYPE_CHECKING:

    class ControllerSettings(_Controller):
        """One controller of a manager."""

else:
    # ``for`` is a word of Python.
    ControllerSettings = create_model(
        "ControllerSettings",
        __base__=_Controller,
        __doc__=_Controller.__doc__,
        **{"for": (str, Field(description="the kind that its keys name: events about its objects wake it"))},
    )


class OperatorClient(Part):
    """The client of a manager."""

    qps: Rate | None = Field(default=None, description="requests a second; see unlimited. Default: the runtime's")
    burst: int | None = Field(default=None, ge=1, le=1_000_000, description="tokens saved. Default: the runtime's")
    unlimited: bool = Field(default=False, description="true: no limit, whatever the runtime's. Default: false")
    read_your_writes: bool = Field(
        default=False,
        description="EnableReadYourWritesConsistency: a read of the cache waits for the manager's own writes on the "
        "key, from controller-runtime 0.25. Default: off, as there",
    )

    @model_validator(mode="after")
    def _limited_or_not(self) -> OperatorClient:
        if self.unlimited and self.qps is not None:
            raise Impossible(Fault("a client has a limit or none", (("unlimited",), ("qps",))))
        return self


class OperatorSettings(Part):
    """One manager process of an operator."""

    name: Name = Field(description="its field manager, and who sends its Events")
    runtime: RuntimeName = Field(
        default="controller-runtime-0.25",
        description="decides queue, rate limiter and limits of the client where nothing else is said. "
        "Default: the latest",
    )
    replicas: int = Field(
        default=1, ge=1, le=10, description="processes; all at work at once without leader_election. Default: one"
    )
    leader_election: ManagerElection | None = Field(
        default=None, description="the one replica works that holds a lease. Default: none"
    )
    queue: Literal["fifo", "priority"] | None = Field(
        default=None,
        description="controller-runtime's UsePriorityQueue: priority: one entry a key, whose back-off an event ends, "
        "and a limiter for each key alone. Default: the runtime's",
    )
    client: OperatorClient = OperatorClient()
    restarts: list[Duration] = Field(default=[], description="when it is killed, in order. Default: never")
    restart_takes: Duration = Field(default=2 * SECOND, description="from a kill to the next start. Default: assumed")
    controllers: list[ControllerSettings] = Field(min_length=1, description="its controllers")

    @field_validator("restarts")
    @classmethod
    def _in_order(cls, value: list[int]) -> list[int]:
        check_order(value, "restarts", once=True)
        return value

    @model_validator(mode="after")
    def _fits_the_runtime(self) -> OperatorSettings:
        if self.client.read_your_writes and not RUNTIMES[self.runtime].may_read_own_writes:
            message = f"{self.runtime} has no read-your-own-writes client; it came with controller-runtime-0.25"
            raise Impossible(Fault(message, (("client", "read_your_writes"), ("runtime",))))
        return self


def _each(values: dict[str, Any]) -> dict[str, Any]:
    """Check the templates of a table; says at which key one is wrong."""
    wrong = []
    for key, value in values.items():
        try:
            _checked(value)
        except ValueError as error:
            wrong.append(Fault(str(error), ((key,),)))
    if wrong:
        raise Impossible(*wrong)
    return values


def operator_faults(operators: list[OperatorSettings], kinds: set[str], taken: set[str]) -> list[Fault]:
    """Return what does not go together in the operators of a scenario: names that are taken, kinds that are not there.

    ``kinds`` are those that the run serves, ``taken`` the names of others who write.
    """
    wrong: list[Fault] = []

    def kind(name: str, *path: str | int) -> None:
        if name not in kinds:
            wrong.append(Fault(unknown_kind(name, kinds), (("operators", *path),)))

    processes: set[str] = set()
    for o, operator in enumerate(operators):
        if operator.name in processes:
            wrong.append(Fault(f"two operators are called {quoted(operator.name)}", (("operators", o, "name"),)))
        processes.add(operator.name)
        for c, controller in enumerate(operator.controllers):
            at = (o, "controllers", c)
            if controller.name in taken:
                wrong.append(Fault(f"two writers are called {quoted(controller.name)}", (("operators", *at, "name"),)))
            taken.add(controller.name)
            kind(controller.kind, *at, "for")
            for n, owned in enumerate(controller.owns):
                kind(owned, *at, "owns", n)
            for n, watched in enumerate(controller.watches):
                kind(watched.kind, *at, "watches", n, "kind")
            for s, step in enumerate(controller.steps):
                for a, action in enumerate(step.do):
                    where = (*at, "steps", s, "do", a)
                    if action.create is not None:
                        kind(action.create.kind, *where, "create", "kind")
                    if action.delete is not None and action.delete.kind is not None:
                        kind(action.delete.kind, *where, "delete", "kind")
    return wrong
