"""The scenario: what a user asks to simulate, validated.

Every field but ``name`` has a default, and every default says where it comes from (after "Default:" in its
description). Times are integer nanoseconds once validated. The model describes; it decides nothing about the
simulation. All of its parts can be imported from here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sim.scenario.contention import CLIENTS, Clients, Contention, Times
from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.expectations import CONDITION_PATTERN, parse_condition
from sim.scenario.faults import CONTROLLERS, OWN_CONTROLLERS, PlannedFault, wrong_faults
from sim.scenario.issuer import Issuer
from sim.scenario.kinds import EVERYWHERE, OF_ACME, OF_CERT_MANAGER, KindSettings, misnamed, unknown_kind
from sim.scenario.machinery import ClientOptions, ControllerOptions, Controllers, Cpu, Log, ServerOptions
from sim.scenario.metrics import ALIASES, CERT_MANAGER, METRICS, OPERATORS, PLAIN, find, metrics_of, missing
from sim.scenario.operators import OperatorSettings, operator_faults
from sim.scenario.properties import Perturbation, Property
from sim.scenario.retry import Retry
from sim.scenario.values import Duration, Latency, Name, Part, Rate, Strategy
from sim.scenario.workload import CertificateSpec, PrivateKey, RateArrival, ScheduleArrival, Workload
from sim.scenario.writer import Writer
from sim.units import SECOND, format_duration, quoted

__all__ = [
    "CertificateSpec",
    "ClientOptions",
    "Clients",
    "Contention",
    "ControllerOptions",
    "Controllers",
    "Cpu",
    "Duration",
    "Issuer",
    "Latency",
    "Log",
    "Part",
    "PrivateKey",
    "Rate",
    "RateArrival",
    "Release",
    "Retry",
    "Scenario",
    "ScheduleArrival",
    "ServerOptions",
    "Strategy",
    "Times",
    "Until",
    "Workload",
    "Writer",
]

Release = Literal[
    "cert-manager-1.8",
    "cert-manager-1.9",
    "cert-manager-1.10",
    "cert-manager-1.11",
    "cert-manager-1.12.9",
    "cert-manager-1.13",
    "cert-manager-1.14",
    "cert-manager-1.15",
    "cert-manager-1.16",
    "cert-manager-1.17",
    "cert-manager-1.18",
    "cert-manager-1.19",
    "cert-manager-1.20",
    "cert-manager-1.21",
]


class Until(Part):
    """When a replication ends."""

    settled_for: Duration = Field(
        default=6 * SECOND,
        description="count on so long after all are Ready and none is Issuing. Default: as recorded",
    )
    at_least: Duration = Field(default=0, description="do not end before this time. Default: none, as recorded")
    at_most: Duration = Field(
        default=400 * SECOND,
        gt=0,
        description="end then at the latest. Default: as recorded",
    )

    @model_validator(mode="after")
    def _some_time(self) -> Until:
        if self.at_least > self.at_most:
            message = f"at_least is more than at_most, which is {format_duration(self.at_most)}"
            raise Impossible(Fault(message, (("at_least",), ("at_most",))))
        return self


def contention_faults(scenario: Scenario) -> list[Fault]:
    """Return what does not go together with the scenario's contention."""
    contention = scenario.contention
    assert contention is not None
    wrong = []
    for key in ("preset", "workload", "certificate", "issuer", "controllers", "log", "faults", "profile", "recording"):
        if getattr(scenario, key) != Scenario.model_fields[key].default:
            message = f"{key} is about cert-manager, and contention stands in its place; remove one of them"
            wrong.append(Fault(message, ((key,), ("contention",)), at_key=True))
    for n, writer in enumerate(scenario.writers):
        if writer.action != "patch" or writer.target != "annotation":
            message = "beside contention a writer has action patch and target annotation; others are groups of clients"
            wrong.append(Fault(message, (("writers", n, "action"), ("writers", n, "target"), ("writers", n))))
    if scenario.clients is not None and all(group.loop == "open" for group in contention.groups):
        message = "clients is for loops that are not open; an open loop has as many as jobs need"
        wrong.append(Fault(message, (("clients",),), at_key=True))
    for n, group in enumerate(contention.groups):
        path: Path = ("contention",) if n == 0 else ("contention", "others", n - 1)
        strategy = group.strategy or scenario.strategy
        if group.read == "none" and strategy in {"update", "merge-patch"}:
            message = f"the strategy {strategy} sends the version that was read; read live or cache"
            wrong.append(Fault(message, ((*path, "read"), (*path, "strategy"), ("strategy",))))
        wrong += _timeless(scenario, group, path)
    if contention.warm_up >= scenario.until.at_most:
        message = f"nothing is left after the warm-up; until.at_most is {format_duration(scenario.until.at_most)}"
        wrong.append(Fault(message, (("contention", "warm_up"), ("until", "at_most"))))
    return wrong


def _timeless(scenario: Scenario, group: Clients, path: Path) -> list[Fault]:
    """Return the loops of a group in which no step takes time: simulated time would stand still in them for good.

    There are two: one job after the other, and one try after the other where a try can fail for good at one instant,
    by a cache that has not yet brought what made it stale (a watch takes a nanosecond at least), or by a field that
    another owns. Whatever else goes round costs core time, which a profile cannot make 0.
    """
    assert scenario.contention is not None
    service, network = scenario.contention.service, scenario.server.network_one_way
    messages = bool(network) or not group.message.nothing or not (service is None or service.nothing)
    if messages or scenario.client.throttle or not (group.scan.nothing and group.think.nothing):
        return []
    at = ".".join(str(key) for key in path)
    steps = (
        f"none of {at}.think, .scan and .message, contention.service, server.network_one_way and client.throttle is set"
    )
    wrong = []
    if group.loop == "closed" and group.idle.nothing:
        message = f"a job takes no time and the next one follows at once, for ever: {at}.idle is 0, and {steps}"
        wrong.append(Fault(message, ((*path, "loop"), (*path, "idle"), path)))
    retry = scenario.retry if group.retry is None else group.retry
    again = retry.in_place.settings() if retry.policy in {"in-place", "resend"} else {"steps": 1, "delay": 0}
    waits = retry.backoff != "none" or retry.bucket is not None or (again["steps"] > 1 and again["delay"])
    strategy = group.strategy or scenario.strategy
    stale = group.read == "cache" and strategy in {"update", "merge-patch"}
    refused = strategy == "apply" and not group.force
    if (stale or refused) and not waits and retry.limit is None and retry.budget is None:
        message = f"a try takes no time and a refused one follows at once, for ever: {steps}; wait, or set limit"
        keys = ((*path, "retry", "backoff"), ("retry", "backoff"), path)
        wrong.append(Fault(message, keys if group.retry is not None else keys[1:]))
    return wrong


class Scenario(Part):
    """One experiment: a cluster, a workload, a strategy, and how often to repeat it."""

    name: Name = Field(description="what the results are called; one line")
    description: str = Field(default="", description="for readers; the first line is listed. Default: none")
    preset: Release = Field(
        default="cert-manager-1.12.9",
        description="the release whose behaviour is simulated. Default: the one most recordings are of",
    )
    strategy: Strategy = Field(
        default="update",
        description="how the controllers write a Certificate's status; for one alone, under controllers. "
        "update: the whole status with the cached resourceVersion. apply: forced server-side apply of their "
        "own fields. merge-patch: these fields with the cached resourceVersion. merge-patch-unconditional: "
        "without one, so never refused. Default: cert-manager's, its ServerSideApply gate is off",
    )
    seed: int = Field(
        default=1,
        ge=0,
        lt=2**63,
        description="of all random numbers; the same seed, the same run. Default: arbitrary",
    )
    replications: int = Field(
        default=10,
        ge=1,
        le=100_000,
        description="independent repetitions. Default: enough for a first interval",
    )
    workload: Workload = Workload()
    certificate: CertificateSpec = CertificateSpec()
    issuer: Issuer = Issuer()
    kinds: dict[str, KindSettings] = Field(
        default={}, description="kinds that the cluster serves besides its own and cert-manager's. Default: none"
    )
    operators: list[OperatorSettings] = Field(
        default=[],
        description="manager processes of operators, described step by step; cert-manager runs beside them where the "
        "workload is of Certificates. Default: none",
    )
    controllers: Controllers = Controllers()
    retry: Retry = Retry()
    client: ClientOptions = ClientOptions()
    server: ServerOptions = ServerOptions()
    cpu: Cpu = Cpu()
    writers: list[Writer] = Field(default=[], description="others who write the Certificates. Default: nobody")
    log: Log = Log()
    faults: list[PlannedFault] = Field(
        default=[], description="what goes wrong, when, and for how long. Default: nothing"
    )
    until: Until = Until()
    expect: dict[str, str] = Field(
        default={},
        description='metric: condition, such as conflicts.per_certificate: "< 2". Default: none',
        json_schema_extra={
            "propertyNames": {"enum": [*METRICS, *ALIASES]},
            "additionalProperties": {"type": "string", "pattern": CONDITION_PATTERN},
        },
    )
    properties: list[Property] = Field(
        default=[], description="what must hold, beside what explore looks for anyway. Default: none"
    )
    perturbations: list[Perturbation] = Field(
        default=[], description="changes of the schedule, as requeue explore finds them. Default: none"
    )
    profile: str | None = Field(
        default=None,
        description="how long things take: a profile of scenarios/profiles by name, or a file that requeue calibrate "
        "wrote. Default: the documented figures of an idle two-core machine (sim/scenario/profile.py)",
    )
    recording: str | None = Field(
        default=None,
        description="a recorded case to show beside the result (scenarios/recorded). Default: none",
    )

    contention: Contention | None = Field(
        default=None,
        description="plain clients instead of cert-manager's controllers; the keys preset, workload, certificate, "
        "issuer, controllers, log, faults, profile and recording are then left out. Default: cert-manager's "
        "controllers",
    )
    clients: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="contention only: how many clients, in each group that does not say. Default: 10",
    )

    @property
    def family(self) -> str:
        """The family of controllers that works here: one of ``sim.scenario.metrics.FAMILIES``."""
        if self.contention is not None:
            return PLAIN
        return CERT_MANAGER if self.workload.kind == "Certificate" else OPERATORS

    @property
    def subject(self) -> str:
        """The resource that its figures are about, as requests name it."""
        if self.contention is not None:
            return "configmaps"
        named = self.kinds.get(self.workload.kind)
        if named is not None:
            return named.description(self.workload.kind).plural
        return f"{self.workload.kind.lower()}s"

    @field_validator("writers")
    @classmethod
    def _names_differ(cls, writers: list[Writer]) -> list[Writer]:
        names = [writer.name for writer in writers]
        wrong = [
            Fault(f"two writers are called {quoted(name)}; give each a name of its own", ((n, "name"), (n,)))
            for n, name in enumerate(names)
            if name in names[:n]
        ]
        if wrong:
            raise Impossible(*wrong)
        return writers

    @field_validator("expect")
    @classmethod
    def _conditions_parse(cls, expect: dict[str, str]) -> dict[str, str]:
        wrong = []
        for metric, condition in expect.items():
            try:
                find(metric)
            except ValueError as error:
                wrong.append(Fault(str(error), ((metric,),), at_key=True))
                continue
            try:
                parse_condition(condition, metric)
            except ValueError as error:
                wrong.append(Fault(str(error), ((metric,),)))
        if wrong:
            raise Impossible(*wrong)
        return expect

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Scenario:
        wrong = contention_faults(self) if self.contention is not None else []
        if self.contention is None and self.clients is not None:
            message = "clients are those of contention, which is missing; for Certificates write workload.certificates"
            wrong.append(Fault(message, (("clients",),), at_key=True))
        mine = metrics_of(self.family)
        wrong += [
            Fault(missing(find(metric), self.family), (("expect", metric),), at_key=True)
            for metric in self.expect
            if find(metric).name not in mine
        ]
        if wrong:
            raise Impossible(*wrong)
        return self

    @model_validator(mode="after")
    def _kinds_and_operators(self) -> Scenario:
        given = {*EVERYWHERE, *OF_CERT_MANAGER, *(OF_ACME if self.issuer.type == "acme" else ())}
        wrong = [
            Fault(f"every cluster here has a {name} already", (("kinds", name),), at_key=True)
            for name in self.kinds
            if name in given
        ]
        wrong += misnamed(self.kinds)
        kinds = {*given, *self.kinds}
        if self.workload.kind not in kinds:
            wrong.append(Fault(unknown_kind(self.workload.kind, kinds), (("workload", "kind"),)))
        wrong += [
            Fault(unknown_kind(each.kind, kinds), (("workload", "beside", n, "kind"),))
            for n, each in enumerate(self.workload.beside)
            if each.kind not in kinds
        ]
        twice = [self.workload.kind, *(each.kind for each in self.workload.beside)]
        wrong += [
            Fault(f"{each.kind} is created already", (("workload", "beside", n, "kind"),))
            for n, each in enumerate(self.workload.beside)
            if each.kind in twice[: n + 1]
        ]
        for n, writer in enumerate(self.writers):
            kind = writer.kind or self.workload.kind
            if kind not in kinds:
                wrong.append(Fault(unknown_kind(kind, kinds), (("writers", n, "kind"),)))
            if kind != "Certificate" and writer.target != "annotation" and not writer.set:
                message = f"{writer.target} is about Certificates; name the fields with set"
                wrong.append(Fault(message, (("writers", n, "target"),)))
        taken = {"lab", "external-issuer", *(writer.name for writer in self.writers)}
        wrong += operator_faults(self.operators, kinds, taken)
        wrong += self._signer_faults()
        kind_of_writer = next((n for n, writer in enumerate(self.writers) if writer.kind is not None), None)
        if self.contention is not None and kind_of_writer is not None:
            message = "writers beside plain clients write what these do"
            wrong.append(Fault(message, (("writers", kind_of_writer, "kind"), ("contention",)), at_key=True))
        if self.contention is not None and (self.operators or self.kinds):
            key = "operators" if self.operators else "kinds"
            wrong.append(Fault(f"{key} do not go together with contention", ((key,), ("contention",)), at_key=True))
        if wrong:
            raise Impossible(*wrong)
        return self

    def _signer_faults(self) -> list[Fault]:
        """What is wrong with the operator that signs: it is not described, or does not set a certificate."""
        named, at = self.issuer.operator, (("issuer", "operator"),)
        if named is None:
            return []
        found = {each.name: each for each in self.operators}
        if named not in found:
            known = f"; described: {', '.join(found)}" if found else ""
            return [Fault(f"there is no operator {quoted(named)} under operators{known}", at)]
        controllers = [each for each in found[named].controllers if each.kind == "CertificateRequest"]
        writes = [action.status for each in controllers for step in each.steps for action in step.do if action.status]
        if any("certificate" in write.set for write in writes):
            return []
        message = f"no controller of {named} is for CertificateRequest and sets status.certificate, so nobody signs"
        return [Fault(message, at)]

    @model_validator(mode="after")
    def _faults_fit(self) -> Scenario:
        replicated = self.controllers.replicas > 1 or any(each.leader_election for each in self.operators)
        own = OWN_CONTROLLERS if self.family == CERT_MANAGER else ()
        described = [controller.name for operator in self.operators for controller in operator.controllers]
        wrong = wrong_faults(
            self.faults,
            self.process_names(),
            replicated=replicated,
            kinds={*EVERYWHERE, *OF_CERT_MANAGER, *self.kinds},
            controllers=[*own, *described, *(writer.name for writer in self.writers)],
        )
        if wrong:
            raise Impossible(*wrong)
        return self

    @model_validator(mode="after")
    def _happens_in_time(self) -> Scenario:
        end = self.until.at_most + (self._created_by() if self.contention is None else 0)
        moments: list[tuple[str, int, Path]] = [
            ("the restart", when, ("controllers", "restarts", n)) for n, when in enumerate(self.controllers.restarts)
        ]
        moments += [
            ("the start", writer.start, ("writers", n, "start"))
            for n, writer in enumerate(self.writers)
            if isinstance(writer.start, int)
        ]
        moments += [
            ("the fault", fault.at, ("faults", n, "at")) for n, fault in enumerate(self.faults) if fault.at is not None
        ]
        limit = format_duration(self.until.at_most)
        late = [
            Fault(
                f"{what} at {format_duration(when)} comes after the end; until.at_most is {limit}",
                (path, ("until", "at_most")),
            )
            for what, when, path in moments
            if when >= end
        ]
        if late:
            raise Impossible(*late)
        return self

    def _created_by(self) -> int:
        """The latest that the last Certificate can be created; an upper bound where chance or load decide."""
        arrival, count = self.workload.arrival, self.workload.certificates
        if isinstance(arrival, ScheduleArrival):
            return arrival.schedule[-1]
        if isinstance(arrival, RateArrival):
            return round(count / arrival.rate * SECOND) * (10 if arrival.poisson else 1)
        return 0 if arrival == "at-once" else count * SECOND  # recorded: 10 ms each, on busy cores

    def retries(self) -> list[Retry]:
        """Return every retry that somebody in the scenario has, the general one first."""
        own = [options.retry for _, options in self.controllers.each()]
        own += [group.retry for group in self.contention.groups] if self.contention is not None else []
        return [self.retry, *(retry for retry in own if retry is not None)]

    def process_names(self) -> list[str]:
        """Return the names of the processes of controllers: cert-manager's, its parts that run apart, operators."""
        found = []
        if self.family == CERT_MANAGER:
            found = [CONTROLLERS, *(f"{CONTROLLERS}-{n}" for n in range(2, self.controllers.replicas + 1))]
            parts = {"approver": self.controllers.approver, "issuer": self.controllers.issuer}
            apart = {part for part, options in parts.items() if options.client is not None and options.enabled}
            found += sorted(apart - ({"issuer"} if self.issuer.type == "external" else set()))
        for settings in self.operators:
            found += [settings.name, *(f"{settings.name}-{n}" for n in range(2, settings.replicas + 1))]
        return found

    def clients_of(self, group: Clients) -> int:
        """Return how many clients a group of the contention has; of an open loop as many as jobs need."""
        return group.clients or self.clients or CLIENTS

    def resolved(self) -> dict[str, Any]:
        """The scenario with all defaults, as plain data that loads again to an equal scenario."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The same as YAML: what a results folder keeps, and what ``load`` takes overrides on."""
        import yaml

        text: str = yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True, width=100)
        return text
