"""What goes wrong at an API server, at its etcd, and with what passes between it and its clients.

``Outages`` stands behind the seam of ``sim.cluster.faults``: it is asked about each request when it arrives and when it
is about to be decided, and about each event. What it answers follows from three things: what state the server and its
etcd are in, which clients have gone meanwhile, and the rules that are in force (delay, drop, refuse). docs/faults.md
names the source of each behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sim.cluster import messages
from sim.cluster.apiserver import ApiServer
from sim.cluster.faults import LOST, UNANSWERED, Outcome
from sim.cluster.messages import Later, Response
from sim.cluster.objects import Write
from sim.cluster.requests import InFlight
from sim.cluster.watch import Watch, WatchEvent
from sim.cluster.watchcache import WatchCache
from sim.kernel.simulation import Simulation
from sim.scenario.faults import PlannedFault
from sim.units import MS, SECOND

START_UP = (750 * MS, 1300 * MS)
"""From its start until an API server answers, uniformly: recorded. Its port is open from the beginning, so connections
wait meanwhile."""
UNKNOWN_PATHS = (6 * MS, 28 * MS)
"""How long after that custom resources are still unknown paths, uniformly: recorded."""
UNKNOWN_PATH = "the request has been made before all known HTTP paths have been installed, please try again"
"""apiserver pkg/server/config.go with Retry-After 5 (WithNotFoundProtector and the muxAndDiscoveryComplete signals)."""
REQUEST_TIMEOUT = 34 * SECOND
"""apiserver pkg/endpoints/handlers/rest.go requestTimeoutUpperBound."""
TIMED_OUT = "Timeout: request did not complete within requested timeout - context deadline exceeded"
CANCELLED = "context canceled"
LEADER_LOST = "etcdserver: request timed out, possibly due to previous leader failure"
ETCD_GONE = (
    'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: '
    'dial tcp 127.0.0.1:2379: connect: connection refused"'
)
WEBHOOK_TIMEOUT = 10 * SECOND
"""timeoutSeconds of cert-manager's webhook (its chart in 1.12)."""
WEBHOOK = 'failed calling webhook "webhook.cert-manager.io": failed to call webhook: Post '
WEBHOOK += '"https://cert-manager-webhook.cert-manager.svc:443/validate?timeout=10s": '
REFUSED = "dial tcp 10.96.0.10:443: connect: connection refused"
EXCEEDED = "context deadline exceeded"
_REASONS = {
    403: "Forbidden",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_TEXTS = {
    403: "forbidden",
    429: "too many requests, please try again later",
    500: "an error on the server has prevented the request from succeeding",
    503: "the server is currently unable to handle the request",
    504: TIMED_OUT,
}
_READS = ("get", "list", "watch")
_OWN_GROUPS = ("cert-manager.io",)


class Client(Protocol):
    """The process that a request is of, as far as faults go; those outside of any process have none."""

    def lost(self, request: InFlight) -> None:
        """The connection of this request breaks."""


def is_controller(named: str, actor: str) -> bool:
    """Whether a request's sender is the one that a scenario names, in full or without cert-manager's prefix."""
    return actor in {named, f"certificates-{named}", f"certificaterequests-{named}"}


class MessageRule:
    """A fault of messages that is in force: which of them it befalls."""

    def __init__(self, fault: PlannedFault, draw: Callable[[], float]) -> None:
        self.fault = fault
        self._draw = draw
        self._left = fault.times if fault.times is not None else 1 << 62

    def befalls(self, fits: bool) -> bool:
        """Whether it befalls a message that fits, or not; counts it."""
        if not fits or self._left <= 0:
            return False
        if self.fault.share < 1 and self._draw() >= self.fault.share:
            return False
        self._left -= 1
        return True

    def fits_request(self, write: Write, actor: str, process: str) -> bool:
        """Whether a request is one of those that it is about."""
        of = self.fault.of
        verb = "patch" if write.verb.endswith("-patch") else write.verb
        return (
            (of.controller is None or is_controller(of.controller, actor))
            and (of.process is None or of.process == process)
            and (of.kind is None or of.kind == write.kind)
            and (of.object is None or of.object == write.name)
            and (of.verb is None or of.verb == verb)
            and (of.subresource is None or of.subresource == write.subresource)
        )

    def fits_event(self, watch: Watch, event: WatchEvent) -> bool:
        """Whether an event of a watch is one of those that it is about."""
        of = self.fault.of
        return (
            (of.process is None or of.process == watch.owner)
            and (of.kind is None or of.kind == event.object.kind)
            and (of.object is None or of.object == event.object.name)
            and (of.deleted is None or of.deleted == event.deleted)
        )


class Outages:
    """The state of one API server, of its etcd and of the way to it. ``link_of`` tells whose a request is."""

    def __init__(
        self, simulation: Simulation, api: ApiServer, link_of: Callable[[InFlight], tuple[str, Client | None]]
    ):
        self._sim = simulation
        self._api = api
        self._link_of = link_of
        self._draw = simulation.streams.uniform("faults", "luck")
        self.caches = [WatchCache(simulation, api.store, self.on_publish) for _ in range(2)]
        """The watch caches of the API server and of a second one before the same etcd."""
        self.rules: list[MessageRule] = []
        self.down_until = 0
        """While it is down: when it is started again."""
        self.serves_from = 0
        """When it answers the first request after its last start, and when it knows all paths."""
        self._paths_from = 0
        self.issuer_until = 0
        """While who signs cannot: when they can again."""
        self.issuer_ready: list[Callable[[], None]] = []
        """Called, in order, when who signs can again."""
        self._still_until = 0
        self._etcd_until = 0
        self._etcd_down_until = 0
        self._elected_at = -1
        self._cut: dict[InFlight, int] = {}  # requests whose client has gone: when, or -1 once etcd has them
        self._passed: set[InFlight] = set()  # requests that all rules have been applied to
        self._timed_out: set[InFlight] = set()
        self._free_at: dict[Watch, int] = {}

    def rule(self, fault: PlannedFault) -> MessageRule:
        """Let a rule be in force; whoever began it takes it out of ``rules`` when it is over."""
        rule = MessageRule(fault, self._draw)
        self.rules.append(rule)
        return rule

    # The server and its etcd.

    def killed(self, until: int) -> None:
        """The server is down until it is started again."""
        self.down_until = until

    def started(self) -> None:
        """It starts: its port is open, it answers after a while, and its watch cache knows no history."""
        low, high = START_UP
        self.serves_from = self._sim.now + low + round((high - low) * self._draw())
        low, high = UNKNOWN_PATHS
        self._paths_from = self.serves_from + low + round((high - low) * self._draw())
        self.caches[0].forget()

    @property
    def down(self) -> bool:
        """Whether nobody listens at its port."""
        return self._sim.now < self.down_until

    def heard_in(self) -> int:
        """Nanoseconds until a process that starts now is answered; asked again then."""
        now = self._sim.now
        if now < self.down_until:
            return self.down_until - now + 1
        return max(self.serves_from - now, self._still_until - now, 0)

    def stands_still(self, until: int) -> None:
        """The server is stopped: it takes, computes and sends nothing before."""
        self._still_until = max(self._still_until, until)

    def etcd_stands_still(self, until: int) -> None:
        """Nothing is committed before."""
        self._etcd_until = max(self._etcd_until, until)

    def etcd_elects(self, until: int) -> None:
        """etcd's leader is gone: what is with it fails, stored or not, and the rest waits for the next."""
        self._elected_at = self._sim.now
        self.etcd_stands_still(until)

    def signs(self, request: str) -> tuple[int, bool]:
        """How much later a CertificateRequest of this name is signed, in nanoseconds, and whether that fails."""
        late, fails = 0, False
        for rule in self._of("issuer"):
            of = rule.fault.of
            if rule.befalls(of.object is None or of.object == request):
                late += rule.fault.by or 0
                fails = fails or rule.fault.verb == "refuse"
        return late, fails

    def etcd_down(self, until: int) -> None:
        """etcd is killed and is back then: what is with it fails, stored or not, and all else fails at once.

        The server's watch cache has lost its own watch: it ends all watches and answers none until it has listed anew.
        """
        self._elected_at = self._sim.now
        self._etcd_down_until = max(self._etcd_down_until, until)

    def etcd_back(self) -> None:
        """etcd is there again, and the watch cache has listed: it knows no history."""
        self.caches[0].forget()

    def gone(self, request: InFlight) -> None:
        """The client of a request under way does not wait for it any more."""
        self._cut[request] = self._sim.now

    def admits(self, kind: str) -> int | Later:
        """How long a list or watch is held that arrives now, or the answer that it gets."""
        now = self._sim.now
        held = max(self.serves_from, self._still_until) - now
        if held > 0:
            return held
        if now < self._etcd_down_until:
            return Later(429, "TooManyRequests", "storage is (re)initializing", SECOND)
        return self._unknown() if now < self._paths_from and self._is_custom(kind) else 0

    def _is_custom(self, kind: str) -> bool:
        """Whether a kind is served by the handler of custom resources."""
        group = self._api.kinds[kind].group
        return "." in group and not group.endswith("k8s.io")

    @staticmethod
    def _unknown() -> Later:
        return Later(503, "ServiceUnavailable", UNKNOWN_PATH, 5 * SECOND)

    # The seam.

    def on_receive(self, request: InFlight) -> Outcome:
        """A request arrives."""
        now = self._sim.now
        if self._cut.pop(request, None) is not None:
            self._passed.discard(request)
            return LOST
        # While it is down only clients outside of any process come here: they try until they are heard.
        held = max(self.down_until, self.serves_from, self._still_until) - now
        if held > 0:
            return held
        write = request.send.write
        if now < self._paths_from and self._is_custom(write.kind):
            return self._paths_from - now if self._is_outside(request) else self._unknown()
        if not self.rules or request in self._passed:
            self._passed.discard(request)
            return 0
        outcome = self._by_rules(request, write)
        if isinstance(outcome, int) and outcome > 0:
            self._passed.add(request)
        return outcome

    def _is_outside(self, request: InFlight) -> bool:
        """Whether its client is outside of any process: nothing fails for such a one, it is held until it succeeds."""
        return self._link_of(request)[1] is None

    def _by_rules(self, request: InFlight, write: Write) -> Outcome:
        name, client = self._link_of(request)
        if client is None:
            return 0
        held = 0
        for rule in self._of("requests", "webhook"):
            if not rule.befalls(self._is_about(rule, request, write, name)):
                continue
            fault = rule.fault
            if fault.target == "webhook":
                late = fault.by if fault.verb == "delay" and fault.by is not None else 0
                if fault.verb == "delay" and late < WEBHOOK_TIMEOUT:
                    held += late
                elif fault.fail_open:
                    held += min(late, WEBHOOK_TIMEOUT)
                else:
                    return self._webhook_fails(request, min(late, WEBHOOK_TIMEOUT))
            elif fault.verb == "delay":
                held += fault.by or 0
            elif fault.verb == "drop":
                client.lost(request)
                return LOST
            else:
                return _refusal(fault)
        return held

    def _is_about(self, rule: MessageRule, request: InFlight, write: Write, process: str) -> bool:
        if rule.fault.target == "webhook":
            if write.verb in _READS:
                return False
            if rule.fault.of.kind is None and not self._api.kinds[write.kind].group.endswith(_OWN_GROUPS):
                return False  # cert-manager's own webhook is asked about cert-manager's own kinds
        return rule.fits_request(write, request.actor, process)

    def _webhook_fails(self, request: InFlight, after: int) -> Outcome:
        error = f"Internal error occurred: {WEBHOOK}{EXCEEDED if after else REFUSED}"
        response = Response(500, "InternalError", None, False, messages.plain, error)
        if not after:
            return response
        self._sim.after(after + request.back, request.arrive, response)
        return LOST

    def on_decide(self, request: InFlight) -> Outcome:
        """A request has computed, and what it writes is with etcd since ``request.before``."""
        now = self._sim.now
        if now < self._still_until:
            return self._still_until - now
        cut = self._cut.get(request)
        if cut is not None:
            if cut < 0 or cut < now - request.before:
                del self._cut[request]
                return Response(504, "Timeout", None, False, messages.plain, CANCELLED) if cut >= 0 else LOST
            if now >= self._etcd_until:
                self._cut[request] = -1
                return UNANSWERED
        if self._is_outside(request):
            held = max(self._etcd_until, self._etcd_down_until) - now
            return held if held > 0 else self._decided_by_rules(request) if self.rules else 0
        if now - request.before <= self._elected_at <= now and request not in self._timed_out:
            down = now < self._etcd_down_until
            lost = Response(500, "InternalError", None, False, messages.plain, ETCD_GONE if down else LEADER_LOST)
            if self._draw() < 0.5:
                return lost
            self._timed_out.add(request)
            self._sim.after(request.back, request.arrive, lost)
        if now < self._etcd_down_until and request not in self._timed_out:
            return Response(500, "InternalError", None, False, messages.plain, ETCD_GONE)
        if now < self._etcd_until:
            return self._held(request, now)
        if request in self._timed_out:
            self._timed_out.discard(request)
            return UNANSWERED
        return self._decided_by_rules(request) if self.rules else 0

    def _held(self, request: InFlight, now: int) -> int:
        """etcd does not answer: wait for it, as long as a request may take."""
        if request in self._timed_out:
            return self._etcd_until - now
        gives_up = request.received + REQUEST_TIMEOUT
        if now >= gives_up:
            self._timed_out.add(request)
            self._sim.after(
                request.back, request.arrive, Response(504, "Timeout", None, False, messages.plain, TIMED_OUT)
            )
            return self._etcd_until - now
        return min(self._etcd_until, gives_up) - now

    def _decided_by_rules(self, request: InFlight) -> Outcome:
        if request in self._passed:
            self._passed.discard(request)
            return 0
        name, client = self._link_of(request)
        write = request.send.write
        held = 0
        for rule in self._of("etcd", "answers"):
            if not rule.befalls(rule.fits_request(write, request.actor, name)):
                continue
            if rule.fault.verb == "delay":
                held += rule.fault.by or 0
            elif client is not None:
                client.lost(request)
                self._cut[request] = -1
                return UNANSWERED
        if held:
            self._passed.add(request)
        return held

    def on_publish(self, watch: Watch, event: WatchEvent) -> int:
        """An event is about to be sent; none overtakes another that is held."""
        now = self._sim.now
        held = max(self._still_until - now, 0)
        for rule in self._of("watch"):
            if rule.befalls(rule.fits_event(watch, event)):
                if rule.fault.verb == "drop":
                    return LOST
                held = max(held, rule.fault.by or 0)
        free_at = self._free_at.get(watch, 0)
        if held or free_at > now:
            free_at = self._free_at[watch] = max(now + held, free_at + 1)
            return free_at - now
        return 0

    def _of(self, *targets: str) -> Iterator[MessageRule]:
        return (rule for rule in self.rules if rule.fault.target in targets)


def _refusal(fault: PlannedFault) -> Response:
    code = fault.code or 429
    after = fault.retry_after if fault.retry_after is not None else SECOND if code == 429 else 0
    if after:
        return Later(code, _REASONS[code], _TEXTS[code], after)
    return Response(code, _REASONS[code], None, False, messages.plain, _TEXTS[code])
