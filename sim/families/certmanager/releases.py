"""What differs between the releases of cert-manager, from 1.8 to 1.21, in the behaviour that is modelled.

The simulator asks a ``Release`` for each difference; nothing else compares a preset's name. Sources are paths in the
repository cert-manager/cert-manager, read at the newest patch of each minor release (1.12: v1.12.9, 1.21: v1.21.1, of
which there are recordings). ``STEPS`` says which release changed what; what it does not name is equal by the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from sim.client.fifo import ORDERED_LISTENERS, queue_of


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
    """issuing fails a signed certificate that does not match its key.

    pkg/controller/certificates/issuing/issuing_controller.go.
    """
    denial_comes_first: bool
    """issuing fails an issuance whose request is Denied; before, only where no issuer had said Ready=False to it, as
    cert-manager's own do, and the Certificate stayed Issuing. issuing_controller.go."""
    policies_check_request_key: bool
    """The trigger and readiness chains also hold the Secret's key against the current CertificateRequest's, and
    readiness looks at issuer and key as trigger does; both look for the name of the Certificate in the Secret.

    internal/controller/certificates/policies/policies.go.
    """
    issuing_checks_expiry: bool
    """It also fails one that is expired already. issuing_controller.go."""
    client_go: int
    """client-go 0.N, go.mod. What that changes here are ``listeners_in_map`` and ``informer_queue``."""
    acme_wait_limited: bool
    """challenges waits two minutes at most for an authorization. pkg/controller/acmechallenges/sync.go."""
    acme_finalizers_applied: bool
    """challenges always applies its finalizer (SSA, forced, with uid), lets a finished Challenge go before it resets
    its status, keeps the finalizer where cleaning up failed, and notes presentedAt.

    pkg/controller/acmechallenges/sync.go and update.go.
    """
    acme_finalizer: str
    """Its name. pkg/apis/acme/v1/types.go."""
    acme_check_skips_last_sleep: bool
    """The self-check of http01 sleeps between its five looks only: 8 s and not 10. pkg/issuer/acme/http/http.go."""
    acme_skips_deleted_orders: bool
    """orders leaves an Order alone that is being deleted. pkg/controller/acmeorders/sync.go."""

    @property
    def listeners_in_map(self) -> bool:
        """Whether an informer tells its listeners in the order of a Go map, another each time."""
        return self.client_go > ORDERED_LISTENERS

    @property
    def informer_queue(self) -> str:
        """How informers hand on events (``sim.client.fifo``), in words."""
        return queue_of(self.client_go).called


_ISSUERS = ("acme", "ca", "selfsigned", "vault")

OLDEST = Release(
    name="cert-manager-1.8",
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
    issuing_checks_expiry=False,
    denial_comes_first=False,
    policies_check_request_key=False,
    client_go=23,
    acme_wait_limited=False,
    acme_finalizers_applied=False,
    acme_finalizer="finalizer.acme.cert-manager.io",
    acme_check_skips_last_sleep=False,
    acme_skips_deleted_orders=False,
)
"""The first release that is modelled."""

STEPS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "1.8": {},
        "1.9": {"client_go": 24},
        "1.10": {"client_go": 25},
        "1.11": {"client_go": 26},
        "1.12.9": {"client_go": 27, "denial_comes_first": True},
        "1.13": {
            "client_go": 28,
            "generated_request_name": False,
            "trigger_checks_duplicates": True,
            "policies_check_request_key": True,
            "acme_check_skips_last_sleep": True,
        },
        "1.14": {"client_go": 29},
        "1.15": {"client_go": 30},
        "1.16": {"client_go": 31, "conflict_line_names_key": False, "acme_wait_limited": True},
        "1.17": {"client_go": 32},
        "1.18": {
            "rotation_policy": "Always",
            "revision_history_limit": 1,
            "issuing_checks_certificate": True,
            "acme_skips_deleted_orders": True,
            "acme_finalizer": "acme.cert-manager.io/finalizer",
        },
        "1.19": {"client_go": 34},
        "1.20": {"client_go": 35, "acme_finalizers_applied": True},
        "1.21": {
            "client_go": 36,
            "key_manager_live_get": True,
            "keeps_named_key_secret": True,
            "throttled": False,
            "issuing_checks_expiry": True,
            "issuers": _ISSUERS,
        },
    }
)
"""What each release changed, of the fields of ``Release``, against the one before it.

Not in it because it changes nothing that is simulated: the gate ``ServerSideApply``, alpha and off in all of them, is
the scenario's ``strategy: apply``; ``StableCertificateRequestName`` came as alpha in 1.10 and is on since 1.13; since
1.20 a handler drops an update by its resourceVersion and not by comparing objects (pkg/controller/util.go), and a
watch event always brings another version; the domain-qualified finalizer was behind a gate in 1.16 and 1.17.
"""


def _releases() -> Mapping[str, Release]:
    found: dict[str, Release] = {}
    release = OLDEST
    for version, changes in STEPS.items():
        release = replace(release, name=f"cert-manager-{version}", **changes)
        found[release.name] = release
    return MappingProxyType(found)


RELEASES: Mapping[str, Release] = _releases()
"""Every preset and what it means."""


def release_of(preset: str) -> Release:
    """Return the release that a scenario's ``preset`` names; ``KeyError`` for another name."""
    return RELEASES[preset]


WORDS: Mapping[str, str] = MappingProxyType(
    {
        "key_manager_live_get": "key-manager reads the Certificate live before it creates a key",
        "keeps_named_key_secret": "of several next keys the named one stays",
        "rotation_policy": "rotationPolicy is {} where it is not set",
        "generated_request_name": "names of CertificateRequests are generated and waited for",
        "throttled": "the client's own rate limit applies",
        "revision_history_limit": "old CertificateRequests kept: {}",
        "issuers": "issuer controllers: {}",
        "trigger_checks_duplicates": "a Certificate whose Secret is another's is left alone",
        "conflict_line_names_key": "the log line of a conflict names controller and key",
        "issuing_checks_certificate": "issuing checks the certificate's key",
        "issuing_checks_expiry": "issuing checks the certificate's expiry",
        "denial_comes_first": "a denied request fails the issuance whatever its Ready condition",
        "policies_check_request_key": "trigger and readiness check more of the Secret",
        "listeners_in_map": "informers tell their listeners in random order",
        "informer_queue": "an informer's queue of events: {}",
        "acme_wait_limited": "the wait for an authorization ends after two minutes",
        "acme_finalizers_applied": "finalizers of Challenges are applied",
        "acme_finalizer": "the finalizer of Challenges is {}",
        "acme_check_skips_last_sleep": "the self-check of http01 takes 8 s and not 10 s",
        "acme_skips_deleted_orders": "Orders that are being deleted are left alone",
    }
)
"""What each field says of a release."""


def differences(one: str, other: str) -> dict[str, tuple[Any, Any]]:
    """Return what of ``WORDS`` two presets differ in, and both values; none where they are equal."""
    first, second = release_of(one), release_of(other)
    return {
        name: (getattr(first, name), getattr(second, name))
        for name in WORDS
        if getattr(first, name) != getattr(second, name)
    }


def change(field: str, value: object) -> str:
    """What a release newly says, in words: ``value`` is that of the field in it."""
    shown = ", ".join(value) if isinstance(value, tuple) else "all" if value is None else str(value)
    words = WORDS[field].format(shown)
    return words if value is not False else f"no longer: {words}"
