"""Records what happens in one replication, as tuples in the order of ``sim.recording.columns``.

The recorder only listens. It also knows which Certificates are settled, because that is a property of what
was recorded and not of any controller's view.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from sim.kernel.clock import EPOCH, unix_seconds
from sim.recording.columns import (
    DELIVERIES,
    LOGS,
    RECONCILES,
    REFUSALS,
    REQUESTS,
)
from sim.recording.fields import CERTIFICATES, FieldTable
from sim.recording.losses import Losses
from sim.recording.rows import Rows
from sim.scenario.kinds import OF_ACME
from sim.units import SECOND

if TYPE_CHECKING:
    from sim.cluster.kinds import Kind
    from sim.cluster.messages import Response
    from sim.cluster.objects import Object
    from sim.cluster.requests import Sent
    from sim.families.family import Subject


NO_MARGIN = 2**31 - 1
"""Stands for the margin of a Certificate that was neither renewed nor ran out."""


class Life:
    """What is known of one Certificate: times in nanoseconds, -1 where a thing has not happened."""

    __slots__ = (
        "created_ns",
        "done",
        "expired_s",
        "issuing",
        "least_margin_s",
        "next_key",
        "not_after",
        "ready",
        "ready_ns",
        "requests",
        "revision",
        "secret_applies",
        "settled_ns",
    )

    def __init__(self, created_ns: int) -> None:
        self.created_ns = created_ns
        self.ready_ns = -1
        self.settled_ns = -1
        self.ready = False
        self.issuing = False
        self.next_key = False
        self.secret_applies = 0
        self.requests = 0
        self.revision = 0
        self.done = True
        self.not_after = ""
        self.least_margin_s = NO_MARGIN
        self.expired_s = 0

    def runs_out(self, not_after: str, now_s: int) -> None:
        """The certificate that there is has this notAfter from now on: how much of the one before was left?

        An empty one: it is the end.
        """
        if self.not_after and not_after != self.not_after:
            margin = unix_seconds(self.not_after) - now_s
            if not_after or margin < 0:
                self.least_margin_s = min(self.least_margin_s, margin)
                self.expired_s += max(-margin, 0)
        self.not_after = not_after

    @property
    def settled(self) -> bool:
        """Ready, not issuing, and no next private key left; of other subjects what their family says."""
        return self.ready and not self.issuing and not self.next_key and self.done


REJECTED = frozenset({400, 403, 413, 415, 422})
"""Codes of writes that are refused for what they say, not for when they come."""
TIDY_EVERY = 256
"""Requests after which the rows so far are looked at: packing them is no matter of a single row."""


class Recorder:
    """Collects the rows of one replication, about Certificates or what else is its subject."""

    def __init__(self, subject: Subject | None = None, *, follows_losses: bool = False) -> None:
        """``follows_losses``: of Certificates too, where operators work beside cert-manager."""
        self._subject = subject
        self._kind = "Certificate" if subject is None else subject.kind
        self._fields = CERTIFICATES if subject is None else FieldTable(subject.fields)
        # Not bound: a method in an attribute is a circle, and would keep all rows until somebody looks for garbage.
        self._changed = Recorder._certificate_changed if subject is None else Recorder._subject_changed
        self.losses = Losses() if subject is not None or follows_losses else None
        self.requests = Rows(REQUESTS)
        self.reconciles = Rows(RECONCILES)
        self.logs = Rows(LOGS)
        self.refusals = Rows(REFUSALS)
        self.deliveries = Rows(DELIVERIES)
        self._sent = 0  # requests so far
        self.rejected: dict[str, str] = {}
        """By writer, request and code what the server first said to a write that is refused for what it says."""
        self._holders: dict[str, str] = {}  # by Lease who held it when it was written last
        self.usurped: list[tuple[int, str, str, str]] = []
        """Writes stored for a process while another held its Lease: when, about whom, its name, who held it."""
        self.lives: dict[str, Life] = {}
        self.unsettled: set[str] = set()
        self.violations: list[str] = []
        self.new_reconcile: Callable[[], int] = count(1).__next__
        """The number of a reconcile that starts now."""

    def request(  # one row has as many parts as a request has
        self,
        sent: Sent,
        kind: Kind,
        response: Response,
        before: Object | None,
        received: int,
        decided: int,
        answered: int,
        retries: int,
        cpu: int = 0,
    ) -> None:
        """See ``sim.cluster.listener.Listener``."""
        send = sent.send
        write = send.write
        verb = write.verb
        stored = response.object if response.written else None
        fields = 0
        if write.kind != "Event" and response.code < 300:
            fields = self._accepted(sent, before, stored, answered)
            if write.kind == "Lease" and stored is not None:
                self._holders[write.name] = (stored.spec or {}).get("holderIdentity", "")
            elif self._holders and stored is not None:
                self._led(sent, decided)
            if self.losses is not None and stored is not None:
                self._follow(self.losses, sent, kind, before, stored, decided)
        elif response.code == 409:
            self._refused(send, response, cpu)
        elif response.code in REJECTED:
            self._rejected(sent, kind, response)
        number = self._sent
        self._sent = number + 1
        if not number % TIDY_EVERY:
            for rows in (self.requests, self.reconciles, self.refusals, self.deliveries, self.logs):
                rows.tidy()
        self.requests.append(
            (
                number,
                sent.actor,
                "patch" if verb.endswith("-patch") else verb,
                kind.plural,
                write.subresource,
                write.name,
                send.about,
                response.code,
                "FieldConflict" if response.code == 409 and response.field_conflict else response.reason,
                write.resource_version is not None,
                send.read.resource_version if send.read is not None else 0,
                before.resource_version if before is not None else 0,
                # A write that takes the last finalizer of an object being deleted removes it, and stores nothing.
                stored.resource_version if stored is not None and verb != "delete" and stored is not before else 0,
                fields,
                retries,
                sent.read_ns,
                sent.asked_ns,
                sent.sent_ns,
                received,
                decided,
                answered + sent.back,
                sent.reconcile,
            )
        )

    def _led(self, sent: Sent, decided: int) -> None:
        """See whether who wrote holds the Lease that he works by; who works by none has no process, or none of that."""
        process = getattr(sent, "process", None)
        if process is None:
            return
        holder = self._holders.get(process.lease, process.name)
        if holder != process.name:
            self.usurped.append((decided, sent.send.about, process.name, holder))

    def _follow(
        self, losses: Losses, sent: Sent, kind: Kind, before: Object | None, stored: Object, decided: int
    ) -> None:
        """Note whose values a stored write took away unseen, and what was made twice."""
        send, number = sent.send, self._sent
        write = send.write
        if write.verb == "delete":
            losses.gone(kind.plural, write.name)
        elif before is not None:
            losses.written(number, sent.actor, kind.plural, send, before, stored, decided)
        else:
            losses.created(number, kind.plural, stored, sent.actor)
            if stored.owner:
                losses.made(number, sent.actor, sent.reconcile, kind.plural, stored, send, decided)

    def _refused(self, send: Any, response: Response, cpu: int) -> None:
        """Note what a refused write meant to change and, of an apply, who owns it."""
        write = send.write
        wanted = self._fields.wanted(write, send.read) if write.kind == self._kind else 0
        contested, owners = 0, ""
        if response.field_conflict:
            causes = response.causes
            contested = self._fields.at(cause.field for cause in causes)
            owners = ", ".join(dict.fromkeys(cause.message.split('"')[1] for cause in causes))
        self.refusals.append((self._sent, wanted, contested, owners, cpu))

    def _rejected(self, sent: Sent, kind: Kind, response: Response) -> None:
        """Keep the words of the first of each kind: the text of an answer is made where it is read."""
        write = sent.send.write
        verb = "patch" if write.verb.endswith("-patch") else write.verb
        part = f"/{write.subresource}" if write.subresource else ""
        what = f"{sent.actor} {verb} {kind.plural}{part} {response.code}"
        if what not in self.rejected:
            self.rejected[what] = response.message

    def _accepted(self, sent: Sent, before: Object | None, stored: Object | None, answered: int) -> int:
        """Follow the life of the Certificate that an accepted write is about; returns the fields it changed."""
        write, certificate = sent.send.write, sent.send.about
        kind, verb = write.kind, write.verb
        fields = 0
        if kind == self._kind:
            if stored is not None and verb == "create":
                self.lives[write.name] = Life(answered)
                self.unsettled.add(write.name)
            elif stored is not None and verb == "delete":
                self.unsettled.discard(write.name)
            elif stored is not None and before is not None:
                fields = self._fields.changed(before, stored)
                # By its copy a controller knows the revision; what is written from none may be anything.
                knew = write.resource_version is not None and getattr(sent, "process", None) is not None
                self._changed(self, write.name, stored, answered, knew)
            return fields
        life = self.lives.get(certificate)
        if life is not None:
            if kind == "Secret":
                life.secret_applies += verb == "apply"
            elif verb == "create" and kind not in OF_ACME:
                life.requests += 1
        return fields

    def found(self, subject: Object) -> None:
        """A Certificate that was there when the replication began: it has no time of creation, and is Ready since 0."""
        life = self.lives[subject.name] = Life(-1)
        self._certificate_changed(subject.name, subject, 0, True)
        life.secret_applies = life.requests = life.revision  # one each for every issuance before

    def _subject_changed(self, name: str, obj: Object, now: int, knew: bool) -> None:
        """A subject of another kind than Certificate."""
        life, subject = self.lives.get(name), self._subject
        assert subject is not None
        if life is None:
            return
        life.ready = subject.ready(obj)
        if life.ready and life.ready_ns < 0:
            life.ready_ns = now
        life.done = subject.settled(obj)
        self._settle(name, life, now)

    def _settle(self, name: str, life: Life, now: int) -> None:
        if life.settled:
            if life.settled_ns < 0:
                life.settled_ns = now
            self.unsettled.discard(name)
        else:
            self.unsettled.add(name)

    def _certificate_changed(self, name: str, obj: Object, now: int, knew: bool) -> None:
        life = self.lives.get(name)
        if life is None:
            return
        status = obj.status or {}
        ready = issuing = False
        for condition in status.get("conditions", ()):
            if condition["type"] == "Ready":
                ready = condition["status"] == "True"
            elif condition["type"] == "Issuing":
                issuing = condition["status"] == "True"
        revision = status.get("revision", 0)
        if knew and revision < life.revision:
            self.violations.append(f"{name}: status.revision fell from {life.revision} to {revision}")
        life.revision = revision
        life.ready = ready
        life.issuing = issuing
        life.next_key = bool(status.get("nextPrivateKeySecretName"))
        if ready and life.ready_ns < 0:
            life.ready_ns = now
        not_after = status.get("notAfter", "")
        if not_after != life.not_after and not_after:
            life.runs_out(not_after, EPOCH + now // SECOND)
        self._settle(name, life, now)

    def log(self, now: int, verbosity: int, controller: str, key: str, line: str, message: str) -> None:
        """A line that the process logs where its --v is at least ``verbosity``."""
        self.logs.append((now, verbosity, controller, key, line, message))
