"""What every simulated controller has: its caches, its workers, its event recorder, its way to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sim.client import writes
from sim.client.cache import Cache
from sim.client.conditions import Status
from sim.client.effects import Failure, Reconcile, Send
from sim.client.events import EventRecorder
from sim.client.policy import Shared
from sim.client.process import Process
from sim.client.worker import Workers
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.scenario.retry import Retry
from sim.scenario.values import Strategy
from sim.units import SECOND


class Host(Protocol):
    """The run of a binary that a controller belongs to (``sim.client.manager``)."""

    process: Process
    shared: Shared

    def event_recorder(self, component: str) -> EventRecorder:
        """The event recorder of one of its controllers."""


class Controller:
    """One controller of a process.

    A subclass names itself, registers for events in ``register`` and decides in ``reconcile``. ``cache`` holds the
    objects that its keys name.
    """

    name = ""
    deadline: int | None = None
    """Nanoseconds that one item may take (a context's timeout), or None."""

    def __init__(
        self,
        manager: Host,
        cache: Cache,
        *,
        workers: int,
        retry: Retry,
        strategy: Strategy,
        field_manager: str,
    ) -> None:
        self.process = process = manager.process
        self.scenario = process.scenario
        self.cache = cache
        self.strategy: Strategy = strategy
        self.field_manager = field_manager
        self._reads_after_wait = self.scenario.client.read_after_wait
        self.workers: Workers = process.parts.workers(
            process,
            self,
            workers,
            retry,
            cache.get,
            process.streams.latency(self.name, "work", process.profile.controllers.reconcile_cpu),
            manager.shared,
            self.decision(),
        )
        self.recorder: EventRecorder = manager.event_recorder(self.name)
        self.register()

    def register(self) -> None:
        """Register event handlers with the informers."""
        raise NotImplementedError

    def decision(self) -> Callable[[Object], Reconcile | None]:
        """What the workers call for each key: ``reconcile`` itself, or something around it."""
        return self.reconcile

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Decide what to do about the key, from the caches; None for nothing."""
        raise NotImplementedError

    def about(self, obj: Object) -> str:
        """Name of the subject that an object is about: figures and stories are told by it."""
        return obj.name

    def held(self) -> Iterator[tuple[str, str]]:
        """Yield each key that it is not done with, and where it is held up, as ``Workers.held`` does."""
        return self.workers.held()

    def acts(self, obj: Object) -> bool:
        """Whether it would do something about an object that it looked at now; only to be asked at the end."""
        steps: Reconcile | None = self.workers.reconcile(obj)
        self.process.parsing = 0
        if steps is None:
            return False
        try:
            next(steps)
        except StopIteration:
            return False
        steps.close()
        return True

    def failed(self, key: str, result: Response | Failure) -> None:
        """Log a reconcile that failed."""

    @property
    def now(self) -> int:
        """Unix time in nanoseconds."""
        process = self.process
        return process.sim.epoch + process.sim.now + process.skew

    @property
    def now_s(self) -> int:
        """Whole Unix seconds: the granularity of times in objects."""
        process = self.process
        return (process.sim.epoch + process.sim.now + process.skew) // SECOND

    def event(self, obj: Object, reason: str, message: str, type_: str = "Normal") -> None:
        """Record an Event on an object; it is sent in the background."""
        self.recorder.event(obj.kind, obj.name, self.about(obj), reason, message, type_)

    # Writes about an object of the controller's own kind.

    def status_write(self, obj: Object, change: Callable[[Object], Status], own: Callable[[Status], Status]) -> Send:
        """The write that brings ``change(obj)`` to the server as its status, by this controller's strategy.

        ``own`` picks from a status what this controller applies under server-side apply.
        """

        def write(copy: Object, strategy: Strategy | None) -> Write:
            how, status = strategy or self.strategy, change(copy)
            applied = {"status": own(status)} if how == "apply" else None
            return writes.replace(
                how, copy, {"status": status}, manager=self.field_manager, own=applied, subresource="status"
            )

        return self.sending(obj, write)

    def fields_write(self, obj: Object, fields: writes.Body, subresource: str = "") -> Send:
        """The write that sets these fields of the object, by this controller's strategy; a None takes one away."""

        def write(copy: Object, strategy: Strategy | None) -> Write:
            how = strategy or self.strategy
            return writes.set_fields(how, fields, read=copy, manager=self.field_manager, subresource=subresource)

        return self.sending(obj, write)

    def sending(self, obj: Object, write: Callable[[Object, Strategy | None], Write]) -> Send:
        """A write that can be made anew from a fresher copy of ``obj``: by who retries, and by who reads late."""
        cached = (lambda: self.cache.get(obj.name)) if self._reads_after_wait else None
        return Send(write(obj, None), self.about(obj), obj, write, cached)
