"""A controller of your own: another operator that writes the same Certificates, in a process of its own.

Subclass ``Operator``, name it, and decide in ``reconcile`` what to do about one Certificate; ``sim.run`` takes
it beside a scenario. It has what any operator has: caches fed by watches, a workqueue with a rate limiter, a
client with a token bucket, an event recorder, and the machine's cores, which it shares with everybody else.

>>> class Notes(Operator):
...     name = "expiry-notes"
...
...     def reconcile(self, certificate):
...         expires = (certificate.status or {}).get("notAfter")
...         if expires and certificate.annotations.get("example.com/expires") != expires:
...             return (yield self.write(certificate, annotations={"example.com/expires": expires}))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sim.client.effects import Effect, Failure, Get, Reconcile, Send
from sim.client.throttle import TokenBucket
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.families.certmanager.base import Controller
from sim.families.certmanager.conditions import condition, with_condition
from sim.scenario.model import Retry, Strategy
from sim.scenario.workload import OWN_PREFIXES
from sim.units import MS, SECOND

if TYPE_CHECKING:
    from sim.families.certmanager.manager import Manager
    from sim.scenario.model import Scenario

KINDS = ("Certificate", "CertificateRequest", "Secret")
"""What can be watched."""


class Operator(Controller):
    """One controller in a process of its own. The class attributes are its settings.

    ``reconcile(certificate)`` gets the cached Certificate of a key, an immutable version that must not be
    changed. It returns None where nothing is to be done, or is a generator of effects: what ``write``,
    ``set_condition`` and ``get`` return, ``Compute`` and ``Sleep``. A request is answered with the ``Response``;
    a reconcile that returns one with a ``code`` of 400 or more has failed, and its key comes again after the
    back-off. All that it may know is in its caches: ``self.certificates``, ``self.secrets`` and
    ``self.requests``, each with ``get(name)`` and ``owned_by(uid)``.
    """

    name = ""
    """What it is called as a writer, a field manager and a component of events."""

    watches: tuple[str, ...] = ("Certificate",)
    """Kinds whose events wake it: Certificate, CertificateRequest, Secret. The latter two wake the Certificate
    that they belong to."""

    concurrency = 1
    """Workers. Default: controller-runtime's MaxConcurrentReconciles."""

    qps: float | None = 20
    """Requests a second that its client may send; None for no limit. Default: controller-runtime's
    (pkg/client/config), until it left the limit to the server."""

    burst = 30
    """Tokens that its client may save. Default: controller-runtime's."""

    retry = Retry(base=5 * MS, max=1000 * SECOND)
    """Back-off of its queue. Default: client-go's DefaultControllerRateLimiter, 5 ms doubling to 1000 s."""

    writes: Strategy = "update"
    """How ``write`` and ``set_condition`` write; the values are those of a scenario's ``strategy``."""

    def __init__(self, manager: Manager) -> None:
        bucket = TokenBucket(self.qps, self.burst) if self.qps is not None else None
        manager.process.bucket = bucket
        super().__init__(manager)
        self.field_manager = self.name

    def decision(self) -> Callable[[Object], Reconcile | None]:
        """A generator that has nothing to do costs what any idle pass costs."""
        return self._reconcile

    def default_retry(self) -> Any:
        """The back-off that the class names."""
        return self.retry

    def default_workers(self) -> int:
        """The number that the class names."""
        return self.concurrency

    def default_strategy(self) -> Strategy:
        """The one that the class names."""
        return self.writes

    def register(self) -> None:
        """Woken by what ``watches`` names."""
        for kind, informer, handler in (
            ("Certificate", self.manager.certificates, self.workers.add_object),
            ("CertificateRequest", self.manager.requests, self.on_owned),
            ("Secret", self.manager.secrets, self._on_secret),
        ):
            if kind in self.watches:
                informer.add_handler(handler)

    def _on_secret(self, secret: Object) -> None:
        self.on_owned(secret)
        self.on_target_secret(secret)

    def _reconcile(self, obj: Object) -> Reconcile | None:
        generator = self.reconcile(obj)
        if generator is None:
            return None
        try:
            first = next(generator)
        except StopIteration as stop:
            return None if _good(stop.value) else _failed(stop.value)
        return _followed(first, generator)

    def log(self, verbosity: int, key: str, line: str, message: str) -> None:
        """Drop the line: the log that is recorded is that of cert-manager's process."""

    # What a reconcile may yield.

    def write(
        self,
        obj: Object,
        *,
        annotations: Mapping[str, str | None] | None = None,
        labels: Mapping[str, str | None] | None = None,
        spec: Mapping[str, Any] | None = None,
    ) -> Send:
        """A write of annotations, labels and top-level fields of the spec; a None takes a key away.

        By ``writes``: an update sends the whole object as it was read, with its resourceVersion; an apply and a
        patch send these fields alone.
        """
        changed: dict[str, Any] = {}
        metadata = {"annotations": annotations, "labels": labels}
        given = {key: dict(values) for key, values in metadata.items() if values}
        if given:
            changed["metadata"] = given
        if spec:
            changed["spec"] = dict(spec)
        if not changed:
            raise ValueError("a write needs annotations, labels or fields of the spec")

        def rebuild(send: Send) -> None:
            fresh = self.certificates.get(obj.name)
            if fresh is not None and fresh is not send.read:
                send.write, send.read = self._write(fresh, changed), fresh

        def remake(copy: Object, strategy: str | None) -> Write:
            return self._write(copy, changed, strategy)

        return Send(self._write(obj, changed), obj.name, obj, rebuild if self._reads_after_wait else None, remake)

    def _write(self, obj: Object, changed: dict[str, Any], strategy: str | None = None) -> Write:
        kind, name, manager = obj.kind, obj.name, self.field_manager
        strategy = strategy or self.strategy
        if strategy == "update":
            metadata = changed.get("metadata", {})
            body: dict[str, Any] = {
                "metadata": {
                    "labels": _merged(obj.labels, metadata.get("labels", {})),
                    "annotations": _merged(obj.annotations, metadata.get("annotations", {})),
                },
                "spec": _merged(obj.spec or {}, changed.get("spec", {})),
            }
            return Write("update", kind, name, body, manager, "", False, obj.resource_version, obj.uid)
        if strategy == "apply":
            return Write("apply", kind, name, _without_none(changed), manager, "", True)
        version = obj.resource_version if strategy == "merge-patch" else None
        return Write("merge-patch", kind, name, changed, manager, "", False, version)

    def set_condition(self, certificate: Object, type_: str, status: str, reason: str, message: str) -> Send:
        """A write of one condition to the Certificate's status, under ``apply`` of that condition alone."""
        now = self.now_s
        return self.status_write(
            certificate,
            lambda read: with_condition(read.status, type_, status, reason, message, now, read.generation),
            lambda whole: {"conditions": [condition(whole, type_)]},
        )

    def get(self, certificate: Object) -> Send:
        """A live read of the Certificate, past the cache; the answer's ``object`` is the current version."""
        return Get(Write("get", certificate.kind, certificate.name, {}), certificate.name)

    def event(self, certificate: Object, reason: str, message: str) -> None:
        """Record an Event about the Certificate; it is sent in the background."""
        self.recorder.event("Certificate", certificate.name, certificate.name, reason, message)


def check(operators: Iterable[type[Operator]], scenario: Scenario) -> tuple[type[Operator], ...]:
    """Return the operators as a tuple; raises ``ValueError`` where one cannot run beside the scenario's others."""
    found = tuple(operators)
    taken = {"lab", "external-issuer", *(writer.name for writer in scenario.writers)}
    for each in found:
        if not (isinstance(each, type) and issubclass(each, Operator)):
            raise ValueError(f"{each!r} is no subclass of sim.controllers.Operator")
        if not each.name:
            raise ValueError(f"{each.__name__} has no name; give its class one, such as name = 'my-operator'")
        if each.name.startswith(OWN_PREFIXES):
            raise ValueError(f"{each.name!r} begins like the name of one of cert-manager's own controllers")
        if each.name in taken:
            raise ValueError(f"two writers are called {each.name!r}; give each a name of its own")
        unknown = [kind for kind in each.watches if kind not in KINDS]
        if unknown:
            raise ValueError(f"{each.name} cannot watch {unknown[0]!r}; choose from {', '.join(KINDS)}")
        taken.add(each.name)
    return found


def _good(result: Response | Failure | None) -> bool:
    """Only an answer of 400 or more means that a reconcile failed."""
    return result is None or result.code < 400


def _followed(effect: Effect, generator: Reconcile) -> Reconcile:
    """Follow a reconcile from its first effect on."""
    while True:
        answer = yield effect
        try:
            effect = generator.send(answer)
        except StopIteration as stop:
            return None if _good(stop.value) else stop.value


def _failed(result: Response | Failure) -> Reconcile:
    return result
    yield  # a generator that ends at once


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**old, **new}.items() if value is not None}


def _without_none(changed: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in changed.items()
        if value is not None
    }
