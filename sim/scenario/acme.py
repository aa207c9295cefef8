"""What a scenario says of an ACME issuer: its challenges, the server that it talks to, and that server's limits.

The defaults are a test server's on the same machine, as recorded: nothing is limited and nothing takes long. ``limits:
letsencrypt-2025-06-12`` is what Let's Encrypt publishes (https://letsencrypt.org/docs/rate-limits, as of that day).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from sim.scenario.values import Duration, Latency, Part
from sim.units import HOUR, MS, SECOND, US

Challenge = Literal["http01", "dns01"]


class Limit(Part):
    """A token bucket: so many at once, and all of them again after ``per``."""

    count: int = Field(ge=1, le=1_000_000_000, description="how many at once")
    per: Duration = Field(gt=0, description="an empty bucket is full again after so long, evenly")


class AcmeLimits(Part):
    """Rate limits of an ACME server; a request beyond one is answered 429, rateLimited, with Retry-After."""

    orders: Limit | None = Field(default=None, description="new orders of the account. Default: none")
    certificates_per_domain: Limit | None = Field(
        default=None, description="certificates of one registered domain. Default: none"
    )
    duplicates: Limit | None = Field(
        default=None, description="certificates of exactly the same set of names. Default: none"
    )
    failures: Limit | None = Field(
        default=None, description="failed validations of one name; beyond, its orders are refused. Default: none"
    )
    renewals_exempt: bool = Field(
        default=True,
        description="an order for a set of names that had a certificate counts neither as a new order nor against its "
        "registered domain. Default: Let's Encrypt's",
    )


LIMITS: Mapping[str, AcmeLimits] = MappingProxyType(
    {
        "none": AcmeLimits(),
        "letsencrypt-2025-06-12": AcmeLimits(
            orders=Limit(count=300, per=3 * HOUR),
            certificates_per_domain=Limit(count=50, per=7 * 24 * HOUR),
            duplicates=Limit(count=5, per=7 * 24 * HOUR),
            failures=Limit(count=5, per=HOUR),
        ),
    }
)
"""AcmeLimits by name. The second: https://letsencrypt.org/docs/rate-limits, last updated June 12, 2025."""


def _limits_kind(value: object) -> str:
    return "<limits>" if isinstance(value, dict | AcmeLimits) else "<choice>"


class AcmeServer(Part):
    """The server's side of ACME (RFC 8555): how long its steps take, what it answers, and what it limits."""

    one_way: Duration = Field(
        default=0, description="of each message between cert-manager and the server. Default: none, the same machine"
    )
    answer: Latency = Field(
        default=Latency(p50=240 * US, p90=500 * US),
        description="from a request to its answer, in the server. Default: measured on acme-dns01-30-update/r1",
    )
    validation: Latency = Field(
        default=Latency(p50=round(1.9 * MS), p90=round(3.2 * MS)),
        description="from a challenge's acceptance until its authorization is valid or invalid. Default: from the "
        "share of first polls that came too early in acme-dns01-30-update/r1",
    )
    finalize: Latency = Field(
        default=Latency(p50=round(1.7 * MS), p90=round(3.3 * MS)),
        description="how long an order is processing after its finalize. Default: likewise",
    )
    finalize_takes: Duration = Field(default=0, description="on top of finalize, always. Default: nothing")
    retry_after_authorization: Duration = Field(
        default=3 * SECOND,
        description="Retry-After of an unfinished authorization; 0s: none, and the client asks again after a second. "
        "Default: as recorded",
    )
    retry_after_order: Duration = Field(
        default=5 * SECOND, description="Retry-After of a processing order; 0s: none. Default: as recorded"
    )
    retry_after_as_date: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of Retry-Afters that are a date, in whole seconds, so up to a second less. "
        "Default: Pebble's",
    )
    location_on_finalize: bool = Field(
        default=True,
        description="whether the answers to finalize and order requests have a Location, as Let's Encrypt's; without, "
        "cert-manager's client fails after each finalize of an order that is not valid at once. Default: true",
    )
    bad_nonces: float = Field(default=0, ge=0, lt=1, description="share of requests refused as badNonce. Default: none")
    refuse_first: int = Field(
        default=0, ge=0, description="so many new orders are answered 429, rateLimited, at first. Default: none"
    )
    validation_fails: float = Field(default=0, ge=0, le=1, description="share of validations that fail. Default: none")
    reuse: Duration = Field(
        default=0,
        description="a valid authorization serves other orders for its name for so long; 30 days are Let's Encrypt's. "
        "Default: none, as recorded",
    )
    limits: Annotated[
        Annotated[Literal["none", "letsencrypt-2025-06-12"], Tag("<choice>")] | Annotated[AcmeLimits, Tag("<limits>")],
        Discriminator(_limits_kind),
    ] = Field(
        default="none",
        description="rate limits, by name or one by one. letsencrypt-2025-06-12: as published that day. Default: none",
    )

    def limited(self) -> AcmeLimits:
        """Return the limits that hold."""
        return self.limits if isinstance(self.limits, AcmeLimits) else LIMITS[self.limits]
