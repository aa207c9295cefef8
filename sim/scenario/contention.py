"""Plain clients that contend: they read, think and write conditionally, without any cert-manager around them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.retry import Retry
from sim.scenario.values import Duration, Name, Part, Rate, Strategy, check_order
from sim.units import MS, format_duration, quoted

CLIENTS = 10
"""How many clients a group has where the scenario says nothing."""


class Times(Part):
    """A distribution of times."""

    kind: Literal["fixed", "exponential", "normal", "lognormal", "uniform"] = Field(
        default="fixed",
        description="fixed: always mean. exponential: with this mean. normal: the absolute value of a normal with "
        "this mean and sd. lognormal: with this mean and sd. uniform: from low to high. Default: the simplest",
    )
    mean: Duration = Field(default=0, description="of all kinds but uniform. Default: none")
    sd: Duration | None = Field(
        default=None, description="standard deviation of the kinds normal and lognormal. Default: none"
    )
    low: Duration | None = Field(default=None, description="of the kind uniform. Default: none")
    high: Duration | None = Field(default=None, description="of the kind uniform, at least low. Default: none")

    @model_validator(mode="after")
    def _fits(self) -> Times:
        needs = {"normal": {"sd"}, "lognormal": {"sd"}, "uniform": {"low", "high"}}.get(self.kind, set())
        wrong = []
        for key in ("sd", "low", "high"):
            given = getattr(self, key) is not None
            if given and key not in needs:
                wrong.append(Fault(f"{key} is not for the kind {self.kind}; remove it", ((key,),), at_key=True))
            elif not given and key in needs:
                wrong.append(Fault(f"the kind {self.kind} needs {key}", (("kind",),)))
        if self.kind == "uniform" and self.mean:
            wrong.append(Fault("a uniform distribution is given by low and high, not by its mean", (("mean",),)))
        if self.kind == "lognormal" and not self.mean:
            wrong.append(Fault("the mean of a lognormal distribution is more than 0", (("mean",), ("kind",))))
        if self.low is not None and self.high is not None and self.high < self.low:
            wrong.append(Fault(f"high must be at least low, which is {format_duration(self.low)}", (("high",),)))
        if wrong:
            raise Impossible(*wrong)
        return self

    @property
    def expected(self) -> float:
        """The mean in nanoseconds; of a normal one that it has before the absolute value is taken."""
        if self.low is not None and self.high is not None:
            return (self.low + self.high) / 2
        return self.mean

    @property
    def nothing(self) -> bool:
        """Whether it is always 0."""
        return not (self.high if self.kind == "uniform" else self.mean or self.sd)


class Outage(Part):
    """The server takes requests and serves none."""

    at: Duration = Field(description="when it begins")
    lasts: Duration = Field(gt=0, description="how long")


class Clients(Part):
    """Clients that all do the same: read an object, think, write it with the version that was read."""

    name: Name = Field(default="client", description="of the group; its clients are NAME-0, NAME-1, ... Default: plain")
    clients: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="how many, where the loop is not open. Default: the scenario's clients",
    )
    loop: Literal["once", "closed", "open"] = Field(
        default="closed",
        description="once: each client commits once, all start at 0; the run ends with the last. closed: after a job "
        "the next. open: jobs arrive at rate, however many are under way. Default: the usual model of workers",
    )
    rate: Rate | None = Field(default=None, description="open only: jobs per second, of the whole group. Default: none")
    poisson: bool = Field(
        default=True, description="open only: exponential times between jobs; false: evenly spaced. Default: the usual"
    )
    start: Times = Field(
        default=Times(), description="when each client begins, where the loop is not open. Default: all at 0"
    )
    idle: Times = Field(default=Times(), description="closed only: between two jobs. Default: none")
    read: Literal["live", "cache", "none"] = Field(
        default="live",
        description="live: a request to the server. cache: what a watch has brought, as controllers do. none: blind "
        "writes, where the strategy sends no version. Default: the plainest",
    )
    scan: Times = Field(default=Times(), description="reading takes this; the version is the last one's. Default: none")
    think: Times = Field(default=Times(), description="from having read to asking to write. Default: none")
    think_afresh: bool = Field(
        default=True,
        description="true: a retry draws its think time anew, as work that is done again. false: it keeps that of "
        "the job's first try, as one and the same piece of work. Closed forms differ: with exponential times a fresh "
        "draw lets short tries win, a kept one makes long jobs starve. Default: as controllers, which decide again",
    )
    uses_cores: bool = Field(
        default=False,
        description="true: thinking is computing on cpu.cores, which all clients share. Default: waiting",
    )
    message: Times = Field(
        default=Times(),
        description="one way between client and server, drawn for each message; server.network_one_way comes on top. "
        "Default: none",
    )
    lag: Times = Field(
        default=Times(mean=1 * MS),
        description="read: cache only: from a commit to the cache. Default: as measured (model.md section 6)",
    )
    touches: Literal["random", "own"] = Field(
        default="random",
        description="which object, and which field of it, a job writes. random: drawn for each job. own: client i "
        "always the same, object i modulo objects, then field i/objects modulo fields: disjoint where there are "
        "enough. Default: contention",
    )
    strategy: Strategy | None = Field(default=None, description="how it writes. Default: the scenario's strategy")
    force: bool = Field(
        default=True,
        description="strategy apply only; false: a field that another client owns with another value is refused, and "
        "no retry cures that. Default: as controllers should",
    )
    control: Literal["optimistic", "pessimistic"] = Field(
        default="optimistic",
        description="pessimistic: a lock on the object, first come first served, is held from before reading until "
        "the job ends. Locking itself takes no time. Default: Kubernetes'",
    )
    timeout: Duration | None = Field(
        default=None,
        gt=0,
        description="an answer that takes longer is not waited for: the try has failed. The server goes on with it. "
        "Default: none",
    )
    retry: Retry | None = Field(
        default=None, description="taken as a whole, not merged with the scenario's. Default: the scenario's retry"
    )

    @model_validator(mode="after")
    def _possible(self) -> Clients:
        wrong = []
        if self.loop == "open" and self.rate is None:
            wrong.append(Fault("an open loop needs the rate of its jobs, such as rate: 20/s", (("loop",),)))
        if self.loop == "open" and not self.start.nothing:
            wrong.append(Fault("start is for loops that are not open", (("start",),), True))
        for key, loop, default in (("rate", "open", None), ("poisson", "open", True), ("idle", "closed", Times())):
            if self.loop != loop and getattr(self, key) != default:
                wrong.append(Fault(f"{key} is for the {loop} loop, and the loop is {self.loop}", ((key,),), True))
        if self.loop == "open" and self.clients is not None:
            wrong.append(Fault("an open loop has as many clients as jobs need; remove clients", (("clients",),), True))
        if self.uses_cores and self.think.nothing:
            wrong.append(Fault("think is 0, so there is nothing to compute; set think", (("uses_cores",),), True))
        if wrong:
            raise Impossible(*wrong)
        return self


class Contention(Clients):
    """Plain clients instead of cert-manager's controllers. These keys describe the first group of them."""

    objects: int = Field(default=1, ge=1, le=100_000, description="ConfigMaps that are written. Default: one")
    fields: int = Field(default=1, ge=1, le=1000, description="fields in each that are written. Default: one")
    service: Times | None = Field(
        default=None,
        description="the server's time for a request; it serves server.max_in_flight at once and the others wait "
        "first come first served. Default: it answers at once and without limit",
    )
    outages: list[Outage] = Field(default=[], description="the server stands still. Default: never")
    warm_up: Duration = Field(
        default=0, description="figures count from then on; the tables have everything. Default: from the start"
    )
    others: list[Clients] = Field(default=[], description="further groups of clients. Default: none")

    @model_validator(mode="after")
    def _one_another(self) -> Contention:
        check_order([outage.at for outage in self.outages], "outages", once=True)
        wrong = []
        names = [group.name for group in self.groups]
        for n, group in enumerate(self.others):
            if group.name in names[: n + 1]:
                message = f"two groups are called {quoted(group.name)}; give each a name of its own"
                wrong.append(Fault(message, (("others", n, "name"), ("others", n))))
        for n, (before, after) in enumerate(zip(self.outages, self.outages[1:], strict=False), start=1):
            if after.at < before.at + before.lasts:
                wrong.append(Fault("this outage begins before the one before it has ended", (("outages", n, "at"),)))
        if wrong:
            raise Impossible(*wrong)
        return self

    @property
    def groups(self) -> list[Clients]:
        """All groups of clients, the first one first."""
        return [self, *self.others]


def group_faults(contention: Contention, strategy: Strategy, retry: Retry, *, instant: bool) -> list[Fault]:
    """Return what a group of clients cannot do with the scenario's ``strategy`` and ``retry``.

    ``instant`` says that neither the network nor the client's limit takes time.
    """
    wrong = []
    for n, group in enumerate(contention.groups):
        path: Path = ("contention",) if n == 0 else ("contention", "others", n - 1)
        chosen = group.strategy or strategy
        if group.read == "none" and chosen in {"update", "merge-patch"}:
            message = f"the strategy {chosen} sends the version that was read; read live or cache"
            wrong.append(Fault(message, ((*path, "read"), (*path, "strategy"), ("strategy",))))
        served = contention.service is None or contention.service.nothing
        if instant and served and group.message.nothing and group.scan.nothing and group.think.nothing:
            wrong += _timeless(group, path, chosen, retry)
    return wrong


def _timeless(group: Clients, path: Path, strategy: Strategy, general: Retry) -> list[Fault]:
    """Return the loops of a group in which no step takes time: simulated time would stand still in them for good.

    There are two: one job after the other, and one try after the other where a try can fail for good at one instant,
    by a cache that has not yet brought what made it stale (a watch takes a nanosecond at least), or by a field that
    another owns. Whatever else goes round costs core time, which a profile cannot make 0.
    """
    at = ".".join(str(key) for key in path)
    steps = (
        f"none of {at}.think, .scan and .message, contention.service, server.network_one_way and client.throttle is set"
    )
    wrong = []
    if group.loop == "closed" and group.idle.nothing:
        message = f"a job takes no time and the next one follows at once, for ever: {at}.idle is 0, and {steps}"
        wrong.append(Fault(message, ((*path, "loop"), (*path, "idle"), path)))
    retry = general if group.retry is None else group.retry
    again = retry.in_place.settings() if retry.policy in {"in-place", "resend"} else {"steps": 1, "delay": 0}
    waits = retry.backoff != "none" or retry.bucket is not None or (again["steps"] > 1 and again["delay"])
    stale = group.read == "cache" and strategy in {"update", "merge-patch"}
    refused = strategy == "apply" and not group.force
    if (stale or refused) and not waits and retry.limit is None and retry.budget is None:
        message = f"a try takes no time and a refused one follows at once, for ever: {steps}; wait, or set limit"
        keys = ((*path, "retry", "backoff"), ("retry", "backoff"), path)
        wrong.append(Fault(message, keys if group.retry is not None else keys[1:]))
    return wrong
