"""Kinds that a scenario brings along, beside those that every cluster has."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from pydantic import Field

from sim.scenario.values import Part
from sim.units import quoted

EVERYWHERE = ("ConfigMap", "Secret", "Event", "Lease")
"""Kinds that every cluster has."""
OF_CERT_MANAGER = ("Certificate", "CertificateRequest", "Issuer")
"""Kinds that cert-manager brings along."""


class KindSettings(Part):
    """One kind. Without a schema its spec and status hold anything; conditions are a list map by type."""

    plural: str | None = Field(default=None, description="Default: the name in lower case with an s")
    group: str = Field(default="example.com", description="API group. Default: one that nobody has")
    version: str = Field(default="v1", description="Default: v1")
    status: bool = Field(default=True, description="whether it has a status subresource. Default: as kubebuilder's")


def unknown_kind(name: str, kinds: Collection[str]) -> str:
    """Say that there is no such kind, and what was meant."""
    near = get_close_matches(name, kinds, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(kinds))}; add it under kinds"
    return f"there is no kind {quoted(name)}; {hint}"
