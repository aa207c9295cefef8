"""The workers of one controller: take a key, reconcile it, answer for the outcome.

Follows cert-manager's ``pkg/controller/controller.go`` (worker) and client-go's delaying queue: after a failure
the key is added again later, and *nothing cancels that* (model.md section 2): the winner's watch event usually
brings the retry that succeeds, and the delayed one comes as a ghost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from sim.client.delaying import Delays
from sim.client.effects import Compute, Effect, Failure, Reconcile, Requeue, Result, Send, Sleep, Waiting
from sim.client.policy import GAVE_UP, OVER_BUDGET, Shared, policy_of
from sim.client.process import Line, Process
from sim.client.ratelimiter import RateLimiter
from sim.client.rest import Request
from sim.client.retrying import Retrying
from sim.client.workqueue import Queue
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.kernel.bursts import Burst, BurstThen
from sim.scenario.retry import Retry

TOO_LATE = "client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline"
"""Of a request whose token would come after its deadline (golang.org/x/time/rate)."""
_NONE = (0, 0)
_NO_ITEM = ("", "", 0)
_DROPPED = {GAVE_UP: "gave-up", OVER_BUDGET: "over-budget"}


class Reconciler(Protocol):
    """What the workers run: a controller's decision, from its caches."""

    name: str
    deadline: int | None

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Decide what to do about an object, as the cache has it; None for nothing."""

    def about(self, obj: Object) -> str:
        """Name of the subject that the object is about."""

    def failed(self, key: str, result: Response | Failure) -> None:
        """Log a reconcile that failed."""


class Workers:
    """The queue, rate limiter and workers of one controller.

    ``read`` gives the cached object of a key; ``work`` draws the core time of one pass that decides to act, and
    ``idle_cpu`` is that of one that finds nothing to do; what it decodes comes on top (``process.parsing``).
    ``reconcile`` stands in place of the reconciler's own; the retry policy is put around it here and nowhere else.
    """

    def __init__(
        self,
        process: Process,
        reconciler: Reconciler,
        workers: int,
        retry: Retry,
        read: Callable[[str], Object | None],
        work: Callable[[], int],
        shared: Shared | None = None,
        reconcile: Callable[[Object], Reconcile | None] | None = None,
    ) -> None:
        self.process = process
        self.sim = process.sim
        self._go = process.go
        self.reconciler = reconciler
        self.queue: Queue = process.parts.queue()
        draw = process.streams.uniform(reconciler.name, "retries")
        policy = policy_of(retry, draw, shared or Shared())
        self.limiter = RateLimiter(policy)
        decide = reconcile or reconciler.reconcile
        self.retrying = None if policy.plain else Retrying(policy, self.limiter, self.sim, decide)
        self.reconcile: Final = decide if self.retrying is None else self.retrying.reconcile
        self.read = read
        self.work = work
        self.idle_cpu = process.profile.controllers.idle_cpu
        self.all = [Worker(self, number + 1) for number in reversed(range(workers))]
        self.parked = list(self.all)
        self.delayed: Delays = self.queue.delaying(self.sim, self._add_delayed)

    def add(self, key: str, cause: str = "watch") -> None:
        """Add a key now."""
        if self.queue.add(key, cause, self.sim.now) and self.parked:
            self._go.ready(self.parked.pop().take)

    def add_object(self, obj: Object) -> None:
        """Add the key of an object that has changed, its name: what most handlers do."""
        if self.queue.add(obj.name, "watch", self.sim.now) and self.parked:
            self._go.ready(self.parked.pop().take)

    def _add_delayed(self, key: str, cause: str) -> None:
        if not self.process.stopped:
            self.add(key, cause)

    def held(self) -> Iterator[tuple[str, str]]:
        """Yield each key that is not done with, and where it is held up: for looking at the end of a replication.

        ``token``, ``server``, ``pause`` or ``work``: a worker acts on it and waits for that, or computes; ``queue``:
        it waits for a worker, or for the end of a pass that does nothing; ``backoff``: its time has not come.
        """
        for worker in self.all:
            if worker.key:
                yield worker.key, worker.doing()
        yield from ((key, "queue") for key in self.queue.added())
        yield from ((key, "backoff") for key in self.delayed.waiting())

    def settle(self, key: str, result: Result) -> str:
        """Forget the key or add it again, as the result asks; returns the outcome's name."""
        if result is None:
            outcome = "ok"
            if key in self.limiter.failing:
                self.limiter.forget(key)
        elif isinstance(result, Requeue):
            outcome = "ok"
            self._requeue(key, result.after)
        else:
            outcome = self._failed(key, result)
        if self.queue.done(key) and self.parked:
            # client-go signals a parked worker even though this one may be faster.
            self._go.ready(self.parked.pop().take)
        return outcome

    def _requeue(self, key: str, after: int | None) -> None:
        """controller-runtime's Result: RequeueAfter forgets the failures, Requeue takes its back-off like a failure."""
        if after is None:
            after = max(self.limiter.when(key, self.sim.now, conflict=False), 0)
        else:
            self.limiter.forget(key)
        self.delayed.add_after(key, after, "requeue")

    def _failed(self, key: str, result: Response | Failure) -> str:
        self.reconciler.failed(key, result)
        conflict = isinstance(result, Response) and result.stale
        wait = self.limiter.when(key, self.sim.now, conflict)
        if wait < 0:
            self.limiter.forget(key)
            return _DROPPED[wait]
        self.delayed.add_after(key, wait)
        return "conflict" if conflict else "error"


class Worker(Burst):
    """One worker: a goroutine that makes one pass after the other, and the burst of the pass that it makes.

    A pass first uses the core time of its decision and of encoding its first request; then it follows the
    reconcile's effects, if there are any.
    """

    __slots__ = (
        "_about",
        "_cpu",
        "_crypto",
        "_effect",
        "_failing",
        "_generator",
        "_go",
        "_idle_cpu",
        "_item",
        "_name",
        "_new_number",
        "_new_request",
        "_number",
        "_obj",
        "_place",
        "_process",
        "_queue",
        "_reconcile",
        "_replica",
        "_request",
        "_request_cpu",
        "_requests",
        "_result",
        "_rows",
        "_said",
        "_sim",
        "_started",
        "_workers",
    )

    def __init__(self, workers: Workers, place: int) -> None:
        self._workers = workers
        self._request: Request | None = None  # that is under way
        self._place = place  # among them, from 1
        self._item = _NO_ITEM
        self._said: Sequence[Line] = ()  # what the pass logs when it has computed
        # What every pass needs, at hand: a pass that finds nothing to do is the most frequent of all.
        self._process = workers.process
        self._go = workers.process.go
        self._sim = workers.sim
        self._queue = workers.queue
        self._replica = workers.process.replica
        self._reconcile = workers.reconcile
        self._about = workers.reconciler.about
        self._name = workers.reconciler.name
        self._failing = workers.limiter.failing
        self._idle_cpu = workers.idle_cpu
        self._rows = workers.process.listener.reconciles
        self._new_number = workers.process.listener.new_reconcile
        self._new_request = workers.process.parts.request
        self._request_cpu = workers.process.request_cpu + workers.process.response_cpu

    def take(self) -> Burst | None:
        """Take the next key and begin its pass, or park."""
        queue, process = self._queue, self._process
        # A call of what an attribute holds costs more than reading it first.
        reconcile, about_of, new_number, append = self._reconcile, self._about, self._new_number, self._rows.append
        waiting, pop = queue.waiting, queue.pop
        process.deciding = True
        while waiting:
            item = pop()
            key, cause, queued = item
            obj = self._workers.read(key)
            # The decision is made from the cache as it is now; the work that it costs comes before its first
            # effect.
            generator = reconcile(obj) if obj is not None else None
            number = new_number()
            now = self._sim.now
            if generator is None and not process.parsing and not process.said:
                # Over before anything else could happen, so that its time is owed and nobody can have added the
                # key meanwhile: the most frequent pass of all, recorded as _finish does.
                about, version = (about_of(obj), obj.resource_version) if obj is not None else ("", 0)
                idle_cpu = self._idle_cpu
                failures = self._failing.get(key, 0)
                append(
                    (
                        number, self._name, key, about, cause, queued, now, now + idle_cpu, version, 0, "ok",
                        idle_cpu, 0, self._place, failures, 0, 0, self._replica,
                    )
                )  # fmt: skip
                queue.forget(key)
                if failures:
                    self._workers.limiter.forget(key)
                self._go.running.debt += idle_cpu  # type: ignore[union-attr] # this worker runs
                continue
            workers = self._workers
            queue.begin(key)
            self._item = item
            self._obj = obj
            self._number = number
            self._started = now
            self._requests = 0
            self._crypto = 0
            self._generator = generator
            self._request = None
            if generator is not None:
                self._cpu = self.demand = workers.work()
                self._begin(generator)
            else:
                self._cpu = self.demand = workers.idle_cpu
                self._result = None
            self.demand += process.parsing
            self._cpu += process.parsing
            process.parsing = 0
            process.deciding = False
            if process.said:
                self._said, process.said = process.said, []
            return self
        process.deciding = False
        self._item = _NO_ITEM
        self._workers.parked.append(self)
        return None

    def let_go(self) -> None:
        """Forget the request under way, whose answer would come here."""
        self._request = None

    @property
    def key(self) -> str:
        """The key whose pass it makes; "" while it has none."""
        return self._item[0]

    def doing(self) -> str:
        """What the pass is at: see ``Workers.held``."""
        if self._generator is None:
            return "queue"
        if isinstance(self._effect, Sleep):
            return "pause"
        if isinstance(self._effect, Send) and self._request is not None:
            return "server" if self._request.sent else "token"
        return "work"

    def _begin(self, generator: Reconcile) -> None:
        """Find the first effect of a reconcile, if it has any."""
        try:
            self._effect: Effect = next(generator)
        except StopIteration as stop:
            self._generator = None
            self._result = stop.value
        else:
            if isinstance(self._effect, Send):
                self.demand += self._process.request_cpu

    def then(self) -> Burst | None:
        """The core time is used: go on with the effect, or end."""
        if self._said:
            self._say()
        if self._generator is None:
            return self._finish(self._result)
        return self._perform()

    def _say(self) -> None:
        """Log what was decided: once it is computed, before the request is encoded (pkg/api/util/conditions.go)."""
        sends = self._generator is not None and isinstance(self._effect, Send)
        time = self._sim.now - (self._process.request_cpu if sends else 0)
        for line in self._said:
            self._process.listener.log(time, *line)
        self._said = ()

    def _perform(self) -> Burst | None:
        effect = self._effect
        process = self._process
        if isinstance(effect, Send):
            reconciler = self._workers.reconciler
            deadline = reconciler.deadline
            longest = None if deadline is None else self._started + deadline - process.sim.now
            new_request = self._new_request
            request = self._request = new_request(process, self._name, effect, self._started, self._number)
            if not request.start(self._resume, longest):
                return self._resume(Failure(TOO_LATE))
            self._requests += 1
            return None
        if isinstance(effect, Compute):
            self._crypto += effect.ns
            return BurstThen(effect.ns, self._woken)
        if isinstance(effect, Sleep):
            process.go.wake_in(effect.ns, self._woken)
            return None
        if not isinstance(effect, Waiting):
            raise TypeError(
                f"reconcile of {self._name} yielded {effect!r:.60}; it yields what write, set_condition and get "
                "return, Compute and Sleep"
            )
        effect.begin(lambda: process.go.ready(self._woken))
        return None

    def _woken(self) -> Burst | None:
        return self._resume(None)

    def _resume(self, value: Response | Failure | None) -> Burst | None:
        assert self._generator is not None
        self._request = None
        if isinstance(value, Response) and value.object is not None:
            self._cpu += self._process.object_cpu
        try:
            self._effect = effect = self._generator.send(value)  # type: ignore[arg-type] # see Reconcile
        except StopIteration as stop:
            return self._finish(stop.value)
        if isinstance(effect, Send):
            self.demand = self._process.request_cpu
            return self
        return self._perform()

    def _finish(self, result: Result) -> Burst | None:
        """Answer for the outcome and record the pass, in the order of ``sim.recording.columns.RECONCILES``."""
        key, cause, queued = self._item
        failures, workers = self._failing.get(key, 0), self._workers
        outcome = workers.settle(key, result)
        retries, refusals = 0, 0
        if outcome == "over-budget":
            refusals = 1
        if workers.retrying is not None:
            inside = workers.retrying.counted.pop(key, _NONE)
            retries, refusals = inside[0], refusals + inside[1]
        obj = self._obj
        self._rows.append(
            (
                self._number,
                self._name,
                key,
                self._about(obj) if obj is not None else "",
                cause,
                queued,
                self._started,
                self._sim.now,
                obj.resource_version if obj is not None else 0,
                self._requests,
                outcome,
                self._cpu + self._requests * self._request_cpu,
                self._crypto,
                self._place,
                failures,
                retries,
                refusals,
                self._replica,
            )
        )
        return self.take()
