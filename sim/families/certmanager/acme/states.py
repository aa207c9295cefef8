"""States of Orders and Challenges (pkg/acme/acme.go)."""

from __future__ import annotations

FAILED = frozenset({"invalid", "expired", "errored"})
"""IsFailureState."""
FINAL = FAILED | {"valid"}
"""IsFinalState."""
