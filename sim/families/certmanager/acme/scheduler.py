"""The scheduler of Challenges: one goroutine that lets the oldest of them begin, a few at a time.

Follows pkg/controller/acmechallenges/scheduler/scheduler.go and runScheduler: ``wait.Until`` of a second, counted
from the end of the pass before. A pass that finds nothing to schedule changes nothing, so it happens here only where
a Challenge has changed since; idle time costs nothing.
"""

from __future__ import annotations

from sim.client.effects import Send
from sim.cluster.messages import Response
from sim.cluster.objects import Object
from sim.families.certmanager.acme.challenges import Challenges
from sim.families.certmanager.acme.kinds import FINAL
from sim.kernel.bursts import Burst
from sim.units import SECOND

AT_ONCE = 20
"""MaxChallengesPerSchedule."""
PERIOD = SECOND


class ChallengeScheduler(Burst):
    """Sets processing of Challenges, one write after the other; the burst of encoding each."""

    def __init__(self, controller: Challenges) -> None:
        self._controller = controller
        self._process = controller.process
        self._most = controller.scenario.controllers.max_concurrent_challenges
        self._from = self._process.sim.now  # the end of the last pass that wrote anything
        self._awaited = False
        self._passing = False
        self._chosen: list[Object] = []
        controller.manager.informer("Challenge").add_handler(self._changed)

    def _changed(self, _: Object) -> None:
        if not (self._awaited or self._passing):
            self._await()

    def _await(self) -> None:
        """Look at the next of the times that lie whole periods after the last pass."""
        self._awaited = True
        now = self._process.sim.now
        self._process.sim.call_in(PERIOD - (now - self._from) % PERIOD, self._look)

    def _look(self) -> None:
        if not self._process.stopped:
            self._process.go.ready(self._pass)

    def _pass(self) -> Burst | None:
        self._awaited = False
        self._chosen = self._candidates()[::-1]
        return self._next()

    def _candidates(self) -> list[Object]:
        """Challenges to schedule now, oldest first; one a name and type, none whose name is under way."""
        everything = list(self._controller.cache.values())
        under_way = [each for each in everything if (each.status or {}).get("processing")]
        taken = {_of(each) for each in under_way}
        chosen: dict[tuple[str, str], Object] = {}
        for each in sorted(everything, key=lambda each: (each.created, each.name)):
            status = each.status or {}
            open_ = not status.get("processing") and status.get("state", "") not in FINAL
            if open_ and _of(each) not in taken:
                chosen.setdefault(_of(each), each)
        return list(chosen.values())[: max(min(AT_ONCE, self._most - len(under_way)), 0)]

    def _next(self) -> Burst | None:
        """Encode the next write, or end the pass."""
        if not self._chosen:
            if self._passing:
                self._passing = False
                self._from = self._process.sim.now
                self._await()  # what changed meanwhile may be scheduled next
            return None
        self._passing = True
        self.demand = self._process.request_cpu
        return self

    def then(self) -> Burst | None:
        """Send the write of the Challenge whose turn it is, from the copy that the pass began with."""
        controller = self._controller
        challenge = self._chosen[-1]
        send: Send = controller.status_write(
            challenge, lambda read: {"presented": False, **(read.status or {}), "processing": True}, dict
        )
        request = self._process.parts.request(self._process, controller.name, send, self._process.sim.now, -1)
        request.start(self._answered)
        return None

    def _answered(self, answer: Response) -> Burst | None:
        """The first refusal, for whatever reason, ends the pass."""
        challenge = self._chosen.pop()
        if answer.code >= 400:
            self._chosen.clear()
        else:
            self._controller.event(challenge, "Started", "Challenge scheduled for processing")
        return self._next()


def _of(challenge: Object) -> tuple[str, str]:
    assert challenge.spec is not None
    return challenge.spec["dnsName"], challenge.spec["type"]
