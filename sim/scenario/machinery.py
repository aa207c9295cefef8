"""What does the work: the controllers with their queues and client, the API server, the machine, the log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from sim.scenario.errors import Fault, Impossible
from sim.scenario.faults import LeaderElection
from sim.scenario.retry import Retry
from sim.scenario.values import Duration, Part, Strategy, check_order
from sim.units import MS, SECOND, format_duration

_OWN_PREFIXES = ("certificates-", "certificaterequests-", "cert-manager")
"""How the names of cert-manager's own controllers and event recorders begin, which nobody else may have."""
_OWN_NAMES = frozenset({"orders", "challenges"})
"""Those of its controllers whose names begin otherwise."""


def is_own(actor: str) -> bool:
    """Whether this is the name of one of cert-manager's controllers."""
    return actor.startswith(_OWN_PREFIXES) or actor in _OWN_NAMES


def _not_endless(rate: float) -> float:
    """Return a rate of tokens whose waits can be told: one in 116 days at least."""
    if rate < 1e-7:
        raise ValueError(f"found {rate:g}; write a number of at least 1e-7, one in 116 days")
    return rate


class ControllerOptions(Part):
    """Options of one controller that differ from those of all."""

    enabled: bool = Field(
        default=True,
        description="false: it does not run, as with --controllers=*,-certificaterequests-approver where an operator "
        "approves. Default: it runs",
    )
    workers: int | None = Field(
        default=None, ge=1, le=1000, description="for this controller alone. Default: controllers.workers"
    )
    strategy: Strategy | None = Field(
        default=None,
        description="only where the controller writes the status. Default: the scenario's strategy",
    )
    retry: Retry | None = Field(
        default=None,
        description="taken as a whole, not merged with the scenario's. Default: the scenario's retry",
    )


class OwnClient(Part):
    """The token bucket of a process of its own."""

    qps: Annotated[float, AfterValidator(_not_endless)] = Field(
        default=20, gt=0, le=1e6, description="requests a second. Default: controller-runtime's"
    )
    burst: int = Field(default=30, ge=1, le=1_000_000, description="tokens saved. Default: controller-runtime's")


class RequestControllerOptions(ControllerOptions):
    """Options of who approves or signs CertificateRequests; its retry is by default min(5 s * 2^failures, 5 min)."""

    client: OwnClient | None = Field(
        default=None,
        description="it runs in a process of its own with this token bucket, as approver-policy does. Default: none, "
        "cert-manager's own share its process and client, and an external issuer has no limit",
    )


class Controllers(Part):
    """cert-manager's controllers."""

    workers: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="--concurrent-workers, for each controller. Default: cert-manager's",
    )
    trigger: ControllerOptions = ControllerOptions()
    readiness: ControllerOptions = ControllerOptions()
    key_manager: ControllerOptions = ControllerOptions()
    request_manager: ControllerOptions = ControllerOptions()
    issuing: ControllerOptions = ControllerOptions()
    revision_manager: ControllerOptions = ControllerOptions()
    approver: RequestControllerOptions = RequestControllerOptions()
    issuer: RequestControllerOptions = RequestControllerOptions()
    orders: ControllerOptions = ControllerOptions()
    challenges: ControllerOptions = ControllerOptions()
    max_concurrent_challenges: int = Field(
        default=60,
        ge=1,
        le=100_000,
        description="--max-concurrent-challenges: Challenges that an ACME issuer has under way. "
        "Default: cert-manager's",
    )
    check_retry_period: Duration = Field(
        default=10 * SECOND,
        gt=0,
        description="--dns01-check-retry-period: from a failed self-check to the next, of http01 too. "
        "Default: cert-manager's",
    )
    restarts: list[Duration] = Field(
        default=[],
        description="the process is killed at these times and started again at once; the next kill comes after it has "
        "started, which takes restart_takes. Default: never",
    )
    restart_takes: Duration = Field(
        default=200 * MS,
        description="from the start to the first reconcile. Default: measured (model.md section 6)",
    )

    replicas: int = Field(
        default=1,
        ge=1,
        le=10,
        description="processes of cert-manager, of which the one works that holds a lease. Default: one, without lease",
    )
    leader_election: LeaderElection = LeaderElection()

    def each(self) -> Iterator[tuple[str, ControllerOptions]]:
        """Yield each controller that has options of its own, with its key."""
        return ((name, options) for name, options in self if isinstance(options, ControllerOptions))

    @model_validator(mode="after")
    def _possible(self) -> Controllers:
        check_order(self.restarts, "restarts", once=True)
        wrong = [
            Fault(
                f"{key} writes no status of a Certificate, so it has no strategy",
                ((key, "strategy"),),
                at_key=True,
            )
            for key in ("request_manager", "revision_manager")
            if getattr(self, key).strategy is not None
        ]
        for n, (killed, again) in enumerate(pairwise(self.restarts), start=1):
            if again <= killed + self.restart_takes:  # at that very instant the order of the two would be drawn
                message = (
                    f"killed at {format_duration(again)}, the process is still down: the restart at "
                    f"{format_duration(killed)} takes {format_duration(self.restart_takes)} (restart_takes)"
                )
                wrong.append(Fault(message, (("restarts", n), ("restart_takes",))))
        if wrong:
            raise Impossible(*wrong)
        return self


class ClientOptions(Part):
    """The token bucket that all of cert-manager's clients share."""

    qps: Annotated[float, AfterValidator(_not_endless)] = Field(
        default=20, gt=0, le=1e6, description="--kube-api-qps. Default: cert-manager's"
    )
    burst: int = Field(default=50, ge=1, le=1_000_000, description="--kube-api-burst. Default: cert-manager's")
    throttle: bool | None = Field(
        default=None,
        description="false: no limit. Default: as in the release; 1.21 leaves limiting to the server, and plain "
        "clients have no limit",
    )
    read_after_wait: bool = Field(
        default=False,
        description="true: read the cached copy after the wait for a token. Default: before it, as cert-manager does",
    )


class ServerOptions(Part):
    """The API server and its etcd."""

    max_in_flight: int = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="mutating requests served at once. Default: kube-apiserver's",
    )
    network_one_way: Duration = Field(
        default=0,
        description="added to each message between controllers and server. Default: none, as recorded",
    )


class Cpu(Part):
    """The machine that controllers and API server share."""

    cores: int | None = Field(
        default=2,
        ge=1,
        le=1024,
        description="null: CPU work takes time but never waits for a core. Default: as the recorded machine",
    )


class Log(Part):
    """What the controllers log."""

    conflict_level: Literal["info", "debug"] = Field(
        default="info",
        description="of the conflict line; debug is written from verbosity 4 on. Default: cert-manager's",
    )
    verbosity: int = Field(default=2, ge=0, le=10, description="--v. Default: cert-manager's")
