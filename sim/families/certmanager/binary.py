"""cert-manager's controller binary: which controllers one process runs, in the order of their start."""

from __future__ import annotations

from collections.abc import Sequence

from sim.client.process import Process
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


def binary(process: Process, release: Release, parts: Sequence[str] = PARTS) -> CertManager:
    """Return one run of the binary, before its start, with the controllers of these parts."""
    manager = CertManager(process, release)
    if "certificates" in parts:
        manager.controllers += [kind(manager) for kind in CERTIFICATE_CONTROLLERS]
    if "approver" in parts:
        manager.controllers.append(Approver(manager))
    if "issuer" in parts:
        manager.controllers += [BuiltInIssuer(manager, type_) for type_ in release.issuers]
    return manager
