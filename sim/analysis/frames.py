"""What analyses are made from: the frames of a result, without the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from sim.recording.stored import Condition
    from sim.scenario.model import Scenario


class Frames(NamedTuple):
    """The frames of a result that an attribution is made from."""

    requests: pd.DataFrame
    reconciles: pd.DataFrame
    certificates: pd.DataFrame
    refusals: pd.DataFrame
    deliveries: pd.DataFrame


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames of the same columns as one, whose categories are those of all, the first one.s first."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    whole = pd.concat(frames, ignore_index=True)
    for name, kind in frames[0].dtypes.items():
        if isinstance(kind, pd.CategoricalDtype) and not isinstance(whole[name].dtype, pd.CategoricalDtype):
            parts = [frame[name].cat for frame in frames]
            whole[name] = union_categoricals(  # the categories of no rows may have no type
                [pd.Categorical.from_codes(each.codes, each.categories.astype("str")) for each in parts]
            )
    return whole


class Analysed(Protocol):
    """A result as analyses of it see it (``sim.experiment.result``)."""

    scenario: Scenario

    @property
    def measured(self) -> Sequence[Any]:
        """One for each replication."""

    def rows(self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()) -> pd.DataFrame:
        """Some columns of a table as a frame, of the rows that meet all conditions."""

    def batches(
        self, name: str, columns: Sequence[str] | None = None, where: Sequence[Condition] = ()
    ) -> Iterator[pd.DataFrame]:
        """The same in parts."""

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
