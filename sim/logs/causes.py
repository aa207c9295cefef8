"""What else than conflicts makes Certificates slow or stuck, as a controller's log tells it.

Waiting for the client's own limit, a back-off of an hour after a failed issuance, requests in each other's way, a lost
lease, an issuer that takes its time: in most logs that people ask about, one of these is the cause, and the conflicts
beside it are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sim.logs.conflicts import ANONYMOUS
from sim.logs.controller_log import (
    BACKOFF,
    DUPLICATE,
    ERROR,
    EXISTS,
    LEASE_LATE,
    LEASE_LOST,
    REISSUE,
    SERVER_THROTTLED,
    STARTED,
    THROTTLED,
    TRANSITION,
    UNAPPROVED,
    LogLine,
)
from sim.logs.fates import LONGEST_WAIT, MANY
from sim.units import SECOND, counted, cut, spelled

_MOST = 20_000  # objects kept by name
_ONE_LOSS = 10 * SECOND  # lines about one lost lease: of client-go and of who used it
_KINDS = {"certificaterequests": "CertificateRequest", "orders": "Order", "challenges": "Challenge",
          "secrets": "Secret"}  # fmt: skip
_ENDS = {"CertificateRequest": ("Ready", "Approved")}
"""Conditions with which the waiting of a resource is over; of all others Ready."""


class Cause(NamedTuple):
    """One thing that took time or is in the way: what, how much, whom it concerns, and what to change."""

    what: str
    says: str
    change: str
    objects: Sequence[str] = ()
    seconds: float = 0.0  # that it took, where the log tells
    stops: bool = False  # whether an object waits for it for good, or for an hour


class Durations(NamedTuple):
    """Quantiles of a step, in seconds."""

    number: int
    p50_s: float
    p95_s: float


@dataclass
class _Taken:
    """A name that a creation found taken."""

    resource: str
    certmanager: bool
    wanted_for: str  # the object for which it was to be made
    first_ns: int
    last_ns: int
    times: int = 1

    def stuck(self, end_ns: int) -> bool:
        """Whether it is still in the way: refused again and again, or by cert-manager when the log ended.

        A controller whose cache was behind is refused once, and finds the object when it tries again.
        """
        quiet = end_ns - self.last_ns
        if self.times > 1 and self.last_ns > self.first_ns:
            return quiet <= max(2 * (self.last_ns - self.first_ns), LONGEST_WAIT)
        return self.certmanager and quiet <= LONGEST_WAIT


@dataclass
class _Failing:
    """An item of a controller that failed for another reason than a conflict."""

    text: str
    first_ns: int
    last_ns: int
    gap_ns: int = 0  # between the last two failures
    times: int = 1

    def again(self, time_ns: int) -> None:
        """It failed once more."""
        self.gap_ns, self.last_ns = max(time_ns - self.last_ns, 0), max(time_ns, self.last_ns)
        self.times += 1

    def still(self, end_ns: int) -> bool:
        """Whether it failed for long, or many times, and the next failure would be after the log's end.

        Else one in the log would have followed: what fails is tried again after twice as long at most.
        """
        lasting = self.times >= MANY or (self.times > 1 and self.last_ns - self.first_ns > LONGEST_WAIT)
        return lasting and end_ns - self.last_ns <= max(2 * self.gap_ns, 10 * SECOND)


@dataclass
class Causes:
    """Counts the lines that tell of other causes."""

    throttled: int = 0
    throttled_ns: int = 0
    longest_ns: int = 0
    by_server: int = 0
    lost: int = 0
    late: int = 0
    started: int = 0
    unapproved: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, int] = field(default_factory=dict)  # key: longest wait, nanoseconds
    duplicates: Counter[str] = field(default_factory=Counter)
    sharing: Counter[str] = field(default_factory=Counter)
    existing: dict[tuple[str, str], _Taken] = field(default_factory=dict)  # by resource and key of what exists
    errors: dict[tuple[str, str], _Failing] = field(default_factory=dict)  # by controller and key
    _since: dict[str, int] = field(default_factory=dict)  # when it was last said that an object waits
    _ended: dict[tuple[bool, str], int] = field(default_factory=dict)  # when a Certificate, or a request, went on
    _lost_ns: int = -_ONE_LOSS
    _decided: dict[str, int] = field(default_factory=dict)
    _approved: dict[str, int] = field(default_factory=dict)
    _first_set: list[float] = field(default_factory=list)
    _issued: list[float] = field(default_factory=list)
    _signed: list[float] = field(default_factory=list)

    def add(self, line: LogLine) -> None:
        """Take in one line."""
        what = line.what
        if what in {BACKOFF, DUPLICATE, UNAPPROVED} and len(self._since) < _MOST:
            self._since[line.key] = line.time_ns
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
            self._exists(line)
        elif what == LEASE_LOST:
            self.lost += not line.timed or line.time_ns - self._lost_ns > _ONE_LOSS
            self._lost_ns = line.time_ns
        elif what == LEASE_LATE:
            self.late += 1
        elif what == STARTED:
            self.started += 1
        elif what == UNAPPROVED and len(self.unapproved) < _MOST:
            self.unapproved[line.key] += 1
        elif what == ERROR and len(self.errors) < _MOST:
            self._failed(line)
        elif what in {REISSUE, TRANSITION}:
            self._step(line)

    def _exists(self, line: LogLine) -> None:
        known = self.existing.get((line.resource, line.exists))
        if known is None:
            self.existing[line.resource, line.exists] = _Taken(
                line.resource, line.certmanager, line.key, line.time_ns, line.time_ns
            )
        elif line.time_ns > known.last_ns:
            known.times, known.last_ns = known.times + 1, line.time_ns

    def _failed(self, line: LogLine) -> None:
        known = self.errors.get((line.controller, line.key))
        if known is None:
            self.errors[line.controller, line.key] = _Failing(line.text, line.time_ns, line.time_ns)
        else:
            known.again(line.time_ns)

    def _over(self, key: str, since_ns: int, *, request: bool = False) -> bool:
        """Whether what a key is of became Ready after a time: then whatever it waited for is over.

        A request has its Certificate's name and a number or a few letters; it is over too where that became Ready.
        """
        names = [(request, key), (request, key.rsplit("/", 1)[-1])]
        if request:
            stem = key.rpartition("-")[0]
            names += [(False, stem), (False, stem.rsplit("/", 1)[-1])]
        return since_ns >= 0 and any(self._ended.get(name, -1) >= since_ns for name in names)

    def _waiting(self, found: dict[str, int], *, request: bool = False) -> list[str]:
        """The keys that still wait, in order."""
        return sorted(key for key in found if not self._over(key, self._since.get(key, -1), request=request))

    def _step(self, line: LogLine) -> None:
        name = line.key.rsplit("/", 1)[-1]
        if line.what == TRANSITION and line.status == "True" and line.condition in _ENDS.get(line.resource, ("Ready",)):
            self._ended[line.resource == "CertificateRequest", line.key] = line.time_ns
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

    def found(self, end_ns: int) -> list[Cause]:
        """Return the causes, those that stop an object first, then by what they took; the log ends at ``end_ns``."""
        return sorted(
            [*self._stopping(), *self._taken(end_ns), *self._slow(), *self._errors(end_ns)],
            key=lambda cause: (not cause.stops, -cause.seconds),
        )

    def _stopping(self) -> Iterator[Cause]:
        for name, found, one, many, says, change in (
            ("back-off", self.waiting, "Certificate waits", "Certificates wait",
             "an hour or more after a failed issuance",
             "find why it failed (kubectl describe certificaterequest), then cmctl renew, which tries at once"),
            ("duplicates", self.duplicates, "Certificate is", "Certificates are",
             "stuck on duplicate CertificateRequests", "delete the surplus CertificateRequests"),
            ("shared Secret", self.sharing, "Certificate shares", "Certificates share",
             "a Secret with another and is not issued", "give each Certificate a Secret of its own"),
            ("approver", self.unapproved, "CertificateRequest waits", "CertificateRequests wait",
             "for approval", "run an approver that may approve this issuer's requests"),
        ):  # fmt: skip
            if keys := self._waiting(found, request=found is self.unapproved):
                longest = max(found[key] for key in keys) / SECOND if found is self.waiting else 0.0
                yield Cause(name, f"{counted(len(keys), one, many)} {says}", change, keys, longest, stops=True)
        if self.lost:
            says = f"the leader's lease was lost {counted(self.lost, 'time')}, and nothing happened until another led"
            change = "look at the API server's latency and at the node; give the controller more CPU"
            yield Cause("lease lost", says, change, stops=True)

    def _taken(self, end_ns: int) -> Iterator[Cause]:
        """Names that creations found taken, by kind."""
        kinds: dict[tuple[str, bool, bool], dict[str, _Taken]] = {}
        for (resource, key), taken in self.existing.items():
            stuck = ANONYMOUS not in key and taken.stuck(end_ns) and not self._over(taken.wanted_for, taken.last_ns)
            kinds.setdefault((resource, taken.certmanager and resource in _KINDS, stuck), {})[key] = taken
        for (resource, ours, stuck), found in kinds.items():
            kind, names = _KINDS.get(resource, resource) if ours else resource, ", ".join(sorted(found)[:3])
            if not stuck:
                many = counted(len(found), f"name of {resource} was", f"names of {resource} were")
                says, change = f"{many} taken when it was to be made, and not again", "nothing, unless it comes again"
            elif ours:
                many = counted(len(found), "object is", "objects are")
                says = f"{many} stuck on a {kind} that already exists"
                change = f"delete {names}; a GitOps tool must not restore it"
            else:
                many = counted(len(found), "object is", "objects are")
                says = f"{many} stuck on a name of {kind} that is taken again and again ({names})"
                change = "see whose that object is (ownerReferences, managedFields) before anything is done to it"
            objects = sorted({taken.wanted_for for taken in found.values()} if stuck else found)
            yield Cause("already exists", says, change, objects, stops=stuck)

    def _slow(self) -> Iterator[Cause]:
        if self.throttled:
            says = (
                f"client-side throttling, {counted(self.throttled, 'wait')}, the longest {spelled(self.longest_ns)}, "
                f"{spelled(self.throttled_ns)} in all (waits of less than a second are not logged)"
            )
            change = "raise --kube-api-qps and --kube-api-burst of the controller"
            yield Cause("throttling", says, change, seconds=self.throttled_ns / SECOND)
        if self.by_server:
            says = f"the API server or the issuer slowed requests down {counted(self.by_server, 'time')} (429)"
            yield Cause("server throttling", says, "see who else floods the server: its audit log tells")
        if self.late:
            tries = counted(self.late, "try", "tries")
            says = f"{tries} to renew the leader's lease failed, and it was not lost by that"
            yield Cause("lease late", says, "look at the API server's latency")
        signed, issued = self.signed, self.issued
        if signed is not None and issued is not None and signed.p50_s > issued.p50_s / 2:
            took, whole = spelled(signed.p50_s * SECOND), spelled(issued.p50_s * SECOND)
            says = f"the issuer took {took} of the {whole} from decision to Ready (medians)"
            change = "look at the issuer, not at the controllers"
            yield Cause("issuer", says, change, seconds=signed.p50_s * signed.number)

    def _errors(self, end_ns: int) -> Iterator[Cause]:
        """Items that failed for other reasons, by controller: who still fails when the log ends stops something."""
        failed: Counter[str] = Counter()
        for (controller, _), item in self.errors.items():
            failed[controller] += item.times
        for controller, count in failed.most_common(3):
            issuer = "issuer" in controller or controller in {"orders", "challenges"}
            change = (
                "see the issuer's own log and status" if issuer else "that is no conflict, and has a cause of its own"
            )
            mine = {key: item for (name, key), item in self.errors.items() if name == controller}
            still = {
                key: item for key, item in mine.items() if key and item.still(end_ns) and not self._ready(key, item)
            }
            first = next(iter((still or mine).values()))
            how = f"still fails after {counted(first.times, 'try')}" if still else f"failed {counted(count, 'time')}"
            who = f"controller {controller}" if controller else "a controller"
            says = f"{who} {how} for another reason: {cut(first.text, 160)}"
            keys = sorted(still or filter(None, mine))
            yield Cause("issuer" if issuer else "errors", says, change, keys, stops=bool(still))

    def _ready(self, key: str, item: _Failing) -> bool:
        """Whether the Certificate that an item is of, or was made for, became Ready after it had failed last."""
        names = (f"{key}-", f"{key.rpartition('/')[2]}-")
        return any(
            not request and at >= item.last_ns and any(each.startswith(f"{of}-") for each in names)
            for (request, of), at in self._ended.items()
        )


def _durations(values: list[float]) -> Durations | None:
    if not values:
        return None
    ordered = sorted(values)
    return Durations(len(ordered), ordered[len(ordered) // 2], ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)])
