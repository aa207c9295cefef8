"""The workers of one controller: take a key, reconcile it, answer for the outcome.

Follows cert-manager's ``pkg/controller/controller.go`` (worker) and client-go's delaying queue: after a failure
the key is added again later, and *nothing cancels that* (model.md section 2): the winner's watch event usually
brings the retry that succeeds, and the delayed one comes as a ghost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sim.client.effects import NEVER, Compute, Effect, Failure, Reconcile, Send, Sleep
from sim.client.limiter import ExponentialLimiter
from sim.client.process import Process
from sim.client.rest import Request
from sim.client.workqueue import Item, Workqueue
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.kernel.go import Burst
from sim.kernel.go import Compute as GoCompute
from sim.kernel.simulation import Timer
from sim.scenario.model import Retry


class Reconciler(Protocol):
    """What the workers run: a controller's decision, from its caches."""

    name: str
    deadline: int | None

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Decide what to do about an object, as the cache has it; None for nothing."""

    def certificate(self, obj: Object) -> str:
        """Name of the Certificate that the object is about."""

    def failed(self, key: str, result: Response | Failure) -> None:
        """Log a reconcile that failed."""


class Workers:
    """The queue, rate limiter and workers of one controller.

    ``read`` gives the cached object of a key; ``work`` draws the core time of one pass.
    """

    def __init__(
        self,
        process: Process,
        reconciler: Reconciler,
        workers: int,
        retry: Retry,
        read: Callable[[str], Object | None],
        work: Callable[[], int],
    ) -> None:
        self.process = process
        self.sim = process.sim
        self._go = process.go
        self.recorder = process.recorder
        self.reconciler = reconciler
        self._reconcile = reconciler.reconcile
        self.queue = Workqueue()
        self.limiter = ExponentialLimiter(retry.base, retry.max)
        self._limit = retry.limit
        self._parked = workers
        self._read = read
        self._work = work
        self._waiting: dict[str, int] = {}  # keys whose re-adding is due, and when
        self._scheduled: dict[str, Timer] = {}

    def add(self, key: str, cause: str = "watch") -> None:
        """Add a key now."""
        if self.queue.add(key, cause, self.sim.now) and self._parked:
            self._parked -= 1
            self._go.ready(self.take)

    def schedule(self, key: str, delay: int) -> None:
        """Add a key after ``delay``, in place of what was scheduled for it (cert-manager's pkg/scheduler)."""
        previous = self._scheduled.get(key)
        if previous is not None:
            previous.cancel()
        self._scheduled[key] = self.process.sim.timer(delay, self._due, key)

    def _due(self, key: str) -> None:
        del self._scheduled[key]
        if not self.process.stopped:
            self.add(key, "schedule")

    def take(self) -> Burst | None:
        """A worker takes the next key and begins its pass, or parks."""
        while True:
            item = self.queue.get()
            if item is None:
                self._parked += 1
                return None
            obj = self._read(item[0])
            # The decision is made from the cache as it is now; the work that it costs comes before its first
            # effect.
            generator = self._reconcile(obj) if obj is not None else None
            if generator is not NEVER:
                pass_ = _Pass(self, item, obj, self._work())
                return pass_ if generator is None else self._act(pass_, generator)
            demand = self._work()
            self.queue.done(item[0])
            now = self.sim.now
            self.record(item, obj, self.recorder.new_reconcile(), now, now + demand, 0, "ok")
            self._go.owe(demand)

    def _act(self, pass_: _Pass, generator: Reconcile) -> Burst:
        try:
            effect = next(generator)
        except StopIteration as stop:
            pass_.result = stop.value
        else:
            pass_.generator = generator
            pass_.effect = effect
            if isinstance(effect, Send):
                pass_.demand += self.process.request_cpu
        return pass_

    def record(
        self,
        item: Item,
        obj: Object | None,
        number: int,
        started: int,
        ended: int,
        requests: int,
        outcome: str,
    ) -> None:
        """Record a pass that has ended."""
        key, cause, queued = item
        reconciler = self.reconciler
        self.recorder.reconciles.append(
            (
                number,
                reconciler.name,
                key,
                reconciler.certificate(obj) if obj is not None else "",
                cause,
                queued,
                started,
                ended,
                obj.resource_version if obj is not None else 0,
                requests,
                outcome,
            )
        )

    def add_later(self, key: str) -> None:
        """client-go's AddRateLimited: one waiting entry a key, the earlier one stays."""
        now = self.process.sim.now
        due = now + self.limiter.when(key)
        if key in self._waiting and self._waiting[key] <= due:
            return
        self._waiting[key] = due
        self.process.sim.call_in(due - now, self._add_again, key, due)

    def _add_again(self, key: str, due: int) -> None:
        if self._waiting.get(key) == due:
            del self._waiting[key]
            if not self.process.stopped:
                self.add(key, "backoff")

    def settle(self, key: str, result: Response | Failure | None) -> str:
        """Forget the key or add it again, as the result asks; returns the outcome's name."""
        if result is None:
            outcome = "ok"
            if key in self.limiter.failing:
                self.limiter.forget(key)
        else:
            stale = isinstance(result, Response) and result.stale
            outcome = "conflict" if stale else "error"
            self.reconciler.failed(key, result)
            if self._limit is not None and self.limiter.failures(key) >= self._limit:
                self.limiter.forget(key)
                outcome = "gave-up"
            else:
                self.add_later(key)
        if self.queue.done(key) and self._parked:
            # client-go signals a parked worker even though this one may be faster.
            self._parked -= 1
            self.process.go.ready(self.take)
        return outcome


class _Pass(Burst):
    """One worker's pass over one key: a chain of bursts, each of which it is itself."""

    __slots__ = (
        "_item",
        "_number",
        "_obj",
        "_requests",
        "_started",
        "_workers",
        "effect",
        "generator",
        "result",
    )

    def __init__(self, workers: Workers, item: Item, obj: Object | None, demand: int) -> None:
        self.demand = demand
        self._workers = workers
        self._item = item
        self._obj = obj
        self._requests = 0
        self.generator: Reconcile | None = None
        self.effect: Effect | None = None
        self.result: Response | Failure | None = None
        self._number = workers.recorder.new_reconcile()
        self._started = workers.sim.now

    def then(self) -> Burst | None:
        """The core time is used: go on with the effect, or end."""
        if self.generator is None:
            return self._finish(self.result)
        return self._perform()

    def _perform(self) -> Burst | None:
        effect = self.effect
        process = self._workers.process
        if isinstance(effect, Send):
            deadline = self._workers.reconciler.deadline
            longest = None if deadline is None else self._started + deadline - process.sim.now
            request = Request(process, self._workers.reconciler.name, effect, self._started, self._number)
            if not request.start(self._resume, longest):
                return self._resume(Failure("client rate limiter Wait returned an error: context deadline"))
            self._requests += 1
            return None
        if isinstance(effect, Compute):
            return GoCompute(effect.ns, self._woken)
        assert isinstance(effect, Sleep)
        process.go.wake_in(effect.ns, self._woken)
        return None

    def _woken(self) -> Burst | None:
        return self._resume(None)

    def _resume(self, value: Response | Failure | None) -> Burst | None:
        assert self.generator is not None
        try:
            self.effect = self.generator.send(value)  # type: ignore[arg-type] # see Reconcile
        except StopIteration as stop:
            return self._finish(stop.value)
        if isinstance(self.effect, Send):
            return GoCompute(self._workers.process.request_cpu, self._perform)
        return self._perform()

    def _finish(self, result: Response | Failure | None) -> Burst | None:
        workers = self._workers
        item = self._item
        outcome = workers.settle(item[0], result)
        workers.record(
            item, self._obj, self._number, self._started, workers.sim.now, self._requests, outcome
        )
        return workers.take()
