"""How a replication ended for each Certificate, from what is left at its end.

Whether a pass that is due could change anything is asked of the controller itself: it decides from its caches
what it would do now. One that fails on its caches alone (several CertificateRequests of one revision) will fail
again for ever, however often its back-off brings it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Protocol

from sim.client.conditions import is_true, ready_reason
from sim.client.controller import Controller
from sim.client.informer import Informer
from sim.client.manager import Manager
from sim.cluster.objects import Object
from sim.cluster.server import Server
from sim.cluster.store import Store
from sim.cluster.watch import Watch, WatchEvent
from sim.families.certmanager.names import CERTIFICATE_NAME, PRIVATE_KEY, REVISION
from sim.families.endings import WAITING, Ending, LastPass, dropped
from sim.kernel.simulation import Simulation

_CERTAIN = frozenset({"token", "pause", "server", "work"})
"""Where a pass that is under way has something to send: whatever comes of it, it may change things."""


class OutsideIssuer(Protocol):
    """An issuer of which only the outcome is simulated."""

    unfinished: set[str]
    """Names of the CertificateRequests that it has taken and not answered."""


class Remains:
    """What is left at the end of a replication; only to be looked at once nothing runs any more."""

    def __init__(
        self,
        simulation: Simulation,
        server: Server,
        managers: Iterable[Manager],
        issuers: Iterable[OutsideIssuer],
        last: LastPass,
        *,
        down: bool,
        writers: bool,
    ) -> None:
        """``managers`` are those of processes that live; ``down``: cert-manager's is yet to start again."""
        self._sim = simulation
        self._server = server
        self._store: Store = server.api.store
        self._managers = list(managers)
        self._issuers = list(issuers)
        self._last = last
        self._down = down
        self._writers = writers

    # What is under way, by Certificate. All of it is looked at where somebody is not settled: it unpacks every object.

    @cached_property
    def _names(self) -> dict[str, str]:
        return {each.uid: each.name for each in self._store.list("Certificate")}

    @cached_property
    def _by_secret(self) -> Mapping[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for each in self._store.list("Certificate"):
            found[(each.spec or {}).get("secretName", "")].append(each.name)
        return found

    def _about(self, obj: Object) -> list[str]:
        """Names of the Certificates that an object's news may wake somebody for."""
        if obj.kind == "Certificate":
            return [obj.name]
        if obj.kind == "CertificateRequest":
            return [obj.annotations.get(CERTIFICATE_NAME, "")]
        owner = self._names.get(obj.owner)
        return [*([owner] if owner else []), *self._by_secret.get(obj.name, [])]

    @cached_property
    def _held(self) -> Mapping[str, dict[str, str]]:
        """By Certificate: what it waits for, and the words that say so of this one."""
        held: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for each in self._store.list("Certificate") if self._down else ():
            held[each.name]["restart"] = "the controllers' process is down"
        for issuer in self._issuers:
            for request in sorted(issuer.unfinished):
                obj = self._store.get("CertificateRequest", request)
                if obj is not None:
                    for name in self._about(obj):
                        held[name]["issuer"] = f"the issuer has CertificateRequest {request}"
        for sent in self._server.undecided():
            if sent.send.write.kind != "Event":
                held[sent.send.about]["server"] = f"a request of {sent.actor} is under way"
        for obj in self._news():
            for name in self._about(obj):
                held[name]["news"] = f"news of {obj.kind} {obj.name} is under way"
        for manager in self._managers:
            for controller in manager.controllers:
                for key, where in controller.held():
                    self._hold(held, controller, key, where)
        return held

    def _news(self) -> Iterable[Object]:
        for function, arguments in self._sim.to_come():
            watch = getattr(function, "__self__", None)
            stopped = isinstance(watch, Watch) and watch.stopped
            if arguments and isinstance(arguments[0], WatchEvent) and not stopped:
                yield arguments[0].object
        for manager in self._managers:
            for frame in manager.process.connection.unread():
                if isinstance(frame, WatchEvent):
                    yield frame.object
            for informer in manager.informers.values():
                yield from informer.untold()

    def _hold(self, held: Mapping[str, dict[str, str]], controller: Controller, key: str, where: str) -> None:
        obj = controller.cache.get(key)
        if obj is None:
            return
        if where == "schedule":
            # trigger alone sets times, and passes over a Certificate that is being issued.
            futile = is_true(obj.status, "Issuing")
        else:
            futile = where not in _CERTAIN and not controller.acts(obj)
        if not futile:
            name = controller.about(obj)
            about = "" if key == name else f" for {key}"
            held[name].setdefault(where, f"{controller.name}{about}: waits {WAITING[where]}")

    # The verdict.

    def ending(self, certificate: Object) -> Ending:
        """How it ended for a Certificate that is not settled."""
        held = self._held.get(certificate.name, {})
        for cause in WAITING:
            if cause in held:
                return Ending("waiting", cause, held[cause])
        return self._stuck(certificate)

    def _stuck(self, certificate: Object) -> Ending:
        requests = [each for each in self._store.list("CertificateRequest") if each.owner == certificate.uid]
        return (
            self._duplicates(certificate, requests)
            or dropped(self._last, {certificate.name, *(each.name for each in requests)})
            or self._secret_gone(certificate, requests)
            or self._unwoken(certificate, requests)
            or Ending("stuck", "nothing", _as_it_is(certificate, requests))
        )

    def _duplicates(self, certificate: Object, requests: list[Object]) -> Ending | None:
        """policies/gatherer.go and the controllers refuse to choose among several (cert-manager issue 4956)."""
        revision = _revision(certificate)
        for number in (revision, revision + 1):
            same = sorted(each.name for each in requests if each.annotations.get(REVISION) == str(number))
            if len(same) > 1:
                why = (
                    f"{len(same)} CertificateRequests of revision {number} ({', '.join(same)}): trigger, readiness and "
                    "issuing pass it over until somebody deletes all but one (cert-manager issue 4956)"
                )
                return Ending("stuck", "duplicates", why)
        return None

    def _secret_gone(self, certificate: Object, requests: list[Object]) -> Ending | None:
        """certificaterequests/selfsigned reports Pending without its Secret, and a Secret's event wakes nobody."""
        coming = str(_revision(certificate) + 1)
        for each in requests:
            if each.annotations.get(REVISION) == coming and ready_reason(each.status) == "Pending":
                wanted = each.annotations.get(PRIVATE_KEY, "")
                there = self._store.get("Secret", wanted) is not None
                how = "which is there by now" if there else "which does not exist"
                why = f"CertificateRequest {each.name} is Pending for Secret {wanted}, {how}; nothing wakes its issuer"
                return Ending("stuck", "secret", why)
        return None

    def _unwoken(self, certificate: Object, requests: list[Object]) -> Ending | None:
        for manager in self._managers:
            for controller in manager.controllers:
                for key in (certificate.name, *(each.name for each in requests)):
                    obj = controller.cache.get(key)
                    if obj is None or controller.about(obj) != certificate.name or not controller.acts(obj):
                        continue
                    why = f"{controller.name} would act on {obj.kind} {key}, and nothing wakes it"
                    return Ending("waiting", "writer", why) if self._writers else Ending("stuck", "unwoken", why)
        return None

    # What would be a fault of the simulator.

    def faults(self) -> list[str]:
        """One sentence for each thing that no rule explains: lost news, and failed keys that nobody holds."""
        found = []
        under_way = {(obj.kind, obj.name) for obj in self._news()}
        for manager in self._managers:
            for informer in manager.informers.values():
                found += [
                    f"{kind} {name} is not in the cache as it is stored, and no news of it is under way"
                    for kind, name in self._differences(informer)
                    if not self._server.faulty and (kind, name) not in under_way
                ]
            for controller in manager.controllers:
                held = {key for key, where in controller.held() if where != "schedule"}
                found += [
                    f"{controller.name} failed with {key}, and does not try again"
                    for key in controller.workers.limiter.failing
                    if key not in held
                ]
        return found

    def _differences(self, informer: Informer) -> list[tuple[str, str]]:
        cache = informer.cache
        found = {each.name for each in self._store.list(cache.kind) if not _same(cache.get(each.name), each)}
        gone = {each.name for each in cache.values() if self._store.get(cache.kind, each.name) is None}
        return [(cache.kind, name) for name in sorted(found | gone)]


def _same(cached: Object | None, stored: Object) -> bool:
    return cached is not None and cached.resource_version == stored.resource_version


def _revision(certificate: Object) -> int:
    revision: int = (certificate.status or {}).get("revision", 0)
    return revision


def _as_it_is(certificate: Object, requests: list[Object]) -> str:
    status = certificate.status or {}
    parts = [f"{each['type']}={each['status']}" for each in status.get("conditions", ())]
    named = status.get("nextPrivateKeySecretName")
    if named:
        parts.append(f"nextPrivateKeySecretName={named}")
    for each in requests:
        parts.append(f"CertificateRequest {each.name}: {ready_reason(each.status) or 'no Ready condition'}")
    return "; ".join(parts)
