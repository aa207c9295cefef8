"""The API server in time: how long a request takes, what it costs, and when it is decided.

API server and etcd are two Go processes on the machine that the controllers compute on as well. A request is taken
(at most ``max_in_flight`` at once), a goroutine of the API server computes, etcd computes, and there it is decided at
one instant, when ``ApiServer.handle`` answers it; the API server's goroutine then makes the answer, which takes as
long for every class of request. Each of the three waits for a processor behind whoever is there, and so do who writes
the frames of answers and who hands on the news of a write (``Relay``). So of a batch that comes together all are
decided one after the other and answered late, and while keys are generated it is chance whether an answer or the news
is there first: the recordings show both. Service times are drawn from the profile, by class of request (model.md
section 6); what of them is not computing is waiting (for the disk, for messages), on the way to etcd and back.

Writes without a resourceVersion never fail for being stale: where another write came between reading and deciding,
the server makes them anew from what it met (``GuaranteedUpdate``), which is counted and takes as long again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from sim.cluster.apiserver import ApiServer
from sim.cluster.faults import LOST, UNANSWERED, Faults, Outcome
from sim.cluster.listener import Listener
from sim.cluster.messages import Response
from sim.cluster.requests import InFlight, Sent
from sim.cluster.requesttimes import RequestTimes, ServiceClass
from sim.cluster.serving import CYCLE, STEPS, Behind, Relay, Serving
from sim.cluster.watch import Watch, WatchEvent
from sim.kernel.goserver import GoServer
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.model import Scenario
from sim.scenario.profile import GoScheduler, ServerCosts
from sim.units import SECOND

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
        decided: Callable[[Sent, Response], None] | None = None,
    ) -> None:
        self._sim = simulation
        self._at = simulation.scheduler()
        self._machine = machine
        self.api = api
        self._handle = api.handle
        self._objects = api.store.objects
        self._kinds = api.asked
        self._listener = listener
        self._faults = faults
        self._decided = decided
        self._unanswered: set[InFlight] = set()  # those whose answers will never arrive
        self._costs = costs
        self._request_times = RequestTimes(simulation.streams, costs, service_class)
        self._cpu_share = self._costs.cpu_share
        self._etcd_share = self._costs.etcd_share
        self._cpu_behind = self._costs.cpu_behind / self._costs.cpu_share
        self._places = self._most = scenario.server.max_in_flight
        self._waiting: deque[InFlight] = deque()  # for a place
        self._open: dict[InFlight, Serving] = {}  # taken and not decided
        self._told: deque[Serving] = deque()  # decided, and not told: these or earlier ones are not answered
        self._starts = 0
        self._go = GoServer(simulation, machine, GoScheduler())
        self._etcd = GoServer(simulation, machine, GoScheduler())
        self._processes = [self._go, self._etcd]  # killed ones too
        self._behind = Behind(self._go)
        self._writer = Relay(self._go)
        # At hand: making a bound method costs more than reading one.
        quick = faults is None and decided is None
        self._when_here = self._admit if faults is None else self._ask_on_receive
        self._when_there = self._come if quick else self._when_here
        self._when_decided = self._decide if faults is None else self._ask_on_decide
        self._computed = self._when_computed
        self._at_etcd = self._commit if quick else self._etcd.compute
        self._committed = self._when_committed
        self._back = self._when_back
        self._made = self._when_made
        self._left = self._leave

    def watch(self, kind: str, watch: Watch) -> None:
        """Send events of ``kind`` to ``watch`` from now on."""
        faults = self._faults
        watch.relay = self._writer
        for _ in range(STEPS - 1):
            watch.relay = Relay(self._go, watch.relay)
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
        sent = [arguments[0] for function, arguments in self._sim.to_come() if function == self._when_there]
        return [*self._waiting, *sent, *self._open]

    def receive(self, request: InFlight) -> None:
        """Take a request that a client has just sent; its ``arrive`` is called with the answer."""
        if request.out:
            self._sim.after(request.out, self._when_there, request)
        else:
            self._when_here(request)

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
            if taken and self._open.pop(request).start == self._starts:
                self._leave_place()
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
        """SIGKILL: whatever is not with etcd yet is gone, and returned.

        What is there will be decided, and what is decided is answered now: where a connection has broken that tells
        nobody, and those who have none (``OutsideClient``) know nothing of servers.
        """
        here = [request for request, serving in self._open.items() if serving.step == self._computed]
        for request in here:
            del self._open[request]
        gone = [*here, *self._waiting]
        self._go.stop()
        self._go = GoServer(self._sim, self._machine, GoScheduler())
        self._processes.append(self._go)
        self._behind = Behind(self._go)
        self._starts += 1
        self._waiting.clear()
        self._writer.flush()
        self._writer = Relay(self._go)
        unanswered = [serving for serving in self._told if serving.answered < 0]
        self.tell_all()
        for serving in unanswered:
            self._send_back(serving)
        self._places = self._most
        self._request_times.start()
        return gone

    def parts(self) -> Iterator[object]:
        """Everything that was built, to be taken apart after the end: the parts refer to each other in circles."""
        yield from (self, *self._processes)

    def tell_all(self) -> None:
        """Tell the listener of all that is decided, as if what is not answered yet were now: nothing will follow."""
        for serving in self._told:
            if serving.answered < 0:
                serving.answered = self._sim.now
        self._tell()

    def _admit(self, request: InFlight) -> None:
        serving = self._take(request)
        if serving is not None:
            self._go.compute(serving)

    def _take(self, request: InFlight) -> Serving | None:
        """A request has come; None where it has to wait for a place."""
        request.received = self._sim.now
        request.retries = 0
        if not self._places:
            self._waiting.append(request)
            return None
        self._places -= 1
        return self._begin(request)

    def _leave_place(self) -> None:
        if self._waiting:
            self._go.compute(self._begin(self._waiting.popleft()))
        else:
            self._places += 1

    def _begin(self, request: InFlight) -> Serving:
        """A request has its place: what it takes is drawn, and its first burst is returned."""
        write = request.send.write
        current = self._objects[write.kind].get(write.name)
        request.base = version = current.resource_version if current is not None else 0
        stale = write.resource_version is not None and write.resource_version != version
        service, after = self._request_times.draw(request, stale)
        request.cpu = cpu = round(service * self._cpu_share)
        serving = self._open[request] = Serving(request, self._starts)
        serving.answering = answering = round(after * self._cpu_share)
        committing = round(cpu * self._etcd_share)
        serving.committing = committing = committing if committing < cpu - answering else cpu - answering
        serving.computing = computing = cpu - answering - committing
        serving.waits = service - after - committing - computing
        serving.rest = after - answering
        self._first(serving)
        return serving

    def _first(self, serving: Serving) -> None:
        """Its first burst is next, with its share of what is owed."""
        serving.step = self._computed
        serving.demand = serving.computing
        if self._behind.owed > CYCLE:
            serving.demand += self._behind.assist(round(serving.request.cpu * self._cpu_behind))

    def _when_computed(self, serving: Serving) -> None:
        serving.step = self._committed
        serving.sent = now = self._sim.now
        serving.demand = serving.committing
        if serving.waits:
            self._at(now + serving.waits, self._at_etcd, serving)
        else:
            self._etcd.compute(serving)

    def _when_committed(self, serving: Serving) -> None:
        request = serving.request
        request.before = self._sim.now - serving.sent
        self._when_decided(request)

    def _again(self, serving: Serving) -> None:
        """Make a write anew that has lost a race: patch, defaults, validation, owners of fields, encoding.

        GuaranteedUpdate calls its function again (apiserver, pkg/storage/etcd3/store.go). In recordings of both kinds
        of operator the loser of two patches takes twice as long as the winner.
        """
        request = serving.request
        request.retries += 1
        request.cpu += serving.computing + serving.committing
        self._first(serving)
        self._go.compute(serving)

    def _decide(self, request: InFlight) -> None:
        serving = self._decision(request)
        if serving is None:
            return
        if serving.rest:
            self._at(serving.decided + serving.rest, self._back, serving)
        else:
            self._back(serving)
        if self._decided is not None:
            self._decided(request, serving.response)

    def _decision(self, request: InFlight) -> Serving | None:
        """Answer a request; None where it is not decided yet, because another write came in between."""
        write = request.send.write
        verb = write.verb
        now: int = self._sim.now
        current = self._objects[write.kind].get(write.name)
        serving = self._open[request]
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
                    self._again(serving)
                else:
                    self._sim.after(self._costs.hidden_retry, self._when_decided, request)
                return None
            handle = self._handle  # a call of what an attribute holds costs more than reading it first
            response = handle(write, (self._sim.epoch + now) // SECOND)
            if self._cpu_behind:
                self._behind.owe(round(request.cpu * self._cpu_behind))
        del self._open[request]
        serving.response = response
        serving.before = current
        serving.decided = now
        serving.answered = -1
        self._told.append(serving)
        return serving

    def _when_back(self, serving: Serving) -> None:
        """The API server hears from etcd."""
        if serving.start == self._starts:
            serving.step = self._made
            serving.demand = serving.answering
            self._go.compute(serving)
        elif serving.answered < 0:  # it has been killed since, before the decision
            serving.answered = self._sim.now
            self._tell()
            self._send_back(serving)

    def _when_made(self, serving: Serving) -> None:
        """The answer is made."""
        serving.answered = self._sim.now
        if serving is self._told[0]:
            self._tell()
        self._leave_place()
        self._send_back(serving)

    # The same as far as nothing else happens meanwhile: most requests come alone. Each of these is the last thing that
    # its instant sees of whoever calls it.

    def _come(self, request: InFlight) -> None:
        serving = self._take(request)
        if serving is None:
            return
        if self._go.passes_with(serving.demand, serving.waits, self._etcd, serving.committing):
            request.before = serving.waits + serving.committing
            self._answer(request)
        else:
            self._go.compute(serving)

    def _commit(self, serving: Serving) -> None:
        if self._etcd.passes(serving.demand):
            serving.request.before = self._sim.now - serving.sent
            self._answer(serving.request)
        else:
            self._etcd.compute(serving)

    def _answer(self, request: InFlight) -> None:
        serving = self._decision(request)
        if serving is None:
            return
        sim = self._sim
        if serving.rest and not sim.passes(sim.now + serving.rest):
            self._at(sim.now + serving.rest, self._back, serving)
        elif self._waiting or not self._go.passes(serving.answering):
            self._back(serving)
        else:
            serving.answered = now = sim.now
            if serving is self._told[0]:
                self._tell()
            self._places += 1
            if sim.passes(now + request.back):
                request.arrive(serving.response)
            else:
                self._at(now + request.back, request.arrive, serving.response)

    def _send_back(self, serving: Serving) -> None:
        request = serving.request
        if self._unanswered and request in self._unanswered:
            self._unanswered.remove(request)
        else:
            self._writer.hand(self._left, serving)

    def _leave(self, serving: Serving) -> None:
        request = serving.request
        self._at(self._sim.now + request.back, request.arrive, serving.response)

    def _tell(self) -> None:
        """Tell the listener, in the order of decisions: two writes may be answered in another order."""
        waiting = self._told
        while waiting and waiting[0].answered >= 0:
            serving = waiting.popleft()
            request = serving.request
            self._listener.request(
                request,
                self._kinds[request.send.write.kind],
                serving.response,
                serving.before,
                request.received,
                serving.decided,
                serving.answered,
                request.retries,
                request.cpu,
            )
