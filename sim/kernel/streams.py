"""Random numbers: one stream for each replication, actor and purpose.

Two strategies that are compared on the same seed draw the same numbers for the same actor and purpose (common
random numbers), and one more retry of one actor does not shift the luck of another. Numbers are drawn in
batches, because one at a time costs ten times as much.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from itertools import count as count_up
from math import log
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np


Fill = Callable[["np.random.Generator", int], Any]

Z90 = 1.2815515655446004
"""The standard normal's 90th percentile."""


class LognormalTimes(Protocol):
    """Lognormal times, by their median and 90th percentile in nanoseconds."""

    @property
    def p50(self) -> int:
        """The median."""

    @property
    def p90(self) -> int:
        """The 90th percentile."""


class GammaTimes(Protocol):
    """Times of ``shift`` and a gamma variable of ``shape`` and ``scale``, in nanoseconds."""

    @property
    def shift(self) -> int:
        """The least of them."""

    @property
    def shape(self) -> float:
        """The gamma variable's shape."""

    @property
    def scale(self) -> int:
        """The gamma variable's scale."""


_FIRST_BATCH = 32
_LARGEST_BATCH = 256
_LARGEST_ROW = 512


class Streams:
    """All random streams of one replication."""

    def __init__(self, seed: int, replication: int, prefix: str = "") -> None:
        self.seed = seed
        self.replication = replication
        self._prefix = prefix
        self._samplers: dict[tuple[str, str], Callable[[], Any]] = {}

    def of(self, owner: str) -> Streams:
        """The streams of somebody who has actors of the same names: none of them draws anybody else's numbers."""
        return Streams(self.seed, self.replication, f"{self._prefix}{owner}/")

    def generator(self, actor: str, purpose: str) -> np.random.Generator:
        """The NumPy generator of one actor and purpose."""
        return _generator(self.seed, self.replication, self._prefix + actor, purpose)

    def sampler(self, actor: str, purpose: str, fill: Fill) -> Callable[[], Any]:
        """A function that returns one number of ``fill(generator, n)`` at each call.

        Asked again for the same actor and purpose, as after a restart, the stream goes on where it was.
        """
        draw = self._samplers.get((actor, purpose))
        if draw is None:
            # An iterator over batches that are drawn when needed: no Python runs for a single number.
            batches = _batches(self.seed, self.replication, self._prefix + actor, purpose, fill)
            draw = self._samplers[actor, purpose] = chain.from_iterable(batches).__next__
        return draw

    def crowd(self, actor: str, purpose: str, count: int, fill: Fill) -> list[Callable[[], Any]]:
        """A function like ``sampler``'s for each of ``count`` actors of one kind, each with numbers of its own.

        A stream for each would cost 20 microseconds to seed. They are drawn in common: batch k of all actors is one
        array of a stream of its own, and row i belongs to actor i, whoever uses up his row first and however many
        actors there are.
        """
        rows: list[Any] = []

        def row(index: int) -> Iterator[Any]:
            for batch in count_up(0):
                if batch == len(rows):
                    size = min(_FIRST_BATCH * 4**batch, _LARGEST_ROW)
                    generator = _generator(self.seed, self.replication, self._prefix + actor, f"{purpose}/{batch}")
                    rows.append(fill(generator, count * size).reshape(count, size))
                yield rows[batch][index].tolist()

        return [chain.from_iterable(row(index)).__next__ for index in range(count)]

    def latency(self, actor: str, purpose: str, latency: LognormalTimes) -> Callable[[], int]:
        """Lognormal times in nanoseconds with the given median and 90th percentile."""
        import numpy as np

        mu = log(max(latency.p50, 1))
        sigma = (log(max(latency.p90, 1)) - mu) / Z90
        return self.sampler(actor, purpose, lambda rng, n: np.exp(mu + sigma * rng.standard_normal(n)).astype(np.int64))

    def gamma(self, actor: str, purpose: str, times: GammaTimes) -> Callable[[], int]:
        """Shifted gamma times in nanoseconds."""
        import numpy as np

        return self.sampler(
            actor,
            purpose,
            lambda rng, n: (times.shift + rng.gamma(times.shape, times.scale, n)).astype(np.int64),
        )

    def uniform(self, actor: str, purpose: str) -> Callable[[], float]:
        """Floats in [0, 1)."""
        return self.sampler(actor, purpose, lambda rng, n: rng.random(n))

    def exponential(self, actor: str, purpose: str, mean: float) -> Callable[[], int]:
        """Exponential times in nanoseconds with the given mean."""
        import numpy as np

        return self.sampler(actor, purpose, lambda rng, n: rng.exponential(mean, n).astype(np.int64))


def _generator(seed: int, replication: int, actor: str, purpose: str) -> np.random.Generator:
    import numpy as np

    key = (replication, crc32(actor.encode()), crc32(purpose.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _batches(seed: int, replication: int, actor: str, purpose: str, fill: Fill) -> Iterator[Iterable[Any]]:
    """Numbers in batches that grow: most streams give a few, some give thousands."""
    generator = _generator(seed, replication, actor, purpose)
    size = _FIRST_BATCH
    while True:
        # A number is made of its eight bytes when it is drawn: a list of numbers takes five times as many.
        yield _numbers(fill(generator, size))
        size = min(size * 4, _LARGEST_BATCH)


def _numbers(found: np.ndarray) -> Iterable[Any]:
    """Numbers of an array; nobody holds that one while they are drawn."""
    return array(found.dtype.char, found.tobytes())
