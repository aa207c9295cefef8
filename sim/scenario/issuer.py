"""What a scenario says of the issuer: who signs, how long that takes, and what goes wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sim.scenario.acme import AcmeServer, Challenge
from sim.scenario.errors import Fault, Impossible
from sim.scenario.values import Duration, Latency, Part, Rate
from sim.units import MS, SECOND

_EXTERNAL_LATENCY = Latency(p50=2 * SECOND, p90=5 * SECOND)


_PROVIDER = Latency(p50=1 * MS, p90=2 * MS)
_ONLY: dict[str, tuple[str, ...]] = {
    "external": ("latency", "rate_limit", "reports_pending", "operator", "ca_expires"),
    "acme": ("challenge", "server", "provider", "propagation"),
}
"""The keys that are about one type of issuer."""


class Issuer(Part):
    """Who signs."""

    type: Literal["selfsigned", "ca", "external", "acme"] = Field(
        default="selfsigned",
        description="external: answers after latency. acme: through Orders and Challenges, by server. "
        "Default: as in most recordings",
    )
    group: Literal["", "cert-manager.io"] = Field(
        default="",
        description="not external: the group that issuerRef names. With cert-manager.io the events of a key's Secret "
        "wake the selfsigned issuer for its request. Default: none, as recorded",
    )
    latency: Latency = Field(
        default=_EXTERNAL_LATENCY,
        description="external only: from approval seen to the signature. Default: an assumption",
    )
    operator: str | None = Field(
        default=None,
        description="external only: the operator, of those that the scenario describes, that signs: one of its "
        "controllers is for CertificateRequest and sets certificate (any text stands for one that fits) and Ready. "
        "Default: an issuer of which only latency and outcome are simulated",
    )
    failure_rate: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of requests that the issuer fails. Default: none, as recorded",
    )
    rate_limit: Rate | None = Field(
        default=None,
        description="external only: signatures per second, first come first served. Default: no limit",
    )
    reports_pending: bool = Field(
        default=False,
        description="external only: true: it writes Ready=False, Pending as soon as it sees a request, at the time at "
        "which the approver writes the same object. Default: it writes once, after approval, and conflicts with nobody",
    )
    ca_expires: Duration | None = Field(
        default=None,
        description="external only: when its CA expires, from the start; what it signs ends then at the latest, as of "
        "Vault with leaf_not_after_behavior=truncate. Default: never",
    )
    challenge: Challenge = Field(
        default="http01",
        description="acme only: http01 makes a Pod, a Service and an Ingress for each name, dns01 asks a DNS provider. "
        "Default: cert-manager's most frequent",
    )
    server: AcmeServer = Field(default=AcmeServer(), description="acme only: the ACME server")
    provider: Latency = Field(
        default=_PROVIDER,
        description="acme with dns01 only: one call of the DNS provider, to present a record or to clean it up. "
        "Default: an assumption of a name server on the same machine, as recorded",
    )
    propagation: Duration = Field(
        default=0,
        description="acme only: until what was presented can be seen; dns01 from the provider's answer, http01 from "
        "the first look. Default: at once",
    )

    @model_validator(mode="after")
    def _of_its_type(self) -> Issuer:
        wrong = [
            Fault(f"{key} is for issuer.type {type_}, and the type is {self.type}", ((key,),), at_key=True)
            for type_, keys in _ONLY.items()
            for key in keys
            if type_ != self.type and getattr(self, key) != type(self).model_fields[key].default
        ]
        if self.type == "external" and self.group:
            wrong.append(Fault("an issuer outside has a group of its own", (("group",),), at_key=True))
        if self.type == "acme" and self.failure_rate:
            wrong.append(Fault("an ACME issuer fails by server.validation_fails", (("failure_rate",),), at_key=True))
        if self.operator is not None:
            wrong += [
                Fault(f"{key} is of the simulated issuer, and operator {self.operator} signs", ((key,),), at_key=True)
                for key in ("latency", "rate_limit", "reports_pending", "failure_rate")
                if getattr(self, key) != type(self).model_fields[key].default
            ]
        if wrong:
            raise Impossible(*wrong)
        return self
