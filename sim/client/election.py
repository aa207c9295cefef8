"""Leader election: of several replicas one works, who holds a Lease.

client-go tools/leaderelection/leaderelection.go v0.27: acquire, renew, tryAcquireOrRenew. A replica reads the Lease
and, if it is its own or was seen unchanged for the lease's duration *by its own clock*, updates it. Both requests pass
through the token bucket of its client, so a throttled leader renews late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.client import writes
from sim.client.effects import Get, Send
from sim.client.process import Process
from sim.cluster.objects import Object, Write
from sim.kernel.clock import rfc3339
from sim.scenario.faults import LeaderElection
from sim.units import SECOND

ACTOR = "leader-election"
LEASE = "cert-manager-controller"
"""cert-manager's."""
JITTER = 1.2
"""leaderelection.JitterFactor, of the tries to acquire."""


def first_lease(lease: str, holder: str, settings: LeaderElection, now_s: int) -> Write:
    """The creation of the Lease that a replica holds which was there before."""
    return writes.create("Lease", lease, {"spec": _spec(holder, settings, now_s, now_s, 0)}, manager=ACTOR)


def _spec(holder: str, settings: LeaderElection, renewed: int, acquired: int, transitions: int) -> dict[str, Any]:
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": max(settings.lease_duration // SECOND, 1),
        "acquireTime": rfc3339(acquired),
        "renewTime": rfc3339(renewed),
        "leaseTransitions": transitions,
    }


class Elector:
    """One replica's part: it calls ``elected`` when it leads, and ``lost`` when it does not any more."""

    def __init__(
        self,
        process: Process,
        lease: str,
        settings: LeaderElection,
        elected: Callable[[], None],
        lost: Callable[[], object],
    ) -> None:
        self._process = process
        self._sim = process.sim
        self._lease = process.lease = lease
        self._called = f"kube-system/{lease}"
        self._settings = settings
        self._elected, self._lost = elected, lost
        self._draw = process.streams.uniform(process.name, "election")
        self._events = process.parts.events(process, ACTOR)
        self._version = -1  # of the Lease, as it was seen last
        self._seen_at = 0
        self.leads = False
        self._deadline = 0  # of a leader's renewal that is under way

    def start(self, *, leads: bool = False) -> None:
        """Begin to try; ``leads``: it has held the Lease before."""
        if leads:
            self.leads = True
            self._elected()
            self._wait(round(self._settings.retry_period * self._draw()), self._renew)
        else:
            self._log("leaderelection.go:245", f"attempting to acquire leader lease {self._called}...")
            self._wait(round(self._settings.retry_period * (1 + JITTER) * self._draw()), self._try)

    def _wait(self, wait: int, then: Callable[[], None]) -> None:
        self._process.go.wake_in(wait, then)

    def _renew(self) -> None:
        self._deadline = self._sim.now + self._settings.renew_deadline
        self._try()

    def _try(self) -> None:
        self._request(Get(writes.get("Lease", self._lease), ""), self._read)

    def _request(self, send: Send, then: Callable[[Any], None]) -> None:
        process = self._process
        longest = self._deadline - self._sim.now if self.leads else None
        request = process.parts.request(process, ACTOR, send, self._sim.now, -1)
        if not request.start(then, longest):
            self._failed()

    def _read(self, answer: Any) -> None:
        lease: Object | None = answer.object
        now_s = (self._sim.epoch + self._sim.now + self._process.skew) // SECOND
        if answer.code == 404:
            self._request(Send(first_lease(self._lease, self._process.name, self._settings, now_s), ""), self._written)
            return
        if lease is None or answer.code >= 400:
            self._failed()
            return
        spec = lease.spec or {}
        if lease.resource_version != self._version:
            self._version, self._seen_at = lease.resource_version, self._sim.now
        mine = spec.get("holderIdentity") == self._process.name
        if not mine and self._sim.now < self._seen_at + self._settings.lease_duration:
            self._failed()
            return
        transitions = spec.get("leaseTransitions", 0) + (not mine)
        acquired = now_s if not mine else None
        changed = _spec(self._process.name, self._settings, now_s, acquired or now_s, transitions)
        if acquired is None:
            changed["acquireTime"] = spec.get("acquireTime", changed["acquireTime"])
        write = writes.set_fields("update", {"spec": changed}, manager=ACTOR, read=lease)
        self._request(Send(write, "", lease), self._written)

    def _written(self, answer: Any) -> None:
        if answer.code >= 400:
            self._failed()
            return
        if answer.object is not None:
            self._version, self._seen_at = answer.object.resource_version, self._sim.now
        if not self.leads:
            self.leads = True
            self._log("leaderelection.go:255", f"successfully acquired lease {self._called}")
            self._events.event("Lease", self._lease, "", "LeaderElection", f"{self._process.name} became leader")
            self._elected()
        self._wait(self._settings.retry_period, self._renew)

    def _failed(self) -> None:
        settings = self._settings
        if not self.leads:
            self._wait(round(settings.retry_period * (1 + JITTER * self._draw())), self._try)
        elif self._sim.now + settings.retry_period < self._deadline:
            self._wait(settings.retry_period, self._try)
        else:
            self._wait(max(self._deadline - self._sim.now, 0), self._give_up)

    def _give_up(self) -> None:
        self._log("leaderelection.go:280", f"failed to renew lease {self._called}: timed out waiting for the condition")
        self._log("controller.go:202", '"cert-manager/controller: leader election lost"')
        self._lost()

    def _log(self, line: str, text: str) -> None:
        self._process.listener.log(self._sim.now, 0, ACTOR, "", line, text)
