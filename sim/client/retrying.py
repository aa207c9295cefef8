"""Retries that happen inside a reconcile, and what a budget has to know of every write.

A reconcile is a generator of effects (``sim.client.effects``); this one stands around it and passes them on. A
refused write is made again in place, or applied, or sent once more, before the reconcile learns of it. Controllers
that only requeue, without a budget, run without it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from sim.client import writes
from sim.client.effects import Effect, Failure, Get, Reconcile, Result, Send, Sleep
from sim.client.policy import GAVE_UP, OVER_BUDGET, Policy, TriesInPlace
from sim.client.ratelimiter import RateLimiter
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.kernel.simulation import Simulation

_Answer = Response | Failure
THROTTLED = Failure("the retry budget refused the request before it was sent")


class Retrying:
    """Follows the reconciles of one controller by its policy."""

    def __init__(
        self,
        policy: Policy,
        limiter: RateLimiter,
        simulation: Simulation,
        reconcile: Callable[[Object], Reconcile | None],
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._sim = simulation
        self._reconcile = reconcile
        self._written: dict[str, int] = {}  # resourceVersion of one's own last write, by key
        self._waits_for_own = policy.kind == "read-your-writes"
        self.counted: dict[str, list[int]] = {}
        """Retries inside the pass that is under way, and refusals of the budget, by key."""

    def reconcile(self, obj: Object) -> Reconcile | None:
        """Decide as the controller does, unless the cache has not seen one's own last write.

        That write's watch event adds the key again.
        """
        if self._waits_for_own and obj.resource_version < self._written.get(obj.name, 0):
            return None
        steps = self._reconcile(obj)
        return None if steps is None else self._follow(obj, steps)

    def _follow(self, obj: Object, steps: Reconcile) -> Reconcile:
        try:
            effect = next(steps)
            while True:
                answer: Any
                if isinstance(effect, Send) and not isinstance(effect, Get) and effect.write.kind == obj.kind:
                    answer = yield from self._write(obj.name, effect)
                else:
                    answer = yield effect
                effect = steps.send(answer)
        except StopIteration as stop:
            result: Result = stop.value
            return result

    def _write(self, key: str, send: Send) -> Generator[Effect, Any, _Answer]:
        """Send a write about the key's own object, and try again in place as the policy says."""
        tries = TriesInPlace(self._policy)
        answer = yield from self._try(key, send, self._limiter.paid.pop(key, 0))
        while _stale(answer) and _can_be_made_anew(send, tries.kind):
            delay = tries.another(self._sim.now)
            if delay == GAVE_UP:
                break
            self._count(key, 1 if delay == OVER_BUDGET else 0)
            if delay == OVER_BUDGET:
                break
            if delay:
                yield Sleep(delay)
            anew = yield from _made_anew(send, tries.kind)
            if not isinstance(anew, Send):
                return anew
            send = anew
            answer = yield from self._try(key, send, tries.paid)
        if self._waits_for_own and isinstance(answer, Response) and answer.written and answer.object is not None:
            self._written[key] = answer.object.resource_version
        return answer

    def _try(self, key: str, send: Send, paid: int) -> Generator[Effect, Any, _Answer]:
        budget = self._policy.budget
        answer: _Answer
        if budget is None:
            answer = yield send
            return answer
        now = self._sim.now
        if not budget.admit(now):
            self._count(key, 1)
            return THROTTLED
        budget.started(now, paid)
        answer = yield send
        budget.ended(self._sim.now, paid, answer.code < 400)
        return answer

    def _count(self, key: str, what: int) -> None:
        self.counted.setdefault(key, [0, 0])[what] += 1


def _stale(answer: _Answer) -> bool:
    return isinstance(answer, Response) and answer.stale


def _can_be_made_anew(send: Send, kind: str) -> bool:
    if kind == "apply-on-conflict":
        return send.remake is not None and send.read is not None
    return kind == "resend" or send.remake is not None


def _made_anew(send: Send, kind: str) -> Generator[Effect, Any, Send | Response]:
    """Return the write for the next try in place, or the answer to the live read where that failed."""
    if kind == "resend":
        return send
    assert send.remake is not None
    if kind == "apply-on-conflict":
        assert send.read is not None
        return Send(send.remake(send.read, "apply"), send.about, send.read)
    live: Response = yield Get(writes.get(send.write.kind, send.write.name), send.about)
    if live.code >= 400:
        return live
    assert live.object is not None
    return Send(send.remake(live.object, None), send.about, live.object, send.remake)
