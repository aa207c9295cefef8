"""What a reconcile of a described operator does, step by step: actions, the writes they make, what they may read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from sim.scenario.contention import Times
from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.expressions import checked, compiled, template
from sim.scenario.values import Duration, Part

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


Template = Annotated[str, AfterValidator(checked(template, VARIABLES))]
"""A text that may have ``${...}`` with an expression over ``VARIABLES``."""
Templates = dict[str, Annotated[Any, AfterValidator(checked(template, VARIABLES))]]
"""Values by key, whose texts are templates."""
Cel = Annotated[str, AfterValidator(checked(compiled, VARIABLES))]
"""An expression over ``VARIABLES``."""


class ConditionWrite(Part):
    """One condition, as meta.SetStatusCondition writes it: the transition time moves only with the status."""

    status: Literal["True", "False", "Unknown"] = Field(default="True", description="Default: True")
    reason: Template = Field(default="Done", description="a template. Default: Done")
    message: Template = Field(default="", description="a template. Default: none")
    observed: bool = Field(default=True, description="write observedGeneration. Default: as helpers do")


class StatusWrite(Part):
    """A write of the object's status."""

    set: Templates = Field(
        default={}, description="fields of the status, dotted, and their values: templates. Default: none"
    )
    remove: list[str] = Field(default=[], description="fields to remove, dotted. Default: none")
    conditions: dict[str, ConditionWrite] = Field(default={}, description="conditions by type. Default: none")
    by: Pattern | None = Field(default=None, description="how. Default: the controller's writes")

    @model_validator(mode="after")
    def _something(self) -> StatusWrite:
        if not (self.set or self.remove or self.conditions):
            raise Impossible(Fault("a status write names fields to set or remove, or conditions", ((),)))
        return self


class MainWrite(Part):
    """A write of the object itself, not of its status."""

    annotations: Templates = Field(default={}, description="values are templates, null removes. Default: none")
    labels: Templates = Field(default={}, description="values are templates, null removes. Default: none")
    spec: Templates = Field(
        default={}, description="fields of the spec, dotted, and their values: templates. Default: none"
    )
    data: Templates = Field(default={}, description="of a ConfigMap: keys and templates. Default: none")
    add_finalizer: str | None = Field(default=None, description="controllerutil.AddFinalizer. Default: none")
    remove_finalizer: str | None = Field(default=None, description="controllerutil.RemoveFinalizer. Default: none")
    by: Pattern | None = Field(default=None, description="how. Default: the controller's writes")

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
    name: Template | None = Field(default=None, description="a template. Default: the object's own name")
    generate_name: Template | None = Field(
        default=None, description="a template; the server adds five random letters. Default: a fixed name"
    )
    owned: bool = Field(default=True, description="controller reference to the object. Default: as operators do")
    labels: Templates = Field(default={}, description="templates. Default: none")
    spec: Templates | None = Field(default=None, description="templates. Default: none")
    data: Templates | None = Field(default=None, description="templates. Default: none")
    exists: Literal["error", "ignore", "update"] = Field(
        default="error",
        description="if it is there already (409 AlreadyExists): error: the reconcile fails. ignore: go on, as with "
        "client.IgnoreAlreadyExists. update: controllerutil.CreateOrUpdate, which looks into the cache first and "
        "updates where something differs. Default: as client.Create",
    )

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
    which: Cel = Field(
        default="true",
        description="CEL over each of them as ``self``, and ``owner`` as the reconcile holds it. Default: all of them",
    )


class EventRecord(Part):
    """An Event about the object, sent in the background."""

    reason: Template = Field(description="a template")
    message: Template = Field(default="", description="a template. Default: none")


class Action(Part):
    """One thing that a step does: exactly one of the keys, and ``when`` where it is not done always."""

    when: Cel | None = Field(
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


class Step(Part):
    """What a reconcile does where ``when`` holds."""

    name: str | None = Field(default=None, description="what it is called in messages. Default: its number")
    when: Cel = Field(
        default="true",
        description="CEL over the cached copy; false also where it reads what is not there. Default: always",
    )
    do: list[Action] = Field(default=[], description="actions in order. Default: nothing, which ends the reconcile")
