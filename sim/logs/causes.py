"""What else than conflicts makes Certificates slow or stuck, as a controller's log tells it.

Waiting for the client's own limit, a back-off of an hour after a failed issuance, requests in each other's way, a lost
lease, an issuer that takes its time: in most logs that people ask about, one of these is the cause, and the conflicts
beside it are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.logs.controller_log import (
    BACKOFF,
    DUPLICATE,
    ERROR,
    EXISTS,
    LEASE_LOST,
    REISSUE,
    SERVER_THROTTLED,
    STARTED,
    THROTTLED,
    TRANSITION,
    UNAPPROVED,
    LogLine,
)
from sim.units import SECOND, counted, spelled

_MOST = 20_000  # objects kept by name
_KINDS = {
    "certificaterequests": "CertificateRequest",
    "orders": "Order",
    "challenges": "Challenge",
    "secrets": "Secret",
}


class Cause(NamedTuple):
    """One thing that took time or is in the way: what, how much, whom it concerns, and what to change."""

    what: str
    says: str
    change: str
    objects: list[str]
    seconds: float  # that it took, where the log tells; 0 else
    stops: bool  # whether an object waits for it for good, or for an hour


class Durations(NamedTuple):
    """Quantiles of a step, in seconds."""

    number: int
    p50_s: float
    p95_s: float


@dataclass
class Causes:
    """Counts the lines that tell of other causes."""

    throttled: int = 0
    throttled_ns: int = 0
    longest_ns: int = 0
    by_server: int = 0
    lost: int = 0
    started: int = 0
    unapproved: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)  # key: longest wait, nanoseconds
    duplicates: Counter[str] = field(default_factory=Counter)
    sharing: Counter[str] = field(default_factory=Counter)
    existing: Counter[str] = field(default_factory=Counter)
    existing_kind: str = ""
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)  # by controller and key
    error_text: dict[str, str] = field(default_factory=dict)
    _decided: dict[str, int] = field(default_factory=dict)
    _approved: dict[str, int] = field(default_factory=dict)
    _first_set: list[float] = field(default_factory=list)
    _issued: list[float] = field(default_factory=list)
    _signed: list[float] = field(default_factory=list)

    def add(self, line: LogLine) -> None:
        """Take in one line."""
        what = line.what
        if what == THROTTLED:
            self.throttled += 1
            self.throttled_ns += line.amount_ns
            self.longest_ns = max(self.longest_ns, line.amount_ns)
        elif what == SERVER_THROTTLED:
            self.by_server += 1
        elif what == BACKOFF and len(self.waiting) < _MOST:
            self.waiting[line.key] = max(self.waiting.get(line.key, 0), line.amount_ns)
        elif what == DUPLICATE and len(self.duplicates) < _MOST:
            (self.sharing if "same Secret" in line.text else self.duplicates)[line.key] += 1
        elif what == EXISTS and len(self.existing) < _MOST:
            self.existing[line.key] += 1
            self.existing_kind = self.existing_kind or _KINDS.get(line.resource, line.resource)
        elif what == LEASE_LOST:
            self.lost += 1
        elif what == STARTED:
            self.started += 1
        elif what == UNAPPROVED and len(self.unapproved) < _MOST:
            self.unapproved[line.key] += 1
        elif what == ERROR and len(self.errors) < _MOST:
            self.errors[line.controller, line.key] += 1
            self.error_text.setdefault(line.controller, line.text)
        elif what in {REISSUE, TRANSITION}:
            self._step(line)

    def _step(self, line: LogLine) -> None:
        name = line.key.rsplit("/", 1)[-1]
        if line.what == REISSUE:
            if len(self._decided) < _MOST:
                self._decided.setdefault(name, line.time_ns)
        elif line.resource == "CertificateRequest":
            if line.condition == "Approved" and len(self._approved) < _MOST:
                self._approved[name] = line.time_ns
            elif line.condition == "Ready" and name in self._approved:
                took = (line.time_ns - self._approved[name]) / SECOND
                if line.status == "True":
                    self._signed.append(took)
                    del self._approved[name]
                elif not line.status:  # set for the first time: True, or Pending, which the line does not say
                    self._first_set.append(took)
        elif line.resource == "Certificate" and line.condition == "Ready" and line.status == "True":
            decided = self._decided.pop(name, None)
            if decided is not None and line.time_ns >= decided:
                self._issued.append((line.time_ns - decided) / SECOND)

    @property
    def issued(self) -> Durations | None:
        """From the decision to issue to Ready; None where no Certificate became Ready."""
        return _durations(self._issued)

    @property
    def signed(self) -> Durations | None:
        """From a request's approval to its signature: the issuer's time.

        A request that is signed at once has one transition, of which older releases do not log the status.
        """
        return _durations(self._signed or self._first_set)

    def found(self) -> list[Cause]:
        """Return the causes, those that stop an object first, then by what they took."""
        return sorted([*self._stopping(), *self._slow()], key=lambda cause: (not cause.stops, -cause.seconds))

    def _stopping(self) -> Iterator[Cause]:
        if self.waiting:
            many = counted(len(self.waiting), "Certificate waits", "Certificates wait")
            longest = max(self.waiting.values()) / SECOND
            yield Cause(
                "back-off",
                f"{many} an hour or more after a failed issuance",
                "find why it failed (kubectl describe certificaterequest), then cmctl renew, which tries at once",
                sorted(self.waiting), longest, stops=True,
            )  # fmt: skip
        if self.duplicates:
            many = counted(len(self.duplicates), "Certificate is", "Certificates are")
            yield Cause(
                "duplicates",
                f"{many} stuck on duplicate CertificateRequests",
                "delete the surplus CertificateRequests",
                sorted(self.duplicates), 0.0, stops=True,
            )  # fmt: skip
        if self.sharing:
            many = counted(len(self.sharing), "Certificate shares", "Certificates share")
            yield Cause(
                "shared Secret",
                f"{many} a Secret with another and is not issued",
                "give each Certificate a Secret of its own",
                sorted(self.sharing), 0.0, stops=True,
            )  # fmt: skip
        if self.existing:
            many = counted(len(self.existing), "object is", "objects are")
            yield Cause(
                "already exists",
                f"{many} stuck on a {self.existing_kind or 'CertificateRequest'} that already exists",
                "delete that object; a GitOps tool must not restore it",
                sorted(self.existing), 0.0, stops=True,
            )  # fmt: skip
        if self.unapproved:
            many = counted(len(self.unapproved), "CertificateRequest waits", "CertificateRequests wait")
            yield Cause(
                "approver",
                f"{many} for approval",
                "run an approver that may approve this issuer's requests",
                sorted(self.unapproved), 0.0, stops=True,
            )  # fmt: skip
        if self.lost:
            yield Cause(
                "lease lost",
                f"the leader's lease was lost {counted(self.lost, 'time')}, and nothing happened until another led",
                "look at the API server's latency and at the node; give the controller more CPU",
                [], 0.0, stops=True,
            )  # fmt: skip

    def _slow(self) -> Iterator[Cause]:
        if self.throttled:
            longest, total = self.longest_ns / SECOND, self.throttled_ns / SECOND
            yield Cause(
                "throttling",
                f"client-side throttling, {counted(self.throttled, 'wait')}, the longest {spelled(longest * SECOND)}, "
                f"{spelled(total * SECOND)} "
                "in all (waits of less than a second are not logged)",
                "raise --kube-api-qps and --kube-api-burst of the controller",
                [], total, stops=False,
            )  # fmt: skip
        if self.by_server:
            yield Cause(
                "server throttling",
                f"the API server or the issuer slowed requests down {counted(self.by_server, 'time')} (429)",
                "see who else floods the server: its audit log tells",
                [], 0.0, stops=False,
            )  # fmt: skip
        yield from self._errors()
        signed, issued = self.signed, self.issued
        if signed is not None and issued is not None and signed.p50_s > issued.p50_s / 2:
            yield Cause(
                "issuer",
                f"the issuer took {spelled(signed.p50_s * SECOND)} of the "
                f"{spelled(issued.p50_s * SECOND)} from decision to Ready (medians)",
                "look at the issuer, not at the controllers",
                [], signed.p50_s * signed.number, stops=False,
            )  # fmt: skip

    def _errors(self) -> Iterator[Cause]:
        """Items that failed for other reasons, by controller."""
        failed: Counter[str] = Counter()
        for (controller, _), count in self.errors.items():
            failed[controller] += count
        for controller, count in failed.most_common(3):
            issuer = "issuer" in controller or controller in {"orders", "challenges"}
            yield Cause(
                "issuer" if issuer else "errors",
                f"{controller or 'a controller'} failed {counted(count, 'time')} for another reason: "
                f"{self.error_text[controller][:120]}",
                "see the issuer's own log and status" if issuer else "that is no conflict, and has a cause of its own",
                sorted(key for name, key in self.errors if name == controller and key), 0.0, stops=False,
            )  # fmt: skip


def _durations(values: list[float]) -> Durations | None:
    if not values:
        return None
    ordered = sorted(values)
    return Durations(len(ordered), ordered[len(ordered) // 2], ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)])
