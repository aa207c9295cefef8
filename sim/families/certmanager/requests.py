"""What the controllers of CertificateRequests share: their queue's back-off and how they write.

Keys are names of CertificateRequests. Follows pkg/controller/certificaterequests (model.md section 3).
"""

from __future__ import annotations

from typing import Any

from sim.client.cache import Cache
from sim.client.effects import Send
from sim.cluster.objects import Object, Write
from sim.families.certmanager.base import Controller
from sim.families.certmanager.conditions import Status
from sim.families.certmanager.request_manager import CERTIFICATE_NAME
from sim.scenario.model import Retry
from sim.units import MINUTE, SECOND

REQUEST_RETRY = Retry(base=5 * SECOND, max=5 * MINUTE)
"""min(5 s * 2^failures, 5 min) for approver and issuers (model.md section 2)."""


class RequestController(Controller):
    """A controller whose keys are CertificateRequests."""

    def default_retry(self) -> Any:
        """Approver and issuers have a limiter of their own, whatever the Certificates' queues have."""
        return REQUEST_RETRY.model_copy(update={"limit": self.scenario.retry.limit})

    def register(self) -> None:
        """Woken by every CertificateRequest."""
        self.manager.requests.add_handler(self.workers.add_object)

    def keys(self) -> Cache:
        """The cache of CertificateRequests."""
        return self.requests

    def certificate(self, obj: Object) -> str:
        """The Certificate that the request was made for."""
        return obj.annotations.get(CERTIFICATE_NAME, "")

    def request_status_write(self, request: Object, status: Status) -> Send:
        """Write a request's status: update with the cached resourceVersion, or a forced apply."""
        kind, name, manager, body = "CertificateRequest", request.name, self.field_manager, {"status": status}
        if self.strategy == "apply":
            write = Write("apply", kind, name, body, manager, "status", True)
        else:
            write = Write("update", kind, name, body, manager, "status", False, request.resource_version, request.uid)
        return Send(write, self.certificate(request), request)
