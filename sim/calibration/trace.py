"""One recording in memory, in the order of arrival, with what every estimate asks about a request.

Requests overlap, wait for tokens, and meet busy cores; an estimate of how long one thing takes must know
which of them did not. That is decided here, from the log alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sim.calibration.clocks import align
from sim.logs.audit import CERTIFICATES, EVENTS, REQUESTS, SECRETS, AuditEvent
from sim.logs.controller_log import LogLine
from sim.logs.packing import Progress
from sim.logs.prometheus import processors, read_metrics, reconciles
from sim.logs.reader import read_mixed
from sim.logs.sources import Recording
from sim.units import MS, SECOND

if TYPE_CHECKING:
    from numpy import bool_, int64
    from numpy.typing import NDArray

MOST = 50_000
"""Requests of one recording that are used, the first ones: more would not sharpen an estimate."""
PAUSE = 5 * MS
"""A server that has been empty for so long has let the client's processors fall asleep too."""
_WINDOW = 20  # requests in a row that show a token bucket's even spacing
_EVEN = 0.25  # their spacing's coefficient of variation at most; independent arrivals have 1


def subject_of(events: Iterable[AuditEvent]) -> str:
    """The resource that controllers write the status of: Certificates, or else the one whose status is written most."""
    written = Counter(event.resource for event in events if event.subresource == "status")
    if not written or CERTIFICATES in written:
        return CERTIFICATES
    return min(written, key=lambda name: (-written[name], name))


def service_class(event: AuditEvent, subject: str = CERTIFICATES) -> str | None:
    """The field of ``ServiceTimes`` that a successful request's time belongs to; None for others.

    What is said of Certificates goes for the ``subject`` of a recording, what is said of Secrets for ConfigMaps too.
    """
    if event.resource == EVENTS:
        return "event"
    if event.resource == subject:
        if event.reason == "Conflict":
            return "certificate_refused"
        if event.verb == "create":
            return "certificate_create"
        if event.verb == "delete":
            return None
        return "certificate_status" if event.subresource == "status" else "certificate_main"
    if event.resource in {SECRETS, "configmaps"}:
        named = {"create": "secret_create", "delete": "secret_delete"}
        return named.get(event.verb, "secret_apply")
    if event.resource == REQUESTS:
        named = {"create": "request_create", "delete": "request_delete"}
        return named.get(event.verb, "request_status")
    return None


class Trace:
    """The requests and log lines of one recording.

    ``events`` are in the order of arrival, ``lines`` in that of time; the arrays have one entry an event.
    """

    def __init__(
        self,
        name: str,
        events: list[AuditEvent],
        lines: list[LogLine],
        asked: dict[str, Any] | None = None,
        passes: dict[str, int] | None = None,
        notes: Iterable[str] = (),
        cores: int | None = None,
    ) -> None:
        import numpy as np

        self.name = name
        self.notes = tuple(notes)
        self.cores = cores  # as the controllers' process sees them; None where nothing tells
        self.events = sorted(events, key=lambda event: (event.received_ns, event.answered_ns))
        self.lines = sorted(lines, key=lambda line: line.time_ns)
        self.asked = asked or {}
        self.passes = passes or {}
        self.received: NDArray[int64] = np.array([event.received_ns for event in self.events], dtype=np.int64)
        self.answered: NDArray[int64] = np.array([event.answered_ns for event in self.events], dtype=np.int64)
        self.subject = subject_of(self.events)
        self.classes = [
            service_class(event, self.subject) if event.succeeded or event.reason == "Conflict" else None
            for event in self.events
        ]

    def cold(self, after: int, requests: int) -> NDArray[bool_]:
        """Whether a request came to a cold server: fewer than ``requests`` within ``after`` nanoseconds before it."""
        import numpy as np

        if requests == 1:
            result: NDArray[bool_] = self.quiet > after
            return result
        before = np.concatenate((np.full(requests, -(2**62)), self.received))[: len(self.received)]
        result = (self.received - before) > after
        return result

    @cached_property
    def delay_ns(self) -> int:
        """What was asked to delay each message between controllers and server: of the load, not of the machine."""
        asked = self.asked.get("network_one_way_ms", 0)
        return round(asked * MS) if isinstance(asked, int | float) else 0

    @cached_property
    def quiet(self) -> NDArray[int64]:
        """Time since the server had answered all earlier requests; negative where it had not."""
        import numpy as np

        if not len(self.events):
            return self.received
        latest = np.maximum.accumulate(self.answered)
        before = np.concatenate(([self.received[0] - 3600 * SECOND], latest[:-1]))
        quiet: NDArray[int64] = self.received - before
        return quiet

    @cached_property
    def alone(self) -> NDArray[bool_]:
        """Whether no other request was in the server at any time of this one."""
        import numpy as np

        following = np.concatenate((self.received[1:], [2**62])) if len(self.events) else self.received
        result: NDArray[bool_] = (self.quiet >= 0) & (following >= self.answered)
        return result

    @cached_property
    def undisturbed(self) -> NDArray[bool_]:
        """Whether a request was alone in the server and nothing had been there for a pause before it.

        Whoever it wakes then finds a worker and a core: recorded reactions to such writes have the same median
        (1.5 to 1.9 ms) in throttled bursts, at steady arrivals, with 5 and 10 workers, on both recorded machines.
        """
        result: NDArray[bool_] = self.alone & (self.quiet >= PAUSE)
        return result

    @cached_property
    def throttled(self) -> NDArray[bool_]:
        """Whether a request left at a token bucket's pace: cert-manager's are evenly spaced around it.

        So spaced are only those that waited for tokens; how fast the bucket fills need not be known.
        """
        import numpy as np

        marked = np.zeros(len(self.events), dtype=bool)
        ours = np.flatnonzero([event.ours for event in self.events])
        if len(ours) <= _WINDOW:
            return marked
        gaps = np.diff(self.received[ours]).astype(float)
        windows = np.lib.stride_tricks.sliding_window_view(gaps, _WINDOW)
        even = windows.std(axis=1) < _EVEN * windows.mean(axis=1)
        for start in np.flatnonzero(even):
            marked[ours[start : start + _WINDOW + 1]] = True
        return marked

    @property
    def token_rate(self) -> float | None:
        """Tokens a second, from the spacing of throttled requests; None where none waited."""
        import numpy as np

        times = np.array([self.received[i] for i, event in enumerate(self.events) if event.ours and self.throttled[i]])
        gaps = np.diff(times)
        enough = max(len(self.events) / 10, _WINDOW)
        return float(SECOND / np.median(gaps)) if len(gaps) > enough else None

    @cached_property
    def key_steps(self) -> tuple[list[int], list[int]]:
        """When the number of keys being generated changes, and to what."""
        changes = []
        for event in self.events:
            if starts_issuance(event):
                changes.append((event.answered_ns, 1))
            elif creates_key(event):
                changes.append((event.received_ns, -1))
        times, counts = [0], [0]
        for time, change in sorted(changes):
            times.append(time)
            counts.append(max(counts[-1] + change, 0))
        return times, counts

    def generating(self, time_ns: int) -> int:
        """Return how many keys were wanted and not yet sent just before a time: they keep cores busy."""
        times, counts = self.key_steps
        return counts[max(bisect_left(times, time_ns) - 1, 0)]

    def calm(self, time_ns: int) -> bool:
        """Whether no key was being generated just before a time."""
        return self.generating(time_ns) == 0

    @cached_property
    def lost_races(self) -> dict[int, int]:
        """Refused writes of Certificates that met the winner in the server: its index by theirs.

        They were fresh on arrival and lost in the store; all others were stale when they came.
        """
        found: dict[int, int] = {}
        for indices in self.by_object.values():
            for i in indices:
                event = self.events[i]
                if event.reason != "Conflict" or event.resource != CERTIFICATES:
                    continue
                for j in indices:
                    other = self.events[j]
                    met = other.received_ns < event.answered_ns and event.received_ns < other.answered_ns
                    if met and other.succeeded:
                        found[i] = j
                        break
        return found

    @cached_property
    def by_object(self) -> dict[tuple[str, str], list[int]]:
        """Indices of the events about each object, by resource and name."""
        found: dict[tuple[str, str], list[int]] = {}
        for i, event in enumerate(self.events):
            if event.name:
                found.setdefault((event.resource, event.name), []).append(i)
        return found

    @cached_property
    def lines_about(self) -> dict[tuple[str, str], list[LogLine]]:
        """Log lines by what they are and the object's name without its namespace."""
        found: dict[tuple[str, str], list[LogLine]] = {}
        for line in self.lines:
            if line.key:
                found.setdefault((line.what, line.key.rsplit("/", 1)[-1]), []).append(line)
        return found

    @cached_property
    def keys(self) -> Counter[str]:
        """Kinds of private key that the Certificates asked for, such as RSA-2048."""
        kinds = Counter(
            view.key
            for event in self.events
            if event.resource == CERTIFICATES and (view := event.answer or event.sent) and view.key
        )
        asked = self.asked.get("private_key")
        if not kinds and isinstance(asked, dict) and asked.get("algorithm"):
            kinds[f"{asked['algorithm']}-{asked.get('size', 2048)}"] = 1
        return kinds


def starts_issuance(event: AuditEvent) -> bool:
    """Whether trigger's write of Issuing=True was stored; without bodies, any write of trigger's."""
    if event.actor != "certificates-trigger" or event.resource != CERTIFICATES or not event.succeeded:
        return False
    view = event.sent or event.answer
    return view is None or view.issuing == "True"


def creates_key(event: AuditEvent) -> bool:
    """Whether key-manager stored a new private key."""
    return (
        event.actor == "certificates-key-manager"
        and event.resource == SECRETS
        and event.verb == "create"
        and event.succeeded
    )


def read_trace(recording: Recording, ignored: Counter[str], progress: Progress | None = None) -> Trace:
    """Read a recording's files, whichever there are; the rest is counted in ``ignored``."""
    events: list[AuditEvent] = []
    lines: list[LogLine] = []
    for item in read_mixed((*recording.audit, *recording.logs), ignored, progress):
        if isinstance(item, LogLine):
            if len(lines) < MOST and item.timed:
                lines.append(item)
        elif not item.timed:
            ignored["requests of which the log has one time alone, as GKE's: no service times"] += 1
        elif len(events) < MOST:
            events.append(item)
        else:
            ignored[f"requests after the first {MOST:,} of a recording"] += 1
    passes: dict[str, int] = {}
    cores = None
    for path in recording.metrics:
        samples = list(read_metrics(path, ignored))
        passes.update(reconciles(samples))
        cores = processors(samples) or cores
    aligned = align(events, lines)
    return Trace(recording.name, aligned.events, aligned.lines, recording.asked, passes, aligned.notes, cores)
