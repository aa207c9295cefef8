"""The solvers of Challenges: what it takes to present an answer, to check that it can be seen, and to clean up.

pkg/issuer/acme/http/{http,pod,service,ingress}.go and pkg/issuer/acme/dns/{dns,util/wait}.go. A check that passes
holds the worker: http01 asks five times with two seconds of sleep, dns01 sleeps for what it takes for the record's
TTL, a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sim.client import writes
from sim.client.effects import Compute, Failure, Reconcile, Result, Send, Sleep
from sim.cluster.objects import Object
from sim.families.certmanager.acme.client import Steps
from sim.families.certmanager.acme.kinds import SOLVERS
from sim.units import MS, SECOND

if TYPE_CHECKING:
    from sim.families.certmanager.acme.base import AcmeController

PASSES = 5
BETWEEN = 2 * SECOND
TTL = 60 * SECOND
HTTP_LOOK, DNS_LOOK = 2 * MS, 8 * MS
"""One look at what is presented, on the same machine: recorded checks take 10.01 s and 60.008 s."""


class Solver(Protocol):
    """One type of challenge."""

    def present(self, challenge: Object) -> Reconcile:
        """Make the answer visible; ends with what failed."""

    def check(self, challenge: Object) -> Steps[Result]:
        """Look whether it is; a ``Failure`` where it is not."""

    def clean_up(self, challenge: Object) -> Reconcile:
        """Take it away; ends with what failed."""


class Visible:
    """When what was presented can be seen, in the world outside the cluster: one for a replication."""

    def __init__(self, propagation: int) -> None:
        self._propagation = propagation
        self._since: dict[str, int] = {}

    def begins(self, what: str, now: int) -> None:
        """It was presented, or looked for the first time."""
        self._since.setdefault(what, now)

    def ends(self, what: str) -> None:
        """It was taken away."""
        self._since.pop(what, None)

    def seen(self, what: str, now: int) -> bool:
        """Whether it can be seen now."""
        return what in self._since and now >= self._since[what] + self._propagation


class Http01:
    """A Pod, a Service and an Ingress for each Challenge; the caches say which are there."""

    def __init__(self, controller: AcmeController, visible: Visible) -> None:
        self._controller = controller
        self._visible = visible
        self._sim = controller.process.sim
        self._caches = {kind: controller.manager.informer(kind).cache for kind in SOLVERS}
        self._listing = controller.process.profile.controllers.idle_cpu  # selecting by labels, as a pass looks about
        last = not controller.release.acme_check_skips_last_sleep
        self._held = (PASSES if last else PASSES - 1) * BETWEEN + PASSES * HTTP_LOOK

    def present(self, challenge: Object) -> Reconcile:
        """Create what the cache does not show, with a name of its own; several of one kind are all deleted."""
        controller = self._controller
        for kind, cache in self._caches.items():
            yield Compute(self._listing)
            there = cache.owned_by(challenge.uid)
            if len(there) > 1:
                failed = yield from self._delete(challenge, there)
                many = f"multiple existing challenge solver {kind.lower()}s"
                return failed or Failure(f"{many} found and cleaned up. retrying challenge sync")
            if there:
                continue
            name = f"cm-acme-http-solver-{controller.manager.suffix(controller.name, 'names')}"
            create = writes.create(kind, name, {"data": {}}, manager=controller.field_manager, owner=challenge.uid)
            response = yield Send(create, controller.about(challenge))
            if response.code >= 400:
                return response
        return None

    def check(self, challenge: Object) -> Steps[Result]:
        """Present once more, then look."""
        failed = yield from self.present(challenge)
        if failed is not None:
            return failed
        assert challenge.spec is not None
        what = challenge.spec["url"]
        yield Sleep(HTTP_LOOK)
        self._visible.begins(what, self._sim.now)
        if not self._visible.seen(what, self._sim.now):
            return Failure(f"wrong status code '404', expected '200' for {challenge.spec['dnsName']}")
        yield Sleep(self._held - HTTP_LOOK)
        return None

    def clean_up(self, challenge: Object) -> Reconcile:
        """Delete what the cache shows."""
        for cache in self._caches.values():
            failed = yield from self._delete(challenge, cache.owned_by(challenge.uid))
            if failed is not None:
                return failed
        return None

    def _delete(self, challenge: Object, objects: list[Object]) -> Reconcile:
        for each in objects:
            response = yield Send(writes.delete(each.kind, each.name), self._controller.about(challenge), each)
            if response.code >= 400 and response.code != 404:
                return response
        return None


class Dns01:
    """A record at a DNS provider."""

    def __init__(self, controller: AcmeController, visible: Visible) -> None:
        self._visible = visible
        self._sim = controller.process.sim
        self._provider: Callable[[], int] = controller.process.streams.latency(
            "acme", "provider", controller.scenario.issuer.provider
        )

    def present(self, challenge: Object) -> Reconcile:
        """Ask the provider to insert the record."""
        yield Sleep(self._provider())
        assert challenge.spec is not None
        self._visible.begins(challenge.spec["url"], self._sim.now)
        return None

    def check(self, challenge: Object) -> Steps[Result]:
        """Ask for the record at each server; wait for its TTL where it is there."""
        assert challenge.spec is not None
        yield Sleep(DNS_LOOK)
        if not self._visible.seen(challenge.spec["url"], self._sim.now):
            return Failure(f'DNS record for "{challenge.spec["dnsName"]}" not yet propagated')
        yield Sleep(TTL)
        return None

    def clean_up(self, challenge: Object) -> Reconcile:
        """Ask the provider to take it away."""
        yield Sleep(self._provider())
        assert challenge.spec is not None
        self._visible.ends(challenge.spec["url"])
        return None
