"""The API server in time: how long a request takes, what it costs, and when it is decided.

A request is taken (at most ``max_in_flight`` at once), computes on the server's processors, waits for etcd and
is decided at one instant, when ``ApiServer.handle`` answers it. Writes without a resourceVersion never fail for
being stale: where another write came between reading and deciding, the server makes them anew from what it met
(``GuaranteedUpdate``), which is counted and takes as long again. Service times are drawn from the profile, by class
of request (model.md section 6); load stretches the computing part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from sim.cluster.apiserver import ApiServer
from sim.cluster.faults import LOST, UNANSWERED, Faults, Outcome
from sim.cluster.listener import Listener
from sim.cluster.messages import Response
from sim.cluster.requests import InFlight
from sim.cluster.watch import Watch, WatchEvent
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.model import Scenario
from sim.scenario.profile import ServerCosts
from sim.units import SECOND

ServiceClass = Callable[[str, str, str], str]
"""The class of a request, by its verb, kind and subresource: the name of the profile's service time.

The verb is ``refused`` for a write that is already stale when it is taken; the other two are empty then.
"""


_GUARANTEED = {"update", "merge-patch", "json-patch", "apply"}
"""Verbs whose transaction the server tries again after losing a race (storage's GuaranteedUpdate)."""


class Server:
    """Takes requests and answers them; what is stored the store publishes."""

    def __init__(
        self,
        simulation: Simulation,
        machine: Machine,
        api: ApiServer,
        listener: Listener,
        scenario: Scenario,
        costs: ServerCosts,
        service_class: ServiceClass,
        faults: Faults | None = None,
    ) -> None:
        self._sim = simulation
        self._machine = machine
        self._ends = machine.ends
        self.api = api
        self._handle = api.handle
        self._objects = api.store.objects
        self._kinds = api.asked
        self._listener = listener
        self._faults = faults
        self._unanswered: set[InFlight] = set()  # those whose answers will never arrive
        self._costs = costs
        self._service_class = service_class
        self._service_times = costs.times.by_class()
        self._times: dict[tuple[str, str, str, str], Callable[[], int]] = {}
        self._cold_after = self._costs.cold_after
        self._cold_factor = self._costs.cold_factor
        self._cpu_share = self._costs.cpu_share
        self._commit_share = self._costs.commit_share
        self._cpu_behind = self._costs.cpu_behind / self._costs.cpu_share
        self._taken = deque([-self._cold_after] * costs.cold_requests, costs.cold_requests)
        self._places = self._most = scenario.server.max_in_flight
        self._waiting: deque[InFlight] = deque()
        self._answers: list[int] = []  # when requests that still hold a place will be answered; a heap
        self._waking = False
        self._procs = self._costs.procs if scenario.cpu.cores is not None else 1 << 30
        self._runnable: deque[tuple[InFlight, int]] = deque()
        # At hand: making a bound method costs more than reading one.
        self._when_there = self._admit if faults is None else self._ask_on_receive
        self._when_computed = self._computed
        self._when_decided = self._decide if faults is None else self._ask_on_decide

    def watch(self, kind: str, watch: Watch) -> None:
        """Send events of ``kind`` to ``watch`` from now on."""
        faults = self._faults
        if faults is None:
            self.api.store.subscribe(kind, watch.publish)
            return

        def publish(event: WatchEvent) -> None:
            held = faults.on_publish(watch, event)
            if held > 0:
                self._sim.after(held, watch.publish, event)
            elif not held:
                watch.publish(event)

        self.api.store.subscribe(kind, publish)

    @property
    def faulty(self) -> bool:
        """Whether there are faults, by which news may be lost."""
        return self._faults is not None

    def undecided(self) -> list[InFlight]:
        """Requests that are on their way here or not decided yet, in no order: for looking at the end."""
        own = (self._when_there, self._when_computed, self._decide, self._ask_on_receive, self._ask_on_decide)
        sent = [arguments[0] for function, arguments in self._sim.to_come() if function in own]
        served = [thread for thread, function in self._machine.threads() if function == self._when_computed]
        return [*self._waiting, *(request for request, _ in self._runnable), *sent, *served]

    def receive(self, request: InFlight) -> None:
        """Take a request that a client has just sent; its ``arrive`` is called with the answer."""
        if request.out:
            self._sim.after(request.out, self._when_there, request)
        else:
            self._when_there(request)

    def _ask_on_receive(self, request: InFlight) -> None:
        assert self._faults is not None
        self._follow(self._faults.on_receive(request), request, self._admit, self._ask_on_receive)

    def _ask_on_decide(self, request: InFlight) -> None:
        assert self._faults is not None
        self._follow(self._faults.on_decide(request), request, self._decide, self._ask_on_decide)

    def _follow(
        self, outcome: Outcome, request: InFlight, go_on: Callable[[InFlight], None], ask: Callable[[InFlight], None]
    ) -> None:
        """Do with a request what the faults say."""
        if isinstance(outcome, Response) or outcome == LOST:
            taken = ask == self._ask_on_decide
            if taken:
                heappush(self._answers, self._sim.now)  # it leaves its place
            if isinstance(outcome, Response):
                self._answer_in_place(request, outcome, request.received if taken else self._sim.now)
        elif outcome > 0:
            self._sim.after(outcome, ask, request)
        else:
            if outcome == UNANSWERED:
                self._unanswered.add(request)
            go_on(request)

    def _answer_in_place(self, request: InFlight, response: Response, received: int) -> None:
        """Answer a request that is not decided: it is heard of like any other."""
        write = request.send.write
        now = self._sim.now
        current = self._objects[write.kind].get(write.name)
        self._listener.request(request, self.api.kinds[write.kind], response, current, received, now, now, 0, 0)
        self._sim.after(request.back, request.arrive, response)

    def crash(self) -> list[InFlight]:
        """SIGKILL: whatever is not with etcd yet is gone, and returned; what is there will be decided, unanswered."""
        computing = [thread for thread, function in self._machine.threads() if function == self._when_computed]
        for thread in computing:
            self._machine.stop(thread)
        gone = [*computing, *(request for request, _ in self._runnable), *self._waiting]
        self._procs += len(computing)
        self._runnable.clear()
        self._waiting.clear()
        self._answers.clear()
        self._places = self._most
        self._taken = deque([-self._cold_after] * len(self._taken), len(self._taken))
        return gone

    def _admit(self, request: InFlight) -> None:
        request.received = self._sim.now
        request.retries = 0
        if self._places or self._reclaim():
            self._places -= 1
            self._serve(request)
        else:
            self._waiting.append(request)
            self._wake_later()

    def _reclaim(self) -> int:
        """Places that answered requests have left; looked at only where none is known to be free."""
        now = self._sim.now
        answers = self._answers
        while answers and answers[0] <= now:
            heappop(answers)
            self._places += 1
        self._places = min(self._places, self._most)  # more only after a crash
        return self._places

    def _wake_later(self) -> None:
        if self._answers and not self._waking:
            self._waking = True
            self._sim.after(self._answers[0] - self._sim.now, Server._place_left, self)

    def _place_left(self) -> None:
        self._waking = False
        self._reclaim()
        while self._waiting and self._places:
            self._places -= 1
            self._serve(self._waiting.popleft())
        if self._waiting:
            self._wake_later()

    def _serve(self, request: InFlight) -> None:
        write = request.send.write
        actor = request.actor
        current = self._objects[write.kind].get(write.name)
        request.base = version = current.resource_version if current is not None else 0
        if write.resource_version is None or write.resource_version == version:
            key = (actor, write.verb, write.kind, write.subresource)
        else:
            key = (actor, "refused", "", "")
        draw = self._times.get(key) or self._new_times(key)
        service = draw()
        received = request.received
        if received - self._taken[0] > self._cold_after:
            service = round(service * self._cold_factor)
        self._taken.append(received)
        request.cpu = cpu = round(service * self._cpu_share)
        before = round(service * self._commit_share) - cpu
        # Less than a twentieth of the service time is less than can be measured, and costs a kernel event.
        if before * 20 <= service:
            before = 0
        request.before = before
        request.after = service - cpu - before
        if self._procs:  # as _compute does, without the call
            self._procs -= 1
            self._machine.run(cpu, False, self._when_computed, request)
        else:
            self._runnable.append((request, cpu))

    def _compute(self, request: InFlight, cpu: int) -> None:
        """Compute on one of the server's processors as soon as one is free."""
        if self._procs:
            self._procs -= 1
            self._machine.run(cpu, False, self._when_computed, request)
        else:
            self._runnable.append((request, cpu))

    def _again(self, request: InFlight) -> None:
        """Make a write anew that has lost a race: patch, defaults, validation, owners of fields, encoding.

        GuaranteedUpdate calls its function again (apiserver, pkg/storage/etcd3/store.go). In recordings of both kinds
        of operator the loser of two patches takes twice as long as the winner.
        """
        once = request.cpu // (request.retries + 1)
        request.retries += 1
        request.cpu += once
        self._compute(request, once)

    def _new_times(self, key: tuple[str, str, str, str]) -> Callable[[], int]:
        actor, verb, kind, subresource = key
        name = self._service_class(verb, kind, subresource)
        latency = self._service_times[name]
        draw = self._times[key] = self._sim.streams.latency(actor, f"service/{name}", latency)
        return draw

    def _computed(self, request: InFlight) -> None:
        ends = self._ends  # as machine.finished does, without the call: the hot path
        end = ends.get(request)
        if end is None or end[0] != self._sim.now:
            return
        del ends[request]
        if self._runnable:
            following, cpu = self._runnable.popleft()
            self._machine.run(cpu, False, self._computed, following)
        else:
            self._procs += 1
        if request.before:
            self._sim.after(request.before, self._when_decided, request)
        else:
            self._when_decided(request)

    def _decide(self, request: InFlight) -> None:
        write = request.send.write
        verb = write.verb
        now: int = self._sim.now
        current = self._objects[write.kind].get(write.name)
        if verb == "get":
            response = self.api.read(write.kind, write.name)
            self.api.kind(write.kind)
        else:
            version = current.resource_version if current is not None else 0
            if version != request.base and verb in _GUARANTEED:
                # Another write came in between: the transaction in etcd fails, and the server looks at the version
                # that it met. A write that may be refused for being stale is; any other is made anew.
                request.base = version
                if write.resource_version is None:
                    self._again(request)
                else:
                    self._sim.after(self._costs.hidden_retry, self._when_decided, request)
                return
            handle = self._handle  # a call of what an attribute holds costs more than reading it first
            response = handle(write, (self._sim.epoch + now) // SECOND)
            if self._cpu_behind:
                self._machine.run(round(request.cpu * self._cpu_behind), False, self._machine.finished, object())
        answered = now + request.after
        # Told now, in the order of decisions: two writes may be answered in another order.
        kind = self._kinds[write.kind]
        self._listener.request(
            request, kind, response, current, request.received, now, answered, request.retries, request.cpu
        )
        heappush(self._answers, answered)
        if self._waiting:
            self._wake_later()
        if request in self._unanswered:
            self._unanswered.remove(request)
        else:
            self._sim.at(answered + request.back, request.arrive, response)
