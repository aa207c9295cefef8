"""What differs between the releases of cert-manager that are modelled (model.md section 4).

The simulator asks a ``Release`` for each difference; nothing else compares a preset's name. Sources are paths
in the repository cert-manager/cert-manager at v1.12.9 and v1.21.1 unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Release:
    """One release: each field is one row of the table in model.md section 4."""

    name: str

    key_manager_live_get: bool
    """key-manager reads the Certificate live, before it creates the key Secret, for the name in its status,
    and the Secret if that name exists already.

    pkg/controller/certificates/keymanager/keymanager_controller.go.
    """
    keeps_named_key_secret: bool
    """Of several next-key Secrets, the one named in the status stays; else all are deleted.

    keymanager_controller.go: deleteSecretResources.
    """
    rotation_policy: Literal["Never", "Always"]
    """spec.privateKey.rotationPolicy where it is not set.

    1.12.9: keymanager_controller.go; 1.21: internal/apis/certmanager/v1/defaults.go.
    """
    generated_request_name: bool
    """The server generates the CertificateRequest's name and request-manager then waits for it in the cache
    (poll 100 ms, 5 s); else it is NAME-REVISION, not waited for, and a stale cache gives 409 AlreadyExists.

    internal/controller/feature/features.go: StableCertificateRequestName, on by default in 1.21.
    """
    throttled: bool
    """The client's token bucket applies; else limiting is left to a server with priority and fairness.

    pkg/controller/context.go: NewContextFactory probes the server for it in 1.21 (recorded: no throttle).
    """
    revision_history_limit: int | None
    """spec.revisionHistoryLimit where it is not set; None keeps all CertificateRequests.

    pkg/controller/certificates/revisionmanager/revisionmanager_controller.go: "If nil, then default to 1".
    """
    issuers: tuple[str, ...]
    """The certificaterequests-issuer-* controllers, each of which sees every CertificateRequest and may
    record one WaitingForApproval event. 1.21 as recorded: venafi, which the release has too, was left out.

    cmd/controller/app/options (1.12.9), internal/apis/config/controller/v1alpha1/defaults.go (1.21).
    """
    trigger_checks_duplicates: bool
    """trigger skips a Certificate whose secretName another one uses and looks again after 3 minutes.

    pkg/controller/certificates/trigger/trigger_controller.go: CertificateOwnsSecret.
    """
    conflict_line_names_key: bool
    """The log line about a conflict names controller and key. pkg/controller/controller.go; measured."""
    issuing_checks_certificate: bool
    """issuing fails a signed certificate that is expired or does not match its key.

    pkg/controller/certificates/issuing/issuing_controller.go.
    """
    policies_check_request_key: bool
    """The trigger and readiness chains also hold the Secret's key against the current CertificateRequest's, and
    readiness looks at issuer and key as trigger does.

    internal/controller/certificates/policies/policies.go.
    """
    acme_finalizers_applied: bool
    """challenges always applies its finalizer (SSA, forced, with uid), lets a finished Challenge go before it resets
    its status, keeps the finalizer where cleaning up failed, notes presentedAt, and waits two minutes at most for an
    authorization.

    pkg/controller/acmechallenges/sync.go and update.go.
    """
    acme_finalizer: str
    """Its name. pkg/apis/acme/v1/types.go."""
    acme_check_skips_last_sleep: bool
    """The self-check of http01 sleeps between its five looks only: 8 s and not 10. pkg/issuer/acme/http/http.go."""
    acme_skips_deleted_orders: bool
    """orders leaves an Order alone that is being deleted. pkg/controller/acmeorders/sync.go."""


_ISSUERS = ("acme", "ca", "selfsigned", "vault")

RELEASES: Mapping[str, Release] = MappingProxyType(
    {
        release.name: release
        for release in (
            Release(
                name="cert-manager-1.12.9",
                key_manager_live_get=False,
                keeps_named_key_secret=False,
                rotation_policy="Never",
                generated_request_name=True,
                throttled=True,
                revision_history_limit=None,
                issuers=(*_ISSUERS, "venafi"),
                trigger_checks_duplicates=False,
                conflict_line_names_key=True,
                issuing_checks_certificate=False,
                policies_check_request_key=False,
                acme_finalizers_applied=False,
                acme_finalizer="finalizer.acme.cert-manager.io",
                acme_check_skips_last_sleep=False,
                acme_skips_deleted_orders=False,
            ),
            Release(
                name="cert-manager-1.21",
                key_manager_live_get=True,
                keeps_named_key_secret=True,
                rotation_policy="Always",
                generated_request_name=False,
                throttled=False,
                revision_history_limit=1,
                issuers=_ISSUERS,
                trigger_checks_duplicates=True,
                conflict_line_names_key=False,
                issuing_checks_certificate=True,
                policies_check_request_key=True,
                acme_finalizers_applied=True,
                acme_finalizer="acme.cert-manager.io/finalizer",
                acme_check_skips_last_sleep=True,
                acme_skips_deleted_orders=True,
            ),
        )
    }
)
"""Every preset and what it means."""


def release_of(preset: str) -> Release:
    """Return the release that a scenario's ``preset`` names; ``KeyError`` for another name."""
    return RELEASES[preset]
