"""Which of several variants is best: the procedure KN, fully sequential, with paired variances.

S.-H. Kim and B. L. Nelson, "A fully sequential procedure for indifference-zone selection in simulation", ACM
TOMACS 11, 2001. Variants are compared on the same replications; one is dropped as soon as its sum of paired
differences from another leaves a triangle that shrinks with every replication. The variant that is left is the
best with probability 95% at least, if no other is within the indifference zone of it, and within the zone of
the best with that probability in any case (normal observations; common random numbers are allowed and make it fast).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LEVEL = 0.95
FIRST = 10
"""Replications of the first stage, from which the variances of all differences are estimated."""


@dataclass(slots=True)
class Selection:
    """KN for the lowest mean. ``zone`` is the smallest difference worth detecting, in the figure's unit.

    ``left`` are the variants still in; ``dropped`` says at how many replications each of the others went.
    """

    names: Sequence[str]
    zone: float
    level: float = LEVEL
    first: int = FIRST
    left: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    _variances: dict[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.zone <= 0:
            raise ValueError("an indifference zone is more than 0")
        if len(self.names) < 2 or self.first < 2:
            raise ValueError("a selection needs two variants and two replications of each")
        self.left = list(self.names)

    @property
    def best(self) -> str | None:
        """The variant that is left, once it is the only one."""
        return self.left[0] if len(self.left) == 1 else None

    def look(self, values: Mapping[str, Sequence[float]]) -> None:
        """Take the observations of all variants still in, replication by replication, and drop what is beaten.

        ``values`` has the same number of observations of each, ``first`` or more; the variances are those of
        the first ``first``.
        """
        many = len(values[self.left[0]])
        if any(len(values[name]) != many for name in self.left) or many < self.first:
            raise ValueError(f"a look needs {self.first} replications of every variant, and as many of each")
        if not self._variances:
            self._variances = self._first_stage(values)
        means = {name: math.fsum(values[name]) / many for name in self.left}
        beaten = [
            name
            for name in self.left
            if any(means[name] > means[other] + self._width(name, other, many) for other in self.left if other != name)
        ]
        if self._over(many) and len(self.left) - len(beaten) > 1:
            best = min((name for name in self.left if name not in beaten), key=lambda name: means[name])
            beaten = [name for name in self.left if name != best]
        for name in beaten:
            self.left.remove(name)
            self.dropped[name] = many

    def _first_stage(self, values: Mapping[str, Sequence[float]]) -> dict[tuple[str, str], float]:
        found = {}
        for name in self.names:
            for other in self.names:
                if name < other:
                    pairs = zip(values[name][: self.first], values[other][: self.first], strict=True)
                    differences = [a - b for a, b in pairs]
                    mean = math.fsum(differences) / self.first
                    variance = math.fsum((each - mean) ** 2 for each in differences) / (self.first - 1)
                    found[name, other] = found[other, name] = variance
        return found

    def _h2(self) -> float:
        alpha = 1 - self.level
        eta: float = ((2 * alpha / (len(self.names) - 1)) ** (-2 / (self.first - 1)) - 1) / 2
        return 2 * eta * (self.first - 1)  # with c = 1, which Kim and Nelson recommend

    def _width(self, name: str, other: str, many: int) -> float:
        """The continuation region: how far a mean may lie above another's and still be in."""
        reach = self._h2() * self._variances[name, other] / self.zone**2
        return max(0.0, self.zone / (2 * many) * (reach - many))

    def _over(self, many: int) -> bool:
        """Whether all triangles have closed, so that the lowest mean decides."""
        widest = max(
            (self._variances[name, other] for name in self.left for other in self.left if name != other), default=0.0
        )
        return many > self._h2() * widest / self.zone**2
