"""Running until an interval is narrow enough: sequential stopping with a relative precision.

Replications are added until the half width of the mean's 95% interval is at most ``relative / (1 + relative)`` of
the mean; then the relative error against the true mean is at most ``relative`` (A. M. Law, *Simulation Modeling
and Analysis*, 5th ed., section 9.4.1). Stopping at the first moment that looks narrow favours moments at which the
variance is underestimated, so intervals would cover too rarely. Three measures against that:

* at least ``LEAST`` replications;
* looks at geometrically growing sizes, so that there are few (Y. S. Chow and H. Robbins, "On the asymptotic theory
  of fixed-width sequential confidence intervals", Ann. Math. Stat. 36, 1965, stop at any n; the bias comes from
  early stops);
* narrow enough at two looks in a row (P. W. Glynn and W. Whitt, "The asymptotic validity of sequential stopping
  rules for stochastic simulations", Ann. Appl. Prob. 2, 1992, on early stopping).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim.analysis.intervals import Estimate

LEAST = 20
GROWTH = 1.2
"""Each look is at so many times the replications of the one before."""


@dataclass(slots=True)
class Precision:
    """Asks for a mean known to ``relative`` (.05 is 5%); ``most`` bounds the replications."""

    relative: float
    most: int = 2000
    _narrow: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.relative < 1:
            raise ValueError(f"a precision lies between 0 and 100%, not at {self.relative:.3g}")

    def sizes(self) -> Iterator[int]:
        """Yield how many replications to have at each look, until ``most``."""
        size = min(LEAST, self.most)
        yield size
        while size < self.most:
            size = min(self.most, max(size + 1, round(size * GROWTH)))
            yield size

    def enough(self, estimate: Estimate) -> bool:
        """Look at the estimate: whether it is narrow enough, now and at the look before."""
        self._narrow = self._narrow + 1 if self.reached(estimate) else 0
        return self._narrow >= 2

    def reached(self, estimate: Estimate) -> bool:
        """Whether an estimate is this precise. A mean of 0 known exactly is; one without an interval never is."""
        if estimate.mean is None or estimate.low is None or estimate.high is None:
            return False
        half = (estimate.high - estimate.low) / 2
        return half <= self.relative / (1 + self.relative) * abs(estimate.mean)


def achieved(estimate: Estimate) -> float | None:
    """Return the half width of an interval as a share of its mean; ``None`` where there is none."""
    if estimate.low is None or estimate.high is None or not estimate.mean:
        return None
    return (estimate.high - estimate.low) / 2 / abs(estimate.mean)


def parse(text: str) -> float:
    """Return the share that ``5%`` or ``0.05`` stands for; raises ``ValueError`` where it is none."""
    stripped = text.strip()
    try:
        number = float(stripped.removesuffix("%")) / (100 if stripped.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"{text!r} is no precision; write a share such as 5% or 0.05") from None
    if not 0 < number < 1:
        raise ValueError(f"{text!r} is no precision: it lies between 0 and 100%")
    return number
