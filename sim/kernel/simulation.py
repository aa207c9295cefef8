"""Simulated time: SimPy's environment in integer nanoseconds, with cheap callbacks and fair ties.

Most of what a simulated cluster does is "call this then". A SimPy process for each would cost several kernel
events, so the hot paths schedule a ``Call`` directly; a SimPy process still works beside them.

Events of one instant run in an order drawn from the random stream ``kernel/ties``: first come first served
would favour whoever was scheduled first, which is exactly what is measured here.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event
from simpy.core import EmptySchedule
from simpy.events import NORMAL

from sim.kernel.streams import Fill, Streams

if TYPE_CHECKING:
    import numpy as np

TIE_RANGE = 1 << 30


def _ties() -> Fill:
    """Numbers whose upper half is drawn and decides; the lower half counts, so that all are different."""
    drawn = 0

    def fill(rng: np.random.Generator, count: int) -> Any:
        nonlocal drawn
        import numpy as np

        numbers = (rng.integers(1, TIE_RANGE, count) << 32) + np.arange(drawn, drawn + count)
        drawn += count
        return numbers

    return fill


class Timer:
    """A call that can be cancelled before its time comes."""

    __slots__ = ("_args", "_function")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._function: Callable[..., object] | None = function
        self._args = args

    def cancel(self) -> None:
        """Make the call do nothing when its time comes."""
        self._function = None

    def fire(self) -> None:
        """Its time has come."""
        if self._function is not None:
            self._function(*self._args)


class Simulation(Environment):
    """A SimPy environment whose time is an integer number of nanoseconds.

    Calls stand in SimPy's own queue as (time, tie, function, arguments), where SimPy's events stand as (time,
    priority, number, event); ``step`` tells them apart. Ties are above SimPy's urgent priority and all different.
    """

    now: int = 0
    """Nanoseconds since the start: a plain attribute, because it is read hundreds of times an issuance."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(0)
        self.streams = streams
        self._tie = streams.sampler("kernel", "ties", _ties())
        self._calls: list[Any] = self._queue  # the same list, of more kinds of items than SimPy says

    @property
    def _now(self) -> int:
        return self.now

    @_now.setter
    def _now(self, now: int) -> None:
        self.now = now

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Schedule a SimPy event; like a call, it takes its place among those of its instant by lot."""
        place: Any = (self.now + int(delay), priority, next(self._eid), event)
        if priority == NORMAL:
            place = (place[0], self._tie(), 0, event)
        heappush(self._calls, place)

    def call_in(self, delay: int, function: Callable[..., object], *args: Any) -> None:
        """Call ``function(*args)`` after ``delay`` nanoseconds."""
        heappush(self._calls, (self.now + delay, self._tie(), function, args))

    def timer(self, delay: int, function: Callable[..., object], *args: Any) -> Timer:
        """Like ``call_in``, but the call can be cancelled."""
        timer = Timer(function, args)
        self.call_in(delay, timer.fire)
        return timer

    def step(self) -> None:
        """Process the next event or call."""
        item = heappop(self._calls) if self._calls else None
        if item is None or item[3].__class__ is not tuple:
            if item is not None:
                heappush(self._calls, item)
            super().step()
            return
        self.now = item[0]
        item[2](*item[3])

    def run_until(self, over: Event) -> None:
        """Run until ``over`` has happened: SimPy's own loop, with a short cut for calls.

        Raises ``simpy.core.EmptySchedule`` where nothing is left to happen before.
        """
        queue = self._calls
        while over.callbacks is not None:
            if not queue:
                raise EmptySchedule
            item = heappop(queue)
            args = item[3]
            if args.__class__ is tuple:
                self.now = item[0]
                item[2](*args)
            else:
                heappush(queue, item)
                super().step()
