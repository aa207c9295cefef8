"""What somebody does by hand: cmctl renew, a Secret that is deleted or spoiled, an edit of any object."""

from __future__ import annotations

from sim.client import writes
from sim.client.conditions import with_condition
from sim.client.effects import Send
from sim.client.outside import OutsideClient
from sim.client.surroundings import Surroundings
from sim.cluster.objects import Object, Write
from sim.families.otherwriter import change_of, subresource
from sim.scenario.values import Strategy
from sim.scenario.workload import HandDeed

RENEWED = "Certificate re-issuance manually triggered"


class ByHand(OutsideClient):
    """Somebody with kubectl and cmctl, who looks at an object and writes it at once."""

    actor = "by-hand"

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings.simulation, surroundings.server)
        for deed in surroundings.scenario.workload.deeds:
            self.sim.call_in(deed.at, self._do, deed)

    def _do(self, deed: HandDeed) -> None:
        secret = f"Secret/{deed.delete_secret or deed.spoil_secret}"
        kind, name = (deed.edit or (f"Certificate/{deed.renew}" if deed.renew else secret)).split("/")
        found = self.server.api.store.get(kind, name)
        if found is not None:  # kubectl says NotFound otherwise, and that is all
            about = name if kind == "Certificate" else found.annotations.get("cert-manager.io/certificate-name", "")
            self.submit(Send(self._write(deed, found), about, found))

    def _write(self, deed: HandDeed, found: Object) -> Write:
        if deed.delete_secret:
            return writes.delete("Secret", found.name)
        if deed.spoil_secret:
            kept = {key: value for key, value in (found.data or {}).items() if key != "tls.crt"}
            gone = {key: None for key in (found.data or {}) if key not in kept}
            return writes.set_fields("merge-patch-unconditional", {"data": gone}, manager=self.actor, read=found)
        if deed.edit:
            fields = change_of(deed.set)(found.name, "")
            way: Strategy = "merge-patch-unconditional"
            return writes.set_fields(way, fields, manager=self.actor, read=found, subresource=subresource(fields))
        # cmd/ctl/pkg/renew: UpdateStatus with Issuing=True, from the object that it has just read.
        now = self.sim.unix_seconds
        status = with_condition(found.status, "Issuing", "True", "ManuallyTriggered", RENEWED, now, found.generation)
        return writes.replace("update", found, {"status": status}, manager="cmctl", subresource="status")
