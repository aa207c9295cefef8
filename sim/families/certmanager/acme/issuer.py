"""certificaterequests-issuer-acme: makes an Order for each approved CertificateRequest and reports what becomes of it.

Follows pkg/controller/certificaterequests/acme/acme.go and sync.go beside it. Each change of the Order's state is one
more status write of the request, from a copy that may not have the write before it: the conflicts with itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from sim.client import writes
from sim.client.effects import Failure, Reconcile, Send
from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.acme.kinds import FAILED
from sim.families.certmanager.issuers import BuiltInIssuer
from sim.families.certmanager.names import CERTIFICATE_NAME

if TYPE_CHECKING:
    from sim.families.certmanager.manager import CertManager


class AcmeIssuer(BuiltInIssuer):
    """The issuer's controller where the scenario's issuer is ACME."""

    def __init__(self, manager: CertManager) -> None:
        self._orders = manager.informer("Order").cache
        super().__init__(manager, "acme")

    def register(self) -> None:
        """Woken by every CertificateRequest, and by every event of an Order for its owner."""
        super().register()
        self.manager.informer("Order").add_handler(self._on_order)

    def _on_order(self, order: Object) -> None:
        request = self.manager.request_of(order.owner)
        if request is not None:
            self.workers.add(request)

    def _sign(self, request: Object) -> Reconcile:
        assert request.spec is not None
        csr: pki.SigningRequest = request.spec["request"]
        self.parse(csr.key)
        if csr.common_name and csr.common_name not in csr.dns_names:
            reason = "The CSR PEM requests a commonName that is not present in the list of dnsNames or ipAddresses"
            return (yield from self._failed(request, "InvalidOrder", reason))
        name = order_name(request)
        order = self._orders.get(name)
        if order is None:
            return (yield from self._order(request, csr, name))
        if order.owner != request.uid:
            return Failure("found Order resource not owned by this CertificateRequest, retrying")
        status = order.status or {}
        state = status.get("state", "")
        if state in FAILED:
            why = f'order is in "{state}" state: {status.get("reason", "")}'
            reason = f'Failed to wait for order resource "{name}" to become ready: {why}'
            return (yield from self._failed(request, "OrderFailed", reason))
        if state != "valid":
            reason = f'Waiting on certificate issuance from order default/{name}: "{state}"'
            return (yield from self._pending(request, "OrderPending", reason))
        if "certificate" not in status:
            reason = f"Waiting for order-controller to add certificate data to Order default/{name}"
            return (yield from self._pending(request, "OrderPending", reason))
        signed = pki.decoded_certificate(status["certificate"])
        return (yield from self._ready(request, {"certificate": signed}))

    def _order(self, request: Object, csr: pki.SigningRequest, name: str) -> Reconcile:
        """Create the Order; a creation that fails, because it is there and the cache lags, is tried again later."""
        assert request.spec is not None
        body = {
            "metadata": {"annotations": dict(request.annotations), "ownerReferences": [owner_reference(request)]},
            "spec": {
                "request": csr.encoded(),
                "issuerRef": request.spec["issuerRef"],
                "dnsNames": list(csr.dns_names),
                **({"commonName": csr.common_name} if csr.common_name else {}),
            },
        }
        create = writes.create("Order", name, body, manager=self.field_manager)
        response = yield Send(create, self.about(request))
        if response.code < 400:
            return (yield from self._pending(request, "OrderCreated", f"Created Order resource default/{name}"))
        message = f"Failed create new order resource default/{name}: {response.message}"
        written = yield from self._pending(request, "OrderCreatingError", message)
        return response if written is None else written


def order_name(request: Object) -> str:
    """The request's name and a hash of the Order's spec without the CSR: the same whenever it is made again."""
    assert request.spec is not None
    csr: pki.SigningRequest = request.spec["request"]
    return f"{request.name}-{crc32(','.join(csr.dns_names).encode())}"


def certificate_of(obj: Object) -> str:
    """The Certificate that an Order or a Challenge is for."""
    return obj.annotations.get(CERTIFICATE_NAME, "")


def owner_reference(owner: Object) -> dict[str, Any]:
    """metav1.NewControllerRef."""
    version = "acme.cert-manager.io/v1" if owner.kind == "Order" else "cert-manager.io/v1"
    return {"apiVersion": version, "kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": True}
