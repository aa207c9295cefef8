"""What each Certificate of the workload asks for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sim.scenario.errors import Fault, Impossible
from sim.scenario.values import Duration, Part
from sim.units import HOUR, format_duration

_KEY_SIZES = {"RSA": tuple(range(2048, 8193, 1024)), "ECDSA": (256, 384, 521), "Ed25519": ()}


class PrivateKey(Part):
    """spec.privateKey of the Certificates."""

    algorithm: Literal["RSA", "ECDSA", "Ed25519"] = Field(
        default="RSA", description="kind of key; Ed25519 keys have one size. Default: cert-manager's"
    )
    size: int | None = Field(
        default=None,
        description="bits; RSA 2048 to 8192 in steps of 1024, ECDSA 256, 384 or 521. "
        "Default: cert-manager's, 2048 for RSA and 256 for ECDSA",
    )
    rotation_policy: Literal["Never", "Always"] | None = Field(
        default=None,
        description="Never: a renewal keeps the stored key. "
        "Default: as in the release, Never in 1.12.9, Always in 1.21",
    )

    @model_validator(mode="after")
    def _size_fits(self) -> PrivateKey:
        sizes = _KEY_SIZES[self.algorithm]
        if self.size is not None and self.size not in sizes:
            allowed = f"allowed: {', '.join(map(str, sizes))}" if sizes else "remove the key, it has one size only"
            raise Impossible(Fault(f"{self.size} is no size of an {self.algorithm} key; {allowed}", (("size",),)))
        return self


class CertificateSpec(Part):
    """What each Certificate asks for."""

    duration: Duration = Field(
        default=2160 * HOUR,
        gt=0,
        description="lifetime of a signed certificate. Default: cert-manager's 90 days",
    )
    renew_before: Duration | None = Field(
        default=None,
        description="renew so long before expiry; shorter than duration. Default: cert-manager's, a third of duration",
    )
    private_key: PrivateKey = PrivateKey()
    revision_history_limit: int | None = Field(
        default=None,
        ge=1,
        description="old CertificateRequests kept. Default: as in the release, all in 1.12.9 and 1 in 1.21",
    )
    dns_names: int = Field(default=1, ge=1, le=100, description="names of each. Default: 1, as in most recordings")
    secret_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="one Secret that all Certificates name, as by mistake. Default: each has its own, NAME-tls",
    )
    registered_domains: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="registered domains that the names are spread over: an ACME server limits each. "
        "Default: one for all",
    )

    @model_validator(mode="after")
    def _renewed_after_issuance(self) -> CertificateSpec:
        if self.renew_before is not None and self.renew_before >= self.duration:
            raise Impossible(
                Fault(
                    f"renewing {format_duration(self.renew_before)} before expiry a certificate that lives "
                    f"{format_duration(self.duration)} never ends; renew_before must be less than duration",
                    (("renew_before",), ("duration",)),
                )
            )
        return self
