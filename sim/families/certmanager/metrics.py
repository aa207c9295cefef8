"""certificates-metrics: looks at every change of a Certificate and writes nothing."""

from __future__ import annotations

from sim.client.effects import Reconcile
from sim.cluster.objects import Object
from sim.families.certmanager.base import CertManagerController


class Metrics(CertManagerController):
    """Costs a reconcile for each change, like the real one (model.md section 3)."""

    name = "certificates-metrics"

    def register(self) -> None:
        """Woken by the Certificate."""
        self.manager.certificates.add_handler(self.workers.add_object)

    def reconcile(self, certificate: Object) -> Reconcile | None:
        """Nothing to send."""
        return None
