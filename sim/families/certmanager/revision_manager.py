"""certificates-revision-manager: deletes old CertificateRequests.

Follows pkg/controller/certificates/revisionmanager (model.md section 3).
"""

from __future__ import annotations

from sim.client import writes
from sim.client.conditions import is_true
from sim.client.effects import Reconcile, Send
from sim.cluster.objects import Object
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.names import REVISION


class RevisionManager(CertManagerController):
    """Keeps ``revisionHistoryLimit`` requests of a Certificate that is Ready."""

    name = "certificates-revision-manager"
    label = "revision_manager"

    def register(self) -> None:
        """Woken by the Certificate and CertificateRequests it owns."""
        self.manager.certificates.add_handler(self.workers.add_object)
        self.manager.requests.add_handler(self.on_owned)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """ProcessItem of revisionmanager_controller.go."""
        limit = self.manager.revision_history_limit
        if limit is None or not is_true(certificate.status, "Ready"):
            return None
        requests = self.requests.owned_by(certificate.uid)
        if len(requests) <= limit:
            return None
        requests.sort(key=lambda request: int(request.annotations.get(REVISION, "0")))
        return self._delete(certificate, requests[: len(requests) - limit])

    def _delete(self, certificate: Object, requests: list[Object]) -> Reconcile:
        for request in requests:
            response = yield Send(writes.delete("CertificateRequest", request.name), certificate.name, request)
            if response.code >= 400 and response.code != 404:
                return response
        return None
