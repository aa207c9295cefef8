"""What a scenario says of other writers: GitOps controllers, and users who edit."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from sim.scenario.errors import Fault, Impossible
from sim.scenario.machinery import is_own
from sim.scenario.values import Duration, Name, Part, Rate
from sim.scenario.workload import Settable
from sim.units import quoted


def _start_kind(value: object) -> str:
    return "<duration>" if not isinstance(value, str) or re.match(r"\s*[-+.\d]", value) else "<choice>"


class Writer(Part):
    """Another writer: a GitOps controller, or a user who edits."""

    name: Name = Field(default="gitops", description="its field manager, unlike all others. Default: as recorded")
    kind: str | None = Field(
        default=None,
        description="the kind whose objects it writes: those of the workload or beside it, or else whatever there is "
        "of it at that time. Default: the workload's",
    )
    rate: Rate = Field(
        default=1.0,
        description="Poisson rate; each time it picks a Certificate at random. Default: an assumption",
    )
    action: Literal["patch", "update", "apply"] = Field(
        default="patch",
        description="patch: merge patch without resourceVersion. update: read, wait, PUT with its "
        "resourceVersion, not tried again. apply: server-side apply without force. Default: as recorded",
    )
    target: Literal["annotation", "dnsNames", "readyCondition"] = Field(
        default="annotation",
        description="what it writes; dnsNames makes cert-manager issue again. Default: as recorded",
    )
    set: Settable = Field(
        default={},
        description="in place of target, what it writes of objects of any kind: dotted fields of spec, metadata, data "
        "or status, and their values, in which texts may have ${name} and ${value}, six digits drawn each time. "
        "Default: target says it",
    )
    wait: Duration = Field(default=0, description="update only: between reading and writing. Default: none")
    start: Annotated[
        Annotated[Literal["after-creation", "when-settled"], Tag("<choice>")] | Annotated[Duration, Tag("<duration>")],
        Discriminator(_start_kind),
    ] = Field(
        default="after-creation",
        description="after-creation: when the last object was created. when-settled: once all of them are settled, "
        "which is looked at once a second. Default: as recorded",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        description="draw times, objects and values in every replication as Python's random.Random(seed) does by "
        "expovariate(rate), randrange(objects), randrange(1000000): what a recorder drew. Default: anew each time",
    )
    lasts: Duration | None = Field(
        default=None,
        gt=0,
        description="how long it writes; a run does not end before. Default: to the end, which does not wait for it",
    )

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if is_own(name):
            raise ValueError(f"{quoted(name)} is a name of cert-manager's own controllers; choose another")
        return name

    @model_validator(mode="after")
    def _waits_to_update(self) -> Writer:
        if self.wait and self.action != "update":
            raise Impossible(
                Fault(
                    f"only the action update waits, and the action is {self.action}",
                    (("wait",),),
                    at_key=True,
                )
            )
        return self
