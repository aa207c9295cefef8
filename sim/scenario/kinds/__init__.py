"""Kinds of a scenario's own: structural schemas, their rules in CEL, and CustomResourceDefinitions."""

from sim.scenario.kinds.source import EVERYWHERE, OF_ACME, OF_CERT_MANAGER, KindSettings, misnamed, unknown_kind

__all__ = ["EVERYWHERE", "OF_ACME", "OF_CERT_MANAGER", "KindSettings", "misnamed", "unknown_kind"]
