"""What cert-manager's controllers have in common besides what any controller has: caches, handlers, log lines."""

from __future__ import annotations

from collections.abc import Iterator

from sim.client.cache import Cache
from sim.client.conditions import condition
from sim.client.controller import Controller
from sim.client.effects import Failure
from sim.client.listener import ERROR
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.families.certmanager import pki
from sim.families.certmanager.manager import CertManager
from sim.families.certmanager.scheduler import ScheduledWorkQueue
from sim.kernel.clock import rfc3339
from sim.scenario.machinery import ControllerOptions
from sim.scenario.retry import Retry


class CertManagerController(Controller):
    """One controller of cert-manager's process; its keys are names of Certificates unless it says otherwise."""

    label = ""
    """The key under ``controllers:`` in a scenario."""

    def __init__(self, manager: CertManager) -> None:
        self.manager = manager
        self.release = manager.release
        self.certificates = manager.certificates.cache
        self.secrets = manager.secrets.cache
        self.requests = manager.requests.cache
        scenario = manager.process.scenario
        options: ControllerOptions = getattr(scenario.controllers, self.label, ControllerOptions())
        super().__init__(
            manager,
            self.keys(),
            workers=options.workers or scenario.controllers.workers,
            retry=options.retry or self.default_retry(scenario.retry),
            strategy=options.strategy or scenario.strategy,
            field_manager=f"cert-manager-{self.name}",
        )
        self.scheduled = ScheduledWorkQueue(self.workers)

    def keys(self) -> Cache:
        """The cache of the objects that the keys name."""
        return self.certificates

    def default_retry(self, retry: Retry) -> Retry:
        """Back-off of the queue where the scenario names none for this controller; ``retry`` is that for all."""
        return retry

    def parse(self, key: pki.Key, times: int = 1) -> None:
        """Spend core time on decoding a stored key: what a pass costs depends on how often it does that."""
        self.process.parsing += times * self.manager.costs.parse(key)

    def parse_secret(self, secret: Object | None, times: int = 1) -> None:
        """Decode the key of a Secret that has one."""
        if secret is not None and secret.data and "tls.key" in secret.data:
            self.parse(secret.data["tls.key"], times)

    def held(self) -> Iterator[tuple[str, str]]:
        """Those of its queue, and ``schedule``: keys that it has set a time for."""
        yield from super().held()
        yield from ((key, "schedule") for key in self.scheduled.waiting())

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
        self.process.log(verbosity, self.name, key, line, message)

    def log_transition(self, obj: Object, type_: str, value: str) -> None:
        """The lines that setting a condition logs (pkg/api/util/conditions.go)."""
        existing = condition(obj.status, type_)
        kind = obj.kind
        if existing is None:
            line = "conditions.go:203" if kind == "Certificate" else "conditions.go:263"
            change = f'Setting lastTransitionTime for {kind} "{obj.name}" condition "{type_}" to '
        elif value and existing["status"] != value:
            line = "conditions.go:192"
            change = (
                f'Found status change for {kind} "{obj.name}" condition "{type_}": '
                f'"{existing["status"]}" -> "{value}"; setting lastTransitionTime to '
            )
        else:
            return
        self.log(2, obj.name, line, change + rfc3339(self.now_s))

    def failed(self, key: str, result: Response | Failure) -> None:
        """cert-manager's line for a failed item: Info for a conflict, an error otherwise."""
        release = self.release
        message = result.message.replace('"', '\\"')
        prefix, about = "", ' logger="cert-manager.controller"'
        if release.conflict_line_names_key:
            prefix, about = f"cert-manager/{self.name}: ", f' key="default/{key}"'
        if isinstance(result, Response) and result.stale:
            verbosity = 0 if self.scenario.log.conflict_level == "info" else 4
            line = "controller.go:162" if release.conflict_line_names_key else "controller.go:150"
            text = f'"{prefix}re-queuing item due to optimistic locking on resource"{about} error="{message}"'
        else:
            verbosity = ERROR
            line = "controller.go:167" if release.conflict_line_names_key else "controller.go:155"
            text = f'"{prefix}re-queuing item due to error processing" err="{message}"{about}'
        self.log(verbosity, key, line, text)
