"""What is asked of the cluster: Certificates or other objects, when they come, and what is done to them by hand."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from sim.scenario.certificate import CertificateSpec
from sim.scenario.errors import Fault, Impossible
from sim.scenario.expressions import checked, compiled, template
from sim.scenario.values import Duration, Part, Rate, check_order
from sim.units import SECOND, counted, quoted


class RateArrival(Part):
    """Certificates created at k/rate seconds, or at Poisson times."""

    rate: Rate = Field(description="creations per second")
    poisson: bool = Field(
        default=False,
        description="true: exponential times between creations. Default: evenly spaced, as recorded",
    )


class ScheduleArrival(Part):
    """Certificates created at these times."""

    schedule: list[Duration] = Field(min_length=1, description="one time for each Certificate, in order")

    @model_validator(mode="after")
    def _in_order(self) -> ScheduleArrival:
        check_order(self.schedule, "schedule", once=False)
        return self


def _arrival_kind(value: object) -> str:
    if isinstance(value, ScheduleArrival) or (isinstance(value, dict) and "schedule" in value):
        return "<schedule>"
    return "<rate>" if isinstance(value, RateArrival | dict) else "<choice>"


Arrival = Annotated[
    Annotated[Literal["one-after-the-other", "at-once"], Tag("<choice>")]
    | Annotated[RateArrival, Tag("<rate>")]
    | Annotated[ScheduleArrival, Tag("<schedule>")],
    Discriminator(_arrival_kind),
]

TAGS = {
    "arrival": ("<choice>", "<rate>", "<schedule>"),
    "existing": ("<count>", "<existing>"),
    "start": ("<choice>", "<duration>"),
    "limits": ("<choice>", "<limits>"),
}
"""Names that validation puts into an error's location after these keys; the user wrote none of them."""


class Existing(Part):
    """Certificates that are there, and Ready, when the controllers' process starts at time 0.

    Each has its Secret and its last CertificateRequest. A renewal is due so long after the start as ``renewals`` says,
    or else they are spread evenly over ``within``.
    """

    certificates: int = Field(ge=1, le=1_000_000, description="how many; as many as renewals has times")
    renewals: list[Duration] | None = Field(
        default=None,
        min_length=1,
        description="time to each one's renewal, from the start; 0s is overdue. Default: spread over within",
    )
    within: Duration | None = Field(
        default=None,
        gt=0,
        description="all renewals are due so soon; 24h is a herd that was issued on one day. "
        "Default: the time from an issuance to its renewal",
    )

    @model_validator(mode="before")
    @classmethod
    def _count_renewals(cls, data: Any) -> Any:
        return _counted(data, data.get("renewals")) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _renewals_fit(self) -> Existing:
        if self.renewals is None:
            return self
        if len(self.renewals) != self.certificates:
            raise Impossible(
                Fault(
                    f"renewals has {counted(len(self.renewals), 'time')} for "
                    f"{counted(self.certificates, 'certificate')}; "
                    f"leave certificates out or write {len(self.renewals)}",
                    (("certificates",), ("renewals",)),
                )
            )
        if self.within is not None:
            raise Impossible(
                Fault("within does not go together with renewals, which say when", (("within",),), at_key=True)
            )
        return self

    def due(self, certificate: CertificateSpec) -> list[int]:
        """Return the time from the start to the renewal of each, in nanoseconds."""
        if self.renewals is not None:
            return self.renewals
        before = certificate.duration // 3 if certificate.renew_before is None else certificate.renew_before
        within = certificate.duration - before if self.within is None else self.within
        return [within * (2 * number + 1) // (2 * self.certificates) for number in range(self.certificates)]


def _counted(data: dict[str, Any], times: object) -> dict[str, Any]:
    """Return the data with as many certificates as there are times, where it names no number."""
    return {**data, "certificates": len(times)} if isinstance(times, list) and "certificates" not in data else data


def _existing_kind(value: object) -> str:
    return "<existing>" if isinstance(value, dict | Existing) else "<count>"


_WRITTEN = ("spec", "metadata", "data", "status")
"""Parts of an object that a writer may write."""


def _settable(value: dict[str, Any]) -> dict[str, Any]:
    wrong = [
        Fault(f"{quoted(path)} is no field of {', '.join(_WRITTEN)}", ((path,),), at_key=True)
        for path in value
        if path.split(".")[0] not in _WRITTEN or "." not in path
    ]
    if wrong:
        raise Impossible(*wrong)
    template(value, ("name", "value"))
    return value


Settable = Annotated[dict[str, Any], AfterValidator(_settable)]
"""Dotted fields of an object and their values; texts may have ``${name}`` and ``${value}``."""


_OBJECT = re.compile(r"[A-Z]\w*/[a-z0-9.-]+", re.ASCII)


class HandDeed(Part):
    """What somebody does once, by hand."""

    at: Duration = Field(description="when, from the start")
    renew: str | None = Field(
        default=None, description="cmctl renew of the Certificate of this name, such as c0000. Default: not this"
    )
    delete_secret: str | None = Field(
        default=None, description="kubectl delete secret of this name, such as c0000-tls. Default: not this"
    )
    spoil_secret: str | None = Field(
        default=None, description="an edit takes the certificate out of the Secret of this name. Default: not this"
    )
    edit: str | None = Field(
        default=None,
        description="kubectl edit of an object, such as Certificate/c0001: set says what. Default: not this",
    )
    set: Settable = Field(default={}, description="edit only: as of writers. Default: nothing")

    @field_validator("edit")
    @classmethod
    def _kind_and_name(cls, edit: str | None) -> str | None:
        if edit is not None and not _OBJECT.fullmatch(edit):
            raise ValueError(f"{quoted(edit)} names no object; write KIND/NAME, such as Certificate/c0001")
        return edit

    @model_validator(mode="after")
    def _one_deed(self) -> HandDeed:
        if bool(self.set) != (self.edit is not None):
            raise Impossible(Fault("edit names an object, and set its fields: write both", (("set",), ("edit",))))
        said = [key for key in _DEEDS if getattr(self, key) is not None]
        if len(said) != 1:
            message = f"found {', '.join(said) or 'none'}; write exactly one of {', '.join(_DEEDS)}"
            raise Impossible(Fault(message, ((said[-1],) if said else (),)))
        return self


_DEEDS = ("renew", "delete_secret", "spoil_secret", "edit")
_OF_OBJECTS = ("objects", "spec", "ready", "settled")
"""Keys of a workload of another kind than Certificate."""


ObjectSpec = Annotated[dict[str, Any], AfterValidator(checked(template, ("name", "number")))]
"""The spec of each object of many; its texts may have ``${name}`` and ``${number}``."""


_OF_STORED = ("self", "holds", "conditions", "name", "generation")
OverStored = Annotated[str, AfterValidator(checked(compiled, _OF_STORED))]
"""CEL over an object as the server has it stored."""


class OtherObjects(Part):
    """Objects of another kind that are created beside those that the figures are about."""

    kind: str = Field(description="a kind of the scenario, or one that every cluster has")
    objects: int = Field(default=1, ge=1, le=1_000_000, description="how many. Default: one")
    arrival: Arrival = Field(default="one-after-the-other", description="as workload.arrival. Default: as there")
    spec: ObjectSpec = Field(
        default={},
        description="of each; texts may have ${name} and ${number}. Default: empty",
    )

    @model_validator(mode="after")
    def _counts_its_schedule(self) -> OtherObjects:
        if isinstance(self.arrival, ScheduleArrival) and len(self.arrival.schedule) != self.objects:
            message = f"has {counted(len(self.arrival.schedule), 'time')} for {counted(self.objects, 'object')}"
            raise Impossible(Fault(message, (("arrival", "schedule"), ("objects",))))
        return self


class Workload(Part):
    """How many Certificates or other objects, and when."""

    certificates: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="how many are created; as many as a schedule has times, none where only existing is named. "
        "Default: as in the recorded burst-50",
    )
    existing: Annotated[
        Annotated[int, Field(ge=0, le=1_000_000), Tag("<count>")] | Annotated[Existing, Tag("<existing>")],
        Discriminator(_existing_kind),
    ] = Field(
        default=0,
        description="Certificates that are already there and Ready: how many, their renewals spread over the time from "
        "an issuance to its renewal. Default: none, as recorded",
    )
    arrival: Arrival = Field(
        default="one-after-the-other",
        description="one-after-the-other: one client creates the next when the last is answered; "
        "at-once: all at time 0. Default: as recorded",
    )

    deeds: list[HandDeed] = Field(
        default=[], description="what somebody does by hand to Certificates and their Secrets. Default: nothing"
    )

    kind: str = Field(
        default="Certificate",
        description="what is created and what the figures are about: a kind of the scenario. Default: Certificate",
    )
    objects: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="how many of another kind than Certificate. Default: as certificates",
    )
    spec: ObjectSpec = Field(
        default={},
        description="of each object; texts may have ${name} and ${number}. Default: empty",
    )
    beside: list[OtherObjects] = Field(
        default=[],
        description="objects of other kinds that are created too, by clients of their own; the figures are not about "
        "them, and their names are the kind's, such as gadget-0000. Default: none",
    )
    ready: OverStored | None = Field(
        default=None,
        description="CEL over the stored object: whether it is what its creator waits for. Default: Ready is True",
    )
    settled: OverStored | None = Field(
        default=None,
        description="CEL over the stored object: whether, once it is ready, nobody has anything left to do; a run ends "
        "when all are. Default: ready",
    )

    @model_validator(mode="before")
    @classmethod
    def _count_schedule(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        arrival = data.get("arrival")
        if data.get("kind", "Certificate") != "Certificate" and data.get("objects") is not None:
            data = {**data, "certificates": data["objects"]}
        times = arrival.get("schedule") if isinstance(arrival, dict) else getattr(arrival, "schedule", None)
        counted = _counted(data, times or None)
        if "certificates" not in counted and data.get("existing"):
            return {**data, "certificates": 0}
        return counted

    @model_validator(mode="after")
    def _some(self) -> Workload:
        if not self.certificates and not self.existing:
            message = "found 0; write a whole number, at least 1, or name existing ones as workload.existing"
            raise Impossible(Fault(message, (("certificates",),)))
        return self

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Workload:
        if self.kind != "Certificate":
            wrong = [
                Fault(f"{key} is about Certificates", ((key,),), at_key=True)
                for key in ("existing", "deeds")
                if getattr(self, key)
            ]
        else:
            wrong = [
                Fault(f"{key} is for another kind than Certificate; name the kind", ((key,),), at_key=True)
                for key in _OF_OBJECTS
                if getattr(self, key)
            ]
        if wrong:
            raise Impossible(*wrong)
        return self

    def already(self) -> Existing | None:
        """Return the Certificates that are there at the start; None where there are none."""
        if isinstance(self.existing, Existing):
            return self.existing
        return Existing(certificates=self.existing) if self.existing else None

    @property
    def total(self) -> int:
        """How many Certificates there will be, those that are there at the start first."""
        already = self.already()
        return self.certificates + (already.certificates if already is not None else 0)

    def created_by(self) -> int:
        """Return the latest that the last Certificate can be created; an upper bound where chance or load decide."""
        arrival, count = self.arrival, self.certificates
        if isinstance(arrival, ScheduleArrival):
            return arrival.schedule[-1]
        if isinstance(arrival, RateArrival):
            return round(count / arrival.rate * SECOND) * (10 if arrival.poisson else 1)
        return 0 if arrival == "at-once" else count * SECOND  # recorded: 10 ms each, on busy cores

    @model_validator(mode="after")
    def _schedule_fits(self) -> Workload:
        if isinstance(self.arrival, ScheduleArrival) and len(self.arrival.schedule) != self.certificates:
            times = len(self.arrival.schedule)
            raise Impossible(
                Fault(
                    f"the schedule has {counted(times, 'time')} for {counted(self.certificates, 'certificate')}; "
                    f"leave certificates out or write {times}",
                    (("certificates",), ("arrival", "schedule")),
                )
            )
        return self
