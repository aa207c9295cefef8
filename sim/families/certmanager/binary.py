"""cert-manager's controller binary: which controllers one process runs, in the order of their start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.client.process import Process
from sim.families.certmanager.acme.challenges import Challenges
from sim.families.certmanager.acme.client import AcmeClient
from sim.families.certmanager.acme.issuer import AcmeIssuer
from sim.families.certmanager.acme.orders import Orders
from sim.families.certmanager.acme.scheduler import ChallengeScheduler
from sim.families.certmanager.acme.server import Acme
from sim.families.certmanager.acme.solvers import Visible
from sim.families.certmanager.approver import Approver
from sim.families.certmanager.base import CertManagerController
from sim.families.certmanager.issuers import BuiltInIssuer
from sim.families.certmanager.issuing import Issuing
from sim.families.certmanager.key_manager import KeyManager
from sim.families.certmanager.manager import CertManager
from sim.families.certmanager.metrics import Metrics
from sim.families.certmanager.readiness import Readiness
from sim.families.certmanager.releases import Release
from sim.families.certmanager.request_manager import RequestManager
from sim.families.certmanager.revision_manager import RevisionManager
from sim.families.certmanager.trigger import Trigger


class AcmeOutside(NamedTuple):
    """What an ACME issuer meets outside the cluster; it stays when the process starts again."""

    server: Acme
    visible: Visible


CERTIFICATE_CONTROLLERS: tuple[type[CertManagerController], ...] = (
    Trigger,
    Readiness,
    KeyManager,
    RequestManager,
    Issuing,
    RevisionManager,
    Metrics,
)
PARTS = ("certificates", "approver", "issuer")
"""The controllers of Certificates, the approver and the built-in issuers: all in one process unless asked otherwise."""


def binary(
    process: Process, release: Release, parts: Sequence[str] = PARTS, outside: AcmeOutside | None = None
) -> CertManager:
    """Return one run of the binary, before its start, with the controllers of these parts.

    ``outside`` is the ACME server and what can be seen from it, where the issuer is ACME.
    """
    process.client_go = release.client_go
    manager = CertManager(process, release)
    off = {name for name, options in process.scenario.controllers.each() if not options.enabled}
    if "certificates" in parts:
        manager.controllers += [kind(manager) for kind in CERTIFICATE_CONTROLLERS if kind.label not in off]
    if "approver" in parts and "approver" not in off:
        manager.controllers.append(Approver(manager))
    if "issuer" in parts:
        signer = process.scenario.issuer.type
        manager.controllers += [
            AcmeIssuer(manager) if type_ == signer == "acme" else BuiltInIssuer(manager, type_)
            for type_ in release.issuers
            if "issuer" not in off
        ]
        if outside is not None:
            client = AcmeClient(process, outside.server)
            challenges = Challenges(manager, client, outside.visible) if "challenges" not in off else None
            if "orders" not in off:
                manager.controllers.append(Orders(manager, client))
            if challenges is not None:
                manager.controllers.append(challenges)
                ChallengeScheduler(challenges)
    return manager
