"""What goroutines do: they compute in bursts, and park in between."""

from __future__ import annotations

from collections.abc import Callable


class Burst:
    """A stretch of computing: ``demand`` nanoseconds of a core, then ``then()``."""

    __slots__ = ("demand",)

    demand: int

    def has_processor(self) -> Burst:
        """What a goroutine does that computes this first."""
        return self

    def then(self) -> Burst | None:
        """What follows: the goroutine's next burst, or None when it parks."""
        raise NotImplementedError


class BurstThen(Burst):
    """A burst that is followed by a function."""

    __slots__ = ("_then",)

    def __init__(self, demand: int, then: Callable[[], Burst | None]) -> None:
        self.demand = demand
        self._then = then

    def then(self) -> Burst | None:
        """Call the function."""
        return self._then()


Goroutine = Callable[[], "Burst | None"]
"""What a runnable goroutine does once it gets a processor: returns its burst, or None to park again."""
