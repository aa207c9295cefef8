"""What the controllers of CertificateRequests share: their queue's back-off and how they write.

Keys are names of CertificateRequests. Follows pkg/controller/certificaterequests (model.md section 3).
"""

from __future__ import annotations

from collections.abc import Callable

from sim.client import writes
from sim.client.cache import Cache
from sim.client.conditions import Status
from sim.client.effects import Send
from sim.cluster.objects import Object, Write
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.scenario.retry import Retry
from sim.scenario.values import Strategy
from sim.units import MINUTE, SECOND

REQUEST_RETRY = Retry(base=5 * SECOND, max=5 * MINUTE)
"""min(5 s * 2^failures, 5 min) for approver and issuers (model.md section 2)."""


class RequestController(CertManagerController):
    """A controller whose keys are CertificateRequests."""

    def default_retry(self, retry: Retry) -> Retry:
        """Approver and issuers have a limiter of their own, whatever the Certificates' queues have."""
        return REQUEST_RETRY.model_copy(update={"limit": retry.limit})

    def register(self) -> None:
        """Woken by every CertificateRequest."""
        self.manager.requests.add_handler(self.workers.add_object)

    def keys(self) -> Cache:
        """The cache of CertificateRequests."""
        return self.requests

    def about(self, obj: Object) -> str:
        """The Certificate that the request was made for."""
        return obj.annotations.get(CERTIFICATE_NAME, "")

    def request_status_write(self, request: Object, change: Callable[[Status | None], Status]) -> Send:
        """Write a request's status, changed: update with the cached resourceVersion, or a forced apply of the whole."""

        def write(copy: Object, strategy: Strategy | None) -> Write:
            how: Strategy = "apply" if (strategy or self.strategy) == "apply" else "update"
            status = change(copy.status)
            return writes.replace(how, copy, {"status": status}, manager=self.field_manager, subresource="status")

        return self.sending(request, write)
