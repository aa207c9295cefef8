"""The garbage collector: who goes with an owner, and who stays."""

from __future__ import annotations

from sim.client.garbage import GarbageCollector
from sim.cluster.objects import Object, Write
from sim.kernel.clock import EPOCH
from sim.units import MS
from tests.client.toy import Toy, constant, service

PROFILE = {"server": {"times": service(4 * MS), "cold_factor": 1}, "watch": {"lag": constant(1 * MS)}}


class Cluster(Toy):
    def __init__(self) -> None:
        super().__init__(profile=PROFILE)
        kinds = ("ConfigMap", "Deployment")
        self.collector = GarbageCollector(self.sim, self.server, kinds, self.profile.watch.lag)

    def make(self, name: str, *owners: Object, kind: str = "ConfigMap", finalizers: tuple[str, ...] = ()) -> Object:
        references = [{"apiVersion": "v1", "kind": each.kind, "name": each.name, "uid": each.uid} for each in owners]
        body = {"metadata": {"ownerReferences": references, "finalizers": list(finalizers)}}
        made = self.api.handle(Write("create", kind, name, body, "lab"), EPOCH).object
        assert made is not None
        return made

    def delete(self, item: Object) -> None:
        assert self.api.handle(Write("delete", item.kind, item.name, {}), EPOCH).code == 200

    def settle(self) -> set[str]:
        """The names that are left when nothing happens any more."""
        while self.sim.calls:
            self.sim.step()
        return {item.name for kind in ("ConfigMap", "Deployment") for item in self.api.store.list(kind)}


def test_dependents_go_with_their_owner_and_theirs_with_them() -> None:
    cluster = Cluster()
    owner = cluster.make("owner", kind="Deployment")
    child = cluster.make("child", owner)
    cluster.make("grandchild", child)
    cluster.make("other")
    cluster.delete(owner)
    assert cluster.settle() == {"other"}
    sent = [(row["verb"], row["object"]) for row in cluster.requests(actor="generic-garbage-collector")]
    assert sent == [("get", "child"), ("delete", "child"), ("get", "grandchild"), ("delete", "grandchild")]


def test_who_has_another_owner_left_stays() -> None:
    cluster = Cluster()
    one, other = cluster.make("one"), cluster.make("other")
    cluster.make("child", one, other)
    cluster.delete(one)
    assert cluster.settle() == {"other", "child"}
    cluster.delete(other)
    assert cluster.settle() == set()


def test_an_owner_that_waits_for_a_finalizer_keeps_its_dependents() -> None:
    cluster = Cluster()
    owner = cluster.make("owner", finalizers=("example.com/f",))
    cluster.make("child", owner)
    cluster.delete(owner)
    assert cluster.settle() == {"owner", "child"}
    body = {"metadata": {"finalizers": None}}
    assert cluster.api.handle(Write("merge-patch", "ConfigMap", "owner", body, "c"), EPOCH).code == 200
    assert cluster.settle() == set()


def test_what_is_made_for_an_owner_that_is_gone_goes_too() -> None:
    cluster = Cluster()
    owner = cluster.make("owner")
    cluster.delete(owner)
    cluster.make("late", owner)
    assert cluster.settle() == set()
