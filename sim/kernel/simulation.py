"""Simulated time: SimPy's environment in integer nanoseconds, with cheap calls and fair ties.

Most of what a simulated cluster does is "call this then". A SimPy process for each would cost several kernel
events, so the hot paths schedule a call directly; a SimPy process still works beside them.

What happens at one instant runs in an order drawn from the random stream ``kernel/ties``: first come first
served would favour whoever was scheduled first, which is exactly what is measured here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush, heappushpop
from itertools import chain, islice
from operator import ge
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event
from simpy.core import EmptySchedule
from simpy.events import NORMAL

from sim.kernel.clock import EPOCH
from sim.kernel.streams import Fill, Streams

if TYPE_CHECKING:
    import numpy as np

TIE_RANGE = 1 << 30
_SECOND = 1_000_000_000
_FEW = 1000
_FIRST = -1  # before every other place in a tie


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


Life = Generator[int, int, None]
"""Somebody who yields the time at which he wants to go on, again and again, and is sent it when it has come."""


class Timer:
    """A call that can be cancelled before its time comes."""

    __slots__ = ("_args", "_function")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._function: Callable[..., object] | None = function
        self._args = args

    @property
    def call(self) -> tuple[Callable[..., object], tuple[Any, ...]] | None:
        """The function and its arguments; None once cancelled."""
        return None if self._function is None else (self._function, self._args)

    def cancel(self) -> None:
        """Make the call do nothing when its time comes."""
        self._function, self._args = None, ()

    def fire(self) -> None:
        """Its time has come."""
        if self._function is not None:
            self._function(*self._args)


class Simulation(Environment):
    """A SimPy environment whose time is an integer number of nanoseconds."""

    now: int = 0
    """Nanoseconds since the start: a plain attribute, because it is read hundreds of times an issuance."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(0)
        self.streams = streams
        self.epoch = EPOCH * _SECOND + int(streams.uniform("kernel", "calendar")() * _SECOND)
        """Unix time of the start in nanoseconds, at a fraction of the second that is drawn."""
        self.next_tie: Callable[[], int] = streams.sampler("kernel", "ties", _ties())
        """Draws the place of a call among those of its instant."""
        self.calls: list[Any] = self._queue
        """What is to come: a heap of (time, tie, function, argument). It is SimPy's own queue, whose events are
        calls of ``_happen`` here. Its layout is known in this room alone: others call ``at`` or ``after``."""
        self._far: list[Any] = []
        """What is further off than ``_far_due``, another heap of the same form: see ``later``."""
        self._far_due = -1
        self._far_most = _FEW

    @property
    def unix_seconds(self) -> int:
        """Whole Unix seconds now: the granularity of times in objects."""
        return (self.epoch + self.now) // _SECOND

    @property
    def _now(self) -> int:
        return self.now

    @_now.setter
    def _now(self, now: int) -> None:
        self.now = now

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Schedule a SimPy event; like a call, it takes its place among those of its instant by lot.

        SimPy's urgent ones come before all others of their instant, in their order: counted, they stay below ties.
        """
        place = self.next_tie() if priority == NORMAL else next(self._eid)
        heappush(self.calls, (self.now + int(delay), place, self._happen, event))

    def at(self, when: int, function: Callable[[Any], object], argument: Any) -> None:
        """Call ``function(argument)`` at the time ``when``, which is not over."""
        next_tie = self.next_tie  # a call of what an attribute holds costs more than reading it first
        heappush(self.calls, (when, next_tie(), function, argument))

    def passes(self, when: int) -> bool:
        """Let the time pass until ``when``, where nothing else happens before or at that time; returns whether.

        For what the heap has called and is done but for one call ``at`` that time: it makes the call itself, and
        spares the heap and whatever others would have to find in between. A place among ties is drawn as for ``at``.
        """
        calls = self.calls
        if calls and calls[0][0] <= when:
            return False
        next_tie = self.next_tie
        next_tie()
        self.now = when
        return True

    def scheduler(self) -> Callable[[int, Callable[[Any], object], Any], None]:
        """Return what does as ``at``, for who calls it most: it has nothing to look up."""
        calls, next_tie = self.calls, self.next_tie

        def at(when: int, function: Callable[[Any], object], argument: Any) -> None:
            heappush(calls, (when, next_tie(), function, argument))

        return at

    def after(self, delay: int, function: Callable[[Any], object], argument: Any) -> None:
        """Call ``function(argument)`` after ``delay`` nanoseconds: the form that costs least."""
        next_tie = self.next_tie
        heappush(self.calls, (self.now + delay, next_tie(), function, argument))

    def call_in(self, delay: int, function: Callable[..., object], *args: Any) -> None:
        """Call ``function(*args)`` after ``delay`` nanoseconds."""
        heappush(self.calls, (self.now + delay, self.next_tie(), _call, (function, args)))

    def series(self, delays: Iterable[int], function: Callable[[], object]) -> None:
        """Like ``call_in`` with each of many delays; but only the next call is in the heap, so that it stays small."""
        now, next_tie = self.now, self.next_tie
        whens = array("q", (now + delay for delay in delays))
        ties = array("Q", (next_tie() for _ in whens))  # one that is bent to be the last has 64 bits
        order: Iterable[int] = range(len(whens))
        if any(map(ge, whens, islice(whens, 1, None))):
            order = sorted(order, key=lambda k: (whens[k], ties[k]))
        self._next_of(((whens[k], ties[k]) for k in order), function)

    def _next_of(self, places: Iterator[tuple[int, int]], function: Callable[[], object]) -> None:
        """Put the next call of a series into the heap."""
        for when, tie in places:
            heappush(self.calls, (when, tie, self._one_of, (places, function)))
            return

    def _one_of(self, series: tuple[Iterator[tuple[int, int]], Callable[[], object]]) -> None:
        """A call of a series happens."""
        self._next_of(*series)
        series[1]()

    def timer(self, delay: int, function: Callable[..., object], *args: Any) -> Timer:
        """Like ``call_in``, but the call can be cancelled."""
        timer = Timer(function, args)
        self.later(delay, Timer.fire, timer)
        return timer

    def later(self, delay: int, function: Callable[[Any], object], argument: Any) -> None:
        """Like ``after``, and cheaper for all others where many such calls are far off: tokens, renewals.

        Of these only the first is in the heap with what happens now; when it happens the next one comes there.
        """
        next_tie = self.next_tie
        when, tie = self.now + delay, next_tie()
        if when <= self._far_due:
            heappush(self.calls, (when, tie, function, argument))
        elif self._far_due < 0:
            self._far_due = when
            heappush(self.calls, (when, tie, self._nearest, (function, argument)))
        else:
            heappush(self._far, (when, tie, function, argument))
            if len(self._far) > self._far_most:
                self._forget_cancelled()

    def _forget_cancelled(self) -> None:
        """Drop what was cancelled and is far off: a renewal that was set anew would stay for its two months.

        Done again when the heap is twice as large as what is left.
        """
        self._far = [call for call in self._far if call[2] is not Timer.fire or call[3].call is not None]
        heapify(self._far)
        self._far_most = max(2 * len(self._far), _FEW)

    def _nearest(self, call: Sequence[Any]) -> None:
        """The first of the calls that were far off happens."""
        if self._far:
            self._far_due, tie, *following = heappop(self._far)
            heappush(self.calls, (self._far_due, tie, self._nearest, following))
        else:
            self._far_due = -1
        function, argument = call
        function(argument)

    def begin(self, life: Life) -> None:
        """Let a life begin now."""
        heappush(self.calls, (next(life), self.next_tie(), _live, (self, life)))

    def abort(self, error: Exception) -> None:
        """Raise ``error`` from ``run_until`` before anything else happens; another thread may ask for it."""
        heappush(self.calls, (_FIRST, _FIRST, _raise, error))

    def to_come(self) -> Iterator[tuple[Callable[..., object], tuple[Any, ...]]]:
        """Yield the calls that are yet to happen, in no order: function and arguments, without cancelled ones."""
        for _, _, called, given in chain(self.calls, self._far):
            function, argument = given if called == self._nearest else (called, given)
            if function is _call:
                yield argument
            elif function is not Timer.fire:
                yield function, (argument,)
            elif argument.call is not None:
                yield argument.call

    def let_go(self) -> None:
        """Forget what is yet to come, so that nobody is kept by a call that he waits for."""
        for _, _, function, argument in chain(self.calls, self._far):
            waits = argument[1] if function == self._nearest else argument
            if isinstance(waits, Timer):
                waits.cancel()
            elif isinstance(waits, GeneratorType):
                waits.close()
        self.calls.clear()
        self._far.clear()

    def _happen(self, event: Event) -> None:
        """Let SimPy process an event of its own, which it takes from the head of the queue."""
        heappush(self.calls, (self.now, _FIRST, 0, event))
        super().step()

    def step(self) -> None:
        """Process the next event or call; raises ``simpy.core.EmptySchedule`` where there is none."""
        if not self.calls:
            raise EmptySchedule
        self.now, _, function, argument = heappop(self.calls)
        function(argument)

    def run_until(self, over: Event) -> None:
        """Run until ``over`` has happened: SimPy's own loop without its detours.

        Raises ``simpy.core.EmptySchedule`` where nothing is left to happen before.
        """
        if over.callbacks is None:
            return
        # A callback that leaves the loop, instead of asking at each turn. SimPy's own (StopSimulation) would
        # schedule the event once more, and so keep everything alive that the queue refers to.
        over.callbacks.append(_leave)
        calls = self.calls
        try:
            while calls:
                self.now, _, function, argument = heappop(calls)
                function(argument)
        except _OverError:
            return
        raise EmptySchedule


class _OverError(Exception):
    """What ``run_until`` waits for has happened."""


def _live(whose: tuple[Simulation, Life]) -> None:
    """Go on with a life, and with others as long as nothing else is due: the heap is asked once for each step."""
    sim, life = whose
    calls, next_tie, now = sim.calls, sim.next_tie, sim.now
    try:
        while True:
            when = life.send(now)
            now, _, function, whose = heappushpop(calls, (when, next_tie(), _live, whose))
            sim.now = now
            if function is not _live:
                break
            life = whose[1]
    except StopIteration:
        return
    function(whose)


def _raise(error: Exception) -> None:
    raise error


def _leave(_: Event) -> None:
    raise _OverError


def _call(call: tuple[Callable[..., object], tuple[Any, ...]]) -> None:
    function, args = call
    function(*args)
