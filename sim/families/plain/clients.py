"""A client, step by step: read, think, write, and again as its policy says.

Callbacks on the kernel's heap, no process. ``sim.families.plain.direct`` has a short way for clients of whom nothing is
asked but messages, thinking and requeues; both draw the same numbers in the same order and do the same.
"""

from __future__ import annotations

from typing import Any

from sim.client.policy import GAVE_UP as NO_TRY_LEFT
from sim.client.policy import TriesInPlace
from sim.client.writes import CONDITIONAL
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.families.plain.group import ClientGroup
from sim.families.plain.tries import AGAIN, APPLIED, GAVE_UP, IN_PLACE, OK, OVER_BUDGET, QUEUED, RESENT, TRY, UNFINISHED
from sim.kernel.simulation import Timer
from sim.scenario.values import Strategy

_AT = {name: place for place, name in enumerate(TRY)}
BEGAN, READ_ASKED, READ_SENT, READ_RECEIVED, READ_DECIDED, READ_ANSWERED, VERSION = (
    _AT[name]
    for name in ("began", "read_asked", "read_sent", "read_received", "read_decided", "read_answered", "version")
)
CONDITIONALLY, ASKED, SENT, RECEIVED, DECIDED, ANSWERED, CODE, BASE, WRITTEN, OUTCOME, ENDED = (
    _AT[name]
    for name in (
        "conditional", "asked", "sent", "received", "decided", "answered", "code", "base", "written",
        "outcome", "ended",
    )
)  # fmt: skip


_HOW = {"in-place": IN_PLACE, "apply-on-conflict": APPLIED, "resend": RESENT}


class Try:
    """One try: its row, and what goes on with it. A try that timed out is nobody's any more; its row still fills."""

    __slots__ = ("client", "copy", "how", "paid", "row", "strategy", "timer")

    def __init__(self, client: PlainClient, how: int, strategy: Strategy, paid: int) -> None:
        self.client = client
        self.how = how
        self.strategy = strategy
        self.paid = paid
        self.copy: Object | None = None
        self.timer: Timer | None = None
        now = client.sim.now
        conditional = int(strategy in CONDITIONAL)
        self.row = [
            client.number,
            client.object,
            client.job,
            client.tries,
            how,
            conditional,
            now,
            *([-1] * 16),
            client.field_number,
        ]
        self.row[VERSION] = self.row[CODE] = self.row[BASE] = self.row[WRITTEN] = 0
        self.row[OUTCOME] = UNFINISHED
        client.group.commons.tries.append(self.row)

    @property
    def current(self) -> bool:
        """Whether its client still waits for it."""
        return self.client.current is self


class PlainClient:
    """One client. ``index`` counts within its group, ``number`` among all clients."""

    def __init__(self, group: ClientGroup, index: int, number: int) -> None:
        place = index if len(group.messages) > 1 else 0
        self.group = group
        self.sim = group.commons.sim
        self.index = index
        self.number = number
        self.name = f"{group.settings.name}-{index}"
        self.message = group.messages[place]
        self.think = group.thinks[place]
        self.scan = group.scans[place]
        self.idle = group.idles[place]
        self.pick = group.picks[place]
        self.policy = group.policies[place]
        self.job = self.tries = self.object = self.field_number = self.began = 0
        self.field = ""
        self.current: Try | None = None
        self._failures = self._previous = self._paid = 0
        self._refusals = self._timeouts = 0
        self._thinks = -1  # the think time of the job's first try
        self._tries_in_place = TriesInPlace(self.policy)
        self._own: dict[str, int] = {}

    # A job.

    def start(self, _: object = None) -> None:
        """Begin the next job."""
        self.job += 1
        self.tries = self._failures = self._previous = self._paid = self._refusals = self._timeouts = 0
        self._thinks = -1
        self.began = self.sim.now
        self.object, self.field_number = self.group.place(self.index, self.pick)
        self.field = f"field-{self.field_number}"
        if self.group.settings.control == "pessimistic":
            self.group.commons.lock(self.object).acquire(self._queued)
        else:
            self._queued()

    def _queued(self, _: object = None) -> None:
        """A try through the queue: the first, or after a wait."""
        self._tries_in_place = TriesInPlace(self.policy)
        paid, self._paid = self._paid, 0
        self._try(QUEUED, self.group.strategy, paid)

    def _try(self, how: int, strategy: Strategy, paid: int, copy: Object | None = None) -> None:
        self.tries += 1
        attempt = self.current = Try(self, how, strategy, paid)
        budget = self.policy.budget
        if budget is not None:
            if not budget.admit(self.sim.now):
                self._refusals += 1
                self._failed(attempt, conflict=False)
                return
            budget.started(self.sim.now, paid)
        attempt.copy = copy
        if how in {APPLIED, RESENT}:
            attempt.row[VERSION] = copy.resource_version if copy is not None else 0
            self._ask(attempt)
        elif self.group.settings.scan.nothing:
            self._read(attempt)
        else:
            self.sim.after(self.scan(), self._read, attempt)

    # Reading.

    def _read(self, attempt: Try) -> None:
        how, group = self.group.settings.read, self.group
        if how == "live" or (how == "cache" and attempt.how == IN_PLACE):
            attempt.row[READ_ASKED] = self.sim.now
            self._with_token(self._send_read, attempt)
        elif how == "cache":
            name = group.commons.names[self.object]
            copy = group.cache[name]
            if self.policy.kind == "read-your-writes" and copy.resource_version < self._own.get(name, 0):
                group.waiting.setdefault(name, []).append(lambda: self._read(attempt))
                return
            attempt.copy = copy
            attempt.row[VERSION] = copy.resource_version
            self._think(attempt)
        else:
            self._think(attempt)

    def _send_read(self, attempt: Try) -> None:
        attempt.row[READ_SENT] = self.sim.now
        self._watch_time(attempt)
        self.sim.after(self.message(), self._read_arrives, attempt)

    def _read_arrives(self, attempt: Try) -> None:
        attempt.row[READ_RECEIVED] = self.sim.now
        self.group.commons.turns.arrive(self._read_served, attempt)

    def _read_served(self, attempt: Try) -> None:
        now, commons = self.sim.now, self.group.commons
        copy = commons.api.read(commons.kind, commons.names[attempt.row[1]]).object
        assert copy is not None
        attempt.copy = copy
        attempt.row[READ_DECIDED] = now
        attempt.row[VERSION] = copy.resource_version
        back = self.message()
        attempt.row[READ_ANSWERED] = now + back
        self.sim.after(back, self._read_back, attempt)

    def _read_back(self, attempt: Try) -> None:
        if attempt.current:
            self._time_is_up_no_more(attempt)
            self._think(attempt)

    # Thinking.

    def _think(self, attempt: Try) -> None:
        if self._thinks < 0 or self.group.settings.think_afresh:
            self._thinks = self.think()
        if not self._thinks:
            self._ask(attempt)
        elif self.group.settings.uses_cores:
            self.group.commons.machine.run(self._thinks, self._thought, attempt)
        else:
            self.sim.after(self._thinks, self._ask, attempt)

    def _thought(self, attempt: Try) -> None:
        if self.group.commons.machine.finished(attempt):
            self._ask(attempt)

    # Writing.

    def _ask(self, attempt: Try) -> None:
        attempt.row[ASKED] = self.sim.now
        self._with_token(self._send, attempt)

    def _send(self, attempt: Try) -> None:
        attempt.row[SENT] = self.sim.now
        self._watch_time(attempt)
        self.sim.after(self.message(), self._arrives, attempt)

    def _arrives(self, attempt: Try) -> None:
        attempt.row[RECEIVED] = self.sim.now
        self.group.commons.turns.arrive(self._served, attempt)

    def _served(self, attempt: Try) -> None:
        now, row, group = self.sim.now, attempt.row, self.group
        commons = group.commons
        name = commons.names[row[1]]
        before = commons.objects[name].resource_version
        value = f"{row[0]}.{row[2]}"
        write = group.write(self.name, attempt.strategy, name, self.field, value, attempt.copy)
        response = commons.api.handle(write, self.sim.unix_seconds)
        back = self.message()
        row[DECIDED], row[ANSWERED], row[CODE], row[BASE] = now, now + back, response.code, before
        if response.written and response.object is not None:
            row[WRITTEN] = response.object.resource_version
            self._own[name] = row[WRITTEN]
        self.sim.after(back, self._answered, (attempt, response))

    def _answered(self, answer: tuple[Try, Response]) -> None:
        attempt, response = answer
        if not attempt.current:
            return
        self._time_is_up_no_more(attempt)
        budget = self.policy.budget
        if budget is not None:
            budget.ended(self.sim.now, attempt.paid, response.code < 400)
        if response.code < 400:
            self._finish(attempt, OK)
        else:
            self._failed(attempt, conflict=response.stale)

    # After a failure.

    def _failed(self, attempt: Try, *, conflict: bool, timeout: bool = False) -> None:
        if conflict and self._in_place(attempt):
            return
        now = self.sim.now
        wait = self.policy.again(self._failures, self._previous, now, conflict, timeout)
        if wait < 0:
            self._refusals += wait != NO_TRY_LEFT
            self._finish(attempt, GAVE_UP if wait == NO_TRY_LEFT else OVER_BUDGET)
            return
        self._failures += 1
        self._previous = wait
        self._paid = self.policy.paid if self.policy.paying else 0
        self._end(attempt, AGAIN)
        if wait:
            self.sim.after(wait, self._queued, None)
        else:
            self._queued()

    def _in_place(self, attempt: Try) -> bool:
        """Try again without the queue, where the policy does and the budget lets it."""
        delay = self._tries_in_place.another(self.sim.now)
        if delay < 0:
            self._refusals += delay != NO_TRY_LEFT
            return False
        how, paid = _HOW[self._tries_in_place.kind], self._tries_in_place.paid
        self._end(attempt, AGAIN)
        strategy: Strategy = "apply" if how == APPLIED else attempt.strategy
        copy = None if how == IN_PLACE else attempt.copy
        self.sim.after(delay, self._try_in_place, (how, strategy, paid, copy))
        return True

    def _try_in_place(self, what: tuple[int, Strategy, int, Object | None]) -> None:
        self._try(*what)

    def _end(self, attempt: Try, outcome: int) -> None:
        attempt.row[OUTCOME] = outcome
        attempt.row[ENDED] = self.sim.now
        self.current = None

    def _finish(self, attempt: Try, outcome: int) -> None:
        self._end(attempt, outcome)
        group, now = self.group, self.sim.now
        commons = group.commons
        row = (self.number, self.object, self.job, self.began, now, self.tries, int(outcome == OK))
        commons.jobs.extend((*row, self._refusals, self._timeouts))
        if group.settings.control == "pessimistic":
            commons.lock(self.object).release()
        match group.settings.loop:
            case "once":
                commons.one_less(now)
            case "closed":
                idle = 0 if group.settings.idle.nothing else self.idle()
                self.sim.after(idle, self.start, None)
            case _:
                group.free.append(self)

    # Tokens and time-outs.

    def _with_token(self, send: Any, attempt: Try) -> None:
        bucket = self.group.bucket
        wait = (bucket.reserve(self.sim.now) or 0) if bucket is not None else 0
        if wait:
            self.sim.after(wait, send, attempt)
        else:
            send(attempt)

    def _watch_time(self, attempt: Try) -> None:
        if self.group.settings.timeout is not None:
            attempt.timer = self.sim.timer(self.group.settings.timeout, self._time_is_up, attempt)

    def _time_is_up_no_more(self, attempt: Try) -> None:
        if attempt.timer is not None:
            attempt.timer.cancel()
            attempt.timer = None

    def _time_is_up(self, attempt: Try) -> None:
        if not attempt.current:
            return
        self._timeouts += 1
        budget = self.policy.budget
        if budget is not None:
            budget.ended(self.sim.now, attempt.paid, ok=False, timeout=True)
        self._failed(attempt, conflict=False, timeout=True)
