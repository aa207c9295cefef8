"""A process's way to the API server, which may break, and requests that fail without an answer.

Built only where there are faults. What a client-go client does when its connection breaks or is refused, and when the
server says "later" (rest/request.go, rest/with_retry.go v0.27; golang.org/x/net/http2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sim.client.effects import Failure, Get
from sim.client.parts import Parts
from sim.client.process import Process
from sim.client.rest import Answered, Request
from sim.client.worker import TOO_LATE
from sim.cluster.messages import Later, Response
from sim.cluster.outages import Outages
from sim.cluster.requests import InFlight
from sim.units import MS, SECOND

HOST = "127.0.0.1:6443"
RESET = f"read tcp 127.0.0.1:49526->{HOST}: read: connection reset by peer"
REFUSED = f"dial tcp {HOST}: connect: connection refused"
NO_ROUTE = f"dial tcp {HOST}: i/o timeout"
LOST_CONNECTION = "http2: client connection lost"
UNEXPECTED_EOF = "unexpected EOF"
DIAL = 100_000
"""Nanoseconds until a refused connection is known on one machine."""
HANDSHAKE = (17 * MS, 20 * MS)
"""From a reset until a new connection serves, uniformly: recorded."""
DIAL_TIMEOUT = 30 * SECOND
"""net.Dialer.Timeout of client-go's transports."""
NOTICED = 45 * SECOND
"""ReadIdleTimeout 30 s and PingTimeout 15 s of apimachinery's http2 transports: a silent net is taken for dead."""
MAX_RETRIES = 10
"""Tries inside one request after an answer with Retry-After."""
_PASSING = frozenset({RESET, UNEXPECTED_EOF})
"""Errors after which a GET is made again inside: IsConnectionReset, IsProbableEOF."""
_METHODS = {"create": "Post", "update": "Put", "delete": "Delete", "get": "Get"}


class Reflects(Protocol):
    """An informer that has a watch on the link."""

    def broken(self, error: str) -> None:
        """Its watch, or what it asks for, has broken."""

    def ended(self) -> None:
        """The server has ended its watch."""


class Link:
    """All connections of one process. Whatever is under way when they break fails."""

    def __init__(self, process: Process, network: Network) -> None:
        self.process = process
        self.network = network
        self.name = process.name
        self._sim = process.sim
        self._server = process.server.receive
        self._outages = network.outages
        self._under_way: dict[BreakableRequest, None] = {}
        self.reflectors: list[Reflects] = []
        self._refused_until = 0
        self._ready_from = 0
        self._silent = False
        self._dead = False  # the silence was noticed
        self._withheld: list[tuple[Callable[[Any], object], Any]] = []
        self.server = network.servers.get(self.name, 0)
        """Which API server it is connected to: 0 or 1."""
        self._draw = process.streams.uniform("faults", "link")

    def send(self, request: InFlight) -> None:
        """Send a request, if there is a connection to be had."""
        assert isinstance(request, BreakableRequest)
        error = self.refusal()
        if error:
            self._sim.after(DIAL if error == REFUSED else DIAL_TIMEOUT, request.fail, error)
            return
        self._under_way[request] = None
        self.through(self._sent, request)

    def _sent(self, request: BreakableRequest) -> None:
        wait = self._ready_from - self._sim.now
        if wait > 0:
            self._sim.after(wait, self._sent, request)
        elif request in self._under_way:
            self._server(request)

    def refusal(self) -> str:
        """Why no connection can be had now; "" if one can."""
        if (self._outages.down and not self.server) or self._sim.now < self._refused_until:
            return REFUSED
        return NO_ROUTE if self._dead else ""

    def through(self, function: Callable[[Any], object], message: Any) -> None:
        """Let a message through, now or when the net is not silent any more."""
        if self._silent:
            self._withheld.append((function, message))
        else:
            function(message)

    def handshake(self) -> int:
        """Nanoseconds until the connection serves, after it has been made anew."""
        return max(self._ready_from - self._sim.now, 0)

    def over(self, request: BreakableRequest) -> bool:
        """A request is answered; returns whether somebody waits for that."""
        return self._under_way.pop(request, 0) is None

    def lost(self, request: InFlight) -> None:
        """The stream of one request breaks."""
        assert isinstance(request, BreakableRequest)
        if self.over(request):
            self._sim.after(0, request.fail, UNEXPECTED_EOF)

    def given_up(self, request: BreakableRequest) -> bool:
        """Its caller does not wait any longer; returns whether it was under way."""
        if not self.over(request):
            return False
        self._outages.gone(request)
        return True

    def break_off(self, error: str = RESET, refused_until: int = 0) -> None:
        """All connections break: requests under way fail, watches too. New ones are refused until then."""
        low, high = HANDSHAKE
        self._refused_until = refused_until
        self._ready_from = max(self._sim.now, refused_until) + low + round((high - low) * self._draw())
        self._withheld = []
        for request in self._taken_off():
            request.fail(error)
        for reflector in self.reflectors:
            reflector.broken(error)

    def end_watches(self) -> None:
        """The server ends all watches in good order."""
        for reflector in self.reflectors:
            reflector.ended()

    def _taken_off(self) -> list[BreakableRequest]:
        """What was under way; the server finds it cancelled."""
        under_way, self._under_way = list(self._under_way), {}
        for request in under_way:
            self._outages.gone(request)
        return under_way

    def fall_silent(self, lasts: int) -> None:
        """Packets vanish; where that is long, the connection is found dead (http2's health check)."""
        self._silent = True
        self._sim.call_in(lasts, self._heard)
        if lasts > NOTICED:
            self._sim.call_in(NOTICED, self._noticed)

    def unheard(self, lasts: int) -> None:
        """The server is silent, while its machine takes connections: a health check gives the present one up."""
        if lasts > NOTICED and not self.server and not self.process.stopped:
            self._sim.call_in(NOTICED, self.break_off, LOST_CONNECTION)

    def _noticed(self) -> None:
        if self._silent and not self.process.stopped:
            self._dead = True
            self.break_off(LOST_CONNECTION)

    def _heard(self) -> None:
        self._silent = self._dead = False
        withheld, self._withheld = self._withheld, []
        for function, message in withheld:
            function(message)

    def hang_up(self) -> None:
        """The process is killed: the server finds its requests cancelled."""
        self._taken_off()


class BreakableRequest(Request):
    """A request that may fail without an answer, and is sent again where client-go does that inside."""

    __slots__ = ("_deadline", "_tries")

    def start(self, answered: Answered, longest_wait: int | None = None) -> bool:
        """As any request; a caller's deadline holds while it is under way, too."""
        self._tries = 0
        self._deadline = -1
        if longest_wait is not None:
            self._deadline = self.process.sim.now + longest_wait
        if not super().start(answered, longest_wait):
            return False
        if longest_wait is not None:
            self.process.sim.after(longest_wait, BreakableRequest._expire, self)
        return True

    def _expire(self) -> None:
        link = self.process.link
        assert isinstance(link, Link)
        if not self.process.stopped and link.given_up(self):
            self.fail("context deadline exceeded")

    def arrive(self, response: Response) -> None:
        """The answer reaches the client, if its connection is still there."""
        link = self.process.link
        assert isinstance(link, Link)
        link.through(self._arrived, response)

    def _arrived(self, response: Response) -> None:
        process = self.process
        assert isinstance(process.link, Link)
        if process.stopped or not process.link.over(self):
            return
        if isinstance(response, Later) and self._tries < MAX_RETRIES:
            self._again_after(response.retry_after)
        else:
            process.connection.arrive(self._frame, response)

    def _again_after(self, wait: int) -> None:
        """client-go waits inside, holding the caller, and then for another token; the body stays the same."""
        self._tries += 1
        self.process.go.wake_in(wait, self._again)

    def _again(self) -> None:
        process = self.process
        self.asked_ns = now = process.sim.now
        longest = self._deadline - now if self._deadline >= 0 else None
        throttle = process.throttle
        wait = throttle.reserve(self.send.write, now, longest) if throttle is not None else 0
        if wait is None:
            self.fail(TOO_LATE)
        else:
            process.go.wake_in(wait, self._sent_again)

    def _sent_again(self) -> None:
        self.sent_ns = self.process.sim.now
        self.process.send(self)

    def fail(self, error: str) -> None:
        """No answer will come. A read whose connection broke is made again a second later, a write never is."""
        process = self.process
        if process.stopped:
            return
        if error in _PASSING and isinstance(self.send, Get) and self._tries < MAX_RETRIES:
            twin = BreakableRequest(process, self.actor, self.send, self.read_ns, self.reconcile)
            twin.asked_ns, twin.sent_ns, twin.answered = self.asked_ns, self.sent_ns, self.answered
            twin._tries, twin._deadline = self._tries, self._deadline
            twin._again_after(SECOND)
            return
        text = error if error.startswith(("client", "context")) else f"{self._called()}: {error}"
        process.connection.arrive(self._frame, Failure(text))

    def _called(self) -> str:
        """What was called, as net/url words it."""
        write = self.send.write
        kind = self.process.server.api.kinds[write.kind]
        prefix = f"apis/{kind.api_version}" if kind.group else f"api/{kind.api_version}"
        path = f"{prefix}/namespaces/default/{kind.plural}"
        if write.verb != "create":
            path += f"/{write.name}"
        if write.subresource:
            path += f"/{write.subresource}"
        if write.verb == "apply":
            path += f"?fieldManager={write.manager}&force={str(write.force).lower()}"
        return f'{_METHODS.get(write.verb, "Patch")} "https://{HOST}/{path}"'


class Network:
    """The links of all processes, by name; the latest run of each."""

    def __init__(self, outages: Outages, breakable: Callable[[Parts], Parts]) -> None:
        self.outages = outages
        self.breakable = breakable
        self.links: dict[str, Link] = {}
        self.servers: dict[str, int] = {}
        """Which API server a process connects to, if not the first."""
        self.skews: dict[str, int] = {}
        """By how much clocks are ahead, in nanoseconds."""

    def join(self, process: Process) -> Link:
        """A process starts."""
        process.skew = self.skews.get(process.name, 0)
        link = self.links[process.name] = Link(process, self)
        process.send = link.send
        return link
