"""What every simulated controller has: its caches, its workers, its log, its way to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.client.cache import Cache
from sim.client.effects import Failure, Reconcile, Send
from sim.client.events import EventRecorder
from sim.client.worker import Workers
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.families.certmanager import pki
from sim.families.certmanager.conditions import Status
from sim.scenario.model import ControllerOptions, Strategy

if TYPE_CHECKING:
    from sim.families.certmanager.manager import Manager


class Controller:
    """One controller of the manager's process.

    A subclass names itself, registers for events in ``register`` and decides in ``reconcile``.
    """

    name = ""
    label = ""
    """The key under ``controllers:`` in a scenario."""
    deadline: int | None = None
    """Nanoseconds that one item may take (a context's timeout), or None."""
    parsing = 0
    """Nanoseconds of a core that the present pass has spent on decoding keys."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.process = manager.process
        self.release = manager.release
        self.scenario = manager.process.scenario
        self.certificates = manager.certificates.cache
        self.secrets = manager.secrets.cache
        self.requests = manager.requests.cache
        options: ControllerOptions = getattr(self.scenario.controllers, self.label, ControllerOptions())
        self.strategy = options.strategy or self.default_strategy()
        self.field_manager = f"cert-manager-{self.name}"
        self._reads_after_wait = self.scenario.client.read_after_wait
        self.workers: Workers = self.process.parts.workers(
            self.process,
            self,
            options.workers or self.default_workers(),
            options.retry or self.default_retry(),
            self.keys().get,
            self.process.streams.latency(self.name, "work", self.process.profile.controllers.reconcile_cpu),
            manager.shared,
            self.decision(),
        )
        self.recorder: EventRecorder = self.process.parts.events(self.process, self.name)
        self.register()

    def decision(self) -> Callable[[Object], Reconcile | None]:
        """What the workers call for each key: ``reconcile`` itself, or something around it."""
        return self.reconcile

    def default_retry(self) -> Any:
        """Back-off of the queue where the scenario names none for this controller."""
        return self.scenario.retry

    def default_workers(self) -> int:
        """Workers where the scenario names none for this controller."""
        return self.scenario.controllers.workers

    def default_strategy(self) -> Strategy:
        """How it writes a status where the scenario does not say for this controller."""
        return self.scenario.strategy

    def register(self) -> None:
        """Register event handlers with the informers."""
        raise NotImplementedError

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Decide what to do about the key, from the caches; None for nothing."""
        raise NotImplementedError

    def keys(self) -> Cache:
        """The cache of the objects that the keys name."""
        return self.certificates

    def certificate(self, obj: Object) -> str:
        """Name of the Certificate that an object is about."""
        return obj.name

    def parse(self, key: pki.Key, times: int = 1) -> None:
        """Spend core time on decoding a stored key: what a pass costs depends on how often it does that."""
        self.parsing += times * self.manager.costs.parse(key)

    def parse_secret(self, secret: Object | None, times: int = 1) -> None:
        """Decode the key of a Secret that has one."""
        if secret is not None and secret.data and "tls.key" in secret.data:
            self.parse(secret.data["tls.key"], times)

    @property
    def now(self) -> int:
        """Unix time in nanoseconds."""
        sim = self.process.sim
        return sim.epoch + sim.now

    @property
    def now_s(self) -> int:
        """Whole Unix seconds: the granularity of times in objects."""
        return self.process.sim.unix_seconds

    # Handlers: which key an event adds, besides workers.add_object (the object's own). They look the Certificate up
    # in the cache when the event arrives.

    def on_owned(self, obj: Object) -> None:
        """An object that a Certificate owns changed (predicate.ResourceOwnerOf)."""
        name = self.manager.certificate_of(obj.owner)
        if name is not None:
            self.workers.add(name)

    def on_target_secret(self, obj: Object) -> None:
        """A Secret changed that Certificates name as spec.secretName."""
        for name in self.manager.certificates_with_secret(obj.name):
            self.workers.add(name)

    # Log lines, as in the recorded logs.

    def log(self, verbosity: int, key: str, line: str, message: str) -> None:
        """Log a line that is about ``key``."""
        self.process.recorder.log(self.process.sim.now, verbosity, self.name, key, line, message)

    def failed(self, key: str, result: Response | Failure) -> None:
        """cert-manager's line for a failed item: Info for a conflict, an error otherwise."""
        release = self.release
        message = result.message.replace('"', '\\"')
        prefix = f"cert-manager/{self.name}: " if release.conflict_line_names_key else ""
        about = f' key="default/{key}"' if release.conflict_line_names_key else ""
        if isinstance(result, Response) and result.stale:
            verbosity = 0 if self.scenario.log.conflict_level == "info" else 4
            text = "re-queuing item due to optimistic locking on resource"
            line = "controller.go:162" if release.conflict_line_names_key else "controller.go:150"
        else:
            verbosity, text = 0, "re-queuing item due to error processing"
            line = "controller.go:167" if release.conflict_line_names_key else "controller.go:155"
        self.log(verbosity, key, line, f'"{prefix}{text}"{about} error="{message}"')

    # Writing a Certificate's status.

    def status_write(
        self,
        certificate: Object,
        change: Callable[[Object], Status],
        own: Callable[[Status], Status],
    ) -> Send:
        """The write that brings ``change(certificate)`` to the server, by this controller's strategy.

        ``own`` picks from a status what this controller applies under server-side apply (model.md section 3).
        """

        def rebuild(send: Send) -> None:
            fresh = self.certificates.get(certificate.name)
            if fresh is not None and fresh is not send.read:
                send.write = self._status_write(fresh, change, own)
                send.read = fresh

        def remake(copy: Object, strategy: str | None) -> Write:
            return self._status_write(copy, change, own, strategy)

        write = self._status_write(certificate, change, own)
        return Send(write, certificate.name, certificate, rebuild if self._reads_after_wait else None, remake)

    def _status_write(
        self,
        read: Object,
        change: Callable[[Object], Status],
        own: Callable[[Status], Status],
        strategy: str | None = None,
    ) -> Write:
        status = change(read)
        kind, name, manager = "Certificate", read.name, self.field_manager
        strategy = strategy or self.strategy
        if strategy == "update":
            body = {"status": status}
            return Write("update", kind, name, body, manager, "status", False, read.resource_version, read.uid)
        if strategy == "apply":
            return Write("apply", kind, name, {"status": own(status)}, manager, "status", True)
        version = read.resource_version if strategy == "merge-patch" else None
        body = {"status": merge_patch(read.status or {}, status)}
        return Write("merge-patch", kind, name, body, manager, "status", False, version)


def merge_patch(old: Status, new: Status) -> Status:
    """The JSON merge patch (RFC 7386) from ``old`` to ``new``: lists whole, null removes."""
    patch: Status = {key: value for key, value in new.items() if old.get(key) != value}
    patch.update({key: None for key in old if key not in new})
    return patch
