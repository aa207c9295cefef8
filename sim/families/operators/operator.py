"""A controller of your own: another operator that writes the same objects, in a process of its own.

Subclass ``Operator``, name it, and decide in ``reconcile`` what to do about one object; ``sim.run`` takes it beside a
scenario. It has what any operator has: caches fed by watches, a workqueue with a rate limiter, a client with a token
bucket, an event recorder, and the machine's cores, which it shares with everybody else.

>>> class Notes(Operator):
...     name = "expiry-notes"
...
...     def reconcile(self, certificate):
...         expires = (certificate.status or {}).get("notAfter")
...         if expires and certificate.annotations.get("example.com/expires") != expires:
...             return (yield self.write(certificate, annotations={"example.com/expires": expires}))
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sim.client import writes
from sim.client.cache import Cache
from sim.client.conditions import condition, with_condition
from sim.client.controller import Controller
from sim.client.effects import Effect, Get, Reconcile, Requeue, Result, Send
from sim.client.manager import Manager
from sim.cluster.objects import Object
from sim.families.certmanager.names import CERTIFICATE_NAME
from sim.scenario.retry import Retry
from sim.scenario.runtimes import RUNTIMES, RuntimeName
from sim.scenario.values import Strategy
from sim.units import MS, SECOND


class Operator(Controller):
    """One controller of a kind. The class attributes are its settings.

    ``reconcile(obj)`` gets the cached object of a key, an immutable version that must not be changed. It returns None
    where nothing is to be done, or is a generator of effects: what ``write``, ``set_condition`` and ``get`` return,
    ``Compute`` and ``Sleep``. A request is answered with the ``Response``; a reconcile that returns one with a
    ``code`` of 400 or more has failed, and its key comes again after the back-off; one that returns ``Requeue`` asks to
    be run again. All that it may know is in its caches: ``self.cached(kind)``, each with ``get(name)`` and
    ``owned_by(uid)``.
    """

    name = ""
    """What it is called as a writer, a field manager and a component of events."""

    kind: str = "Certificate"
    """The kind of object that its keys name."""

    watches: tuple[str, ...] | None = None
    """Kinds whose events wake it. Default: its own. An object of another kind wakes what ``wakes`` says: its
    controlling owner, and who names it in its spec."""

    references: Mapping[str, str] = {"Secret": "secretName"}
    """Fields of the spec in which an object of its kind names one of another. Default: as Certificates do."""

    program: str = ""
    """Controllers that name the same program share one process: its caches, its client and its goroutines. The client's
    limits are those of the first of them. Default: a process of its own, under its name."""

    runtime: RuntimeName = "controller-runtime-0.20"
    """What its process is built with: queue, buckets, senders of events; with several controllers the first's."""

    concurrency = 1
    """Workers. Default: controller-runtime's MaxConcurrentReconciles."""

    qps: float | None = 20
    """Requests a second that its client may send; None for no limit. Default: controller-runtime's
    (pkg/client/config), until it left the limit to the server."""

    burst = 30
    """Tokens that its client may save. Default: controller-runtime's."""

    retry: Retry | None = Retry(base=5 * MS, max=1000 * SECOND)
    """Back-off of its queue, and what happens inside a reconcile after a refused write; None for what the runtime
    has. Default: client-go's DefaultControllerRateLimiter, 5 ms doubling to 1000 s, without its bucket."""

    writes: Strategy = "update"
    """How ``write`` and ``set_condition`` write; the values are those of a scenario's ``strategy``."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self._names_by_uid: dict[str, str] = {}
        self._names_by_reference: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        own = manager.informer(self.kind)
        own.add_index(self._index)
        super().__init__(
            manager,
            own.cache,
            workers=self.concurrency,
            retry=self.retry if self.retry is not None else RUNTIMES[self.runtime].retry,
            strategy=self.writes,
            field_manager=self.name,
        )

    def decision(self) -> Callable[[Object], Reconcile | None]:
        """A generator that has nothing to do costs what any idle pass costs."""
        return self._reconcile

    def register(self) -> None:
        """Woken by what ``watches`` names."""
        for kind in self.watches if self.watches is not None else (self.kind,):
            handler = self.workers.add_object if kind == self.kind else self._on_other
            self.manager.informer(kind).add_handler(handler)

    def _on_other(self, obj: Object) -> None:
        for name in self.wakes(obj):
            self.workers.add(name)

    def wakes(self, obj: Object) -> Iterable[str]:
        """The keys that an event about an object of another kind adds."""
        owner = self._names_by_uid.get(obj.owner)
        named_by = self._names_by_reference.get((obj.kind, obj.name), ())
        return [*([owner] if owner is not None else []), *sorted(named_by)]

    def _index(self, obj: Object, deleted: bool) -> None:
        if deleted:
            self._names_by_uid.pop(obj.uid, None)
        else:
            self._names_by_uid[obj.uid] = obj.name
        for kind, field in self.references.items():
            named = (obj.spec or {}).get(field)
            if isinstance(named, str):
                names = self._names_by_reference[kind, named]
                (names.discard if deleted else names.add)(obj.name)

    def about(self, obj: Object) -> str:
        """The Certificate that a CertificateRequest, Order or Challenge is for; of others their own name."""
        return obj.annotations.get(CERTIFICATE_NAME, obj.name)

    def cached(self, kind: str) -> Cache:
        """The cache of a kind; all controllers of a process share it."""
        return self.manager.informer(kind).cache

    @property
    def certificates(self) -> Cache:
        """The cache of Certificates."""
        return self.cached("Certificate")

    @property
    def requests(self) -> Cache:
        """The cache of CertificateRequests."""
        return self.cached("CertificateRequest")

    @property
    def secrets(self) -> Cache:
        """The cache of Secrets."""
        return self.cached("Secret")

    def _reconcile(self, obj: Object) -> Reconcile | None:
        generator = self.reconcile(obj)
        if generator is None:
            return None
        try:
            first = next(generator)
        except StopIteration as stop:
            return None if _good(stop.value) else _ended(stop.value)
        return _followed(first, generator)

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
        fields: writes.Body = {}
        metadata = {"annotations": annotations, "labels": labels}
        given = {key: dict(values) for key, values in metadata.items() if values}
        if given:
            fields["metadata"] = given
        if spec:
            fields["spec"] = dict(spec)
        if not fields:
            raise ValueError("a write needs annotations, labels or fields of the spec")
        return self.fields_write(obj, fields)

    def set_condition(self, obj: Object, type_: str, status: str, reason: str, message: str) -> Send:
        """A write of one condition to the object's status, under ``apply`` of that condition alone."""
        now = self.now_s
        return self.status_write(
            obj,
            lambda read: with_condition(read.status, type_, status, reason, message, now, read.generation),
            lambda whole: {"conditions": [condition(whole, type_)]},
        )

    def get(self, obj: Object) -> Send:
        """A live read of the object, past the cache; the answer's ``object`` is the current version."""
        return Get(writes.get(obj.kind, obj.name), self.about(obj))


def _good(result: Result) -> bool:
    """Only an answer of 400 or more means that a reconcile failed."""
    return result is None or (not isinstance(result, Requeue) and result.code < 400)


def _followed(effect: Effect, generator: Reconcile) -> Reconcile:
    """Follow a reconcile from its first effect on."""
    while True:
        answer = yield effect
        try:
            effect = generator.send(answer)
        except StopIteration as stop:
            return None if _good(stop.value) else stop.value


def _ended(result: Result) -> Reconcile:
    return result
    yield  # a generator that ends at once
