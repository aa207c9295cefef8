"""What a reconcile may do besides reading its caches: the requests it sends, the work it does, its waits.

A controller's ``reconcile(key)`` returns None where there is nothing to do, or a generator that yields these
and receives what came of them. It ends with the ``Response`` or ``Failure`` that it failed with, or with None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass

from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.scenario.values import Strategy

Remake = Callable[[Object, Strategy | None], Write]
"""Makes a write anew from another copy, by another strategy or, where that is None, the same."""


class Send:
    """Send a write and wait for the answer.

    ``about`` is the name of the subject that it is about; ``read`` the cached copy that it was made from.
    ``remake(copy, strategy)`` returns the write made from another copy, for those that try again in place (strategy
    None: the same one); ``cached`` gives the copy that the cache has now, for clients that read it only once they
    have a token. ``seen`` are, of a creation, the names of those that the cache showed its creator when it decided.
    """

    __slots__ = ("about", "cached", "read", "remake", "seen", "write")

    def __init__(
        self,
        write: Write,
        about: str,
        read: Object | None = None,
        remake: Remake | None = None,
        cached: Callable[[], Object | None] | None = None,
        seen: Collection[str] | None = None,
    ) -> None:
        self.write = write
        self.about = about
        self.read = read
        self.remake = remake
        self.cached = cached
        self.seen = seen

    def read_again(self) -> None:
        """Make the write from what the cache has now, if that is another version."""
        assert self.cached is not None
        assert self.remake is not None
        fresh = self.cached()
        if fresh is not None and fresh is not self.read:
            self.write = self.remake(fresh, None)
            self.read = fresh


class Get(Send):
    """A live read: a request to the server, past the cache."""

    __slots__ = ()


class Compute:
    """Use a core for ``ns`` nanoseconds."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns


class Sleep:
    """Hold the worker for ``ns`` nanoseconds without computing."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns


@dataclass(frozen=True, slots=True)
class Failure:
    """A reconcile that failed without the server's refusal: logged as an error, counted, tried again."""

    message: str
    code: int = 599
    reason: str = "ClientError"

    @property
    def object(self) -> None:
        """Nothing: there is no answer."""


class Waiting:
    """Hold the worker until somebody calls what ``begin`` is given."""

    __slots__ = ("begin",)

    def __init__(self, begin: Callable[[Callable[[], None]], None]) -> None:
        self.begin = begin


@dataclass(frozen=True, slots=True)
class Requeue:
    """A reconcile that asks to be run again: ``after`` nanoseconds, or by the rate limiter where that is None."""

    after: int | None = None


Effect = Send | Compute | Sleep | Waiting
Result = Response | Failure | Requeue | None
"""How a reconcile ends: well, asking to be run again, or failed."""
Reconcile = Generator[Effect, Response, Result]
"""What a reconcile that has something to do is: a generator of effects.

A ``Send`` is answered with the ``Response``, or with a ``Failure`` where no token came in time; both have a
``code``, and a reconcile ends with whichever is 400 or more. The other effects are answered with None.
"""
