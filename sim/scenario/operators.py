"""Operators described in a scenario: manager processes and their controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, create_model, field_validator, model_validator

from sim.scenario.actions import VARIABLES, Pattern, Step
from sim.scenario.errors import Fault, Impossible
from sim.scenario.expressions import compiled, expressions_in, kinds_listed
from sim.scenario.faults import ManagerElection
from sim.scenario.kinds import unknown_kind
from sim.scenario.names import synonym
from sim.scenario.retry import Retry
from sim.scenario.runtimes import RUNTIMES, RuntimeName
from sim.scenario.values import Duration, Name, Part, Rate, check_order
from sim.units import SECOND, quoted


class Watching(Part):
    """Another kind whose events wake the controller."""

    kind: str = Field(description="the kind that is watched")
    by: str = Field(
        default="owner",
        description="which keys it wakes: owner: its controlling owner. name: the object of the same name. all: every "
        "cached one. A field of the own spec, such as spec.secretName: all that name it there. Default: as Owns",
    )


_GENERATION_CHANGED = "generation-changed"


def _predicate(text: str) -> str:
    if text != _GENERATION_CHANGED:
        if synonym(text, [_GENERATION_CHANGED]):
            raise ValueError(f"found {quoted(text)}; write {_GENERATION_CHANGED}, or CEL over the object")
        compiled(text, VARIABLES)
    return text


class _Controller(Part):
    """One controller of a manager."""

    name: Name = Field(description="unlike all others: who writes, in figures and stories")
    owns: list[str] = Field(default=[], description="kinds whose objects wake their controlling owner. Default: none")
    watches: list[Watching] = Field(default=[], description="other kinds that wake it. Default: none")
    predicates: list[Annotated[str, AfterValidator(_predicate)]] = Field(
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

    @property
    def lists(self) -> list[str]:
        """The kinds of which its expressions list the objects that it owns."""
        return kinds_listed(" ".join((*self.predicates, *expressions_in(self.model_dump()))), "owned")


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
            for read in controller.lists:
                if read not in kinds:
                    message = f"it reads owned.{read}; {unknown_kind(read, kinds)}"
                    wrong.append(Fault(message, (("operators", *at),)))
            for s, step in enumerate(controller.steps):
                for a, action in enumerate(step.do):
                    where = (*at, "steps", s, "do", a)
                    if action.create is not None:
                        kind(action.create.kind, *where, "create", "kind")
                    if action.delete is not None and action.delete.kind is not None:
                        kind(action.delete.kind, *where, "delete", "kind")
    return wrong


def created_kinds(operators: list[OperatorSettings]) -> set[str]:
    """Return the kinds of which operators create objects."""
    return {
        action.create.kind
        for operator in operators
        for controller in operator.controllers
        for step in controller.steps
        for action in step.do
        if action.create is not None
    }


def signer_faults(named: str | None, operators: list[OperatorSettings]) -> list[Fault]:
    """Return what is wrong with the operator that signs: it is not described, or does not set a certificate."""
    at = (("issuer", "operator"),)
    if named is None:
        return []
    found = {each.name: each for each in operators}
    if named not in found:
        known = f"; described: {', '.join(found)}" if found else ""
        return [Fault(f"there is no operator {quoted(named)} under operators{known}", at)]
    controllers = [each for each in found[named].controllers if each.kind == "CertificateRequest"]
    writes = [action.status for each in controllers for step in each.steps for action in step.do if action.status]
    if any("certificate" in write.set for write in writes):
        return []
    message = f"no controller of {named} is for CertificateRequest and sets status.certificate, so nobody signs"
    return [Fault(message, at)]
