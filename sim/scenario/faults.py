"""What goes wrong in a scenario: a list of faults, each with a time or a point, a kind, and how long it lasts.

A few general kinds make all of them; each is one key whose value says what it befalls. What each does is carried out
by ``sim.cluster.outages`` (the server and what passes through it), ``sim.client.broken`` (a process's connections) and
``sim.world.happenings`` (when, and processes); docs/faults.md says what the real thing does, with its source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.names import did_you_mean
from sim.scenario.values import Duration, Part
from sim.units import SECOND, format_duration, quoted

API_SERVER, ETCD, LEADER, ISSUER, WATCH_CACHE = "api-server", "etcd", "leader", "issuer", "watch-cache"
CONTROLLERS = "controllers"
"""cert-manager's process; its further replicas are ``controllers-2`` and so on. Operators go by their names."""


class LeaderElection(Part):
    """Of replicas one works, who holds a Lease: client-go tools/leaderelection."""

    lease_duration: Duration = Field(
        default=60 * SECOND,
        gt=0,
        description="so long after it last saw a renewal another replica takes the lease. Default: cert-manager's",
    )
    renew_deadline: Duration = Field(
        default=40 * SECOND,
        gt=0,
        description="a leader that could not renew for so long exits. Default: cert-manager's",
    )
    retry_period: Duration = Field(
        default=15 * SECOND,
        gt=0,
        description="between tries to renew, and, times 1 to 2.2, between tries to acquire. Default: cert-manager's",
    )

    @model_validator(mode="after")
    def _as_client_go_checks(self) -> LeaderElection:
        if self.lease_duration <= self.renew_deadline:
            message = f"lease_duration must be more than renew_deadline, {format_duration(self.renew_deadline)}"
            raise Impossible(Fault(message, (("lease_duration",), ("renew_deadline",))))
        if self.renew_deadline * 5 <= self.retry_period * 6:
            message = f"renew_deadline must be more than 1.2 times retry_period, {format_duration(self.retry_period)}"
            raise Impossible(Fault(message, (("renew_deadline",), ("retry_period",))))
        return self


class ManagerElection(LeaderElection):
    """Of an operator's replicas one works, who holds a Lease: controller-runtime's defaults (pkg/manager)."""

    lease_duration: Duration = Field(
        default=15 * SECOND,
        gt=0,
        description="so long after the last renewal it saw another replica takes the lease. Default: as there",
    )
    renew_deadline: Duration = Field(
        default=10 * SECOND,
        gt=0,
        description="a leader that could not renew for so long exits. Default: controller-runtime's",
    )
    retry_period: Duration = Field(
        default=2 * SECOND,
        gt=0,
        description="between tries to renew, and, times 1 to 2.2, to acquire. Default: controller-runtime's",
    )


class Often(Part):
    """At Poisson times."""

    mean: Duration = Field(gt=0, description="mean time between two; each is drawn from an exponential distribution")


class Messages(Part):
    """Which requests, or which events of watches: those that fit all that is said."""

    controller: str | None = Field(
        default=None,
        description="who sends the request, such as key-manager or in full certificates-key-manager. Default: anybody",
    )
    process: str | None = Field(default=None, description="whose watch, or whose request. Default: anybody's")
    kind: str | None = Field(default=None, description="about objects of this kind. Default: all")
    object: str | None = Field(default=None, description="about the object of this name. Default: all")
    verb: Literal["create", "update", "patch", "apply", "delete", "get", "list", "watch"] | None = Field(
        default=None, description="requests with this verb. Default: all"
    )
    subresource: Literal["status"] | None = Field(default=None, description="writes of it. Default: all")
    deleted: bool | None = Field(default=None, description="events of deletions, or of others. Default: all")


class Point(Part):
    """A point of a run: a write, at the instant at which it is stored, before anybody has the answer."""

    controller: str = Field(description="who writes, such as key-manager, or in full certificates-key-manager")
    write: int = Field(default=1, ge=1, description="the how many-th of its stored writes that fit. Default: the first")
    kind: str | None = Field(default=None, description="writes of this kind count. Default: all but Events")
    object: str | None = Field(default=None, description="writes of the object of this name count. Default: all")
    wait: Duration = Field(default=0, description="it happens so long after. Default: at once")


class PlannedFault(Part):
    """One fault: exactly one of ``at``, ``every`` and ``after``, and exactly one kind."""

    at: Duration | None = Field(default=None, description="once, at this time from the start. Default: not by time")
    every: Often | None = Field(default=None, description="again and again, at Poisson times. Default: not this")
    after: Point | None = Field(default=None, description="once, at a point of the run. Default: not this")
    until: Duration | None = Field(default=None, description="every only: none begins later. Default: to the end")

    kill: str | None = Field(
        default=None,
        description="SIGKILL: api-server, etcd (with lasts its only member, without the leader of several), leader "
        "(the replica that leads), controllers or an operator; started again after lasts. Default: not this",
    )
    stop: str | None = Field(
        default=None,
        description="it stands still for lasts (SIGSTOP, SIGCONT): api-server, etcd, leader, a process, issuer (who "
        "signs cannot), watch-cache (of a second API server). Default: not this",
    )
    cut: str | None = Field(
        default=None,
        description="all connections of a process break; new ones are there at once, or after lasts. Default: not this",
    )
    delay: Literal["requests", "etcd", "watch", "webhook", "issuer"] | None = Field(
        default=None,
        description="later by by: requests on their way, commits of etcd, events of watches, writes at an admission "
        "webhook, signatures. Default: not this",
    )
    drop: Literal["requests", "answers", "watch"] | None = Field(
        default=None,
        description="lost: a request before it is taken, its answer after it was stored (both fail for the client "
        "alike), events of watches. Default: not this",
    )
    refuse: Literal["requests", "webhook", "issuer"] | None = Field(
        default=None,
        description="answered with code in the server's place; webhook: it cannot be called; issuer: it fails what it "
        "would sign. Default: not this",
    )
    skew: str | None = Field(default=None, description="a process's clock is ahead by by. Default: not this")
    steal: Literal["cores"] | None = Field(
        default=None, description="a neighbour computes on as many cores as cores says. Default: not this"
    )

    lasts: Duration | None = Field(
        default=None,
        description="how long. Default: kill and cut are over at once, the others go on to the end",
    )
    by: Duration | None = Field(default=None, gt=0, description="delay and skew: how much. Default: none, it is needed")
    behind: bool = Field(default=False, description="skew: behind instead of ahead. Default: ahead")
    of: Messages = Messages()
    share: float = Field(
        default=1.0, gt=0, le=1, description="delay, drop, refuse: this share of them, drawn. Default: all"
    )
    times: int | None = Field(
        default=None, ge=1, description="delay, drop, refuse: so many of them, the first that fit. Default: no limit"
    )
    code: Literal[403, 429, 500, 503, 504] | None = Field(
        default=None, description="refuse requests: with this status. Default: 429"
    )
    retry_after: Duration | None = Field(
        default=None,
        description="refuse requests: the answer's Retry-After, whole seconds, which client-go obeys inside the "
        "request, ten times at most. Default: 1s for 429, none for others",
    )
    fail_open: bool = Field(
        default=False,
        description="webhook: true: a call that fails lets the write pass (failurePolicy Ignore). Default: Fail",
    )
    gone: bool = Field(
        default=False,
        description="cut: the watches' history is compacted meanwhile, so they are answered 410 and list anew, which "
        "replaces the caches. Default: they go on where they were",
    )
    silent: bool = Field(
        default=False,
        description="cut: packets vanish instead, which is noticed after 45 s, or when the net is back. Default: reset",
    )
    to_other: bool = Field(
        default=False,
        description="kill and cut of a process: it finds the second API server next, whose watch cache may be behind. "
        "Default: the first",
    )
    cores: int = Field(default=1, ge=1, le=1024, description="steal: how many. Default: one")

    @property
    def verb(self) -> str:
        """The kind of fault: the one key of ``KINDS`` that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def target(self) -> str:
        """What it befalls."""
        return str(getattr(self, self.verb))

    @model_validator(mode="after")
    def _one_of_each(self) -> PlannedFault:
        for keys, what in ((_WHEN, "a time"), (tuple(KINDS), "a kind")):
            given = [key for key in keys if getattr(self, key) is not None]
            if len(given) != 1:
                found = f"this one has {' and '.join(given)}" if given else "this one has none"
                message = f"a fault has exactly one key for {what} ({', '.join(keys)}); {found}"
                raise Impossible(Fault(message, ((given[1],),) if given else ((),), at_key=bool(given)))
        kind = KINDS[self.verb]
        wrong = [
            Fault(f"{key} says nothing of {self.verb}; keys for it: {', '.join(kind.keys)}", ((key,),), at_key=True)
            for key in self.model_fields_set
            if key in _DETAILS and key not in kind.keys and getattr(self, key) != _DETAILS[key]
        ]
        wrong += [
            Fault(f"{self.verb} needs {key}; write a duration, such as 2s", ((self.verb,),), at_key=True)
            for key in kind.needs
            if getattr(self, key) is None
        ]
        if self.until is not None and self.every is None:
            wrong.append(Fault("until is for every; how long a fault lasts says lasts", (("until",),), at_key=True))
        wrong += self._details()
        if wrong:
            raise Impossible(*wrong)
        return self

    def _details(self) -> Iterator[Fault]:
        """What does not go with the target of a kind."""
        if self.target != "requests" and (self.code is not None or self.retry_after is not None):
            key = "code" if self.code is not None else "retry_after"
            yield Fault(f"{key} is for refuse: requests", ((key,),), at_key=True)
        if self.retry_after is not None and self.retry_after % SECOND:
            yield Fault(
                f"found {format_duration(self.retry_after)}; a Retry-After is in whole seconds", (("retry_after",),)
            )
        if self.fail_open and self.target != "webhook":
            yield Fault("fail_open is for a webhook", (("fail_open",),), at_key=True)
        if self.silent and not self.lasts:
            yield Fault("a net that is silent for no time is not cut; write lasts", (("silent",),))
        if self.of.deleted is not None and self.target != "watch":
            yield Fault("deleted tells events of a watch apart", (("of", "deleted"),), at_key=True)
        if self.target == "watch" and (self.of.controller or self.of.verb or self.of.subresource):
            key = next(key for key in ("controller", "verb", "subresource") if getattr(self.of, key))
            yield Fault(f"an event of a watch has no {key}; write process, kind, object", (("of", key),), at_key=True)


class _Kind(NamedTuple):
    """What may be said of a kind of fault: its keys, and those that it needs."""

    keys: tuple[str, ...]
    needs: tuple[str, ...] = ()


_OF_MESSAGES = ("lasts", "of", "share", "times")
KINDS: dict[str, _Kind] = {
    "kill": _Kind(("lasts", "to_other")),
    "stop": _Kind(("lasts",), ("lasts",)),
    "cut": _Kind(("lasts", "gone", "silent", "to_other")),
    "delay": _Kind(("by", "fail_open", *_OF_MESSAGES), ("by",)),
    "drop": _Kind(_OF_MESSAGES),
    "refuse": _Kind(("code", "retry_after", "fail_open", *_OF_MESSAGES)),
    "skew": _Kind(("by", "behind", "lasts"), ("by",)),
    "steal": _Kind(("cores", "lasts")),
}
"""The kinds of faults."""
_WHEN = ("at", "every", "after")
_DETAILS = {
    key: field.default
    for key, field in PlannedFault.model_fields.items()
    if key not in KINDS and key not in {*_WHEN, "until"}
}


_OF_CERTIFICATES = ("trigger", "readiness", "key-manager", "request-manager", "issuing", "revision-manager")
_OF_REQUESTS = ("approver", *(f"issuer-{type_}" for type_ in ("acme", "ca", "selfsigned", "vault", "venafi")))
OWN_CONTROLLERS = (
    *(f"certificates-{name}" for name in _OF_CERTIFICATES),
    *(f"certificaterequests-{name}" for name in _OF_REQUESTS),
)
"""cert-manager's controllers, as those who send requests; what comes before the first hyphen may be left out."""


def wrong_faults(
    faults: Iterable[PlannedFault],
    processes: list[str],
    *,
    replicated: bool,
    kinds: Collection[str] = (),
    controllers: Collection[str] = (),
) -> list[Fault]:
    """Return what does not fit the scenario: names of processes or kinds that there are not, a leader of nobody.

    A name that is much like one of ``controllers`` is taken for a slip; others may be those of operators in Python.
    """
    wrong = []
    known = {*controllers, *(name.partition("-")[2] for name in controllers if name in OWN_CONTROLLERS)}
    for n, fault in enumerate(faults):
        path: Path = ("faults", n, fault.verb)
        allowed = _targets(fault.verb, processes, replicated=replicated)
        if allowed and fault.target not in allowed:
            hint = did_you_mean(fault.target, allowed)
            message = f"{quoted(fault.target)} cannot be what {fault.verb} befalls here{hint}; allowed: "
            message += ", ".join(allowed)
            wrong.append(Fault(message, (path,)))
        process = fault.of.process
        if process is not None and process not in processes:
            message = f"no process is called {quoted(process)}; there are {', '.join(processes)}"
            wrong.append(Fault(message, (("faults", n, "of", "process"),)))
        for key, names in (("of", fault.of), ("after", fault.after)):
            if names is None:
                continue
            if kinds and names.kind is not None and names.kind not in kinds:
                hint = did_you_mean(names.kind, kinds) or f"; there are {', '.join(sorted(kinds))}"
                wrong.append(Fault(f"no kind is called {quoted(names.kind)}{hint}", (("faults", n, key, "kind"),)))
            who = names.controller
            hint = did_you_mean(who, known) if who is not None and known and who not in known else ""
            if hint:
                message = f"no controller is called {quoted(str(who))}{hint}"
                wrong.append(Fault(message, (("faults", n, key, "controller"),)))
    return wrong


def _targets(verb: str, processes: list[str], *, replicated: bool) -> list[str]:
    leader = [LEADER] if replicated else []
    match verb:
        case "kill":
            return [API_SERVER, ETCD, *leader, *processes]
        case "stop":
            return list(dict.fromkeys([API_SERVER, ETCD, WATCH_CACHE, ISSUER, *leader, *processes]))
        case "cut" | "skew":
            return [*leader, *processes]
        case _:
            return []  # a choice that the key itself checks
