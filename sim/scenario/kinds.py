"""Kinds that a scenario brings along, beside those that every cluster has."""

from __future__ import annotations

from pydantic import Field

from sim.scenario.values import Part

EVERYWHERE = ("ConfigMap", "Secret", "Event", "Lease")
"""Kinds that every cluster has."""
CERT_MANAGER = ("Certificate", "CertificateRequest", "Issuer")
"""Kinds that cert-manager brings along."""


class KindSettings(Part):
    """One kind. Without a schema its spec and status hold anything; conditions are a list map by type."""

    plural: str | None = Field(default=None, description="Default: the name in lower case with an s")
    group: str = Field(default="example.com", description="API group. Default: one that nobody has")
    version: str = Field(default="v1", description="Default: v1")
    status: bool = Field(default=True, description="whether it has a status subresource. Default: as kubebuilder's")
