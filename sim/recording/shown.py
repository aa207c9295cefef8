"""Frames as a notebook shows them: times as people write them, and not ``0 days 00:00:23.400000``."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pandas as pd

from sim.units import spelled


class Frame(pd.DataFrame):
    """A pandas frame that shows its times as ``23.4 s`` and ``1 min 12 s``, a dash where a thing did not happen.

    Only what is seen differs: the values stay timedeltas, and what is made of such a frame is one too.
    """

    @property
    def _constructor(self) -> type[Frame]:
        return Frame

    def _repr_html_(self) -> str | None:
        if not pd.get_option("display.notebook_repr_html"):
            return None
        most = pd.get_option("display.max_rows")
        return self.to_html(
            max_rows=most if most is None or len(self) <= most else pd.get_option("display.min_rows"),
            max_cols=pd.get_option("display.max_columns"),
            show_dimensions=len(self) > (most or len(self)),
            formatters=self._formatters(),
            notebook=True,
        )

    def _formatters(self) -> dict[Hashable, Callable[[object], str]]:
        return {name: in_words for name, kind in self.dtypes.items() if kind.kind == "m"}


def in_words(time: object) -> str:
    """Return a time of a frame in words."""
    return spelled(time.value) if isinstance(time, pd.Timedelta) else "-"
