"""orders: takes an Order through the ACME server's steps, and makes a Challenge for each authorization.

Follows pkg/controller/acmeorders/{controller,sync}.go at v1.12.9. One step a pass, the first that fits, and one
status write at its end if anything has changed. Nothing checks that the cache has caught up with its own last write:
a pass that comes too early repeats the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from sim.client import writes
from sim.client.conditions import Status
from sim.client.effects import Failure, Reconcile, Result, Send
from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.acme.base import AcmeController
from sim.families.certmanager.acme.client import UNREACHABLE, AcmeClient, NoLocationError, Steps, UnreachableError
from sim.families.certmanager.acme.issuer import owner_reference
from sim.families.certmanager.acme.kinds import FAILED, FINAL
from sim.families.certmanager.acme.server import AcmeOrder, AcmeProblem
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.kernel.clock import rfc3339
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.families.certmanager.manager import CertManager

LOOK_AGAIN = 5 * SECOND
"""RequeuePeriod."""


class Orders(AcmeController):
    """Writes the status of Orders, creates and deletes Challenges."""

    name = "orders"
    label = "orders"
    kind = "Order"

    def __init__(self, manager: CertManager, client: AcmeClient) -> None:
        self._challenges = manager.informer("Challenge").cache
        super().__init__(manager, client)

    def register(self) -> None:
        """Woken by every Order, and by every Challenge for the Order that owns it."""
        self.manager.informer("Order").add_handler(self.workers.add_object)
        self.manager.informer("Challenge").add_handler(self._on_challenge)

    def _on_challenge(self, challenge: Object) -> None:
        order = self.manager.order_of(challenge.owner)
        if order is not None:
            self.workers.add(order)

    def reconcile(self, order: Object) -> Reconcile | None:
        """Sync of acmeorders/sync.go: nothing to do where no step fits."""
        status = order.status or {}
        state = status.get("state", "")
        if state in FAILED or (order.deleted is not None and self.release.acme_skips_deleted_orders):
            return None
        if "url" not in status or any("identifier" not in each for each in status["authorizations"]):
            return self._then_saved(order)
        if state == "valid":
            owned = self._challenges.owned_by(order.uid)
            if "certificate" not in status:
                return self._then_saved(order)
            return self._delete(order, owned) if owned else None
        wanted = self._wanted(order)
        if any(self._challenges.get(name) is None for name in wanted):
            return self._create(order, wanted)
        owned = self._challenges.owned_by(order.uid)
        if any(each.name not in wanted for each in owned):
            return self._delete(order, [each for each in owned if each.name not in wanted])
        states = [(each.status or {}).get("state", "") for each in owned]
        failed, final = any(each in FAILED for each in states), all(each in FINAL for each in states)
        if state != "ready" and not failed and not final:
            return None
        return self._then_saved(order, failed=failed)

    def _then_saved(self, order: Object, failed: bool = False) -> Reconcile:
        """A step with the ACME server, and the status that it leads to, written also where the step failed."""
        status = dict(order.status or {})
        try:
            result = yield from self._step(order, status, failed)
        except UnreachableError:
            result = Failure(UNREACHABLE)
        written = yield from self.saved(order, status)
        return result if written is None else written

    def _step(self, order: Object, status: Status, failed: bool) -> Steps[Result]:
        """The first step that fits; changes ``status``."""
        assert order.spec is not None
        names = tuple(order.spec.get("dnsNames", ()))
        state = status.get("state", "")
        if "url" not in status:
            made = yield from self.client.new_order(names)
            if isinstance(made, AcmeProblem):
                return self._refused(status, made, "Failed to create Order")
            status["url"], status["finalizeURL"] = made.url, f"{made.url}/finalize"
            status["authorizations"] = [{"url": each.url} for each in made.authorizations]
            status["state"] = made.state(self.process.sim.now)
            return None
        if any("identifier" not in each for each in status["authorizations"]):
            return (yield from self._identify(status))
        if state == "valid":
            return (yield from self._fetch(status, status["url"]))
        if state == "ready":
            return (yield from self._finalize(order, status))
        found = yield from self.client.order(status["url"])
        if isinstance(found, AcmeProblem):
            return self._refused(status, found, "Failed to retrieve Order resource")
        if not failed and found[1] == "pending":
            # The source adds the key plainly after a while, in place of what was scheduled for it before.
            self.scheduled.add(order.name, LOOK_AGAIN)
            return None
        self._set_state(status, found[1])
        return None

    def _identify(self, status: Status) -> Steps[Result]:
        """Fill in what each authorization is about, one after the other."""
        filled: list[dict[str, Any]] = list(status["authorizations"])
        for number, each in enumerate(filled):
            if "identifier" in each:
                continue
            found = yield from self.client.authorization(each["url"])
            if isinstance(found, AcmeProblem):
                return self._refused(status, found, "Failed to fetch authorization")
            authorization, state = found
            offered = [
                {"url": f"{each['url']}/{type_}", "token": "token", "type": type_} for type_ in ("http-01", "dns-01")
            ]
            filled[number] = {
                "url": each["url"],
                "identifier": authorization.name,
                "initialState": state,
                "wildcard": False,
                "challenges": offered,
            }
            status["authorizations"] = filled
        return None

    def _fetch(self, status: Status, url: str) -> Steps[Result]:
        """syncCertificateData: ask for the order and fetch its certificate."""
        found = yield from self.client.order(url)
        if isinstance(found, AcmeProblem):
            return self._refused(status, found, "Failed to retrieve Order resource")
        self._set_state(status, found[1])
        return (yield from self._take_certificate(status, found[0]))

    def _take_certificate(self, status: Status, order: AcmeOrder) -> Steps[Result]:
        signed = yield from self.client.certificate(order)
        if isinstance(signed, AcmeProblem):
            return self._refused(status, signed, "Failed to retrieve signed certificate")
        status["certificate"] = signed.encoded()
        return None

    def _finalize(self, order: Object, status: Status) -> Steps[Result]:
        """finalizeOrder: holds the worker until the certificate is there."""
        assert order.spec is not None
        csr = pki.decoded_request(order.spec["request"])
        serial = self.manager.suffix(self.name, "serials", 12)
        failure: Result = None
        try:
            signed = yield from self.client.create_certificate(status["url"], csr, serial)
        except NoLocationError:
            signed, failure = None, Failure('error finalizing order: Post "": unsupported protocol scheme ""')
        if isinstance(signed, AcmeProblem):
            if signed.status == 403:  # finalized already, by a pass whose status write failed
                found = yield from self.client.order(status["url"])
                if not isinstance(found, AcmeProblem) and found[1] == "valid":
                    self._set_state(status, "valid")
                    return (yield from self._complete(order, status, found[0]))
            return self._refused(status, signed, "Failed to finalize Order")
        found = yield from self.client.order(status["url"])
        if isinstance(found, AcmeProblem):
            return self._refused(status, found, "Failed to retrieve Order resource")
        self._set_state(status, found[1])
        if failure is None and signed is not None:
            status["certificate"] = signed.encoded()
            self.event(order, "Complete", "Order completed successfully")
        return failure

    def _complete(self, order: Object, status: Status, found: AcmeOrder) -> Steps[Result]:
        result = yield from self._take_certificate(status, found)
        if result is None:
            self.event(order, "Complete", "Order completed successfully")
        return result

    def _refused(self, status: Status, problem: AcmeProblem, words: str) -> Result:
        """A 4xx, 429 too, fails the Order for good; others are tried again."""
        if problem.status >= 500:
            return Failure(f"{words}: {problem}")
        self._set_state(status, "errored")
        status["reason"] = f"{words}: {problem}"
        return None

    def _set_state(self, status: Status, state: str) -> None:
        status["state"] = state
        if state in FAILED:
            status["failureTime"] = rfc3339(self.now_s)

    # Challenges

    def _wanted(self, order: Object) -> dict[str, dict[str, Any]]:
        """The Challenges that the Order needs, by name: one for each authorization that was not valid at first."""
        assert order.status is not None
        type_ = "http-01" if self.scenario.issuer.challenge == "http01" else "dns-01"
        wanted = {}
        for each in order.status["authorizations"]:
            if each["initialState"] == "valid":
                continue
            chosen = next(offer for offer in each["challenges"] if offer["type"] == type_)
            wanted[f"{order.name}-{crc32(each['url'].encode())}"] = {"authorization": each, "challenge": chosen}
        return wanted

    def _create(self, order: Object, wanted: dict[str, dict[str, Any]]) -> Reconcile:
        assert order.spec is not None
        for name, parts in wanted.items():
            body = {
                # The real one has no such annotation: who tells of it needs to know its Certificate.
                "metadata": {
                    "annotations": {CERTIFICATE_NAME: self.about(order)},
                    "ownerReferences": [owner_reference(order)],
                },
                "spec": {
                    "authorizationURL": parts["authorization"]["url"],
                    "dnsName": parts["authorization"]["identifier"],
                    "issuerRef": order.spec["issuerRef"],
                    "key": "key",
                    "solver": {self.scenario.issuer.challenge: {}},
                    "token": parts["challenge"]["token"],
                    "type": parts["challenge"]["type"].upper(),
                    "url": parts["challenge"]["url"],
                },
            }
            create = writes.create("Challenge", name, body, manager=self.field_manager)
            response = yield Send(create, self.about(order))
            if response.reason == "AlreadyExists":
                continue
            if response.code >= 400:
                return response
            domain = parts["authorization"]["identifier"]
            self.event(order, "Created", f'Created Challenge resource "{name}" for domain "{domain}"')
        return None

    def _delete(self, order: Object, challenges: list[Object]) -> Reconcile:
        """Delete them one by one; one that is gone already is an error."""
        for each in challenges:
            response = yield Send(writes.delete("Challenge", each.name), self.about(order), each)
            if response.code >= 400:
                return response
        return None
