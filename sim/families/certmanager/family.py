"""cert-manager as a family of controllers: what it brings into a simulated cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sim.client import writes
from sim.client.conditions import is_true
from sim.client.election import LEASE, Elector, first_lease
from sim.client.manager import Manager
from sim.client.process import Process
from sim.client.surroundings import Surroundings
from sim.client.throttle import OneBucket
from sim.cluster.kinds import Kind
from sim.cluster.objects import Object
from sim.cluster.requesttimes import ServiceClass
from sim.families.certmanager import existing
from sim.families.certmanager.acme import kinds as acme_kinds
from sim.families.certmanager.acme.server import Acme
from sim.families.certmanager.acme.solvers import Visible
from sim.families.certmanager.binary import PARTS, AcmeOutside, binary
from sim.families.certmanager.deeds import ByHand
from sim.families.certmanager.endings import Remains
from sim.families.certmanager.fields import FIELDS
from sim.families.certmanager.kinds import brought
from sim.families.certmanager.manager import CertManager
from sim.families.certmanager.outside import ExternalIssuer, certificates, dns_names, other_writer
from sim.families.certmanager.releases import release_of
from sim.families.certmanager.service import service_class
from sim.families.endings import LastPass
from sim.families.family import Family, Subject
from sim.families.otherwriter import OtherWriters, writer_of
from sim.scenario.deeds import certificate_name
from sim.scenario.faults import CONTROLLERS
from sim.scenario.machinery import OwnClient
from sim.scenario.model import Scenario


def ready(certificate: Object) -> bool:
    """Ready is True."""
    return is_true(certificate.status, "Ready")


def settled(certificate: Object) -> bool:
    """Ready, not issuing, and no next private key left."""
    status = certificate.status
    return ready(certificate) and not is_true(status, "Issuing") and not (status or {}).get("nextPrivateKeySecretName")


OTHER_INFORMERS = ("Order", "Challenge", "Issuer", "ClusterIssuer", "Pod", "Service", "Ingress")
"""What cert-manager's process lists as well when it starts: each list uses a token of its bucket."""

SUBJECT = Subject(
    kind="Certificate",
    ready=ready,
    settled=settled,
    fields=FIELDS,
)


def _apart(scenario: Scenario) -> dict[str, OwnClient]:
    """The parts of cert-manager that run in a process of their own, with its client."""
    parts = {"approver": scenario.controllers.approver, "issuer": scenario.controllers.issuer}
    if scenario.issuer.type == "external":
        del parts["issuer"]  # its client is that issuer's
    return {part: each.client for part, each in parts.items() if each.client is not None and each.enabled}


def _outside(surroundings: Surroundings) -> AcmeOutside | None:
    """The ACME server and what it can see, where the issuer is ACME."""
    scenario = surroundings.scenario
    if scenario.issuer.type != "acme":
        return None
    simulation, settings = surroundings.simulation, scenario.issuer.server
    server = Acme(simulation, simulation.streams, settings, scenario.certificate.duration)
    return AcmeOutside(server, Visible(scenario.issuer.propagation))


class CertManagerPopulation:
    """cert-manager's process, those who ask for Certificates and write them, and an issuer, in one replication."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        scenario, self._sim = surroundings.scenario, surroundings.simulation
        self.release = release_of(scenario.preset)
        issuer = writes.create("Issuer", scenario.issuer.type, {"spec": {}}, manager="lab")
        surroundings.server.api.handle(issuer, self._sim.unix_seconds)
        self._outside = _outside(surroundings)
        existing.put(surroundings)
        if self._outside is not None:  # what is there was issued by the same server
            for number in range(scenario.workload.total - scenario.workload.certificates):
                self._outside.server.known(tuple(dns_names(scenario, certificate_name(number))))
        self._managers: list[CertManager] = []  # one for each start of a process
        self._apart = _apart(scenario)
        self._replicas: dict[str, Process] = {}  # the latest run of each replica of the main process
        self._leading: CertManager | None = None
        if scenario.controllers.replicas > 1:
            lease = first_lease(LEASE, CONTROLLERS, scenario.controllers.leader_election, self._sim.unix_seconds)
            surroundings.server.api.handle(lease, self._sim.unix_seconds)
        for name in scenario.process_names():
            if name == CONTROLLERS or name.startswith(f"{CONTROLLERS}-"):
                self._start_process(name, leads=name == CONTROLLERS)
        for part in self._apart:
            self._start_apart(part)
        simulated = scenario.issuer.type == "external" and scenario.issuer.operator is None
        self._issuers = [ExternalIssuer(surroundings)] if simulated else []
        self._creator = certificates(surroundings)
        self.created: list[Callable[[], None]] = self._creator.finished
        self.done: list[Callable[[], None]] = []
        writers = [
            other_writer(surroundings, each)
            if each.kind in {None, "Certificate"}
            else writer_of(surroundings, each, each.kind or "")
            for each in scenario.writers
        ]
        self._writers = OtherWriters(surroundings, writers)
        self.created.append(self._writers.created)
        for at in scenario.controllers.restarts:
            self._sim.call_in(at, self.kill, CONTROLLERS, 0)

    def _start_process(self, name: str, *, leads: bool = False) -> None:
        """Start a replica of the main process: alone it works at once, of several the one that holds the Lease."""
        wait = self._surroundings.heard_in()
        if wait:
            self._sim.call_in(wait, self._start_process, name)
            return
        scenario = self._surroundings.scenario
        client = scenario.client
        throttled = self.release.throttled if client.throttle is None else client.throttle
        throttle = OneBucket(client.qps, client.burst) if throttled else None
        streams = None if name == CONTROLLERS else self._sim.streams.of(f"process/{name}")
        process = Process(self._surroundings, throttle, name=name, streams=streams, followed=SUBJECT.kind)
        self._replicas[name] = process
        if scenario.controllers.replicas == 1:
            self._work(process)
        else:
            elector = Elector(
                process,
                LEASE,
                scenario.controllers.leader_election,
                elected=lambda: self._work(process),
                lost=lambda: self.kill(name, 0),
            )
            elector.start(leads=leads)

    def _work(self, process: Process) -> None:
        parts = [part for part in PARTS if part not in self._apart]
        manager = binary(process, self.release, parts, self._outside if "issuer" in parts else None)
        if process.link is not None and process.throttle is not None and self._sim.now:
            for kind in OTHER_INFORMERS:
                process.throttle.reserve(writes.get(kind, ""), self._sim.now)
        manager.start()
        self._leading = manager
        self._managers.append(manager)

    def _start_apart(self, part: str) -> None:
        """Start a process of its own for the approver or the built-in issuers, with luck of its own."""
        wait = self._surroundings.heard_in()
        if wait:
            self._sim.call_in(wait, self._start_apart, part)
            return
        client = self._apart[part]
        streams = self._sim.streams.of(f"process/{part}")
        process = Process(self._surroundings, OneBucket(client.qps, client.burst), name=part, streams=streams)
        manager = binary(process, self.release, [part], self._outside if part == "issuer" else None)
        manager.start()
        self._managers.append(manager)

    @property
    def leader(self) -> str:
        """The replica that works; "" while none does."""
        lives = self._leading is not None and not self._leading.process.stopped
        return self._leading.process.name if lives and self._leading is not None else ""

    def kill(self, name: str, down_for: int) -> bool:
        """Kill a process, which is started again after ``down_for`` nanoseconds; False where there is none to kill."""
        if name in self._apart:
            running = next((each for each in reversed(self._managers) if each.process.name == name), None)
            if running is None or running.process.stopped:
                return False
            running.stop()
        else:
            process = self._replicas.get(name)
            if process is None or process.stopped:
                return False
            if self._leading is not None and self._leading.process is process:
                self._leading.stop()
            else:
                process.stop()
        again = self._start_apart if name in self._apart else self._start_process
        self._sim.call_in(down_for + self._surroundings.scenario.controllers.restart_takes, again, name)
        return True

    def start(self) -> None:
        """Begin to create Certificates."""
        self._creator.start()
        if self._surroundings.scenario.workload.deeds:
            ByHand(self._surroundings)

    def unsettled(self) -> int:
        """How many Certificates are not settled, and other writers not through."""
        return len(self._surroundings.listener.unsettled) + self._writers.going_on()

    def quieten(self) -> None:
        """Other writers begin nothing new."""
        self._writers.stop()

    def processes(self) -> Iterator[Manager]:
        """The run of cert-manager that lives, if it is not down."""
        return (manager for manager in self._managers if not manager.process.stopped)

    def remains(self, processes: Iterable[Manager], last: LastPass) -> Remains:
        """What is left once nothing runs any more; ``processes`` are those of all families that live."""
        return Remains(
            self._sim,
            self._surroundings.server,
            processes,
            self._issuers,
            last,
            down=not self.leader,
            writers=bool(self._writers),
        )

    def parts(self) -> Iterator[object]:
        """Everything that was built."""
        for manager in self._managers:
            yield from manager.everything()


class CertManagerFamily:
    """cert-manager, in the release that the scenario names."""

    name = "cert-manager"
    subject = SUBJECT
    listed = True
    service_class: ServiceClass = staticmethod(service_class)

    def kinds(self, scenario: Scenario) -> Iterable[Kind]:
        """Certificate, CertificateRequest, Issuer; those of an ACME issuer where the scenario has one."""
        return (*brought(), *(acme_kinds.brought() if scenario.issuer.type == "acme" else ()))

    def populate(self, surroundings: Surroundings) -> CertManagerPopulation:
        """Build cert-manager's part of one replication."""
        return CertManagerPopulation(surroundings)


CERT_MANAGER: Family = CertManagerFamily()
