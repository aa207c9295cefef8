"""Random streams of which single draws are changed: the schedule of a run, bent at a few points.

A ``Bends`` says at which; a run without any has plain ``Streams``, which know nothing of this.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.kernel.streams import Fill, GammaTimes, LognormalTimes, Streams

TIES = "kernel/ties"
_FIRST, _LAST = 1 << 31, 1 << 63
"""Places before and behind all that are drawn; the lowest bits count, so that all are different."""


@dataclass(slots=True)
class Bends:
    """What is changed, and what was met: shared by all streams of a replication.

    ``delays`` has, by "actor/purpose", nanoseconds that are added to draw number n, from 1; ``each`` those that are
    added to every draw. ``ties`` has by number whether a place in a tie becomes the first (True) or the last.
    """

    delays: defaultdict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    each: Counter[str] = field(default_factory=Counter)
    ties: dict[int, bool] = field(default_factory=dict)
    counting: bool = False
    """Whether all draws of durations and ties are counted, for who looks for points to bend."""
    drawn: Counter[str] = field(default_factory=Counter)
    """How many draws were made from each stream that is bent or counted."""
    added: int = 0
    """Nanoseconds that were added to draws so far."""


class BentStreams(Streams):
    """All random streams of one replication, with ``bends``."""

    def __init__(self, seed: int, replication: int, bends: Bends, prefix: str = "") -> None:
        super().__init__(seed, replication, prefix)
        self.bends = bends
        self._bent: dict[tuple[str, str], Callable[[], Any]] = {}

    def of(self, owner: str) -> Streams:
        """See ``Streams.of``."""
        return BentStreams(self.seed, self.replication, self.bends, f"{self._prefix}{owner}/")

    def sampler(self, actor: str, purpose: str, fill: Fill) -> Callable[[], Any]:
        """See ``Streams.sampler``; asked again for the same stream it counts on."""
        return self._wrapped(actor, purpose, super().sampler(actor, purpose, fill), False)

    def latency(self, actor: str, purpose: str, latency: LognormalTimes) -> Callable[[], int]:
        """See ``Streams.latency``."""
        return self._wrapped(actor, purpose, super().latency(actor, purpose, latency), True)

    def gamma(self, actor: str, purpose: str, times: GammaTimes) -> Callable[[], int]:
        """See ``Streams.gamma``."""
        return self._wrapped(actor, purpose, super().gamma(actor, purpose, times), True)

    def exponential(self, actor: str, purpose: str, mean: float) -> Callable[[], int]:
        """See ``Streams.exponential``."""
        return self._wrapped(actor, purpose, super().exponential(actor, purpose, mean), True)

    def _wrapped(self, actor: str, purpose: str, draw: Callable[[], Any], times: bool) -> Callable[[], Any]:
        bends, stream = self.bends, f"{self._prefix}{actor}/{purpose}"
        if (actor, purpose) in self._bent:
            return self._bent[actor, purpose]
        if stream == TIES:
            if bends.ties or bends.counting:
                return self._keep(actor, purpose, _turned(draw, bends.ties, bends.drawn))
        elif times and (stream in bends.delays or stream in bends.each or bends.counting):
            return self._keep(actor, purpose, _delayed(draw, stream, bends))
        return draw

    def _keep(self, actor: str, purpose: str, draw: Callable[[], Any]) -> Callable[[], Any]:
        self._bent[actor, purpose] = draw
        return draw


def _delayed(draw: Callable[[], int], stream: str, bends: Bends) -> Callable[[], int]:
    at, each, drawn = bends.delays.get(stream, {}), bends.each[stream], bends.drawn

    def bent() -> int:
        drawn[stream] = number = drawn[stream] + 1
        late = each + at.get(number, 0)
        bends.added += late
        return draw() + late

    return bent


def _turned(draw: Callable[[], int], ties: Mapping[int, bool], drawn: Counter[str]) -> Callable[[], int]:
    def bent() -> int:
        drawn[TIES] = number = drawn[TIES] + 1
        place, first = draw(), ties.get(number)
        return place if first is None else number + (_FIRST if first else _LAST)

    return bent
