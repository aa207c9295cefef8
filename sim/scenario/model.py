"""The scenario: what a user asks to simulate, validated.

Every field but ``name`` has a default, and every default says where it comes from (after "Default:" in its
description). Times are integer nanoseconds once validated. The model describes; it decides nothing about the
simulation. A part of it that can be read alone has a module of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sim.scenario.certificate import CertificateSpec
from sim.scenario.contention import CLIENTS, Clients, Contention, group_faults
from sim.scenario.deeds import deed_faults
from sim.scenario.errors import Fault, Impossible, Path
from sim.scenario.expectations import CONDITION_PATTERN, parse_condition
from sim.scenario.faults import CONTROLLERS, OWN_CONTROLLERS, PlannedFault, wrong_faults
from sim.scenario.issuer import Issuer
from sim.scenario.kinds import EVERYWHERE, OF_ACME, OF_CERT_MANAGER, KindSettings, misnamed, unknown_kind
from sim.scenario.machinery import ClientOptions, Controllers, Cpu, Log, ServerOptions
from sim.scenario.metrics import ALIASES, CERT_MANAGER, METRICS, OPERATORS, PLAIN, find, metrics_of, missing
from sim.scenario.operators import OperatorSettings, created_kinds, operator_faults, signer_faults
from sim.scenario.properties import Perturbation, Property, property_faults
from sim.scenario.retry import Retry
from sim.scenario.runtimes import built_with
from sim.scenario.values import Duration, Name, Part, Strategy
from sim.scenario.workload import Workload
from sim.scenario.writer import Writer
from sim.units import SECOND, format_duration, quoted

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
        description="end so long after the last creation (plain clients: after the start) at the latest. "
        "Default: as recorded",
    )

    @model_validator(mode="after")
    def _some_time(self) -> Until:
        if self.at_least > self.at_most:
            message = f"at_least is more than at_most, which is {format_duration(self.at_most)}"
            raise Impossible(Fault(message, (("at_least",), ("at_most",))))
        return self


_REPLACED = [
    "preset",
    "workload",
    "certificate",
    "issuer",
    "controllers",
    "log",
    "faults",
    "profile",
    "recording",
]
"""Keys in whose place contention stands."""


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
        wrong = self._contention_faults(self.contention) if self.contention is not None else []
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

    def _contention_faults(self, contention: Contention) -> list[Fault]:
        """What does not go together with the scenario's contention."""
        wrong = []
        for key in _REPLACED:
            if getattr(self, key) != Scenario.model_fields[key].default:
                message = f"{key} is about cert-manager, and contention stands in its place; remove one of them"
                wrong.append(Fault(message, ((key,), ("contention",)), at_key=True))
        for n, writer in enumerate(self.writers):
            if writer.action != "patch" or writer.target != "annotation":
                message = (
                    "beside contention a writer has action patch and target annotation; others are groups of clients"
                )
                wrong.append(Fault(message, (("writers", n, "action"), ("writers", n, "target"), ("writers", n))))
        if self.clients is not None and all(group.loop == "open" for group in contention.groups):
            message = "clients is for loops that are not open; an open loop has as many as jobs need"
            wrong.append(Fault(message, (("clients",),), at_key=True))
        instant = not self.server.network_one_way and not self.client.throttle
        wrong += group_faults(contention, self.strategy, self.retry, instant=instant)
        if contention.warm_up >= self.until.at_most:
            message = f"nothing is left after the warm-up; until.at_most is {format_duration(self.until.at_most)}"
            wrong.append(Fault(message, (("contention", "warm_up"), ("until", "at_most"))))
        return wrong

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
        wrong += signer_faults(self.issuer.operator, self.operators)
        wrong += property_faults(self.properties, kinds)
        wrong += deed_faults(self.workload, self.certificate.secret_name, kinds, created_kinds(self.operators))
        kind_of_writer = next((n for n, writer in enumerate(self.writers) if writer.kind is not None), None)
        if self.contention is not None and kind_of_writer is not None:
            message = "writers beside plain clients write what these do"
            wrong.append(Fault(message, (("writers", kind_of_writer, "kind"), ("contention",)), at_key=True))
        key = next((key for key in ("operators", "kinds", "properties") if getattr(self, key)), None)
        if self.contention is not None and key is not None:
            wrong.append(Fault(f"{key} do not go together with contention", ((key,), ("contention",)), at_key=True))
        if wrong:
            raise Impossible(*wrong)
        return self

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
        end = self.until.at_most + (self.workload.created_by() if self.contention is None else 0)
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

    def retries(self) -> dict[Path, Retry]:
        """Return every retry that is there by its key, the general one first.

        A controller of an operator has one always, its own or its runtime's; others may have the general one.
        """
        own: dict[Path, Retry | None] = {("retry",): self.retry}
        own |= {("controllers", name, "retry"): options.retry for name, options in self.controllers.each()}
        if self.contention is not None:
            own["contention", "retry"] = self.contention.retry
            own |= {("contention", "others", n, "retry"): each.retry for n, each in enumerate(self.contention.others)}
        for n, operator in enumerate(self.operators):
            general = built_with(operator.runtime, operator.queue).retry
            for m, controller in enumerate(operator.controllers):
                own["operators", n, "controllers", m, "retry"] = controller.retry or general
        return {key: retry for key, retry in own.items() if retry is not None}

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
