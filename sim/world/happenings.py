"""When faults happen, and who they befall: from a scenario's list to what is done to server, links and processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.client.breakable import breakable
from sim.client.link import UNEXPECTED_EOF, Link, Network
from sim.cluster.apiserver import ApiServer
from sim.cluster.messages import Response
from sim.cluster.outages import MessageRule, Outages, is_controller
from sim.cluster.requests import InFlight, Sent
from sim.cluster.server import Server
from sim.families.family import Population
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.scenario.faults import API_SERVER, ETCD, ISSUER, LEADER, WATCH_CACHE, PlannedFault, Point
from sim.scenario.model import Scenario
from sim.units import MS, SECOND

ELECTION = (SECOND, 2 * SECOND)
"""etcd's randomized election timeout, uniformly (--election-timeout 1000 ms; raft)."""
ISSUER_BACKOFF = (5 * SECOND, 300 * SECOND)
"""Of the queue of cert-manager's issuers controllers: first and longest."""
SLICE = 10 * MS
"""So long a neighbour computes at a time."""


class Happenings:
    """The faults of one replication. It hears of each request that is decided, for those that wait for a point."""

    def __init__(self, simulation: Simulation, machine: Machine, api: ApiServer) -> None:
        self._sim = simulation
        self._machine = machine
        self.outages = Outages(simulation, api, _link_of)
        self._network: Network
        self._server: Server
        self._populations: Sequence[Population] = ()
        self._draw = simulation.streams.uniform("faults", "election")
        self._points: list[list[Any]] = []  # faults that wait for a write, and how many are to come before

    def network(self, server: Server) -> Network:
        """The links of all processes to the server."""
        self._server = server
        self._network = Network(self.outages, breakable)
        return self._network

    def begin(self, scenario: Scenario, populations: Sequence[Population]) -> None:
        """Arrange all of them."""
        self._populations = populations
        for number, fault in enumerate(scenario.faults):
            if fault.at is not None:
                self._sim.call_in(fault.at, self._happen, fault)
            elif fault.every is not None:
                draw = self._sim.streams.exponential("faults", f"times/{number}", fault.every.mean)
                self._sim.call_in(draw(), self._again, fault, draw)
            else:
                assert fault.after is not None
                self._points.append([fault, fault.after.write])

    def _again(self, fault: PlannedFault, draw: Callable[[], int]) -> None:
        if fault.until is None or self._sim.now <= fault.until:
            self._happen(fault)
            self._sim.call_in(draw(), self._again, fault, draw)

    # Points of a run.

    def decided(self, sent: Sent, response: Response) -> None:
        """A request is decided: see who has waited for it."""
        if not response.written or not self._points:
            return
        for waiting in list(self._points):
            fault: PlannedFault = waiting[0]
            assert fault.after is not None
            if _is_it(fault.after, sent):
                waiting[1] -= 1
                if not waiting[1]:
                    self._points.remove(waiting)
                    self._sim.call_in(fault.after.wait, self._happen, fault)

    # What happens.

    def _happen(self, fault: PlannedFault) -> None:
        how: Callable[[PlannedFault], None] = getattr(self, f"_{fault.verb}")
        how(fault)

    def _named(self, target: str) -> Link | None:
        """The link of a process that lives, by its name or as the leader."""
        if target == LEADER:
            target = next((each.leader for each in self._populations if each.leader), "")
        link = self._network.links.get(target)
        return link if link is not None and not link.process.stopped else None

    def _kill(self, fault: PlannedFault) -> None:
        lasts = fault.lasts or 0
        if fault.target == API_SERVER:
            self._kill_server(lasts)
        elif fault.target == ETCD:
            self._kill_etcd(fault.lasts)
        else:
            link = self._named(fault.target)
            if link is not None:
                if fault.to_other:
                    self._network.servers[link.name] = 1
                for population in self._populations:
                    if population.kill(link.name, lasts):
                        break

    def _kill_etcd(self, lasts: int | None) -> None:
        """One member that is down for ``lasts``; without, the leader of several."""
        now = self._sim.now
        if lasts is None:
            low, high = ELECTION
            self.outages.etcd_elects(now + low + round((high - low) * self._draw()))
            return
        self.outages.etcd_down(now + lasts)
        self._sim.call_in(lasts, self.outages.etcd_back)
        for link in self._network.links.values():
            if not link.process.stopped:
                link.end_watches()

    def _kill_server(self, lasts: int) -> None:
        if self.outages.down:
            return
        self.outages.killed(self._sim.now + lasts)
        for request in self._server.crash():
            link = _link_of(request)[1]
            if link is None:  # whoever is outside of any process tries until it is heard
                self._sim.after(lasts, self._server.receive, request)
            elif link.server:  # it is with another server, whose time is simulated as this one's: it begins again there
                self._sim.after(0, self._server.receive, request)
        for link in self._network.links.values():
            if not link.server and not link.process.stopped:
                link.break_off()
        self._sim.call_in(lasts, self.outages.started)

    def _stop(self, fault: PlannedFault) -> None:
        assert fault.lasts is not None
        until = self._sim.now + fault.lasts
        if fault.target == API_SERVER:
            self.outages.stands_still(until)
            for each in self._network.links.values():
                each.unheard(fault.lasts)
        elif fault.target == ETCD:
            self.outages.etcd_stands_still(until)
        elif fault.target == WATCH_CACHE:
            other = self.outages.caches[1]
            other.pause()
            self._sim.call_in(fault.lasts, other.go_on)
        elif fault.target == ISSUER and self._named(ISSUER) is None:
            self._stop_issuer(fault.lasts)
        else:
            link = self._named(fault.target)
            if link is not None:
                link.process.go.pause()
                self._sim.call_in(fault.lasts, link.process.go.go_on)

    def _stop_issuer(self, lasts: int) -> None:
        """Whoever signs cannot. An Issuer is looked at again after the back-off of its failures until then."""
        until = lasts
        if self.outages.issuer_ready:
            wait, longest = ISSUER_BACKOFF
            until = 0
            while until < lasts:
                until += wait
                wait = min(2 * wait, longest)
        self.outages.issuer_until = self._sim.now + until
        self._sim.call_in(until, self._issuer_ready)

    def _issuer_ready(self) -> None:
        for ready in self.outages.issuer_ready:
            ready()

    def _cut(self, fault: PlannedFault) -> None:
        link = self._named(fault.target)
        if link is None:
            return
        if fault.to_other:
            self._network.servers[link.name] = link.server = 1
        if fault.gone:
            self.outages.caches[link.server].forget()
        lasts = fault.lasts or 0
        if fault.silent:
            link.fall_silent(lasts)
        else:
            link.break_off(UNEXPECTED_EOF, self._sim.now + lasts if lasts else 0)

    def _message(self, fault: PlannedFault) -> None:
        rule = self.outages.rule(fault)
        if fault.lasts is not None:
            self._sim.call_in(fault.lasts, self._over, rule)

    def _over(self, rule: MessageRule) -> None:
        self.outages.rules.remove(rule)

    _delay = _drop = _refuse = _message

    def _skew(self, fault: PlannedFault) -> None:
        assert fault.by is not None
        link = self._named(fault.target)
        if link is not None:
            by = -fault.by if fault.behind else fault.by
            self._set_clock(link.name, by)
            if fault.lasts is not None:
                self._sim.call_in(fault.lasts, self._set_clock, link.name, -by)

    def _set_clock(self, name: str, by: int) -> None:
        self._network.skews[name] = self._network.skews.get(name, 0) + by
        self._network.links[name].process.skew = self._network.skews[name]

    def _steal(self, fault: PlannedFault) -> None:
        until = self._sim.now + fault.lasts if fault.lasts is not None else 1 << 62
        for _ in range(fault.cores):
            _Neighbour(self._sim, self._machine, until).run()


class _Neighbour:
    """A thread of another process, which computes for whole time slices."""

    def __init__(self, simulation: Simulation, machine: Machine, until: int) -> None:
        self._sim = simulation
        self._machine = machine
        self._until = until

    def run(self) -> None:
        if self._sim.now < self._until:
            self._machine.run(SLICE, _Neighbour.computed, self)

    def computed(self) -> None:
        if self._machine.finished(self):
            self.run()


def _link_of(request: InFlight) -> tuple[str, Link | None]:
    """The process that a request is of, by name, and its link; those outside of any process have neither."""
    process = getattr(request, "process", None)
    return ("", None) if process is None else (process.name, process.link)


def _is_it(point: Point, sent: Sent) -> bool:
    write = sent.send.write
    return (
        is_controller(point.controller, sent.actor)
        and (write.kind == point.kind if point.kind is not None else write.kind != "Event")
        and (point.object is None or write.name == point.object)
    )
