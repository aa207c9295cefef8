"""The parts of a Certificate that attribution tells apart, a bit of a mask each, from the lowest."""

from __future__ import annotations

FIELDS = (
    "status.conditions[Issuing]",
    "status.conditions[Ready]",
    "status.revision",
    "status.notBefore",
    "status.notAfter",
    "status.renewalTime",
    "status.nextPrivateKeySecretName",
    "status.lastFailureTime",
    "status.failedIssuanceAttempts",
    "status (other)",
    "spec",
    "metadata",
)
