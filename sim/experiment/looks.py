"""How many replications a comparison or a sweep takes, decided by what it finds: a precision, or a selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sim.analysis import figures
from sim.analysis.selection import FIRST, Selection
from sim.analysis.sequential import Precision, achieved
from sim.experiment.controls import narrowed, with_luck
from sim.scenario.metrics import find
from sim.units import MS, SECOND, spelled

if TYPE_CHECKING:
    from sim.analysis.measured import Measured
    from sim.scenario.model import Scenario

Found = Mapping[str, "Sequence[Measured]"]

GROWTH = 1.1
"""Each look of a selection is at so many times the replications of the one before."""


class UndefinedError(ValueError):
    """A figure that is undefined in some replication, so that nothing can be selected by it."""


class Looks(Protocol):
    """Says when to look at variants, and which of them need more replications then."""

    def sizes(self) -> Iterator[int]:
        """Yield how many replications each variant that is left has at each look."""

    def left(self, found: Found) -> list[str]:
        """Return the variants that need more; none ends it."""

    def kept(self, found: Found) -> Found:
        """Return the replications of every variant as they are to be summed up."""

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out, under ``precision`` or ``selection``."""


class Precisely:
    """Until the metric of every variant is known to a precision; all get as many replications."""

    def __init__(self, metric: str, precision: Precision, scenarios: Mapping[str, Scenario]) -> None:
        self.metric = metric
        self._scenarios = scenarios
        self.asked = precision
        self._rules: dict[str, Precision] = {}
        self._outcome: dict[str, Any] = {}

    def sizes(self) -> Iterator[int]:
        """Yield the sizes of a precision."""
        return self.asked.sizes()

    def left(self, found: Found) -> list[str]:
        """Return all variants, until all are known."""
        kept, left = self._kept(found)
        estimates = {name: figures.estimate(self.metric, each) for name, each in kept.items()}
        rules = {name: self._rules.setdefault(name, Precision(self.asked.relative, self.asked.most)) for name in found}
        enough = [rules[name].enough(each) for name, each in estimates.items()]
        widest = max((share for each in estimates.values() if (share := achieved(each)) is not None), default=None)
        reached = all(rules[name].reached(each) for name, each in estimates.items())
        self._outcome = {"asked": self.asked.relative, "achieved": widest, "reached": reached, "narrowed": left}
        return [] if all(enough) else list(found)

    def kept(self, found: Found) -> Found:
        """Return the replications as they are to be summed up: with their luck where all had the same, and it narrows.

        With different luck a difference would not be that of the two means.
        """
        return self._kept(found)[0]

    def _kept(self, found: Found) -> tuple[Found, float | None]:
        controlled = {name: with_luck(self._scenarios[name], each) for name, each in found.items()}
        left = [narrowed(self.metric, found[name], each) for name, each in controlled.items()]
        used = [each for each in left if each is not None]
        alike = len({tuple(each.luck for each in one) for one in controlled.values()}) == 1
        return (controlled, max(used)) if alike and len(used) == len(left) else (found, None)

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked and what came out."""
        return {"precision": self._outcome}


class Selecting:
    """Until one of ``among`` is left (KN, ``sim.analysis.selection``), each run at most ``most`` times.

    ``zone`` is the smallest difference worth detecting, as a share of the mean of the variant ``base``.
    """

    def __init__(self, metric: str, zone: float, most: int, base: str, among: Sequence[str]) -> None:
        self._metric = metric
        self._zone = zone
        self._most = most
        self._base = base
        self._among = list(among)
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
            base = figures.estimate(self._metric, found[self._base]).mean
            if not base:
                raise UndefinedError(
                    f"{find(self._metric).label} is {base or 0:.3g} as it stands: a share of it is no zone"
                )
            self._selection = Selection(self._among, self._zone * abs(base))
        left = self._selection.left
        self._size = len(found[left[0]])
        self._selection.look(self._values(found, left))
        return [] if self._selection.best is not None else self._selection.left

    def kept(self, found: Found) -> Found:
        """Return the replications as they are."""
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return how it ended, with a sentence."""
        selection = self._selection
        assert selection is not None, "nothing was looked at"
        size_ns = {"seconds": SECOND, "milliseconds": MS}.get(find(self._metric).unit, 0)
        half = spelled(selection.zone * size_ns) if size_ns else f"{selection.zone:.3g}"
        amount = f"{half}, {100 * self._zone:.3g}% of the current mean"
        if selection.best is not None:
            sentence = (
                f"Best with probability {selection.level:.0%}: {selection.best}, or within the indifference zone "
                f"({amount}) of the best; decided after {self._size} replications (KN, paired variances)."
            )
        else:
            sentence = (
                f"Undecided after {self._size} replications between {'; '.join(selection.left)} (indifference zone "
                f"{amount})."
            )
        said = {
            "best": selection.best,
            "probability": selection.level,
            "indifference_zone": selection.zone,
            "left": selection.left,
            "dropped_after": selection.dropped,
            "sentence": sentence,
        }
        return {"selection": said}

    def _values(self, found: Found, names: Sequence[str]) -> dict[str, list[float]]:
        """Return the figure of each, replication by replication, lower is better."""
        values = {}
        for name in names:
            known = [value for value in figures.values(self._metric, found[name]) if value is not None]
            if len(known) < len(found[name]):
                raise UndefinedError(f"{find(self._metric).label} is undefined in some replications of {name}")
            values[name] = [figures.sign(self._metric) * value for value in known]
        return values
