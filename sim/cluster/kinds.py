"""Kinds that the simulated API server serves: their names and their rules.

A run has a registry of its own: what every cluster has (``sim.cluster.builtin``), and what the controllers of its
families and the scenario bring. ``sim.cluster.described`` has the kinds whose objects a schema describes.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.cluster.fields import Paths

MAPS = frozenset({"labels", "annotations"})
"""The parts of an object that are in its metadata."""


class Kind:
    """One kind: its names and its rules; its objects are data that nothing is checked of, and nobody owns.

    ``unconditional`` kinds may be updated without a resourceVersion. ``tracked`` is false where no field ownership is
    kept.
    """

    __slots__ = (
        *("api_version", "first_generation", "group", "name", "namespaced", "paths", "plural", "resource", "tracked"),
        "unconditional",
    )

    def __init__(self, name: str, plural: str, group: str, version: str) -> None:
        self.name = name
        self.group = group
        self.api_version = f"{group}/{version}" if group else version
        self.plural = plural
        self.resource = f"{plural}.{group}" if group else plural
        self.paths = Paths()
        self.namespaced = True
        self.unconditional = True
        self.tracked = False
        self.first_generation = 0

    @property
    def group_kind(self) -> str:
        """The kind as an ``Invalid`` answer names it, such as ``Deployment.apps``."""
        return f"{self.name}.{self.group}" if self.group else self.name


Registry = Mapping[str, Kind]
"""The kinds of one run, by name."""
