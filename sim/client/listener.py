"""Who listens to the processes of controllers: what is recorded of their passes, caches and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sim.cluster.objects import Object


class Kept(Protocol):
    """Where rows are kept."""

    def append(self, row: tuple[Any, ...], /) -> None:
        """Add a row at the end."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """All rows, in order."""


ERROR = -1
"""In place of a verbosity: the line is an error, which every process writes."""


class ProcessListener(Protocol):
    """Listens to processes, and changes nothing. Rows are tuples, appended in the order in which things happen."""

    unsettled: set[str]
    """Names of the subjects about which somebody has something left to do."""
    new_reconcile: Callable[[], int]
    """The number of a reconcile that starts now."""

    @property
    def reconciles(self) -> Kept:
        """A row for each pass, in the order of ``sim.recording.columns.RECONCILES``."""

    @property
    def deliveries(self) -> Kept:
        """Name, resourceVersion and time (ns) of each version of a subject that reached the cache."""

    def found(self, subject: Object) -> None:
        """A subject that was there, with its Secret, when the replication began."""

    def log(self, now: int, verbosity: int, controller: str, key: str, line: str, message: str) -> None:
        """A line that the process logs where its --v is at least ``verbosity``; ``ERROR``: at Error."""
