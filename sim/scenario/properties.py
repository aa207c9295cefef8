"""What must hold in a run, and what is changed about its schedule: the keys ``properties`` and ``perturbations``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sim.scenario.errors import Fault, Impossible
from sim.scenario.expressions import Expression, kinds_listed
from sim.scenario.kinds import unknown_kind
from sim.scenario.values import Duration, Name, Part
from sim.units import MINUTE

VARIABLES = ("self", "holds", "conditions", "name", "generation", "owned", "objects")
"""What a property can read: ``self`` the object as it is stored, ``holds`` the types of its conditions that are True,
``conditions`` its conditions by type, its ``name`` and ``generation``; ``owned`` the stored objects that it controls,
and ``objects`` all stored ones, by kind."""

BuiltIn = Literal["settles", "no-lost-write", "no-duplicate", "no-hot-loop", "one-leader"]
"""Properties that need no expression.

settles: when the run ends every object is settled. no-lost-write: the server accepts no conditional write on another
version than it was made from, and what one writer took away unseen is there again at the end. no-duplicate: nobody
creates for an owner what he has created for it before. no-hot-loop: no controller writes one object again and again
until the end (the metric late_writes). one-leader: of replicas that elect a leader none writes while another holds the
Lease.
"""


class Property(Part):
    """Something that must hold; exactly one of ``always``, ``never``, ``eventually`` and ``builtin``."""

    name: Name = Field(description="what findings call it")
    of: str | None = Field(default=None, description="kind of the objects it is about. Default: the workload's")
    always: str | None = Field(
        default=None, description="CEL that holds whenever something is stored. Default: not this"
    )
    never: str | None = Field(default=None, description="CEL that never holds. Default: not this")
    eventually: str | None = Field(
        default=None,
        description="CEL that is never false for longer than within, also before it has been true. Default: not this",
    )
    within: Duration | None = Field(default=None, gt=0, description="eventually only. Default: 5m")
    builtin: BuiltIn | None = Field(default=None, description="a property that needs no CEL. Default: not this")

    @field_validator("always", "never", "eventually")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            Expression(value, VARIABLES)
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Property:
        given = [key for key in ("always", "never", "eventually", "builtin") if getattr(self, key) is not None]
        if len(given) != 1:
            what = f"this one has {', '.join(given)}" if given else "this one has none"
            message = f"a property has exactly one of always, never, eventually and builtin; {what}"
            raise Impossible(Fault(message, ((given[1],),) if given else ((),), at_key=bool(given)))
        if self.within is not None and self.eventually is None:
            raise Impossible(Fault("within goes with eventually", (("within",),), at_key=True))
        if self.builtin is not None and self.of is not None:
            raise Impossible(Fault("a property that is built in is about all objects", (("of",),), at_key=True))
        return self

    @property
    def source(self) -> str:
        """Its expression; "" of one that is built in."""
        return self.always or self.never or self.eventually or ""

    @property
    def longest(self) -> int:
        """Nanoseconds that an ``eventually`` may be false."""
        return 5 * MINUTE if self.within is None else self.within


def property_faults(properties: Sequence[Property], kinds: Collection[str]) -> list[Fault]:
    """Return the kinds that properties are about or read, and that the run does not serve."""
    wrong = []
    for n, each in enumerate(properties):
        if each.of is not None and each.of not in kinds:
            wrong.append(Fault(unknown_kind(each.of, kinds), (("properties", n, "of"),)))
        key = next((key for key in ("always", "never", "eventually") if getattr(each, key) is not None), "builtin")
        read = (kind for variable in ("owned", "objects") for kind in kinds_listed(each.source, variable))
        wrong += [Fault(unknown_kind(kind, kinds), (("properties", n, key),)) for kind in read if kind not in kinds]
    return wrong


class Perturbation(Part):
    """One change of a run's schedule: exactly one of ``draw``, ``request`` and ``tie``."""

    draw: str | None = Field(
        default=None,
        description="a duration that is drawn, as ACTOR/PURPOSE: watch/Secret is how late an event reaches the cache, "
        "and those behind it wait too; in an operator's process OPERATOR/watch/KIND. Default: not this",
    )
    request: str | None = Field(
        default=None,
        description="whose requests, Events left out: the decision is made, and the write comes late. "
        "Default: not this",
    )
    of: str | None = Field(default=None, description="request only: those about this object. Default: all")
    tie: int | None = Field(
        default=None, ge=1, description="a call's place among those of one instant is turned. Default: not this"
    )
    number: int | None = Field(
        default=None, ge=1, description="which draw or request, counted from 1. Default: each of them"
    )
    delay: Duration | None = Field(default=None, gt=0, description="how much longer or later. Default: none, of a tie")
    turn: Literal["first", "last"] | None = Field(default=None, description="tie only. Default: none")

    @model_validator(mode="after")
    def _fits(self) -> Perturbation:
        given = [key for key in ("draw", "request", "tie") if getattr(self, key) is not None]
        wrong = []
        if len(given) != 1:
            what = f"this one has {', '.join(given)}" if given else "this one has none"
            message = f"a perturbation has exactly one of draw, request and tie; {what}"
            raise Impossible(Fault(message, ((given[1],),) if given else ((),), at_key=bool(given)))
        if self.tie is not None:
            if self.turn is None:
                wrong.append(Fault("a tie is turned first or last", (("tie",),)))
            unfit = [key for key in ("number", "delay") if getattr(self, key) is not None]
            wrong += [Fault(f"{key} is not for a tie", ((key,),), at_key=True) for key in unfit]
        else:
            if self.delay is None:
                wrong.append(Fault("name its delay", ((given[0],),)))
            if self.turn is not None:
                wrong.append(Fault("turn is for a tie", (("turn",),), at_key=True))
        if self.of is not None and self.request is None:
            wrong.append(Fault("of is for a request", (("of",),), at_key=True))
        if self.draw is not None and "/" not in self.draw:
            wrong.append(Fault("a draw is written ACTOR/PURPOSE, such as watch/Secret", (("draw",),)))
        if wrong:
            raise Impossible(*wrong)
        return self
