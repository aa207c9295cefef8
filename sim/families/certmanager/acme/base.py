"""What the controllers of Orders and Challenges share: their queue's back-off, and how they write a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.client.cache import Cache
from sim.client.conditions import Status
from sim.client.effects import Reconcile
from sim.cluster.objects import Object
from sim.families.certmanager.acme.client import AcmeClient
from sim.families.certmanager.acme.issuer import certificate_of
from sim.families.certmanager.base import CertManagerController
from sim.scenario.retry import Retry
from sim.units import MINUTE, SECOND

if TYPE_CHECKING:
    from sim.families.certmanager.manager import CertManager

ACME_RETRY = Retry(base=5 * SECOND, max=30 * MINUTE)
"""Of orders and challenges (pkg/controller/acmeorders/controller.go: NewItemExponentialFailureRateLimiter)."""


class AcmeController(CertManagerController):
    """A controller whose keys are Orders or Challenges."""

    kind = ""

    def __init__(self, manager: CertManager, client: AcmeClient) -> None:
        self.client = client
        self._keys = manager.informer(self.kind).cache
        super().__init__(manager)

    def default_retry(self, retry: Retry) -> Retry:
        """A limiter of its own, whatever the Certificates' queues have."""
        return ACME_RETRY.model_copy(update={"limit": retry.limit})

    def keys(self) -> Cache:
        """The cache of its kind."""
        return self._keys

    def about(self, obj: Object) -> str:
        """The Certificate that it is for."""
        return certificate_of(obj)

    def saved(self, obj: Object, status: Status) -> Reconcile:
        """Write the status whole, if it has changed."""
        if status == (obj.status or {}):
            return None
        response = yield self.status_write(obj, lambda _: status, dict)
        return response if response.code >= 400 else None
