"""What a busy API server hands on waits for its processors, in order, and nothing is kept where nobody waits."""

from __future__ import annotations

from sim.cluster.serving import Relay
from sim.kernel.bursts import Burst
from sim.kernel.goserver import GoServer
from sim.kernel.machine import Machine
from sim.kernel.simulation import Simulation
from sim.kernel.streams import Streams
from sim.scenario.profile import GoScheduler
from sim.units import MS


class Busy(Burst):
    """A goroutine that computes a millisecond, then goes behind all others, until the end."""

    def __init__(self, server: Server) -> None:
        self.demand = MS
        self._server = server

    def then(self) -> Burst | None:
        if self._server.sim.now < 50 * MS:
            self._server.process.queue(self.has_processor)
        return None


class Server:
    """A process with one processor on one core, and ``busy`` goroutines that are always runnable."""

    def __init__(self, busy: int) -> None:
        self.sim = Simulation(Streams(1, 0))
        self.process = GoServer(self.sim, Machine(self.sim, 1), GoScheduler())
        self.heard: list[tuple[str, float]] = []
        for _ in range(busy):
            self.process.queue(Busy(self).has_processor)

    def chain(self, steps: int) -> Relay:
        relay = None
        for _ in range(steps):
            relay = Relay(self.process, relay)
        assert relay is not None
        return relay

    def hear(self, what: str) -> None:
        self.heard.append((what, self.sim.now / MS))


def test_where_nobody_waits_it_is_handed_on_at_once():
    for busy in (0, 1):
        server = Server(busy)
        relay = server.chain(3)
        server.sim.call_in(MS // 2, relay.hand, server.hear, "news")
        server.sim.run()
        assert server.heard == [("news", 0.5)]


def test_each_step_waits_until_all_that_waited_have_had_their_turn():
    # Of two, the other's turn and the rest of this one's end at 2 ms, and each step more takes both of theirs.
    for steps, at in ((1, 2), (2, 4), (3, 6)):
        server = Server(2)
        relay = server.chain(steps)
        server.sim.call_in(MS // 2, relay.hand, server.hear, "news")
        server.sim.run()
        assert server.heard == [("news", at)]


def test_news_keep_their_order_and_go_together():
    server = Server(2)
    relay = server.chain(2)
    for n, name in enumerate("abc"):
        server.sim.call_in(MS // 2 + n, relay.hand, server.hear, name)
    server.sim.call_in(3 * MS, relay.hand, server.hear, "later")
    server.sim.run()
    assert [what for what, _ in server.heard] == ["a", "b", "c", "later"]
    assert {at for what, at in server.heard if what in "abc"} == {4}


def test_a_killed_server_keeps_nothing_from_who_still_listens():
    server = Server(2)
    relay = server.chain(2)
    server.sim.call_in(MS // 2, relay.hand, server.hear, "before")
    server.sim.call_in(MS, server.process.stop)
    server.sim.call_in(3 * MS, relay.hand, server.hear, "after")
    server.sim.run()
    assert server.heard == [("before", 3), ("after", 3)]
