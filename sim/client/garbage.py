"""The garbage collector: objects whose owners are all gone are deleted, in the background.

kube-controller-manager ``pkg/controller/garbagecollector/garbagecollector.go``: an owner's deletion is seen in a watch;
each dependent is read live, and deleted with its uid as a precondition where none of its owners is left.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.client.effects import Get, Send
from sim.client.outside import OutsideClient
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.server import Server
from sim.cluster.watch import WatchEvent
from sim.kernel.simulation import Simulation
from sim.kernel.streams import LognormalTimes

Place = tuple[str, str]
"""Kind and name of an object."""


class GarbageCollector(OutsideClient):
    """Follows who owns whom, from the commit on; ``lag`` is how long its watches take."""

    actor = "generic-garbage-collector"

    def __init__(self, simulation: Simulation, server: Server, kinds: Iterable[str], lag: LognormalTimes) -> None:
        super().__init__(simulation, server)
        self._lag = simulation.streams.latency(self.actor, "lag", lag)
        self._dependents: dict[str, set[Place]] = {}
        """By the uid of an owner."""
        for kind in kinds:
            server.api.store.subscribe(kind, self._committed)

    def _committed(self, event: WatchEvent) -> None:
        item = event.object
        place = (item.kind, item.name)
        if not event.deleted:
            for owner in item.owners:
                known = self._dependents.get(owner["uid"])
                if known is None:
                    known = self._dependents[owner["uid"]] = set()
                known.add(place)
                if not self._lives(owner):  # owned by somebody who is gone already
                    self.sim.after(self._lag(), self._look, place)
            return
        for owner in item.owners:
            self._dependents.get(owner["uid"], set()).discard(place)
        for dependent in sorted(self._dependents.pop(item.uid, ())):
            self.sim.after(self._lag(), self._look, dependent)

    def _lives(self, owner: dict[str, str]) -> bool:
        store = self.server.api.store
        found = store.get(owner["kind"], owner["name"]) if owner["kind"] in store.kinds else None
        return found is not None and found.uid == owner["uid"]

    def _look(self, place: Place) -> None:
        kind, name = place
        self.submit(Get(Write("get", kind, name, {}), name), self._read)

    def _read(self, response: Response) -> None:
        item = response.object
        if item is None or not item.owners or any(self._lives(owner) for owner in item.owners):
            return
        self.submit(Send(_deletion(item), item.name, item))


def _deletion(item: Object) -> Write:
    options = {"propagationPolicy": "Background"}
    return Write("delete", item.kind, item.name, options, uid=item.uid)
