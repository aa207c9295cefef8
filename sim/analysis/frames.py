"""What analyses are made from: the frames of a result, without the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from sim.scenario.model import Scenario


class Frames(NamedTuple):
    """The frames of a result that an attribution is made from."""

    requests: pd.DataFrame
    reconciles: pd.DataFrame
    certificates: pd.DataFrame
    refusals: pd.DataFrame
    deliveries: pd.DataFrame


class Analysed(Protocol):
    """A result as analyses of it see it (``sim.experiment.result``)."""

    scenario: Scenario

    @property
    def measured(self) -> Sequence[Any]:
        """One for each replication."""

    @property
    def requests(self) -> pd.DataFrame:
        """One row for each request."""

    @property
    def reconciles(self) -> pd.DataFrame:
        """One row for each pass."""

    @property
    def certificates(self) -> pd.DataFrame:
        """One row for each Certificate."""

    @property
    def deliveries(self) -> pd.DataFrame:
        """One row for each version that reached the cache."""

    @property
    def attribution(self) -> pd.DataFrame:
        """One row for each conflict."""

    @property
    def blame(self) -> pd.DataFrame:
        """Conflicts by loser and winner."""

    @property
    def staleness(self) -> pd.DataFrame:
        """Where the age of refused copies came from."""

    @property
    def field_conflicts(self) -> pd.DataFrame:
        """One row for each apply that was refused for its fields."""

    @property
    def overwritten(self) -> pd.DataFrame:
        """One row for each write that replaced another unseen."""

    @property
    def losses(self) -> pd.DataFrame:
        """One row for each lost update."""

    @property
    def duplicates(self) -> pd.DataFrame:
        """One row for each object that was created twice."""

    @property
    def hidden_retries(self) -> pd.DataFrame:
        """One row for each request that the server tried more than once inside."""
