"""How many replications a comparison takes, decided by what it finds: a precision, or a selection of the best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.analysis.selection import FIRST, Selection
from sim.analysis.sequential import Precision, achieved
from sim.experiment.rules import GROWTH, UndefinedError, said_of, values_of
from sim.scenario.metrics import find

if TYPE_CHECKING:
    from sim.analysis.measured import Measured

Found = Mapping[str, "Sequence[Measured]"]


class Precisely:
    """Until the metric of every variant is known to a precision; all get as many replications."""

    def __init__(self, metric: str, precision: Precision) -> None:
        self._metric = metric
        self._asked = precision
        self._rules: dict[str, Precision] = {}
        self._outcome: dict[str, Any] = {}

    def sizes(self) -> Iterator[int]:
        """Yield the sizes of a precision."""
        return self._asked.sizes()

    def left(self, found: Found) -> list[str]:
        """Return all variants, until all are known."""
        estimates = {name: figures.estimate(self._metric, each) for name, each in found.items()}
        rules = {
            name: self._rules.setdefault(name, Precision(self._asked.relative, self._asked.most)) for name in found
        }
        enough = [rules[name].enough(each) for name, each in estimates.items()]
        widest = max((share for each in estimates.values() if (share := achieved(each)) is not None), default=None)
        reached = all(rules[name].reached(each) for name, each in estimates.items())
        self._outcome = {"asked": self._asked.relative, "achieved": widest, "reached": reached}
        return [] if all(enough) else list(found)

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out."""
        return {"precision": self._outcome}


class Selecting:
    """Until one variant is left (KN, ``sim.analysis.selection``); the first is the one whose mean ``zone`` is of."""

    def __init__(self, metric: str, zone: float, most: int) -> None:
        self._metric = metric
        self._zone = zone
        self._most = most
        self._selection: Selection | None = None
        self._size = 0

    def sizes(self) -> Iterator[int]:
        """Yield growing sizes, until ``most``."""
        size = FIRST
        yield size
        while size < self._most:
            size = min(self._most, max(size + 1, round(size * GROWTH)))
            yield size

    def left(self, found: Found) -> list[str]:
        """Drop what is beaten, and return the others; none once one is left."""
        if self._selection is None:
            base = figures.estimate(self._metric, next(iter(found.values()))).mean
            if not base:
                raise UndefinedError(
                    f"{find(self._metric).label} is {base or 0:.3g} at first: a share of it is no zone"
                )
            self._selection = Selection(list(found), self._zone * abs(base))
        left = self._selection.left
        self._size = len(found[left[0]])
        self._selection.look(values_of(self._metric, found, left))
        return [] if self._selection.best is not None else self._selection.left

    def as_dict(self) -> dict[str, Any]:
        """Return how it ended."""
        assert self._selection is not None, "nothing was looked at"
        return {"selection": said_of(self._selection, self._metric, self._zone, self._size)}
