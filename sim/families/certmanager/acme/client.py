"""cert-manager's ACME client: golang.org/x/crypto/acme as accounts and controllers use it.

One for an Issuer (pkg/acme/accounts/registry.go), its pool of nonces shared by all workers. Every step is a generator
of effects that holds the worker: none of its requests is in the Kubernetes client's token bucket. It has no limit of
its own; only a badNonce is tried again inside a call (pkg/acme/util/util.go, rfc8555.go: at most five times more).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from sim.client.effects import Compute, Effect, Sleep
from sim.client.process import Process
from sim.families.certmanager import pki
from sim.families.certmanager.acme.server import BAD_NONCE, Acme, AcmeOrder, AcmeProblem, Authorization
from sim.units import SECOND

T = TypeVar("T")
UNREACHABLE = "dial tcp: connect: connection refused"
Steps = Generator[Effect, Any, T]
TRIES = 6
POOL = 100
"""Nonces that are kept (x/crypto/acme: maxNonces)."""


class UnreachableError(Exception):
    """The server cannot be reached: an error of the network, which changes nothing and is tried again later."""


class NoLocationError(Exception):
    """A finalize whose answer named no place to ask for the order: the client posts to an empty URL and fails."""


class AcmeClient:
    """The client of the one Issuer, in one run of the process."""

    def __init__(self, process: Process, acme: Acme) -> None:
        self._acme = acme
        self._sim = process.sim
        self._cpu = process.profile.controllers.acme_cpu
        delivery = process.profile.server.delivery
        self._delivery = process.streams.latency("acme", "delivery", delivery) if delivery is not None else int
        self._luck = process.streams.uniform("acme", "backoff")
        self._one_way = acme.settings.one_way
        self._nonces = 0
        breaks = process.surroundings.breaks
        self._outages = breaks.outages if breaks is not None else None

    # The steps of an issuance.

    def new_order(self, names: tuple[str, ...]) -> Steps[AcmeOrder | AcmeProblem]:
        """AuthorizeOrder."""
        return (yield from self._call("newOrder", lambda: self._acme.new_order(names)))

    def order(self, url: str) -> Steps[tuple[AcmeOrder, str] | AcmeProblem]:
        """GetOrder; its status is that at the instant of the answer."""
        return (yield from self._call("order", lambda: _as_it_is(self._acme.order(url), self._sim.now)))

    def authorization(self, url: str) -> Steps[tuple[Authorization, str] | AcmeProblem]:
        """GetAuthorization."""
        return (yield from self._call("authorization", lambda: _as_it_is(self._acme.authorization(url), self._sim.now)))

    def accept(self, url: str) -> Steps[tuple[Authorization, str] | AcmeProblem]:
        """Accept: POST the challenge."""
        return (yield from self._call("challenge", lambda: _as_it_is(self._acme.accept(url), self._sim.now)))

    def wait_authorization(self, url: str, longest: int | None = None) -> Steps[str | AcmeProblem | None]:
        """WaitAuthorization: asks at once and after each Retry-After; None where ``longest`` ns were not enough."""
        began = self._sim.now
        while True:
            found = yield from self.authorization(url)
            if isinstance(found, AcmeProblem) or found[1] != "pending":
                return found if isinstance(found, AcmeProblem) else found[1]
            wait = self._acme.retry_after("authorization")
            if longest is not None and self._sim.now + wait - began > longest:
                yield Sleep(max(began + longest - self._sim.now, 0))
                return None
            yield Sleep(wait)

    def create_certificate(
        self, url: str, csr: pki.SigningRequest, serial: str
    ) -> Steps[pki.SignedCertificate | AcmeProblem]:
        """CreateOrderCert: finalize, wait for the order, fetch the certificate. Raises ``NoLocationError``."""
        found = yield from self._call("finalize", lambda: self._finalized(url, csr, serial))
        while not isinstance(found, AcmeProblem):
            order, state = found
            if state == "valid":
                return (yield from self.certificate(order))
            if not self._acme.settings.location_on_finalize:
                raise NoLocationError
            if state == "processing" and order.done is not None:
                found = yield from self.order(url)
                if not isinstance(found, AcmeProblem) and found[1] == "processing":
                    yield Sleep(self._acme.retry_after("order"))
        return found

    def certificate(self, order: AcmeOrder) -> Steps[pki.SignedCertificate | AcmeProblem]:
        """FetchCert."""

        def fetched() -> pki.SignedCertificate:
            assert order.certificate is not None
            return order.certificate

        return (yield from self._call("certificate", fetched))

    def _finalized(self, url: str, csr: pki.SigningRequest, serial: str) -> tuple[AcmeOrder, str] | AcmeProblem:
        found = self._acme.finalize(url, csr, serial)
        return found if isinstance(found, AcmeProblem) else _as_it_is(found, self._sim.now)

    # Requests.

    def _call(self, step: str, decide: Callable[[], T | AcmeProblem]) -> Steps[T | AcmeProblem]:
        """POST until the nonce is taken."""
        for attempt in range(TRIES):
            if self._nonces:
                self._nonces -= 1
            else:
                yield from self._trip("newNonce", bool)
            yield Compute(self._cpu)
            accepted, answer = yield from self._trip(step, lambda: self._decided(decide))
            self._nonces = min(self._nonces + 1, POOL)
            if accepted:
                break
            # defaultRetryBackoff of pkg/acme/accounts/client.go: 1 to 2 s, 2 to 3 s, then 3 s.
            yield Sleep(min(round((1 + attempt + self._luck()) * SECOND), 3 * SECOND))
        return answer

    def _decided(self, decide: Callable[[], T | AcmeProblem]) -> tuple[bool, T | AcmeProblem]:
        if not self._acme.accepts_nonce():
            return False, AcmeProblem(400, BAD_NONCE, "JWS has an invalid anti-replay nonce")
        return True, decide()

    def _trip(self, step: str, decide: Callable[[], T]) -> Steps[T]:
        """A request and its answer: the server decides when it has done its work."""
        if self._outages is not None and self._sim.now < self._outages.issuer_until:
            yield Sleep(self._delivery())
            raise UnreachableError
        yield Sleep(self._one_way + self._delivery() + self._acme.answer())
        self._acme.requests[step] += 1
        answer = decide()
        yield Sleep(self._one_way + self._delivery())
        return answer


def _as_it_is(found: T, now: int) -> tuple[T, str]:
    """An object and its status now, which by the time that the answer is there may be another."""
    return found, found.state(now)  # type: ignore[attr-defined] # both kinds have it
