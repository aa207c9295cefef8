"""An ACME server (RFC 8555) as its clients meet it: orders, authorizations, limits, and when each of them changes.

What depends on time alone (a validation that ends, an order that is processed) is computed when somebody asks, so an
idle server costs nothing. One account; names of its objects stand for their URLs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from sim.client.throttle import TokenBucket
from sim.families.certmanager import pki
from sim.families.certmanager.issuers import sign
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.acme import AcmeServer, Limit
from sim.units import SECOND

OrderState = Literal["pending", "ready", "processing", "valid", "invalid"]
RATE_LIMITED = "urn:ietf:params:acme:error:rateLimited"
BAD_NONCE = "urn:ietf:params:acme:error:badNonce"
NOT_READY = "urn:ietf:params:acme:error:orderNotReady"


class AcmeProblem(NamedTuple):
    """A problem document: the HTTP status, the type, words, and Retry-After in nanoseconds where there is one."""

    status: int
    type: str
    detail: str
    retry_after: int = 0

    def __str__(self) -> str:
        return f"{self.status} {self.type}: {self.detail}"


@dataclass(slots=True)
class Authorization:
    """For one name; ``decided`` is when its validation ends, in simulated nanoseconds, ``None`` before it began."""

    url: str
    name: str
    decided: int | None = None
    passes: bool = True

    def state(self, now: int) -> Literal["pending", "valid", "invalid"]:
        """Its status as the server would answer now."""
        if self.decided is None or now < self.decided:
            return "pending"
        return "valid" if self.passes else "invalid"


@dataclass(slots=True)
class AcmeOrder:
    """An order; ``done`` is when its certificate is there, ``None`` before it was finalized."""

    url: str
    names: tuple[str, ...]
    authorizations: list[Authorization]
    done: int | None = None
    certificate: pki.SignedCertificate | None = field(default=None)

    def state(self, now: int) -> OrderState:
        """Its status as the server would answer now."""
        if self.done is not None:
            return "valid" if now >= self.done else "processing"
        states = {each.state(now) for each in self.authorizations}
        return "invalid" if "invalid" in states else "pending" if "pending" in states else "ready"


class Buckets:
    """One limit: a token bucket for each that it is about."""

    def __init__(self, limit: Limit | None) -> None:
        self._limit = limit
        self._buckets: dict[tuple[str, ...], TokenBucket] = {}
        self.refused = 0

    def _of(self, about: tuple[str, ...], limit: Limit) -> TokenBucket:
        found = self._buckets.get(about)
        if found is None:
            found = self._buckets[about] = TokenBucket(limit.count * SECOND / limit.per, limit.count)
        return found

    def wait(self, about: tuple[str, ...], now: int) -> int:
        """Nanoseconds until one more is allowed, 0 where it is now; takes nothing."""
        if self._limit is None:
            return 0
        missing = 1 - self._of(about, self._limit).level(now)
        return max(round(missing * self._limit.per / self._limit.count), 0)

    def take(self, about: tuple[str, ...], now: int) -> None:
        """Take one."""
        if self._limit is not None:
            self._of(about, self._limit).reserve(now)


class Acme:
    """The server's state and its decisions; what a request takes is the client's to wait for."""

    def __init__(self, simulation: Simulation, streams: Streams, settings: AcmeServer, lifetime: int) -> None:
        self._sim = simulation
        self.settings = settings
        self._lifetime = lifetime
        self.answer = streams.latency("acme", "answer", settings.answer)
        self._validation = streams.latency("acme", "validation", settings.validation)
        self._finalize = streams.latency("acme", "finalize", settings.finalize)
        self._luck = streams.uniform("acme", "luck")
        self._orders: dict[str, AcmeOrder] = {}
        self._authorizations: dict[str, Authorization] = {}
        self._reusable: dict[str, Authorization] = {}
        self._issued_for: set[tuple[str, ...]] = set()
        self._refuse = settings.refuse_first
        limits = settings.limited()
        self._exempt = limits.renewals_exempt
        self._per_account = Buckets(limits.orders)
        self._per_domain = Buckets(limits.certificates_per_domain)
        self._per_set = Buckets(limits.duplicates)
        self._failures = Buckets(limits.failures)
        self.requests: Counter[str] = Counter()
        """What was answered, by step."""

    # The steps. Each decides at the instant at which the server does.

    def accepts_nonce(self) -> bool:
        """Whether a request's nonce is taken."""
        rejects = self.settings.bad_nonces
        return not rejects or self._luck() >= rejects

    def new_order(self, names: tuple[str, ...]) -> AcmeOrder | AcmeProblem:
        """POST newOrder."""
        refused = self._refusal(names)
        if refused is not None:
            return refused
        number = len(self._orders) + 1
        authorizations = [self._authorization(name, number) for name in names]
        order = self._orders[f"order-{number}"] = AcmeOrder(f"order-{number}", names, authorizations)
        return order

    def order(self, url: str) -> AcmeOrder:
        """POST-as-GET of an order."""
        return self._orders[url]

    def authorization(self, url: str) -> Authorization:
        """POST-as-GET of an authorization."""
        return self._authorizations[url]

    def accept(self, url: str) -> Authorization:
        """POST to a challenge: its validation begins, unless it has."""
        found = self._authorizations[url]
        if found.decided is None:
            found.decided = self._sim.now + self._validation()
            fails = self.settings.validation_fails
            found.passes = not fails or self._luck() >= fails
            if not found.passes:
                self._failures.take((found.name,), found.decided)
        return found

    def finalize(self, url: str, csr: pki.SigningRequest, serial: str) -> AcmeOrder | AcmeProblem:
        """POST finalize."""
        order, now = self._orders[url], self._sim.now
        if order.state(now) != "ready":
            return AcmeProblem(403, NOT_READY, f"an order that is {order.state(now)} cannot be finalized")

        order.done = now + self._finalize() + self.settings.finalize_takes
        order.certificate = sign(csr, serial, self._sim.unix_seconds, self._lifetime)
        self._issued_for.add(order.names)
        return order

    def retry_after(self, kind: Literal["authorization", "order"]) -> int:
        """Nanoseconds that an unfinished object's Retry-After makes the client wait: one second where there is none.

        A date is in whole seconds, so that what is left of it is up to one second less.
        """
        settings = self.settings
        after = settings.retry_after_order if kind == "order" else settings.retry_after_authorization
        if after and settings.retry_after_as_date and self._luck() < settings.retry_after_as_date:
            return after - (self._sim.epoch + self._sim.now) % SECOND
        return after or SECOND

    def _authorization(self, name: str, number: int) -> Authorization:
        now = self._sim.now
        again = self._reusable.get(name)
        if again is not None and again.state(now) == "valid":
            assert again.decided is not None
            if now - again.decided < self.settings.reuse:
                return again
        made = Authorization(f"authz-{number}-{name}", name)
        self._authorizations[made.url] = made
        if self.settings.reuse:
            self._reusable[name] = made
        return made

    def _refusal(self, names: tuple[str, ...]) -> AcmeProblem | None:
        """The answer to a new order beyond a limit; of one within, what it takes of them.

        Let's Encrypt counts certificates when they are issued; here an order takes its part when it is made, and one
        that fails gives nothing back.
        """
        if self._refuse:
            self._refuse -= 1
            return AcmeProblem(429, RATE_LIMITED, "too many new orders recently", 60 * SECOND)
        now = self._sim.now
        renewal = self._exempt and names in self._issued_for
        domains = sorted({registered_domain(name) for name in names})
        asked: list[tuple[Buckets, tuple[str, ...], str]] = [(self._per_set, names, "certificates for this exact set")]
        if not renewal:
            asked += [(self._per_account, (), "new orders")]
            asked += [(self._per_domain, (domain,), f"certificates for {domain}") for domain in domains]
        asked += [(self._failures, (name,), f"failed authorizations for {name}") for name in names]
        for bucket, about, what in asked:
            wait = bucket.wait(about, now)
            if wait:
                bucket.refused += 1
                return AcmeProblem(429, RATE_LIMITED, f"too many {what}", wait)
        for bucket, about, _ in asked:
            if bucket is not self._failures:
                bucket.take(about, now)
        return None

    def refused(self) -> dict[str, int]:
        """How many new orders each limit refused."""
        each = {
            "orders": self._per_account,
            "certificates_per_domain": self._per_domain,
            "duplicates": self._per_set,
            "failures": self._failures,
        }
        return {name: bucket.refused for name, bucket in each.items() if bucket.refused}

    def known(self, names: tuple[str, ...]) -> None:
        """A certificate for these names was there when the replication began."""
        self._issued_for.add(names)


def registered_domain(name: str) -> str:
    """The registered domain of a name: its last two labels, as the simulated ones have."""
    return ".".join(name.split(".")[-2:])
