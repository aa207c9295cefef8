"""certificaterequests-approver: approves every request.

Follows pkg/controller/certificaterequests/approver (model.md section 3).
"""

from __future__ import annotations

from sim.client.conditions import is_true, ready_reason, with_condition
from sim.client.effects import Reconcile
from sim.cluster.objects import Object
from sim.families.certmanager.requests import RequestController

MESSAGE = "Certificate request has been approved by cert-manager.io"


class Approver(RequestController):
    """Sets Approved=True."""

    name = "certificaterequests-approver"
    label = "approver"

    def reconcile(self, request: Object) -> Reconcile | None:
        """Sync of approver/sync.go."""
        if (
            is_true(request.status, "Approved")
            or is_true(request.status, "Denied")
            or ready_reason(request.status) in {"Failed", "Issued"}
        ):
            return None
        return self._approve(request)

    def _approve(self, request: Object) -> Reconcile:
        self.log_transition(request, "Approved", "True")
        now = self.now_s
        response = yield self.request_status_write(
            request, lambda status: with_condition(status, "Approved", "True", "cert-manager.io", MESSAGE, now)
        )
        if response.code >= 400:
            return response
        self.event(request, "cert-manager.io", MESSAGE)
        return None
